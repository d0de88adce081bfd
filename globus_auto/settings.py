"""The settings: one frozen object, and what makes its values usable or wrong."""

from __future__ import annotations

import os
import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from globus_auto.files import unsafe, unsafe_file

MOST = 1_000_000_000  # a sensible limit for every number
ADDRESS = re.compile(r"[^\s@<>,;\"]+@[^\s@<>,;\"]+")
SENDER = re.compile(rf"{ADDRESS.pattern}|(\"[^\"]*\" *|[^\"<>,;@]*)<{ADDRESS.pattern}>")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Settings(msgspec.Struct, frozen=True, rename="upper"):
    """The checked settings: directories normalised, ids in lower case, paths absolute.

    Durations are in the unit that their names end with. `config_path` is the file that was read.
    `secret_configs` are the config files that set ALERT_URLS or PING_URL. `others` are the settings
    of the pairs in ALSO_AT; they have no `others` themselves.
    """

    src_dir: str = ""
    dst_dir: str = ""
    src_id: str = ""
    dst_id: str = ""
    client_id: str = ""
    client_secret_file: str = ""
    email_sender: str = ""
    email_recipients: list[str] = []
    email_repeat_hours: float = 24
    stall_hours: float = 24
    alert_urls: list[str] = []
    ping_url: str = ""
    code_path: str = ""
    python_path: str = ""
    exclude: list[str] = []
    also_at: list[str] = []
    ready_markers: list[str] = []
    settle_seconds: float = 0
    keep_days: float = 0
    keep_markers: list[str] = msgspec.field(default_factory=lambda: ["DO_NOT_DELETE*"])
    verify_destination: bool | Literal["checksum"] = True
    delete_empty_dirs: bool = True
    src_local_dir: str = ""
    free_percent: float = 0
    silent_hours: float = 0
    email_host: str = "localhost"
    email_subject: str = "globus_auto"
    datastore_path: str = "datastore"
    token_path: str = "refresh_token"
    log_path: str = "globus_auto.log"
    history_path: str = "history"
    files_per_task: int = 5000
    rescan_hours: float = 0
    list_concurrency: int = 0
    list_calls_per_second: float = 20
    delete_deadline_minutes: int = 15
    config_path: str = ""
    secret_configs: list[str] = []
    others: list[Settings] = []

    @property
    def mapping(self) -> tuple[str, str, str]:
        """The mapping of transfers: source directory, destination collection, directory there."""
        return self.src_dir, self.dst_id, self.dst_dir

    @property
    def pair(self) -> tuple[str, str, str, str]:
        """Both directories with the ids of their collections."""
        return self.src_id, self.src_dir, self.dst_id, self.dst_dir


FIELDS = {
    field.encode_name: field
    for field in msgspec.structs.fields(Settings)
    if field.name not in ("config_path", "secret_configs", "others")
}


def resolved(given: Settings) -> Settings:
    """Return `given` with paths normalised and made absolute, and ids in lower case."""
    home = given.code_path

    def below_home(path: str) -> str:
        return os.path.join(home, path) if path else ""

    return msgspec.structs.replace(
        given,
        src_dir=_directory(given.src_dir),
        dst_dir=_directory(given.dst_dir),
        src_id=given.src_id.lower(),
        dst_id=given.dst_id.lower(),
        client_id=given.client_id.lower(),
        python_path=given.python_path or sys.executable,
        src_local_dir=os.path.normpath(given.src_local_dir) if given.src_local_dir else "",
        client_secret_file=below_home(given.client_secret_file),
        datastore_path=below_home(given.datastore_path),
        token_path=below_home(given.token_path),
        log_path=below_home(given.log_path),
        history_path=below_home(given.history_path),
    )


def _directory(path: str) -> str:
    """Return `path` without doubled, dotted or trailing slashes; `..` stays, to be rejected."""
    if not path.startswith("/") or ".." in path.split("/"):
        return path
    return "/" + posixpath.normpath(path).strip("/")


def problems_of(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the name of each wrong setting, with a sentence about what is wrong."""
    yield from _wrong_directories(settings)
    yield from _wrong_identifiers(settings)
    yield from _wrong_local_paths(settings)
    yield from _wrong_channels(settings)
    yield from _wrong_numbers(settings)
    for name in ("EXCLUDE", "KEEP_MARKERS"):
        patterns: list[str] = getattr(settings, name.lower())
        for pattern in patterns:
            if not pattern or "/" in pattern:
                yield (
                    name,
                    f"{name}: {pattern!r} must be a pattern for a single name, without a slash.",
                )

    yield from _wrong_ready_markers(settings.ready_markers)


def _wrong_ready_markers(patterns: list[str]) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        if not {"", ".", "..", "**"}.isdisjoint(pattern.split("/")):
            text = f"READY_MARKERS: {pattern!r} must be a path below SRC_DIR without '..' or '**'"
            yield "READY_MARKERS", f"{text}, such as '*/RTAComplete.txt'."
    if len({pattern.count("/") for pattern in patterns}) > 1:
        text = "READY_MARKERS: all patterns must have the same number of slashes,"
        yield "READY_MARKERS", f"{text} as no unit may be inside another."


def _wrong_directories(settings: Settings) -> Iterator[tuple[str, str]]:
    for name, path in (("SRC_DIR", settings.src_dir), ("DST_DIR", settings.dst_dir)):
        if not path:
            yield name, f"{name} is not set in {settings.config_path}."
        elif not path.startswith("/"):
            yield name, f"{name} = {path!r} must be an absolute path, starting with a slash."
        elif ".." in path.split("/"):
            yield name, f"{name} = {path!r} must not contain '..'."
        elif not _sendable(path):
            yield name, f"{name} = {path!r} contains characters that Globus does not accept."
    if settings.src_dir in ("/", "/~"):
        yield (
            "SRC_DIR",
            f"SRC_DIR = {settings.src_dir!r} is a whole collection or home; set a directory below.",
        )
    both_absolute = settings.src_dir.startswith("/") and settings.dst_dir.startswith("/")
    same_endpoint = both_absolute and settings.src_id == settings.dst_id
    if same_endpoint and _nested(settings.src_dir, settings.dst_dir):
        yield (
            "DST_DIR",
            f"SRC_DIR {settings.src_dir} and DST_DIR {settings.dst_dir} are on the same collection:"
            " they must be distinct directories, neither inside the other.",
        )


def _sendable(path: str) -> bool:
    return path.isprintable() and not re.search("[\ud800-\udfff]", path)


def _nested(one: str, other: str) -> bool:
    return os.path.commonpath([one, other]) in (one, other)


def _wrong_identifiers(settings: Settings) -> Iterator[tuple[str, str]]:
    for name in ("SRC_ID", "DST_ID", "CLIENT_ID"):
        value: str = getattr(settings, name.lower())
        if not value:
            yield name, f"{name} is not set in {settings.config_path}."
        elif not UUID.fullmatch(value):
            yield name, f"{name} = {value!r} must be a UUID, as shown in the Globus web app."


def _wrong_local_paths(settings: Settings) -> Iterator[tuple[str, str]]:
    code_path = settings.code_path
    if not code_path:
        yield (
            "CODE_PATH",
            f"{settings.config_path} must set CODE_PATH: each config file needs its own.",
        )
    elif not code_path.startswith("/") or not code_path.endswith("/"):
        yield (
            "CODE_PATH",
            f"CODE_PATH = {code_path!r} must be an absolute path and end with a slash.",
        )
    elif not os.path.isdir(code_path):
        yield "CODE_PATH", f"CODE_PATH = {code_path!r} is not a directory."
    else:
        yield from _replaceable(settings)
    if not (os.path.isabs(settings.python_path) and os.path.isfile(settings.python_path)):
        path = settings.python_path
        yield "PYTHON_PATH", f"PYTHON_PATH = {path!r} must be the absolute path of a file."
    for name in ("DATASTORE_PATH", "TOKEN_PATH", "LOG_PATH", "HISTORY_PATH"):
        if not getattr(settings, name.lower()):
            yield name, f"{name} is not set in {settings.config_path}."
    if settings.src_local_dir and not settings.src_local_dir.startswith("/"):
        yield (
            "SRC_LOCAL_DIR",
            f"SRC_LOCAL_DIR = {settings.src_local_dir!r} must be an absolute path.",
        )
    if settings.client_secret_file and (problem := _unreadable_secret(settings)):
        yield "CLIENT_SECRET_FILE", problem


def _replaceable(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield a sentence for each file or directory that others could change or replace."""
    checks = dict.fromkeys(("CODE_PATH", "HISTORY_PATH"), unsafe) | dict.fromkeys(
        ("DATASTORE_PATH", "TOKEN_PATH", "CLIENT_SECRET_FILE"), unsafe_file
    )
    found: set[str] = set()
    for name, check in checks.items():
        path: str = getattr(settings, name.lower())
        try:
            problem = check(path) if path else None
        except OSError as error:
            problem = f"{path} cannot be checked: {error.strerror}."
        if problem and problem not in found:
            found.add(problem)
            yield name, f"{name}: {problem}"
            if name == "CODE_PATH":
                return  # What it contains has the same problem.


def _unreadable_secret(settings: Settings) -> str | None:
    path = Path(settings.client_secret_file)
    try:
        if path.stat().st_mode & 0o077:
            return f"CLIENT_SECRET_FILE {path} is readable by other users; run: chmod 600 {path}"
        if not path.read_text(encoding="utf-8").strip():
            return f"CLIENT_SECRET_FILE {path} is empty."
    except FileNotFoundError:
        return (
            f"CLIENT_SECRET_FILE {path} does not exist: write the client secret into it, and run"
            f" `chmod 600 {path}`."
        )
    except (OSError, UnicodeDecodeError) as error:
        return f"CLIENT_SECRET_FILE {path} cannot be read: {getattr(error, 'strerror', error)}."
    return None


def _wrong_channels(settings: Settings) -> Iterator[tuple[str, str]]:
    for name in ("EMAIL_SENDER", "EMAIL_SUBJECT", "EMAIL_HOST"):
        if not getattr(settings, name.lower()).isprintable():
            yield name, f"{name} must be a single line of text."
    for recipient in settings.email_recipients:
        if not ADDRESS.fullmatch(recipient) or not recipient.isprintable():
            yield "EMAIL_RECIPIENTS", f"EMAIL_RECIPIENTS: {recipient!r} is not an email address."
    if settings.email_recipients and not SENDER.fullmatch(settings.email_sender):
        yield "EMAIL_SENDER", "EMAIL_SENDER must be an email address if EMAIL_RECIPIENTS is set."
    port = settings.email_host.partition(":")[2]
    if not re.fullmatch(r"[^\s:/]+(:\d{1,5})?", settings.email_host) or int(port or 25) > 65535:
        yield "EMAIL_HOST", f"EMAIL_HOST = {settings.email_host!r} must be host or host:port."
    for url in settings.alert_urls:
        if "://" not in url:
            # Do not repeat the address: it may contain a password.
            yield "ALERT_URLS", "ALERT_URLS: each address must look like service://..."
    if settings.ping_url and not re.match(r"https?://[^\s/]", settings.ping_url):
        yield "PING_URL", "PING_URL must start with https:// or http://."


def _wrong_numbers(settings: Settings) -> Iterator[tuple[str, str]]:
    least = {
        "EMAIL_REPEAT_HOURS": 0.01,
        "STALL_HOURS": 0.01,
        "SETTLE_SECONDS": 0,
        "KEEP_DAYS": 0,
        "SILENT_HOURS": 0,
        "FILES_PER_TASK": 1,
        "RESCAN_HOURS": 0,
        "LIST_CONCURRENCY": 0,
        "LIST_CALLS_PER_SECOND": 0,
        "DELETE_DEADLINE_MINUTES": 1,
    }
    for name, smallest in least.items():
        value = getattr(settings, name.lower())
        if not smallest <= value <= MOST:
            yield name, f"{name} = {value} must be between {smallest} and {MOST}."
    if not 0 <= settings.free_percent <= 99:
        yield "FREE_PERCENT", f"FREE_PERCENT = {settings.free_percent} must be between 0 and 99."
    elif settings.free_percent and not settings.src_local_dir:
        text = "SRC_DIR must be mounted on this machine, to find out how full its disk is."
        yield "FREE_PERCENT", f"FREE_PERCENT needs SRC_LOCAL_DIR: {text}"
