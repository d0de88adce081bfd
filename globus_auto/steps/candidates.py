"""Candidates: the files that delete.py may delete, and the reasons why the others stay."""

from __future__ import annotations

from collections.abc import Mapping

from globus_auto import globus
from globus_auto.alerts import catalog
from globus_auto.datastore import FileRecord, TaskRecord
from globus_auto.files import below, colliding_names, fold, joined, matcher, matches
from globus_auto.steps import compare, facts, rules, verify
from globus_auto.steps.plan import DeletionPlan
from globus_auto.steps.reasons import KeepReason, Why
from globus_auto.steps.rules import NEVER, KeepTerms, reason_to_keep
from globus_auto.steps.session import Session


def plan_deletion(session: Session) -> DeletionPlan:
    """Return the files that delete.py may delete now: those whose copies are verified.

    Raise AlertError if the history cannot be written: then nothing may be dropped or deleted.
    """
    facts.require(session)
    verified = verify.verify(session, compare.without_in_progress(session, candidates(session)))
    if session.context.settings.verify_destination == "checksum":
        verified = compare.compared(session, verified)
    else:
        session.context.alerts.resolve("altered")
        session.context.alerts.resolve("comparison")
    session.context.alerts.resolve("repaired")
    undeleted = frozenset(session.context.read_health().undeleted)
    most = session.context.settings.files_per_task
    return DeletionPlan(verified, undeleted, most)


def candidates(session: Session) -> dict[str, FileRecord]:
    """Return the records of the files that may be deleted if their copies are verified, by path.

    Leave out files outside SRC_DIR. Add files that must stay to `session.kept`, with the reason.
    """
    settings, store = session.context.settings, session.store
    keeping = KeepTerms(session.context.started, settings.keep_days)
    lost, lost_below = store.lost(session.context.started)
    unverified: dict[str, TaskRecord] = {}
    excluded = matcher(settings.exclude)
    found = {}
    young = {} if lost else _young_until(store.tasks, keeping)
    for group in _directories_by_fold(session):
        colliding: set[str] | None = None
        for directory in group:
            hidden = matches(directory, settings.src_dir, excluded)
            recursive_in_progress = store.recursive_in_progress(directory)
            all_lost = any(below(directory, each) for each in lost_below)
            plain = not (hidden or recursive_in_progress or all_lost)
            latest = young if plain else {}
            waiting = []
            for name, record in sorted(store.files.read(directory).items()):
                if record.mtime <= latest.get(record.task, NEVER) and not excluded(name):
                    # Nearly all files in nearly all runs wait for KEEP_DAYS.
                    waiting.append(name)
                    continue
                if colliding is None:
                    colliding = colliding_names(
                        [name for each in group for name in store.files.read(each)]
                    )
                path, task = joined(directory, name), store.tasks[record.task]
                reason = reason_to_keep(
                    record,
                    task,
                    keeping,
                    excluded=hidden or excluded(name),
                    recursive_in_progress=recursive_in_progress,
                    collides=name in colliding,
                    lost=all_lost or path in lost,
                )
                if reason and reason.reason is KeepReason.UNVERIFIED:
                    unverified.setdefault(task.destination, task)
                if reason:
                    session.kept.add(path, reason)
                else:
                    found[path] = record
            session.kept.add_all(directory, waiting, Why(KeepReason.KEEP_DAYS))
    for task in unverified.values():
        session.context.alerts.fire(
            catalog.checksums_unverified(
                task.destination, task.source_dir, globus.link(task.task_id or "")
            )
        )
    session.context.alerts.resolve("unverified")
    return found


def _directories_by_fold(session: Session) -> list[list[str]]:
    """Return the known directories below SRC_DIR, grouped by name without case or Unicode form.

    The directories of one group could be one directory at the destination.
    """
    groups: dict[str, list[str]] = {}
    for directory in sorted(session.store.files):
        if below(directory, session.context.settings.src_dir):
            groups.setdefault(fold(directory), []).append(directory)
    return list(groups.values())


def _young_until(tasks: Mapping[int, TaskRecord], keeping: KeepTerms) -> dict[int, int]:
    """Return for each task that ended less than KEEP_DAYS ago the latest mtime that is not racy.

    A file of such a task with an mtime up to that one stays because of KEEP_DAYS, unless what
    `reason_to_keep` looks at before is a reason as well.
    """
    least = keeping.keep_days * rules.DAY
    return {
        number: latest
        for number, latest in rules.safe_until(tasks).items()
        if least and keeping.now - (tasks[number].ended_at or keeping.now) < least
    }
