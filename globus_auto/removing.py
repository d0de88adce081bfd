"""Removing what is proven: files by explicit path, then directories that are empty."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Iterator

import globus_sdk

from globus_auto import (
    DECISION,
    alerts,
    asides,
    catalog_deletions,
    choosing,
    deleting,
    looking,
    progress,
    refusals,
    troubles,
    watching,
)
from globus_auto.alerts import Alert
from globus_auto.choosing import KeepReason, Why
from globus_auto.datastore import FileRecord, joined
from globus_auto.deleting import Age, Deletion, Overtaken
from globus_auto.listing import Directory, Outcome, Unlisted, list_directory
from globus_auto.opening import Session
from globus_auto.submitting import DIVISIBLE, MOST_REJECTED
from globus_auto.tasks import OWN, rejects
from globus_auto.versions import versions
from globus_auto.watching import TaskDocument

log = logging.getLogger(__name__)

# The last look at a group of files must be short, for each file may change after it.
# At first that many directories, then as many as can be listed in the time.
DIRECTORIES_AT_FIRST = 50
LIST_SECONDS = 30
DIRECTORIES_PER_GROUP = 200  # empty ones, moved aside together
# How old the listing may be when what it shows is to be deleted.
MOST_SECONDS = 60
# Failed delete tasks in one run: one file that cannot be deleted holds up its group.
FAILED_TASKS = 10


def remove(session: Session, arrived: dict[str, FileRecord]) -> None:
    """Delete the files of `arrived` that are unchanged at the source, group by group.

    Those that could not be deleted in an earlier run come last, in smaller groups, so that they
    hold up no others and one that can never be deleted is left alone in the end.
    """
    known = session.run.settings
    earlier = set(alerts.read(session.run.health_path).undeleted)
    first = sorted(arrived.keys() - earlier)
    last = sorted(arrived.keys() & earlier)
    removal = Removal(session, arrived)
    try:
        removal.remove(first, known.files_per_task)
        removal.remove(last, min(known.files_per_task, math.ceil(len(last) / FAILED_TASKS)))
    finally:
        removal.report()


class Removal:
    """One run's deletions of files; `arrived` are the entries of those whose copies are proven."""

    def __init__(self, session: Session, arrived: dict[str, FileRecord]) -> None:
        self.session = session
        self.arrived = arrived
        self.directories = DIRECTORIES_AT_FIRST
        self.removed = self.failed = self.refused = 0
        self.left: list[str] = []
        self.ended: TaskDocument | None = None

    def remove(self, paths: list[str], most: int) -> None:
        """Delete the sorted `paths`, at most `most` in a task, unless too many tasks fail."""
        groups = [paths] if paths else []
        while groups and self.failed < FAILED_TASKS and self.refused <= MOST_REJECTED:
            now, later = split(groups.pop(), most, self.directories)
            if later:
                groups.append(later)
            groups += reversed(self._remove_group(now))

    def _remove_group(self, paths: list[str]) -> list[list[str]]:
        """Delete one group; return its halves where it must be tried in smaller ones."""
        age = Age()
        proven = unchanged(self.session, {path: self.arrived[path] for path in paths})
        listed = age.seconds
        directories = {path.rpartition("/")[0] for path in paths}
        # At the rate that this took.
        self.directories = max(1, int(len(directories) * LIST_SECONDS / max(listed, 0.01)))
        if not proven:
            return []
        single = len(directories) == 1
        most = listed + MOST_SECONDS if single else MOST_SECONDS
        try:
            ended = _delete(self.session, Deletion(proven, False, age, most))
        except Overtaken:
            if single:
                log.warning("Too slow to delete in %s: the last listing is too old", *directories)
                for path in proven:
                    self.session.kept.add(path, Why(KeepReason.TOO_SLOW))
                return []
            return halved_by_directory(proven)
        except globus_sdk.TransferAPIError as error:
            if not (rejects(error) and error.http_status in DIVISIBLE):
                self.left += proven
                raise
            return self._refused(proven, error)
        except Exception:
            # The next run begins with the others.
            self.left += proven
            raise
        if ended.status == "SUCCEEDED":
            self._forget(proven, ended)
            return []
        self.failed += 1
        self.ended = ended
        self._look_again(proven, ended)
        return []

    def _refused(self, paths: list[str], error: globus_sdk.TransferAPIError) -> list[list[str]]:
        """Return both halves of what Globus does not take; of one file, note that."""
        self.refused += 1
        if len(paths) > 1:
            middle = len(paths) // 2
            return [paths[:middle], paths[middle:]]
        self.left += paths
        self.session.kept.add(paths[0], Why(KeepReason.REJECTED))
        self.session.run.findings.fire(
            catalog_deletions.delete_rejected(
                self.session.run.settings.src_dir, paths[0], troubles.details(error)
            )
        )
        return []

    def _forget(self, paths: list[str], ended: TaskDocument) -> None:
        # Saved with the next delete, or at the end: until then its record tells what it has done.
        for path in paths:
            self.session.store.drop(path)
            size = self.arrived[path].size
            log.log(DECISION, "Deleted %s (%d bytes); task %s", path, size, ended.task_id)
        self.removed += len(paths)

    def _look_again(self, paths: list[str], ended: TaskDocument) -> None:
        """See what a delete that did not succeed has deleted all the same."""
        for path in unchanged(self.session, {path: self.arrived[path] for path in paths}):
            self.session.kept.add(path, Why(KeepReason.NOT_DELETED))
        left = [path for path in paths if self.session.store.entry(path)]
        self.left += left
        self._forget(sorted({*paths} - {*left}), ended)

    def report(self) -> None:
        """Note what could not be deleted, and remember it for the next run."""
        session = self.session
        if self.ended:
            session.run.findings.fire(_failed(session, self.ended))
        elif self.removed or not (self.arrived or session.kept.counts):
            session.run.findings.resolve("delete failed", session.run.settings.src_dir)
        left = sorted(self.left)[: alerts.REMEMBERED]
        if left != alerts.read(session.run.health_path).undeleted:
            session.run.remember(lambda health: setattr(health, "undeleted", left))
        log.info("Deleted %d files from %s", self.removed, session.run.settings.src_dir)


def split(paths: list[str], most: int, directories: int) -> tuple[list[str], list[str]]:
    """Return the first of the sorted `paths`, at most `most` in few `directories`, and the rest."""
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
    """Return those of `group` that are at the source, now, as they were sent.

    The entries of those that are gone are dropped, where this look shows that its disk is there.
    """
    proven, gone, mounted = [], [], False
    root, source = session.run.settings.src_dir, session.run.settings.src_id
    plain = _plain(session, {path.rpartition("/")[0] for path in group})
    for path, answer in versions(session, source, list(group), alone=True):
        if isinstance(answer, Unlisted):
            unknown = Why(KeepReason.UNKNOWN, answer.reason)
            session.kept.add(path, Why(KeepReason.COLLISION) if answer.collides else unknown)
            continue
        directory = path.rpartition("/")[0]
        reason = choosing.reason_of_source(group[path], answer)
        if directory in plain:
            mounted |= answer is not None or directory != root
            gone += [path] if answer is None else []
        elif not reason:
            reason = Why(KeepReason.SYMLINK)
        if reason:
            session.kept.add(path, reason)
        else:
            proven.append(path)
    for path in gone if mounted else ():
        session.store.forget(path)
    return sorted(proven)


def _plain(session: Session, directories: set[str]) -> set[str]:
    """Return those of `directories` that no symlink leads to from SRC_DIR, now.

    Globus follows it: what stands behind one may be anywhere, and is not SRC_DIR's to lose.
    """
    root = session.run.settings.src_dir
    ways = {directory: list(_way(root, directory)) for directory in directories}
    above = {path.rpartition("/")[0] for way in ways.values() for path in way}
    seen: set[str] = set()
    for outcome in session.walk(session.run.settings.src_id, sorted(above)):
        if isinstance(outcome, Directory):
            seen.update(joined(outcome.path, name) for name in outcome.directories)
    return {directory for directory, way in ways.items() if seen.issuperset(way)}


def _way(root: str, directory: str) -> Iterator[str]:
    """Yield `directory` and all directories above it that are below `root`."""
    while directory != root:
        yield directory
        directory = directory.rpartition("/")[0]


def _delete(session: Session, deletion: Deletion) -> TaskDocument:
    known = session.run.settings
    kind = "directories" if deletion.directories else "files"
    what = f"Deleting {len(deletion.paths)} {kind}"
    with progress.of_task(what, shown=session.run.watched) as show:
        return deleting.delete(
            session.client,
            session.store,
            deletion,
            label=lambda new_id: session.label("delete", new_id),
            deadline_seconds=known.delete_deadline_minutes * 60,
            save=session.save,
            progress=show,
        )


def _about_directories(session: Session) -> str:
    """Return what alerts of empty directories are about, which others do not resolve."""
    return catalog_deletions.about_empty_directories(session.run.settings.src_dir)


def _reason(ended: TaskDocument) -> str:
    """Return why a delete failed, as far as Globus says it."""
    fault = ended.fatal_error
    return watching.said(fault.code, fault.description) if fault else ""


def _failed(session: Session, ended: TaskDocument) -> Alert:
    return catalog_deletions.delete_failed(
        session.run.settings.src_dir, _reason(ended), watching.link(ended.task_id)
    )


def tidy(session: Session) -> None:
    """Remove the topmost directories below SRC_DIR that hold nothing but directories."""
    known, store = session.run.settings, session.store
    if not known.delete_empty_dirs:
        session.run.findings.resolve("delete failed", _about_directories(session))
        session.run.findings.resolve("mount")
        session.run.findings.resolve("rename")
        return
    if store.under_way(known.src_dir):
        log.info("Left empty directories alone: a full transfer is under way")
        return
    bare, can_rename = empty_directories(session)
    if known.src_local_dir:
        _remove_here(session, bare)
    elif bare and not can_rename:
        session.run.findings.fire(
            catalog_deletions.rename_unsupported(known.src_id, session.run.collection(known.src_id))
        )
    else:
        session.run.findings.resolve("rename")
        refused = alerts.read(session.run.health_path).refused
        now = session.run.started
        due = [path for path in bare if not 0 <= now - refused.get(path, 0) < alerts.DAY]
        for start in range(0, max(len(due), len(store.asides), 1), DIRECTORIES_PER_GROUP):
            _remove_group(session, due[start : start + DIRECTORIES_PER_GROUP])
        if len(due) == len(bare):
            session.run.findings.resolve("delete failed", _about_directories(session))


def empty_directories(session: Session) -> tuple[list[str], bool]:
    """Return the topmost empty directories below SRC_DIR, and whether Globus can rename there."""
    known = session.run.settings
    excluded = choosing.matcher(known.exclude)
    began = int(time.time())

    aside = {path.rpartition("/")[2] for path in session.store.asides}

    def is_content(name: str, mtime: int) -> bool:
        own = name.startswith(OWN) and name not in aside
        return own or excluded(name) or not choosing.is_quiet(mtime, began, known.settle_seconds)

    look = looking.everything(session)
    outcomes = list(progress.watched(look, known.src_dir, shown=session.run.watched))
    bare = asides.topmost_bare(outcomes, known.src_dir, is_content)
    if not known.src_local_dir:
        bare = [directory for directory in bare if directory not in session.store.asides]
    return bare, _can_rename(outcomes)


def _can_rename(outcomes: list[Outcome]) -> bool:
    return all(outcome.rename_supported for outcome in outcomes if isinstance(outcome, Directory))


def _remove_group(session: Session, directories: list[str]) -> None:
    """Move `directories` aside; delete what then stands aside and is empty; put back the rest."""
    client, store = session.client, session.store
    if directories:
        asides.set_aside(client, store, directories, session.save)
    stuck = _delete_asides(session)
    if stuck:
        paths = [store.asides[aside] for aside in stuck]
        session.run.remember(lambda health: health.refuse(paths, session.run.started))
    asides.put_back(client, store, session.run.findings, session.limiter, also=stuck)
    session.save()


def _delete_asides(session: Session) -> list[str]:
    """Delete what stands aside and is empty; return what cannot be deleted.

    A directory is seen empty at its name there, which no writer knows, just before it is deleted.
    """
    source = session.run.settings.src_id
    groups, stuck, failed = [list(session.store.asides)], [], 0
    while groups:
        group = groups.pop()
        if failed >= FAILED_TASKS:
            stuck += group
            continue
        age = Age()
        empty = [
            aside
            for aside in group
            if asides.seen_empty(session.walk(source, [aside], lambda _name: True))
        ]
        if not empty:
            continue
        ended = None
        try:
            ended = _delete(session, Deletion(empty, True, age, MOST_SECONDS))
        except Overtaken:
            # They keep their names until the next run has seen them empty in time.
            log.info("Too slow to remove %d empty directories now", len(empty))
            continue
        except globus_sdk.TransferAPIError as error:
            if not rejects(error) or refusals.requires_login(error):
                raise
            session.run.findings.fire(_not_removed(session, troubles.details(error)))
        if ended and ended.status == "SUCCEEDED":
            _forget_directories(session, empty)
            continue
        failed += 1
        if ended:
            session.run.findings.fire(_not_removed(session, _reason(ended)))
        left = [aside for aside in empty if not _is_gone(session, aside)]
        _forget_directories(session, [aside for aside in empty if aside not in left])
        if len(left) > 1:
            groups += [left[: len(left) // 2], left[len(left) // 2 :]]
        else:
            stuck += left
    return stuck


def _is_gone(session: Session, directory: str) -> bool:
    source = session.run.settings.src_id
    outcome = list_directory(session.client, source, directory, session.limiter)
    return isinstance(outcome, Unlisted) and outcome.gone


def _forget_directories(session: Session, deleted: list[str]) -> None:
    removed = {session.store.asides.pop(aside) for aside in deleted}
    for directory in sorted(removed):
        log.log(DECISION, "Removed the empty directory %s", directory)
    session.store.forget_below(removed)


def _not_removed(session: Session, reason: str) -> Alert:
    return catalog_deletions.directories_not_removed(session.run.settings.src_dir, reason)


def _remove_here(session: Session, directories: list[str]) -> None:
    """Remove `directories` where SRC_DIR is mounted here: rmdir takes only what is empty."""
    known = session.run.settings
    removed = set()
    for directory in directories:
        here = known.src_local_dir + directory[len(known.src_dir) :]
        try:
            for below, _, _ in os.walk(here, topdown=False):
                os.rmdir(below)
        except OSError as error:
            log.info("Left %s: %s", directory, error.strerror)
        else:
            removed.add(directory)
            log.log(DECISION, "Removed the empty directory %s", directory)
    session.store.forget_below(removed)
