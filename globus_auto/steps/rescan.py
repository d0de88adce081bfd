"""RESCAN_HOURS: directories that have not changed need not be listed again in each scan.

What a scan saw in a directory holds as long as the directory's mtime does not move: each new,
removed or renamed name moves it. That is so only in directories without subdirectories, and not
for files that are rewritten in place, so each of these is listed again now and then.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time

import msgspec

from globus_auto.files import QUARANTINE, matcher, write_atomically
from globus_auto.settings import Settings
from globus_auto.steps.plan import Content, TransferPlan
from globus_auto.steps.session import Session
from globus_auto.walk import DirectoryListing

log = logging.getLogger(__name__)

HOUR = 3600  # seconds
# Seconds by which clocks may differ: what changed so lately may change again unnoticed, as an mtime
# that does not move.
CLOCK_SLACK = 600
SAVE_SECONDS = 60  # so much of a scan is lost at most, if it is killed


class Seen(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """A directory that was listed at `at` (seconds UTC), and what it contained.

    `stamp` is its mtime in seconds and, on a mount, its mtime and its ctime in nanoseconds.
    `records` is a hash of the records of its files.
    """

    at: int
    stamp: tuple[int, ...]
    records: int
    content: Content


class Rescan:
    """The directories that a scan need not list; `datastore.listed` holds them between runs.

    It is a cache: if it is missing or damaged, or if a setting has changed that decides what a scan
    does with a file, every directory is listed.
    """

    def __init__(self, session: Session, plan: TransferPlan) -> None:
        settings = session.context.settings
        self._session, self._plan = session, plan
        self._path = f"{settings.datastore_path}.listed"
        self._excluded = matcher(settings.exclude)
        self._stamps: dict[str, tuple[int, ...]] = {}
        self._now: dict[str, Seen] = {}
        # --full compares all files.
        self._is_on = settings.rescan_hours > 0 and not session.context.options.full
        self._before = _load(self._path, settings) if self._is_on else {}
        self._changed = False
        self._saved_at = time.monotonic()

    def skips(self, path: str, mtime: int) -> bool:
        """Return whether the directory at `path` need not be listed, by its mtime (seconds UTC).

        If so, count what was in it as found.
        """
        if not self._is_on or not mtime:
            return False
        self._stamps[path] = stamp = self._stamp(path, mtime)
        seen, hours = self._before.get(path), self._session.context.settings.rescan_hours
        if (
            seen is None
            or seen.stamp != stamp
            or is_due(path, seen.at, self._plan.began, hours)
            or seen.records != self._records(path)
        ):
            self._changed |= self._before.pop(path, None) is not None
            return False
        del self._stamps[path]
        self._plan.add_trusted(path, seen.content)
        self._now[path] = seen
        return True

    def add(self, listing: DirectoryListing) -> None:
        """Remember a directory that was listed and classified, if it may be left out from now on.

        It may if all in it is delivered or excluded, nothing in it is odd, and neither it nor a
        file in it was modified lately.
        """
        path, plan, settings = listing.path, self._plan, self._session.context.settings
        stamp = self._stamps.pop(path, ())
        is_odd = listing.directories or listing.others or listing.unsendable
        if not stamp or is_odd or path in plan.pending or QUARANTINE in path:
            return
        counted = [each for name, each in listing.files.items() if not self._excluded(name)]
        latest = max((each.mtime for each in counted), default=None)
        quiet_until = plan.began - max(settings.settle_seconds, CLOCK_SLACK)
        if max(stamp[0], latest or 0) > quiet_until:
            return
        content = Content(
            files=len(listing.files),
            bytes=sum(each.size for each in listing.files.values()),
            excluded=len(listing.files) - len(counted),
            newest=latest,
        )
        self._now[path] = Seen(plan.began, stamp, self._records(path), content)
        self._changed = True
        if time.monotonic() - self._saved_at > SAVE_SECONDS:
            self._save({**self._before, **self._now})

    def save(self) -> None:
        """Save what is known after a whole scan, unless this run may change nothing."""
        if self._changed or len(self._now) < len(self._before):
            self._save(self._now)

    def _save(self, seen: dict[str, Seen]) -> None:
        self._saved_at = time.monotonic()
        if self._session.context.dry:
            return
        data = msgspec.json.encode(seen)
        head = _head(self._session.context.settings, data)
        try:
            write_atomically(self._path, [head, data])
        except OSError as error:
            log.info("Cannot write %s: %s", self._path, error)

    def _stamp(self, path: str, mtime: int) -> tuple[int, ...]:
        """Return what moves with each change in a directory; nothing if that is unknown."""
        settings = self._session.context.settings
        if not settings.src_local_dir:
            return (mtime,)
        try:
            status = os.stat(settings.src_local_dir + path[len(settings.src_dir) :])
        except OSError:
            return ()
        return mtime, status.st_mtime_ns, status.st_ctime_ns

    def _records(self, path: str) -> int:
        files = self._session.store.files
        return _hash(bytes(files.line(path)) if path in files else b"")


def is_due(path: str, listed_at: int, now: int, hours: float) -> bool:
    """Return whether a directory that was listed at `listed_at` is to be listed again at `now`.

    Both are in seconds UTC. That is once in so many `hours`, at a moment that depends on the path,
    so that they are not all due in one scan. A time in the future is of a clock that was wrong.
    """
    period = max(round(hours * HOUR), 1)
    moment = _hash(path.encode("utf-8", "surrogateescape")) % period
    return listed_at > now or (listed_at - moment) // period != (now - moment) // period


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=7).digest(), "big")


def _load(path: str, settings: Settings) -> dict[str, Seen]:
    """Return what `path` holds; nothing if it is missing, damaged or of other settings."""
    try:
        with open(path, "rb") as file:
            head, data = file.readline(), file.read()
        if head == _head(settings, data):
            return msgspec.json.decode(data, type=dict[str, Seen])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.info("Cannot read %s: %s", path, error)
        return {}
    log.info("%s is damaged, or of other settings: every directory is listed", path)
    return {}


def _head(settings: Settings, data: bytes) -> bytes:
    """Return the first line of the file: a hash of the rest, and of the settings that decide."""
    deciding = (
        *settings.pair,
        settings.src_local_dir,
        settings.exclude,
        settings.settle_seconds,
        settings.keep_markers,
        settings.ready_markers,
    )
    return hashlib.sha256(msgspec.json.encode(deciding) + data).hexdigest().encode() + b"\n"
