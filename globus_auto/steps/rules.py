"""Classification: which files to transfer or defer, which to keep, and why.

No function here reads, writes or changes anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from globus_auto.datastore import FileRecord, TaskRecord
from globus_auto.files import FileVersion
from globus_auto.steps.reasons import (
    NEW,
    SKIP,
    Decision,
    DeferReason,
    KeepReason,
    TransferReason,
    Verdict,
    Why,
)
from globus_auto.text import counted

# mtimes are in whole seconds, so a file that is written twice within one looks unchanged.
RACE_SECONDS = 2
DAY = 86_400  # seconds
# Seconds. Somebody set an mtime this far in the future: it is not when the file was written.
FUTURE_SECONDS = 86_400
# Seconds: mtimes of copies are in whole seconds, and times of tasks are rounded.
SLACK = 2
NEVER = -(1 << 63)  # seconds: before any modification time


class ScanTerms(NamedTuple):
    """What is the same for all files in a directory, in a scan that began at `began` (seconds UTC).

    `recursive_in_progress` says whether a recursive task in progress covers them. `pair` is the
    mapping for which every file is transferred, even if it was transferred elsewhere before; None
    to transfer only changes. `unready`: why the unit that they are in is not ready, or None.
    """

    began: int
    settle_seconds: float
    recursive_in_progress: bool = False
    pair: tuple[str, str, str] | None = None
    unready: str | None = None


def is_racy(record: FileRecord, task: TaskRecord) -> bool:
    """Return whether the file may have been written again without a change of its fingerprint.

    Its recorded mtime is less than RACE_SECONDS before the scan, or after it. Git treats its index
    the same way.
    """
    return task.scanned_at - RACE_SECONDS < record.mtime and not is_future_mtime(
        record.mtime, task.scanned_at
    )


def safe_until(
    tasks: Mapping[int, TaskRecord], pair: tuple[str, str, str] | None = None
) -> dict[int, int]:
    """Return for each ended task, by number, the latest mtime of a file that is not racy.

    If a record belongs to such a task, has an mtime up to that one and has the listed fingerprint,
    its file is unchanged. With a `pair`, only tasks of this mapping count.
    """
    return {
        number: task.scanned_at - RACE_SECONDS
        for number, task in tasks.items()
        if not task.in_progress and pair in (None, task.pair)
    }


def is_future_mtime(mtime: int, now: int) -> bool:
    """Return whether `mtime` is so far in the future that it cannot be the time of writing."""
    return mtime > now + FUTURE_SECONDS


def classify(
    version: FileVersion, record: FileRecord | None, task: TaskRecord | None, terms: ScanTerms
) -> Decision:
    """Decide whether the file with the fingerprint `version` is transferred now.

    `record` is the record of the file, if there is one, and `task` is the task of that record.
    """
    if record is None or task is None:
        decision = NEW
    else:
        why = _reason_to_transfer(version, record, task, terms)
        if why is None:
            return SKIP
        decision = Decision(Verdict.TRANSFER, (why,))
    if terms.recursive_in_progress or (task is not None and task.in_progress):
        return decision.deferred(DeferReason.IN_PROGRESS)
    if terms.unready is not None:
        return decision.deferred(DeferReason.UNIT, terms.unready)
    if not is_stable(version.mtime, terms.began, terms.settle_seconds):
        age = f"{counted(terms.began - version.mtime, 'second')} ago"
        return decision.deferred(DeferReason.NOT_STABLE, age)
    return decision


def _reason_to_transfer(
    version: FileVersion, record: FileRecord, task: TaskRecord, terms: ScanTerms
) -> Why | None:
    if not record.is_of(version):
        return Why(TransferReason.CHANGED, _difference(record, version))
    if is_racy(record, task) and terms.began > record.mtime + RACE_SECONDS:
        return Why(TransferReason.RACY)
    if terms.pair is not None and task.pair != terms.pair and not task.in_progress:
        return Why(TransferReason.OTHER_MAPPING)
    return None


def is_stable(mtime: int, now: int, settle_seconds: float) -> bool:
    """Return whether, by its `mtime`, a file has not been written for `settle_seconds`.

    A future mtime does not show when the file was written, so that file counts as stable.
    """
    return not settle_seconds or now - mtime >= settle_seconds or is_future_mtime(mtime, now)


def _difference(record: FileRecord, version: FileVersion) -> str:
    if record.size != version.size:
        return f"{counted(record.size, 'byte')} before, {version.size} now"
    later = version.mtime - record.mtime
    return f"modified {counted(abs(later), 'second')} {'later' if later > 0 else 'earlier'}"


class KeepTerms(NamedTuple):
    """What is the same for all files that delete.py considers at `now` (seconds UTC)."""

    now: int
    keep_days: float


def reason_to_keep(
    record: FileRecord,
    task: TaskRecord,
    keeping: KeepTerms,
    *,
    excluded: bool,
    recursive_in_progress: bool,
    collides: bool,
    lost: bool = False,
    also_at: Why | None = None,
    room: Why | None = None,
) -> Why | None:
    """Return why a file must stay at the source whatever the destination has, or None.

    `excluded`: a pattern in EXCLUDE matches. `recursive_in_progress`: a recursive task in progress
    covers the file. `collides`: another name could be the same file at the destination. `lost`:
    Globus no longer shows a task that had the file, and that task may still write its copy.
    `also_at`: why a pair of ALSO_AT needs the file. `room`: why it need not go now.
    """
    if task.in_progress or recursive_in_progress:
        return Why(KeepReason.IN_PROGRESS)
    if lost:
        return Why(KeepReason.LOST_TASK)
    if is_racy(record, task):
        return Why(KeepReason.RACY)
    if excluded:
        return Why(KeepReason.EXCLUDED)
    sent_at = task.ended_at or keeping.now
    if keeping.keep_days and keeping.now - sent_at < keeping.keep_days * DAY:
        return Why(KeepReason.KEEP_DAYS)
    if collides:
        return Why(KeepReason.COLLISION)
    if not task.verify_checksum:
        return Why(KeepReason.UNVERIFIED)
    return also_at or room


class Doubt(NamedTuple):
    """Why a copy is not verified, and by how many seconds it is newer than the end of its task."""

    why: Why
    newer_by: int = 0


def doubt(record: FileRecord, task: TaskRecord, found: FileVersion | None) -> Doubt | None:
    """Return why `found`, the file at the destination, is no verified copy for `record`, or None.

    A copy has the mtime of its original. At a destination that does not keep mtimes it has the time
    at which it was written: during its task if the task wrote it, before the end of the task if the
    task found it equal. Any other mtime means a copy of other content, or a change since.
    """
    if found is None:
        return Doubt(Why(KeepReason.MISSING))
    if found.size != record.size:
        size = f"{counted(found.size, 'byte')} instead of {record.size}"
        return Doubt(Why(KeepReason.OTHER_SIZE, size))
    if found.mtime == record.mtime:
        return None
    begin = task.submitted_at if task.requested_at is None else task.requested_at
    end = task.completed_at
    if end is None:
        return Doubt(Why(KeepReason.NO_END))
    if found.mtime > end + SLACK:
        later = found.mtime - end
        return Doubt(Why(KeepReason.COPY_CHANGED, f"{counted(later, 'second')} later"), later)
    if task.equal or found.mtime >= begin - SLACK:
        return None
    return Doubt(Why(KeepReason.COPY_OLDER, f"by {counted(begin - found.mtime, 'second')}"))


def reason_at_source(record: FileRecord, found: FileVersion | None) -> Why | None:
    """Return why `found`, the file now at the source, must not be deleted for `record`, or None."""
    if found is None:
        return Why(KeepReason.GONE)
    if not record.is_of(found):
        return Why(KeepReason.CHANGED, _difference(record, found))
    return None
