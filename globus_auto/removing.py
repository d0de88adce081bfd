"""Removing what is proven: files by explicit path, then directories that are empty."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator

from globus_auto import DECISION, asides, choosing, looking, progress, proving, tasks, watching
from globus_auto.alerts import Alert
from globus_auto.datastore import Entry, joined
from globus_auto.listing import Directory, Outcome, Unlisted
from globus_auto.opening import Session
from globus_auto.watching import TaskDocument

log = logging.getLogger(__name__)

# The last look at a group of files must be short, for each file may change after it.
DIRECTORIES_PER_GROUP = 200
# One file that cannot be deleted holds up its group; more groups are the fault of the endpoint.
FAILED_GROUPS = 2


def remove(session: Session, arrived: dict[str, Entry]) -> None:
    """Delete the files of `arrived` that are unchanged at the source, group by group."""
    removed = failed = 0
    for group in grouped(sorted(arrived), session.run.settings.files_per_task):
        proven = unchanged(session, {path: arrived[path] for path in group})
        if not proven:
            continue
        ended = _delete(session, proven, directories=False)
        if ended.status != "SUCCEEDED":
            session.run.findings.add(_failed(session, ended))
            failed += 1
            if failed == FAILED_GROUPS:
                break
            continue
        for path in proven:
            session.store.drop(path)
            size = arrived[path].size
            log.log(DECISION, "Deleted %s (%d bytes); task %s", path, size, ended.task_id)
        # Saved with the next delete, or at the end: until then its record tells what it has done.
        removed += len(proven)
    if removed or not (arrived or session.kept.counts):
        session.run.findings.well("delete failed")
    log.info("Deleted %d files from %s", removed, session.run.settings.src_dir)


def grouped(paths: list[str], most: int) -> Iterator[list[str]]:
    """Yield the sorted `paths` in groups of at most `most`, in a limited number of directories."""
    group: list[str] = []
    directories: set[str] = set()
    for path in paths:
        directories.add(path.rpartition("/")[0])
        if len(group) == most or len(directories) > DIRECTORIES_PER_GROUP:
            yield group
            group, directories = [], {path.rpartition("/")[0]}
        group.append(path)
    if group:
        yield group


def unchanged(session: Session, group: dict[str, Entry]) -> list[str]:
    """Return those of `group` that are at the source, now, as they were sent.

    The entries of those that are gone are dropped, where this look shows that its disk is there.
    """
    proven, gone, mounted = [], [], False
    root, source = session.run.settings.src_dir, session.run.settings.src_id
    plain = _plain(session, {path.rpartition("/")[0] for path in group})
    for path, answer in proving.versions(session, source, list(group), alone=True):
        if isinstance(answer, Unlisted):
            unasked = f"the source cannot be asked for it: {answer.reason}"
            is_twin = answer.reason == choosing.ALIKE
            session.kept.add(path, answer.reason if is_twin else unasked)
            continue
        directory = path.rpartition("/")[0]
        reason = choosing.reason_of_source(group[path], answer)
        if directory in plain:
            mounted |= answer is not None or directory != root
            gone += [path] if answer is None else []
        elif not reason:
            reason = "a symlink may lead to it"
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
    for outcome in session.look(session.run.settings.src_id, sorted(above)):
        if isinstance(outcome, Directory):
            seen.update(joined(outcome.path, name) for name in outcome.directories)
    return {directory for directory, way in ways.items() if seen.issuperset(way)}


def _way(root: str, directory: str) -> Iterator[str]:
    """Yield `directory` and all directories above it that are below `root`."""
    while directory != root:
        yield directory
        directory = directory.rpartition("/")[0]


def _delete(session: Session, paths: list[str], *, directories: bool) -> TaskDocument:
    known = session.run.settings
    what = f"Deleting {len(paths)} {'directories' if directories else 'files'}"
    with progress.of_task(what, shown=session.run.watched) as show:
        return tasks.delete(
            session.client,
            session.store,
            known.src_id,
            paths,
            directories=directories,
            listed_at=int(time.time()),
            deadline_seconds=known.delete_deadline_minutes * 60,
            save=session.save,
            progress=show,
        )


def _failed(session: Session, ended: TaskDocument) -> Alert:
    fault = ended.fatal_error
    reason = f" ({watching.said(fault.code, fault.description)})" if fault else ""
    return Alert(
        kind="delete failed",
        about=session.run.settings.src_dir,
        text=f"Globus did not delete what is proven below {session.run.settings.src_dir}{reason}."
        " The next run tries again; see that Globus may write there:"
        f" {watching.link(ended.task_id)}",
    )


def tidy(session: Session) -> None:
    """Remove the topmost directories below SRC_DIR that hold nothing but directories."""
    known, store = session.run.settings, session.store
    if store.under_way(known.src_dir):
        log.info("Left empty directories alone: a full transfer is under way")
        return
    bare, can_rename = empty_directories(session)
    if known.src_local_dir:
        _remove_here(session, bare)
    elif bare and not can_rename:
        session.run.findings.add(_no_rename(known.src_id))
    else:
        for start in range(0, max(len(bare), len(store.asides), 1), DIRECTORIES_PER_GROUP):
            _remove_group(session, bare[start : start + DIRECTORIES_PER_GROUP])


def empty_directories(session: Session) -> tuple[list[str], bool]:
    """Return the topmost empty directories below SRC_DIR, and whether Globus can rename there."""
    known = session.run.settings
    excluded = choosing.matcher(known.exclude)
    began = int(time.time())

    def is_content(name: str, mtime: int) -> bool:
        return excluded(name) or not choosing.is_quiet(mtime, began, known.settle_seconds)

    look = looking.everything(session)
    outcomes = list(progress.watched(look, known.src_dir, shown=session.run.watched))
    bare = asides.topmost_bare(outcomes, known.src_dir, is_content)
    if not known.src_local_dir:
        bare = [directory for directory in bare if directory not in session.store.asides]
    return bare, _can_rename(outcomes)


def _can_rename(outcomes: list[Outcome]) -> bool:
    return all(outcome.rename_supported for outcome in outcomes if isinstance(outcome, Directory))


def _no_rename(endpoint: str) -> Alert:
    return Alert(
        kind="rename",
        about=endpoint,
        text=f"The source endpoint {endpoint} cannot rename, so empty directories cannot be removed"
        " safely, and stay.",
        code=0,
        once=True,
    )


def _remove_group(session: Session, directories: list[str]) -> None:
    """Move `directories` aside; delete what then stands aside and is empty; put back the rest."""
    client, store, known = session.client, session.store, session.run.settings
    if directories:
        asides.set_aside(client, store, directories, session.save)
    empty = [
        aside
        for aside in store.asides
        if asides.seen_empty(session.look(known.src_id, [aside], lambda _name: True))
    ]
    if empty:
        ended = _delete(session, empty, directories=True)
        if ended.status == "SUCCEEDED":
            removed = {store.asides.pop(aside) for aside in empty}
            for directory in sorted(removed):
                log.log(DECISION, "Removed the empty directory %s", directory)
            store.forget_below(removed)
        else:
            session.run.findings.add(_failed(session, ended))
    asides.put_back(client, store, session.run.findings, session.pace)
    session.save()


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
