"""FREE_PERCENT: verified files stay while the source's disk has room; then the oldest go."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable
from typing import NamedTuple

from globus_auto.alerts import catalog
from globus_auto.datastore import FileRecord
from globus_auto.steps.reasons import KeepReason, Why
from globus_auto.steps.session import KeepLog, Session
from globus_auto.steps.source import require_same_directory
from globus_auto.steps.units import Age, Units
from globus_auto.text import counted, sized

AT_LEAST = 1000  # files that are held before the oldest of them are selected


class Space(NamedTuple):
    """What users other than root may use of a disk, and what of it is free; both in bytes."""

    usable: int
    free: int

    def shortage(self, percent: float) -> int:
        """Return how many bytes must become free so that this share is free; 0 if it is."""
        return max(math.ceil(self.usable * percent / 100) - self.free, 0)

    @property
    def share(self) -> float:
        """The free share in percent, as `df` shows it."""
        return 100 * self.free / self.usable


def space_of(found: os.statvfs_result) -> Space:
    """Return the space that statvfs shows; raise ValueError if that is impossible."""
    used = found.f_blocks - found.f_bfree
    if not 0 <= found.f_bavail <= found.f_bfree or used < 0 or used + found.f_bavail <= 0:
        raise ValueError(f"the size of the disk is impossible: {found.f_blocks} blocks")
    return Space((used + found.f_bavail) * found.f_frsize, found.f_bavail * found.f_frsize)


class Room:
    """How much room the disk of SRC_LOCAL_DIR lacks, as this run finds it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._device: int | None = None
        self._last: Space | None = None

    def shortage(self) -> float | None:
        """Return how many bytes must become free; infinity without FREE_PERCENT.

        None means that this is not known: then there is an alert, and nothing may be deleted. Raise
        AlertError if SRC_LOCAL_DIR does not show SRC_DIR: it would be the room of another disk.
        """
        settings = self._session.context.settings
        if not settings.free_percent:
            return math.inf
        if self._device is None:
            require_same_directory(self._session)
        try:
            device = os.stat(settings.src_local_dir).st_dev
            if self._device not in (None, device):
                raise ValueError("another disk is mounted there now")
            self._last = space_of(os.statvfs(settings.src_local_dir))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            alert = catalog.room_unknown(settings.src_local_dir, reason or str(error))
            self._session.context.alerts.fire(alert)
            return None
        self._device = device
        return self._last.shortage(settings.free_percent)

    def is_enough(self) -> bool:
        """Return whether no more files may be deleted: there is room, or that is unknown."""
        return not self.shortage()

    def report(self, shortage: float | None, *, is_waiting: bool) -> None:
        """Fire the alert that there is no room although nothing more may be deleted, or resolve it.

        Do neither if that is not known, or if this `is_waiting`, for files that may go soon.
        """
        context = self._session.context
        if shortage in (0, math.inf):
            context.alerts.resolve("room")
        elif shortage and self._last and not is_waiting:
            settings, holds = context.settings, _holds(self._session)
            share, least = self._last.share, settings.free_percent
            context.alerts.fire(catalog.room_lacking(settings.src_local_dir, share, least, holds))


def _holds(session: Session) -> list[str]:
    """Return what fills the disk: how many files are not delivered, or stay for which reason."""
    scan, found = session.context.read_health().scan, []
    if scan and scan.undelivered:
        size = sized(scan.undelivered_bytes)
        found.append(f"{counted(scan.undelivered, 'file')} ({size}): not delivered yet")
    for reason, number in session.kept.counts.most_common():
        found += [f"{counted(number, 'file')}: {reason.value}"] if number else []
    return found


class Oldest:
    """The oldest of the files that are added: enough for a `shortage` in bytes, at least `files`.

    Those that were added and are in `last` count as younger than all others; `units` are whole, and
    as old as their youngest files. Others stay because of `why`, and are added to `kept`; so do all
    with an age after `latest`, which need not be added. With an infinite `shortage` it `takes_all`;
    with 0, or None if it is unknown, it takes none.
    """

    def __init__(
        self,
        shortage: float | None,
        files: int,
        kept: KeepLog,
        units: Units,
        last: Collection[str] = (),
    ) -> None:
        self.why = Why(KeepReason.ROOM_UNKNOWN if shortage is None else KeepReason.ROOM)
        self.takes_all = shortage == math.inf
        self.kept = kept
        self.latest: Age = (math.inf if shortage else -math.inf, "")
        self.units = units
        self._shortage, self._files, self._last = shortage or 0, files, last
        self._added: list[tuple[bool, Age, str, FileRecord]] = []
        self._select_at = max(2 * files, AT_LEAST)

    def add(self, path: str, record: FileRecord, age: Age) -> None:
        """Add a file of this age."""
        is_last = path in self._last and not age[1]
        self._added.append((is_last, age, path, record))
        if len(self._added) >= self._select_at:
            self._select()

    def found(self) -> dict[str, FileRecord]:
        """Return the oldest files, oldest first."""
        self._select()
        return {path: record for _, _, path, record in self._added}

    def _select(self) -> None:
        self._added.sort()
        records = (record for *_, record in self._added)
        number = enough(records, self._shortage, self._files if self._shortage else 0)
        number = self.units.round_up([path for _, _, path, _ in self._added], number)
        for _, _, path, _ in self._added[number:]:
            self.kept.add(path, self.why)
        if number < len(self._added):
            del self._added[number:]
            is_last, age = self._added[-1][:2] if number else (False, (-math.inf, ""))
            self.latest = (math.inf, "") if is_last else age
        self._select_at = max(2 * len(self._added), AT_LEAST)


def enough(records: Iterable[FileRecord], shortage: float, files: int) -> int:
    """Return how many of the first records have `shortage` bytes: at least `files`, or all."""
    size, number = 0, 0
    for record in records:
        if size >= shortage and number >= files:
            break
        size, number = size + record.size, number + 1
    return number
