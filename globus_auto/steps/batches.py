"""The batches of a deletion, each shown by a listing of the source made just before it.

A file may change after it is listed, so that listing must be quick, and the deletion must follow at
once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from globus_auto.datastore import FileRecord
from globus_auto.files import is_below_any, joined, keep_marker_finder
from globus_auto.steps import rules
from globus_auto.steps.delete_task import FAILED_TASKS, MOST_SECONDS, Age, Deletion
from globus_auto.steps.fingerprints import current_versions
from globus_auto.steps.plan import DeletionPlan
from globus_auto.steps.reasons import KeepReason, Why
from globus_auto.steps.session import Session
from globus_auto.steps.units import Units
from globus_auto.steps.whole import still_whole, whole
from globus_auto.walk import DirectoryListing, ListingError

# The first batch has files of so many directories, later ones of as many as can be listed in
# LIST_SECONDS.
DIRECTORIES_AT_FIRST = 50
LIST_SECONDS = 30


class Batches:
    """An iterator over the deletions of a `plan`; each is what a listing shows at that moment.

    Files that are no longer as transferred are left out, and added to `session.kept`.
    """

    def __init__(self, session: Session, plan: DeletionPlan) -> None:
        self._session = session
        self._verified, self._markers = plan.verified, plan.markers
        # The last group is the next, and so is the last path of each: see `take`.
        self._queue = [
            (paths[::-1], most) for paths, most in reversed(plan.groups(FAILED_TASKS)) if paths
        ]
        self._directories = DIRECTORIES_AT_FIRST
        self._most, self._single = 1, False
        # Directories with a KEEP marker, found in this run: what is below needs no listing.
        self._marked: set[str] = set()
        self._kept: set[str] = set()

    def __iter__(self) -> Iterator[Deletion]:
        """Yield the next deletion, as long as there are files left."""
        while self._queue:
            waiting, self._most = self._queue[-1]
            now = take(waiting, self._most, self._directories)
            if not waiting:
                self._queue.pop()
            if self._marked:
                now = self._without_kept(now)
            if now and now[0] in self._markers:
                now = self._without_early(now)
            deletion = self._listed(now) if now else None
            if deletion and deletion.paths:
                yield deletion

    @property
    def left(self) -> list[str]:
        """The files that are in no deletion yet."""
        return [path for paths, _ in self._queue for path in paths]

    def retry(self, parts: list[list[str]]) -> None:
        """Yield the files of the last deletion again, in these smaller `parts`."""
        self._queue += [(part[::-1], self._most) for part in reversed(parts)]

    def retry_by_directory(self, paths: list[str]) -> bool:
        """Yield the `paths` of the last deletion again, half of their directories at a time.

        Return False if its listing was of a single directory, which cannot be halved.
        """
        if not self._single:
            self.retry(halved_by_directory(paths))
        return not self._single

    def _without_kept(self, paths: list[str]) -> list[str]:
        """Return `paths` without those below a KEEP marker, which are added to `session.kept`."""
        kept = {path for path in paths if is_below_any(path, self._marked)}
        for path in sorted(kept):
            self._session.kept.add(path, Why(KeepReason.KEEP_MARKER))
        self._kept |= kept
        return [path for path in paths if path not in kept] if kept else paths

    def _without_early(self, markers: list[str]) -> list[str]:
        """Return `markers` without those of units in which any other file is left now.

        A file may have arrived meanwhile: without the marker, it would never be sent. Add those to
        `session.kept`. A dry run has deleted nothing, so it goes by what listings keep.
        """
        session, settings = self._session, self._session.context.settings
        units = Units(settings.ready_markers, settings.src_dir)
        going = {path: self._verified[path] for path in markers}
        if session.context.dry:
            return [*still_whole(session, units, self._kept, going)]
        return [*whole(session, units, going)]

    def _listed(self, paths: list[str]) -> Deletion:
        age = Age()
        found = list_again(self._session, {path: self._verified[path] for path in paths})
        listed = age.seconds
        for path, why in found.kept:
            self._session.kept.add(path, why)
            self._kept.add(path)
        self._marked |= found.marked
        for path in found.gone:
            self._session.store.forget(path)
        directories = {path.rpartition("/")[0] for path in paths}
        # As many as can be listed in LIST_SECONDS, at the rate of this listing.
        self._directories = max(1, int(len(directories) * LIST_SECONDS / max(listed, 0.01)))
        self._single = len(directories) == 1
        most = listed + MOST_SECONDS if self._single else MOST_SECONDS
        return Deletion(found.unchanged, False, age, most)


def take(waiting: list[str], most: int, directories: int) -> list[str]:
    """Remove from the end of `waiting` the paths to delete in one task, and return them.

    `waiting` is sorted, the last first. The paths are at most `most` in at most `directories`
    directories, but at least one. All of `waiting` may be a million paths, so it is not copied.
    """
    taken: list[str] = []
    seen: set[str] = set()
    while waiting:
        seen.add(waiting[-1].rpartition("/")[0])
        if taken and (len(taken) >= most or len(seen) > directories):
            break
        taken.append(waiting.pop())
    return taken


def halved_by_directory(paths: list[str]) -> list[list[str]]:
    """Return the sorted `paths` in two halves, each with half of the directories."""
    directories = sorted({path.rpartition("/")[0] for path in paths})
    first = set(directories[: len(directories) // 2])
    halves: tuple[list[str], list[str]] = ([], [])
    for path in paths:
        halves[path.rpartition("/")[0] not in first].append(path)
    return [half for half in halves if half]


class Listed(NamedTuple):
    """What a listing of the source says of files: `unchanged`, `gone`, or `kept` for a reason.

    `marked` are the directories with a KEEP marker, in and below which nothing is `unchanged`.
    """

    unchanged: list[str]
    gone: list[str]
    kept: list[tuple[str, Why]]
    marked: set[str]


def list_again(session: Session, group: dict[str, FileRecord], *, deleting: bool = False) -> Listed:
    """List the source now, and compare the files in `group` with their records.

    A file that is gone is in `gone` only if the listing shows that the source's disk is mounted, or
    after a task that was `deleting` these files.
    """
    listed, mounted = Listed([], [], [], set()), False
    gone = []
    root, source = session.context.settings.src_dir, session.context.settings.src_id
    has_marker = keep_marker_finder(session.context.settings.keep_markers)

    def see(listing: DirectoryListing) -> None:
        if has_marker(listing.all_names):
            listed.marked.add(listing.path)

    plain = _real_directories(session, {path.rpartition("/")[0] for path in group}, see)
    for path, answer in current_versions(session, source, sorted(group), collisions=True, see=see):
        if isinstance(answer, ListingError):
            unknown = Why(KeepReason.UNKNOWN, answer.reason)
            listed.kept.append((path, Why(KeepReason.COLLISION) if answer.collides else unknown))
            continue
        if deleting and answer is None:
            listed.gone.append(path)
            continue
        directory = path.rpartition("/")[0]
        reason = rules.reason_at_source(group[path], answer)
        if directory in plain:
            mounted |= answer is not None or directory != root
            gone += [path] if answer is None else []
        elif not reason:
            reason = Why(KeepReason.SYMLINK)
        if reason:
            listed.kept.append((path, reason))
        else:
            listed.unchanged.append(path)
    if mounted:
        listed.gone.extend(gone)
    # Only now all listings are there: a directory may be listed after those below it.
    kept = dict(listed.kept)
    for path in sorted({*listed.unchanged, *kept}):
        if is_below_any(path, listed.marked):
            # Before other reasons: what a marker keeps is never kept too long.
            kept[path] = Why(KeepReason.KEEP_MARKER)
    unchanged = sorted({*listed.unchanged} - kept.keys())
    return Listed(unchanged, listed.gone, list(kept.items()), listed.marked)


def _real_directories(
    session: Session, directories: set[str], see: Callable[[DirectoryListing], None]
) -> set[str]:
    """Return those of `directories` that SRC_DIR contains without a symbolic link on the way, now.

    List all directories above them, up to SRC_DIR, and call `see` with each listing.

    Globus follows symbolic links: a directory behind one may be outside SRC_DIR, where nothing may
    be deleted.
    """
    root = session.context.settings.src_dir
    ways = {directory: list(_directories_between(root, directory)) for directory in directories}
    above = {path.rpartition("/")[0] for way in ways.values() for path in way}
    seen: set[str] = set()
    for result in session.walk(session.context.settings.src_id, sorted(above)):
        if isinstance(result, DirectoryListing):
            see(result)
            seen.update(joined(result.path, name) for name in result.directories)
    return {directory for directory, way in ways.items() if seen.issuperset(way)}


def _directories_between(root: str, directory: str) -> Iterator[str]:
    """Yield `directory` and all directories above it that are below `root`."""
    while directory != root:
        yield directory
        directory = directory.rpartition("/")[0]
