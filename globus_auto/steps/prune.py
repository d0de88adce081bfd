"""Delete empty directories: quarantine them, list them again, and delete what is empty."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Collection

from globus_auto import globus
from globus_auto.alerts import AlertState, catalog
from globus_auto.errors import ListingTooOld
from globus_auto.files import is_below_any, keep_marker_finder, with_parents
from globus_auto.steps import delete_task, empty, facts, quarantine
from globus_auto.steps.delete_task import FAILED_TASKS, MOST_SECONDS, Age, Deletion, Ended
from globus_auto.steps.failures import reason_of_failure
from globus_auto.steps.plan import PruningPlan
from globus_auto.steps.rules import DAY
from globus_auto.steps.session import Session

log = logging.getLogger(__name__)

DIRECTORIES_PER_GROUP = 200  # empty ones, quarantined together
# What rmdir says of a directory that somebody uses again, or has removed.
NO_LONGER_EMPTY = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT)


def _about_directories(session: Session) -> str:
    """Return the `about` of alerts on empty directories; file deletions do not resolve it."""
    return catalog.about_empty_directories(session.context.settings.src_dir)


def prune(session: Session, emptied: Collection[str]) -> None:
    """Delete the topmost directories below SRC_DIR that hold nothing, or only empty directories.

    `emptied` are directories in which this run has deleted all files that it knows.
    """
    plan = plan_pruning(session, emptied)
    if plan is None:
        return
    _carry_out(session, plan)
    session.context.remember(lambda health: _note(health, plan, session.context.started))


def _note(health: AlertState, plan: PruningPlan, now: int) -> None:
    """Remember the empty directories that stay: not due yet, or refused."""
    done = {path for path in plan.directories if not health.was_refused(path, now)}
    health.keep_empty([path for path in plan.empty if done.isdisjoint(with_parents(path))])
    health.pruned_at = now if plan.complete else health.pruned_at


def _carry_out(session: Session, plan: PruningPlan) -> None:
    if session.context.settings.src_local_dir:
        _remove_here(session, plan.directories)
    else:
        _remove_there(session, plan)
    if not plan.postponed:
        session.context.alerts.resolve("delete failed", _about_directories(session))


def _remove_there(session: Session, plan: PruningPlan) -> None:
    """Remove empty directories through Globus, from quarantine."""
    kept = [path for path in session.store.quarantined if is_below_any(path, plan.marked)]
    if kept:
        quarantine.restore(session, also=kept)
    count = max(len(plan.directories), len(session.store.quarantined))
    for start in range(0, count, DIRECTORIES_PER_GROUP):
        _remove_group(session, plan.directories[start : start + DIRECTORIES_PER_GROUP])


def plan_pruning(session: Session, emptied: Collection[str] = ()) -> PruningPlan | None:
    """Return the empty directories to delete now; None if directories must be left alone.

    List all of SRC_DIR in the first run of a day (UTC), and else `emptied` and the directories
    that a scan has seen empty. Fire or resolve the alert that renaming is not supported.
    """
    settings, store, alerts = session.context.settings, session.store, session.context.alerts
    if not settings.delete_empty_dirs:
        alerts.resolve("delete failed", _about_directories(session))
        alerts.resolve("mount")
        alerts.resolve("rename")
        return None
    if store.recursive_in_progress(settings.src_dir):
        log.info("Kept empty directories: a recursive task is in progress")
        return None
    health, now = session.context.read_health(), session.context.started
    complete = health.pruned_at // DAY != now // DAY
    # Above a directory in quarantine, somebody may have made a KEEP marker.
    above = {path.rpartition("/")[0] for path in store.quarantined}
    found = empty.find_empty(session, None if complete else {*health.empty, *emptied, *above})
    due = found.trees
    if not settings.src_local_dir:
        if due and not found.can_rename:
            collection = session.context.collection(settings.src_id)
            alerts.fire(catalog.rename_unsupported(settings.src_id, collection))
            return None
        if due or complete:
            alerts.resolve("rename")
    due = [path for path in due if not health.was_refused(path, now)]
    postponed = len(found.trees) - len(due)
    return PruningPlan(due, postponed, found.directories, found.marked, complete)


def _remove_group(session: Session, directories: list[str]) -> None:
    """Quarantine `directories`, delete those that are empty in quarantine, and restore the rest."""
    store = session.store
    refused = quarantine.quarantine(session, directories) if directories else {}
    for reason in refused.values():
        _report_failure(session, reason)
    stuck = _delete_quarantined(session)
    paths = [*refused, *(store.quarantined[quarantined_path] for quarantined_path in stuck)]
    if paths:
        session.context.remember(lambda health: health.refuse(paths, session.context.started))
    quarantine.restore(session, also=stuck)
    session.save()


def _delete_quarantined(session: Session) -> list[str]:
    """Delete the quarantined directories that are empty; return those that cannot be deleted.

    Each is listed just before it is deleted, under a quarantine name that no writer knows.
    """
    source = session.context.settings.src_id
    has_marker = keep_marker_finder(session.context.settings.keep_markers)
    groups, stuck, failed = [list(session.store.quarantined)], [], 0
    while groups:
        group = groups.pop()
        if failed >= FAILED_TASKS:
            stuck += group
            continue
        age = Age()
        walk = list(session.walk(source, group, lambda _name: True))
        empty_paths = empty.empty_trees_of(group, walk, has_marker)
        if not empty_paths:
            continue
        ended = None
        try:
            ended = delete_task.delete(session, Deletion(empty_paths, True, age, MOST_SECONDS))
        except ListingTooOld:
            # They stay in quarantine until a run lists them in time.
            log.info(
                "Empty directories kept in quarantine, listed too slowly: %d", len(empty_paths)
            )
            continue
        except globus.TransferAPIError as error:
            if not globus.is_rejected(error) or globus.requires_login(error):
                raise
            _report_failure(session, globus.details(error))
        if ended and ended.document.status == "SUCCEEDED":
            _conclude(session, ended, empty_paths)
            continue
        failed += 1
        if ended:
            _report_failure(session, reason_of_failure(session, ended.document))
        gone = empty.gone(session.walk(source, empty_paths))
        left = [path for path in empty_paths if path not in gone]
        _conclude(session, ended, [path for path in empty_paths if path not in left])
        if len(left) > 1:
            groups += [left[: len(left) // 2], left[len(left) // 2 :]]
        else:
            stuck += left
    return stuck


def _conclude(session: Session, ended: Ended | None, deleted: list[str]) -> None:
    """Add the directories that were deleted in quarantine to the history, and forget them."""
    removed = {session.store.quarantined[path] for path in deleted}
    if ended:
        delete_task.conclude(session, ended.number, sorted(removed), "pruned")
    else:
        facts.record(session, "pruned", sorted(removed))
    for path in deleted:
        log.debug("Removed the empty directory %s", session.store.quarantined.pop(path))
    _forget_below(session, removed)


def _forget_below(session: Session, removed: set[str]) -> None:
    if removed:
        log.info("Empty directories removed: %d", len(removed))
    session.store.forget_below(removed)


def _report_failure(session: Session, reason: str) -> None:
    source_dir = session.context.settings.src_dir
    session.context.alerts.fire(catalog.directories_not_removed(source_dir, reason))


def _remove_here(session: Session, directories: list[str]) -> None:
    """Remove `directories` in the mounted SRC_LOCAL_DIR; rmdir removes only empty ones."""
    settings = session.context.settings
    has_marker = keep_marker_finder(settings.keep_markers)
    removed, refused = set(), []
    for directory in directories:
        here = settings.src_local_dir + directory[len(settings.src_dir) :]
        try:
            below = [path for path, _, _ in os.walk(here, topdown=False)]
            if has_marker(os.path.basename(path) for path in below[:-1]):
                log.info("Kept the directory %s: it has a KEEP marker now", directory)
                continue
            for path in below:
                os.rmdir(path)
        except OSError as error:
            log.info("Kept the directory %s: %s", directory, error.strerror)
            if error.errno not in NO_LONGER_EMPTY:
                refused.append(directory)
                reason = f"{directory}: {error.strerror}."
                alert = catalog.directories_not_removed(settings.src_dir, reason, "this user")
                session.context.alerts.fire(alert)
        else:
            removed.add(directory)
            log.debug("Removed the empty directory %s", directory)
    if refused:
        session.context.remember(lambda health: health.refuse(refused, session.context.started))
    facts.record(session, "pruned", sorted(removed))
    _forget_below(session, removed)
