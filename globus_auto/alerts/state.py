"""Open alerts between runs: when each is sent, repeated and resolved; datastore.health."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from globus_auto import files
from globus_auto.alerts.due import (
    DAY,
    key_of,
    make_digest,
    mark_notified,
    said_before,
    update_open_alerts,
)
from globus_auto.alerts.model import KINDS, Alerts, Digest, OpenAlert
from globus_auto.files import write_atomically
from globus_auto.text import utf8

log = logging.getLogger(__name__)

MAX_PATHS = 10_000  # paths of one kind, so that the file stays small
ROOM = 4096  # bytes; the file has at least so many spaces at its end, for more alerts


class ScanSummary(msgspec.Struct, kw_only=True):
    """What the last complete scan of the source found.

    `at` is its time, `newest` the latest mtime of a file that is not in the future, `oldest` that
    of the oldest file that is not delivered, `oldest_path`: all in seconds since 1970 UTC.
    """

    at: int
    files: int
    bytes: int
    newest: int | None
    undelivered: int
    undelivered_bytes: int
    oldest: int | None
    oldest_path: str


class Appearance(msgspec.Struct, kw_only=True, frozen=True):
    """When a file last appeared in the source directory `source_dir`: at `at`.

    `newest` is the latest mtime that any file has had, except those in the future; both are in
    seconds since 1970 UTC. `files` is how many files the last scan found or the datastore still
    had, less those that delete.py has deleted since; None if that scan was not complete.
    """

    source_dir: str
    at: int
    newest: int
    files: int | None


class Waiting(msgspec.Struct, kw_only=True, frozen=True):
    """The undelivered file with the earliest `mtime`: since when, and how often it was sent.

    Times are in seconds since 1970 UTC.
    """

    path: str
    mtime: int
    since: int
    tries: int


class Held(msgspec.Struct, kw_only=True, frozen=True):
    """What a unit without its markers holds back: so many `files`, `newest` their latest mtime.

    This has not changed since `since`. Both times are in seconds since 1970 UTC.
    """

    files: int
    newest: int
    since: int


class KeptSummary(msgspec.Struct, kw_only=True):
    """How many files the last run of delete.py kept, by reason; `at` is in seconds UTC."""

    at: int
    files: dict[str, int]


class AlertState(msgspec.Struct, kw_only=True):
    """What is remembered beside the datastore, and is readable even if that is not; it may be lost.

    Times are seconds since 1970 UTC. `last_good` is when each program last ended with exit code 0.
    `generation` is the highest of a datastore that was saved here. `names` are the display names of
    both collections by id. `empty_since` is when SRC_DIR was found empty although files had been
    there. By path: `undeleted` are files that could not be deleted, `doubted` is when a file was
    last sent again because its copy could not be verified, and `refused` when Globus last rejected
    it. `resolved_at` is when a message said that an alert was resolved, by its kind and subject.
    `scan` and `kept` are for reports. `appearance` and `waiting` show what has not happened for too
    long; so does `held`, by the path of a unit. `empty` are directories that were seen empty, and
    that delete.py has not tried to delete since; at `pruned_at` it last looked for all of them.
    `ignores_case` is the last destination that was seen to ignore case, as "COLLECTION_ID:PATH".
    """

    alerts: list[OpenAlert] = []
    last_good: dict[str, int] = {}
    generation: int = 0
    names: dict[str, str] = {}
    empty_since: int | None = None
    undeleted: list[str] = []
    doubted: dict[str, int] = {}
    refused: dict[str, int] = {}
    scan: ScanSummary | None = None
    kept: KeptSummary | None = None
    appearance: Appearance | None = None
    waiting: Waiting | None = None
    held: dict[str, Held] = {}
    resolved_at: dict[str, int] = {}
    empty: list[str] = []
    pruned_at: int = 0
    ignores_case: str = ""

    @property
    def doubted_is_full(self) -> bool:
        """Whether older entries of `doubted` may have been dropped."""
        return len(self.doubted) >= MAX_PATHS

    def keep_undeleted(self, paths: list[str]) -> None:
        """Remember the sorted `paths` of files that could not be deleted, as many as fit."""
        self.undeleted = paths[:MAX_PATHS]

    def keep_empty(self, paths: list[str]) -> None:
        """Remember the `paths` of directories that were seen empty, as many as fit."""
        self.empty = sorted(paths)[:MAX_PATHS]

    def count_deleted(self, number: int) -> None:
        """Remember that delete.py has deleted `number` files since the last scan."""
        last = self.appearance
        if last and last.files is not None:
            self.appearance = msgspec.structs.replace(last, files=last.files - number)

    def was_refused(self, path: str, now: int) -> bool:
        """Return whether Globus refused `path` less than a day before `now`."""
        return path in self.refused and 0 <= now - self.refused[path] < DAY

    def refuse(self, paths: list[str], now: int) -> None:
        """Remember that Globus rejected `paths` at `now`."""
        self.refused = _noted(self.refused, paths, now, DAY)

    def doubt(self, paths: list[str], now: int) -> None:
        """Remember that `paths` are sent again at `now`, as their copies could not be verified."""
        self.doubted = _noted(self.doubted, paths, now, 7 * DAY)

    def update(self, alerts: Alerts, now: int, repeat: float) -> Digest:
        """Update the alerts after a run that fired and resolved `alerts`; return what to send.

        `now` is in seconds UTC, and reminders go every `repeat` seconds.
        """
        lately = {key for key, at in self.resolved_at.items() if 0 <= now - at < repeat}
        self.alerts = update_open_alerts(self.alerts, alerts, now, repeat, lately)
        return make_digest(self.alerts, alerts, now, repeat)

    def mark_sent(self, what: Digest, now: int, repeat: float) -> None:
        """Remember that the digest `what` was sent at `now`."""
        self.alerts = mark_notified(self.alerts, what, now)
        resolved = [key_of(alert) for alert in what.resolved]
        self.resolved_at = _noted(self.resolved_at, resolved, now, repeat)


def _noted(before: dict[str, int], paths: list[str], now: int, kept: float) -> dict[str, int]:
    """Return `before`, less what is older than `kept` seconds, with `paths` at `now`."""
    recent = {path: at for path, at in before.items() if 0 <= now - at < kept}
    return dict(list({**recent, **dict.fromkeys(map(utf8, paths), now)}.items())[-MAX_PATHS:])


def recall(path: str, repeat_hours: float) -> dict[tuple[str, str], OpenAlert]:
    """Return what `said_before` returns now of the open alerts in the health file at `path`."""
    return said_before(read_state(path).alerts, int(time.time()), repeat_hours * 3600)


@contextmanager
def open_state(path: str) -> Iterator[AlertState]:
    """Yield the state at `path` under its lock, and save it at the end if it has changed.

    An unreadable file counts as empty: alerts are then sent again, which does no harm. Raise
    OSError if it cannot be locked or saved.
    """
    with open(f"{path}.lock", "w", opener=files.private) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        health = read_state(path)
        before = msgspec.to_builtins(health)
        yield health
        after = msgspec.to_builtins(health)
        if after != before:
            # As ASCII, which holds names that are not UTF-8 as well.
            _save(path, json.dumps(after, indent=1).encode())


def take_alerts(path: str, about: str) -> list[OpenAlert]:
    """Remove the alerts on settings whose subject begins with `about` from a state; return them.

    Return none if the state at `path` cannot be saved.
    """

    def is_wanted(alert: OpenAlert) -> bool:
        return alert.kind == "settings" and alert.about.startswith(about)

    try:
        if not (os.path.exists(path) and files.in_safe_directory(path)):
            return []
        taken = list(filter(is_wanted, read_state(path).alerts))
        if taken:
            with open_state(path) as state:
                state.alerts = [alert for alert in state.alerts if not is_wanted(alert)]
    except OSError as error:
        log.info("Cannot write %s: %s", path, error)
        return []
    return taken


def _save(path: str, data: bytes) -> None:
    """Replace the file at `path` by `data`, with spaces at its end.

    On a full disk no file can be written, and one that has room for `data` is overwritten in place:
    otherwise each run would send the same alerts again. Raise OSError if it has no room.
    """
    size = (len(data) // ROOM + 2) * ROOM
    try:
        write_atomically(path, [data.ljust(size - 1), b"\n"])
    except OSError as error:
        room = os.stat(path).st_size if os.path.exists(path) else 0
        if room < len(data):
            raise
        log.info("Overwriting %s in place: %s", path, error)
        with open(path, "r+b") as file:
            file.write(data.ljust(room))


def _upgraded(document: Any) -> Any:  # noqa: ANN401 - it may be anything
    """Return the document of a health file in the present form: notes had the key `once`."""
    open_alerts = document.get("alerts") if isinstance(document, dict) else None
    for alert in open_alerts if isinstance(open_alerts, list) else ():
        if isinstance(alert, dict) and alert.pop("once", False):
            alert["severity"] = "note"
    return document


def read_state(path: str) -> AlertState:
    """Return the state at `path`; a missing or unreadable file counts as empty."""
    try:
        with open(path, "rb") as file:
            health = msgspec.convert(_upgraded(json.load(file)), AlertState)
        # Alerts of an earlier version may have kinds that no longer exist.
        health.alerts = [alert for alert in health.alerts if alert.kind in KINDS]
        return health
    except FileNotFoundError:
        return AlertState()
    # In msgspec 0.19 a ValidationError is no ValueError.
    except (OSError, ValueError, RecursionError, msgspec.ValidationError) as error:
        log.warning("Cannot read %s, so open alerts are sent again: %s", path, error)
        return AlertState()
