"""Read config.py and the file given by --config into Settings, or name everything wrong."""

from __future__ import annotations

import difflib
import os
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


def read_settings(config: str | None = None, *, alone: bool = False) -> Settings:
    """Return the settings of config.py, overlaid with those of the file `config` if given.

    If `alone`, do not read those of the pairs in ALSO_AT. Raise SettingsError with all problems,
    one sentence each.
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
    others, unusable = _other_pairs(settings) if not alone else ([], {})
    settings = msgspec.structs.replace(settings, others=others)
    wrong = {**dict(problems_of(settings)), **unusable, **mistyped}
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
        return read_settings(config, alone=True)
    except SettingsError as error:
        return error.usable


def _other_pairs(settings: Settings) -> tuple[list[Settings], dict[str, str]]:
    """Return the settings of the pairs in ALSO_AT, and a sentence if one of them is unusable."""
    others: list[Settings] = []
    for path in settings.also_at:
        if not os.path.isabs(path):
            return [], {"ALSO_AT": f"ALSO_AT: {path!r} must be an absolute path, of a config file."}
        try:
            other = read_settings(path, alone=True)
        except SettingsError as error:
            return [], {"ALSO_AT": f"ALSO_AT: {path} cannot be used. {error.problems[0]}"}
        if problem := _unfit(other, settings, others):
            return [], {"ALSO_AT": f"ALSO_AT: {path} {problem}"}
        others.append(other)
    return others, {}


def _unfit(other: Settings, settings: Settings, listed: list[Settings]) -> str | None:
    """Return why the pair `other` cannot be in the ALSO_AT of `settings`, or None."""
    if os.path.realpath(other.datastore_path) == os.path.realpath(settings.datastore_path):
        return "has the datastore of this pair: list the config files of other pairs."
    if (other.src_id, other.src_dir) != (settings.src_id, settings.src_dir):
        return "has another source: SRC_ID and SRC_DIR must be the same there, and spelled alike."
    for one in (settings, *listed):
        if (other.dst_id, other.dst_dir) == (one.dst_id, one.dst_dir):
            return f"has the destination of {one.config_path}: its copies would be the same."
    return None


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
            kind = KINDS[wanted]
            if isinstance(value, str) and wanted in (int, float, bool):
                wrong[name] = f"{name} must be {kind}, without quotes."
            else:
                wrong[name] = f"{name} must be {kind}; it is of type {type(value).__name__}."
    return wrong
