"""Deletion: delete verified files by explicit path, then prune empty directories."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator

from globus_auto import DECISION, globus
from globus_auto.alerts import catalog
from globus_auto.datastore import FileRecord
from globus_auto.errors import ListingTooOld
from globus_auto.files import joined
from globus_auto.globus import DIVISIBLE, MOST_REJECTED, TaskDocument
from globus_auto.steps import delete_task, rules
from globus_auto.steps.delete_task import FAILED_TASKS, MOST_SECONDS, Age, Deletion
from globus_auto.steps.fingerprints import current_versions
from globus_auto.steps.rules import KeepReason, Why
from globus_auto.steps.session import Session
from globus_auto.walk import DirectoryListing, ListingError

log = logging.getLogger(__name__)

# The last listing of a group of files must be quick: a file may change after it is listed.
# The first group has so many directories, later ones as many as can be listed in LIST_SECONDS.
DIRECTORIES_AT_FIRST = 50
LIST_SECONDS = 30


def remove(session: Session, verified: dict[str, FileRecord]) -> None:
    """Delete the files in `verified` that are unchanged at the source, group by group.

    Files that earlier runs could not delete come last, in smaller groups. So they hold up no other
    file, and a file that can never be deleted ends up in a group of its own.
    """
    settings = session.context.settings
    earlier = set(session.context.read_health().undeleted)
    first = sorted(verified.keys() - earlier)
    last = sorted(verified.keys() & earlier)
    removal = Removal(session, verified)
    try:
        removal.remove(first, settings.files_per_task)
        removal.remove(last, min(settings.files_per_task, math.ceil(len(last) / FAILED_TASKS)))
    finally:
        removal.report()


class Removal:
    """The file deletions of one run; `verified` has the records of files with verified copies."""

    def __init__(self, session: Session, verified: dict[str, FileRecord]) -> None:
        self.session = session
        self.verified = verified
        self.directories = DIRECTORIES_AT_FIRST
        self.removed = self.failed = self.rejected = 0
        self.left: list[str] = []
        self.ended: TaskDocument | None = None

    def remove(self, paths: list[str], most: int) -> None:
        """Delete the sorted `paths`, at most `most` per task; stop after too many failed tasks."""
        groups = [paths] if paths else []
        while groups and self.failed < FAILED_TASKS and self.rejected <= MOST_REJECTED:
            now, later = split(groups.pop(), most, self.directories)
            if later:
                groups.append(later)
            groups += reversed(self._remove_group(now))

    def _remove_group(self, paths: list[str]) -> list[list[str]]:
        """Delete one group; return its halves if it must be tried again in smaller groups."""
        age = Age()
        unchanged_paths = unchanged(self.session, {path: self.verified[path] for path in paths})
        listed = age.seconds
        directories = {path.rpartition("/")[0] for path in paths}
        # As many as can be listed in LIST_SECONDS, at the rate of this listing.
        self.directories = max(1, int(len(directories) * LIST_SECONDS / max(listed, 0.01)))
        if not unchanged_paths:
            return []
        single = len(directories) == 1
        most = listed + MOST_SECONDS if single else MOST_SECONDS
        try:
            ended = delete_task.delete(self.session, Deletion(unchanged_paths, False, age, most))
        except ListingTooOld:
            if single:
                log.warning("Deleted nothing in %s: listing it is too slow", *directories)
                for path in unchanged_paths:
                    self.session.kept.add(path, Why(KeepReason.TOO_SLOW))
                return []
            return halved_by_directory(unchanged_paths)
        except globus.TransferAPIError as error:
            if not (globus.is_rejected(error) and error.http_status in DIVISIBLE):
                self.left += unchanged_paths
                raise
            return self._rejected(unchanged_paths, error)
        except Exception:
            # The next run deletes other files first.
            self.left += unchanged_paths
            raise
        if ended.status == "SUCCEEDED":
            self._forget(unchanged_paths, ended)
            return []
        self.failed += 1
        self.ended = ended
        self._list_again(unchanged_paths, ended)
        return []

    def _rejected(self, paths: list[str], error: globus.TransferAPIError) -> list[list[str]]:
        """Return both halves of a group that Globus rejects; fire an alert for a single file."""
        self.rejected += 1
        if len(paths) > 1:
            middle = len(paths) // 2
            return [paths[:middle], paths[middle:]]
        self.left += paths
        self.session.kept.add(paths[0], Why(KeepReason.REJECTED))
        self.session.context.alerts.fire(
            catalog.delete_rejected(
                self.session.context.settings.src_dir, paths[0], globus.details(error)
            )
        )
        return []

    def _forget(self, paths: list[str], ended: TaskDocument) -> None:
        # Saved with the next delete task, or at the end of the run. If the run is killed before
        # that, the saved task record still shows what this task has deleted.
        for path in paths:
            self.session.store.drop(path)
            size = self.verified[path].size
            log.log(DECISION, "Deleted %s (%d bytes); task %s", path, size, ended.task_id)
        self.removed += len(paths)

    def _list_again(self, paths: list[str], ended: TaskDocument) -> None:
        """Find out which files a failed or cancelled delete task has deleted anyway."""
        for path in unchanged(self.session, {path: self.verified[path] for path in paths}):
            self.session.kept.add(path, Why(KeepReason.NOT_DELETED))
        left = [path for path in paths if self.session.store.record(path)]
        self.left += left
        self._forget(sorted({*paths} - {*left}), ended)

    def report(self) -> None:
        """Fire or resolve the alert about failed deletions; remember what is left."""
        session = self.session
        if self.ended:
            reason, link = delete_task.reason_of(self.ended), globus.link(self.ended.task_id)
            source_dir = session.context.settings.src_dir
            session.context.alerts.fire(catalog.delete_failed(source_dir, reason, link))
        elif self.removed or not (self.verified or session.kept.counts):
            session.context.alerts.resolve("delete failed", session.context.settings.src_dir)
        left = sorted(self.left)
        if left != session.context.read_health().undeleted:
            session.context.remember(lambda health: health.keep_undeleted(left))
        log.info("Files deleted from %s: %d", session.context.settings.src_dir, self.removed)


def split(paths: list[str], most: int, directories: int) -> tuple[list[str], list[str]]:
    """Return the first of the sorted `paths` and the rest, to delete the first in one task.

    The first are at most `most` paths in at most `directories` directories, but at least one path.
    """
    seen: set[str] = set()
    for number, path in enumerate(paths):
        seen.add(path.rpartition("/")[0])
        if number and (number >= most or len(seen) > directories):
            return paths[:number], paths[number:]
    return paths, []


def halved_by_directory(paths: list[str]) -> list[list[str]]:
    """Return the sorted `paths` in two halves, each with half of the directories."""
    directories = sorted({path.rpartition("/")[0] for path in paths})
    first = set(directories[: len(directories) // 2])
    halves: tuple[list[str], list[str]] = ([], [])
    for path in paths:
        halves[path.rpartition("/")[0] not in first].append(path)
    return [half for half in halves if half]


def unchanged(session: Session, group: dict[str, FileRecord]) -> list[str]:
    """Return the paths in `group` whose files at the source are still as transferred, sorted.

    List the source now. Drop the records of files that are gone, unless this listing leaves open
    whether the source's disk is mounted.
    """
    unchanged_paths, gone, mounted = [], [], False
    root, source = session.context.settings.src_dir, session.context.settings.src_id
    plain = _real_directories(session, {path.rpartition("/")[0] for path in group})
    for path, answer in current_versions(session, source, list(group), collisions=True):
        if isinstance(answer, ListingError):
            unknown = Why(KeepReason.UNKNOWN, answer.reason)
            session.kept.add(path, Why(KeepReason.COLLISION) if answer.collides else unknown)
            continue
        directory = path.rpartition("/")[0]
        reason = rules.reason_at_source(group[path], answer)
        if directory in plain:
            mounted |= answer is not None or directory != root
            gone += [path] if answer is None else []
        elif not reason:
            reason = Why(KeepReason.SYMLINK)
        if reason:
            session.kept.add(path, reason)
        else:
            unchanged_paths.append(path)
    for path in gone if mounted else ():
        session.store.forget(path)
    return sorted(unchanged_paths)


def _real_directories(session: Session, directories: set[str]) -> set[str]:
    """Return those of `directories` that SRC_DIR contains without a symbolic link on the way, now.

    Globus follows symbolic links: a directory behind one may be outside SRC_DIR, where nothing may
    be deleted.
    """
    root = session.context.settings.src_dir
    ways = {directory: list(_directories_between(root, directory)) for directory in directories}
    above = {path.rpartition("/")[0] for way in ways.values() for path in way}
    seen: set[str] = set()
    for result in session.walk(session.context.settings.src_id, sorted(above)):
        if isinstance(result, DirectoryListing):
            seen.update(joined(result.path, name) for name in result.directories)
    return {directory for directory, way in ways.items() if seen.issuperset(way)}


def _directories_between(root: str, directory: str) -> Iterator[str]:
    """Yield `directory` and all directories above it that are below `root`."""
    while directory != root:
        yield directory
        directory = directory.rpartition("/")[0]
