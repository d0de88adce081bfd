"""Choosing: which files are sent, and why; which are kept, and why. Nothing here acts or asks."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from fnmatch import translate
from typing import Literal, NamedTuple

from globus_auto.datastore import FileRecord, FileVersion, Task

# Modification times have whole seconds, and a file written twice within one looks unchanged.
RACE_SECONDS = 2
# A time this far ahead was set by someone; it says nothing of when the file was written.
LABEL_SECONDS = 86_400

ALIKE = "another name differs from its name only in case or accents"
UNVERIFIED = "Globus did not verify its checksum"
MISSING = "it is missing at the destination"
RACY = "it may have been written again within a second"
CHANGED = "it has changed since it was sent"
GONE = "it is gone from the source, or no plain file any more"
SYMLINK = "a symlink may lead to it"
SLOW = "its directory could not be listed in time"
UNASKED = "the source cannot be asked for it"
# Reasons that should pass: a file that stays long for one of these needs a person.
PASSING = (ALIKE, RACY, CHANGED, GONE, SYMLINK, SLOW, UNASKED)
# Times of copies are in whole seconds, and those of tasks are rounded.
SLACK = 2

Verdict = Literal["send", "wait", "unchanged"]


class Terms(NamedTuple):
    """What holds for all files of a look that began at `began` (seconds UTC).

    `under_way` says that a full task is open, which has everything. `pair` is the mapping that all
    is to be sent for, whatever was sent elsewhere before; None if only changes are.
    """

    began: int
    settle_seconds: float
    under_way: bool = False
    pair: tuple[str, str, str] | None = None


def is_racy(entry: FileRecord, task: Task) -> bool:
    """Return whether the file may have been written again without looking changed.

    Its mtime is too close to the look that chose it, or after it: as git treats its index.
    """
    return task.listed_at - RACE_SECONDS < entry.mtime and not is_label(entry.mtime, task.listed_at)


def calm_until(
    tasks: Mapping[int, Task], pair: tuple[str, str, str] | None = None
) -> dict[int, int]:
    """Return for each ended task the latest mtime of a file of which it leaves no doubt.

    An entry of such a task, with an mtime up to that, is unchanged if it is of the listed version.
    With a `pair` only tasks of this mapping count.
    """
    return {
        number: task.listed_at - RACE_SECONDS
        for number, task in tasks.items()
        if not task.open and pair in (None, task.pair)
    }


def is_label(mtime: int, now: int) -> bool:
    """Return whether `mtime` is so far in the future that it is no time of writing."""
    return mtime > now + LABEL_SECONDS


def choose(
    version: FileVersion, entry: FileRecord | None, task: Task | None, terms: Terms
) -> tuple[Verdict, str]:
    """Return whether the file that is listed as `version` is to be sent now, and why.

    `entry` is what is known of it, and `task` the task of that entry.
    """
    if entry is None or task is None:
        reason = "new"
    elif not entry.is_of(version):
        reason = f"changed: {_difference(entry, version)}"
    elif is_racy(entry, task) and terms.began > entry.mtime + RACE_SECONDS:
        reason = RACY
    elif terms.pair is not None and task.pair != terms.pair and not task.open:
        reason = "it was sent elsewhere before, and everything is asked for"
    else:
        return "unchanged", "unchanged"
    if terms.under_way or (task is not None and task.open):
        return "wait", f"{reason}, but its last transfer is under way"
    if not is_quiet(version.mtime, terms.began, terms.settle_seconds):
        return "wait", f"{reason}, but modified {terms.began - version.mtime} seconds ago"
    return "send", reason


def is_quiet(mtime: int, now: int, settle_seconds: float) -> bool:
    """Return whether nothing was written for `settle_seconds`, as far as `mtime` tells."""
    return not settle_seconds or now - mtime >= settle_seconds or is_label(mtime, now)


def _difference(entry: FileRecord, version: FileVersion) -> str:
    if entry.size != version.size:
        return f"{entry.size} bytes before, {version.size} now"
    later = version.mtime - entry.mtime
    return f"modified {abs(later)} seconds {'later' if later > 0 else 'earlier'}"


class Keeping(NamedTuple):
    """What holds for all files that delete.py considers at `now` (seconds UTC)."""

    now: int
    keep_days: float


def reason_to_keep(
    entry: FileRecord,
    task: Task,
    keeping: Keeping,
    *,
    excluded: bool,
    under_way: bool,
    alike: bool,
    lost: bool = False,
) -> str | None:
    """Return why a file must stay at the source whatever the destination has, or None.

    `excluded`: a pattern of EXCLUDE fits it. `under_way`: a full task is open, which has
    everything. `alike`: another name could stand for the same file at the destination. `lost`:
    Globus lost sight of a task that had it, and that may still write its copy.
    """
    if task.open or under_way:
        return "its task is open"
    if lost:
        return "an earlier task of it may still be writing: Globus no longer shows that task"
    if is_racy(entry, task):
        return RACY
    if excluded:
        return "it is excluded"
    sent_at = task.ended_at or keeping.now
    if keeping.keep_days and keeping.now - sent_at < keeping.keep_days * 86_400:
        return f"it was sent less than {keeping.keep_days:g} days ago"
    if alike:
        return ALIKE
    if not task.verify_checksum:
        return UNVERIFIED
    return None


class Doubt(NamedTuple):
    """Why a copy is no proof: the reason, and by how many seconds it is newer than its task."""

    reason: str
    newer_by: int = 0


def doubt(entry: FileRecord, task: Task, found: FileVersion | None) -> Doubt | None:
    """Return why `found`, the file at the destination, does not verify `entry`, or None.

    A copy has the time of its original. At a destination that does not keep times it has the time
    at which it was written: within its task if the task wrote it, before the task's end if the
    task found it equal. Any other time is that of another version, or of a change since.
    """
    if found is None:
        return Doubt(MISSING)
    if found.size != entry.size:
        size = f"{found.size} bytes, not {entry.size}"
        return Doubt(f"its size at the destination is another: {size}")
    if found.mtime == entry.mtime:
        return None
    begin = task.submitted_at if task.requested_at is None else task.requested_at
    end = task.completed_at
    if end is None:
        return Doubt("its time at the destination is another: nobody knows when its task ended")
    if found.mtime > end + SLACK:
        later = found.mtime - end
        return Doubt(f"its copy was changed after it was sent: {later} seconds later", later)
    if task.equal or found.mtime >= begin - SLACK:
        return None
    return Doubt(f"its copy is another, older one: {begin - found.mtime} seconds older")


def reason_of_source(entry: FileRecord, found: FileVersion | None) -> str | None:
    """Return why `found`, the file at the source now, must not be deleted as `entry`, or None."""
    if found is None:
        return GONE
    if not entry.is_of(found):
        return f"{CHANGED}: {_difference(entry, found)}"
    return None


def folded(name: str) -> str:
    """Return what a file system that ignores case and accents' encoding makes of `name`."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def alike(names: list[str]) -> set[str]:
    """Return those of `names`, in directories that may be one, that `folded` cannot tell apart."""
    seen: dict[str, list[str]] = {}
    for name in names:
        seen.setdefault(folded(name), []).append(name)
    return {name for group in seen.values() if len(group) > 1 for name in group}


def matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return a function that tells whether a name fits any of the shell `patterns`."""
    joined = "|".join(translate(pattern) for pattern in patterns)
    fits = re.compile(joined or "(?!)").match
    return lambda name: fits(name) is not None


def matches(path: str, root: str, excluded: Callable[[str], bool]) -> bool:
    """Return whether a name on the way from the directory `root` to `path` is excluded."""
    return any(excluded(name) for name in path[len(root) :].split("/") if name)
