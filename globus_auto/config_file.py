"""Read config.py and the file given by --config into Settings, or name everything wrong."""

from __future__ import annotations

import difflib
import runpy
from pathlib import Path
from typing import Any, Literal

import msgspec

from globus_auto.files import readable_by_others, unsafe, unsafe_file
from globus_auto.settings import FIELDS, Settings, problems_of, resolved

CONFIG = Path(__file__).with_name("config.py")
KINDS = {
    str: "a string in quotes",
    list[str]: 'a list of strings, e.g. ["*.tmp"]',
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    bool | Literal["checksum"]: 'True, False or "checksum"',
}


class SettingsError(Exception):
    """The settings cannot be used; `problems` has a sentence for each wrong one.

    `usable` has the correct settings, and defaults for the others: enough to send an alert.
    """

    def __init__(self, problems: list[str], usable: Settings) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.usable = usable


def read_settings(config: str | None = None) -> Settings:
    """Return the settings of config.py, overlaid with those of the file `config` if given.

    Raise SettingsError with all problems, one sentence each.
    """
    path = Path(config).absolute() if config else CONFIG
    problems: list[str] = []
    files = list(dict.fromkeys([CONFIG, path]))
    read = [_read(file, problems) for file in files]
    values: dict[str, Any] = {}
    for found in read:
        values |= found or {}
    code_path = (read[-1] or {}).get("CODE_PATH")
    own = path == CONFIG and not is_installed()
    values["CODE_PATH"] = code_path or (f"{CONFIG.parent}/" if own else "")
    mistyped = _mistyped(values)
    right = {name: value for name, value in values.items() if name not in mistyped}
    given = msgspec.convert(right, Settings)
    secret = [str(file) for file, found in zip(files, read, strict=True) if _has_secret(found)]
    settings = msgspec.structs.replace(
        resolved(given), config_path=str(path), secret_configs=secret
    )
    wrong = {**dict(problems_of(settings)), **mistyped}
    # An unusable file sets nothing, and each setting would be reported as missing.
    problems += mistyped.values() if None in read else wrong.values()
    if problems:
        defaults = {FIELDS[name].name: getattr(Settings(), FIELDS[name].name) for name in wrong}
        raise SettingsError(problems, msgspec.structs.replace(settings, **defaults))
    return settings


def is_installed() -> bool:
    """Return whether pip has installed this package, whose config.py is then nobody's to edit.

    It leaves a directory of metadata beside the package; in a clone there is none with a version.
    """
    return any(CONFIG.parent.parent.glob("globus_auto-*-info"))


def peek(config: str) -> Settings:
    """Return the usable settings of the file `config`, and defaults for the rest."""
    try:
        return read_settings(config)
    except SettingsError as error:
        return error.usable


def exposed_files(settings: Settings) -> list[str]:
    """Return the files with secrets that other users can read: config files and the login."""
    return list(filter(readable_by_others, [*settings.secret_configs, settings.token_path]))


def unsafe_log(settings: Settings) -> str | None:
    """Return why others could change or replace the log, or None."""
    try:
        return unsafe_file(settings.log_path) if settings.log_path else None
    except OSError:
        return None  # It cannot be written either.


def _has_secret(found: dict[str, Any] | None) -> bool:
    """Return whether the settings of a file contain addresses that work as passwords."""
    return bool(found and (found.get("ALERT_URLS") or found.get("PING_URL")))


def _read(path: Path, problems: list[str]) -> dict[str, Any] | None:
    """Return the settings that the Python file `path` sets; None if it cannot be used."""
    try:
        problem = unsafe(str(path))
        if problem:
            problems.append(problem)
            return None
        names = runpy.run_path(str(path))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the file is the user's own Python
        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
        problems.append(f"{path} cannot be read: {reason}.")
        return None
    found = {name: value for name, value in names.items() if name.isupper()}
    for name in sorted(found.keys() - FIELDS.keys()):
        near = difflib.get_close_matches(name, FIELDS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        problems.append(f"{path} sets {name}, which is not a setting.{hint}")
    return {name: value for name, value in found.items() if name in FIELDS}


def _mistyped(values: dict[str, Any]) -> dict[str, str]:
    """Return a sentence for each of `values` that is not of its setting's type, by name."""
    wrong = {}
    for name, value in values.items():
        wanted = FIELDS[name].type
        try:
            msgspec.convert(value, wanted)
        except msgspec.ValidationError:
            # Do not repeat the value: an address may contain a password.
            wrong[name] = f"{name} must be {KINDS[wanted]}; it is of type {type(value).__name__}."
    return wrong
