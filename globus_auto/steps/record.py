"""Record the tasks of a plan before they are submitted, then submit them."""

from __future__ import annotations

import logging
import math

from globus_auto import globus
from globus_auto.datastore import FileRecord
from globus_auto.files import joined
from globus_auto.steps import submit
from globus_auto.steps.plan import TransferPlan
from globus_auto.steps.session import Session

log = logging.getLogger(__name__)

# Globus rejects more tasks of one user in progress (docs.globus.org/faq, on transfer limits).
PENDING_MOST = 100
PARTS = 10  # files of failed tasks are sent again in about this many tasks


def submit_plan(session: Session, plan: TransferPlan) -> None:
    """Record tasks for the files to transfer, and submit them.

    If it is unknown whether a task exists that this scan has submitted, the next run goes on: only
    a new list of tasks shows that.
    """
    if plan.submitted and _has_unsubmitted(session):
        return
    record_tasks(session, plan)
    if not (submit.submit_unaccepted(session) or plan.rejected):
        session.context.alerts.resolve("refused")
    session.save()


def submit_whole_tasks(session: Session, plan: TransferPlan) -> bool:
    """Submit tasks for the files found so far, as many as whole tasks have, while a scan goes on.

    Return whether to go on with this: not if Globus rejects one, or too many are in progress.
    """
    before = plan.submitted
    number = (len(plan.transfers) - before) // session.context.settings.files_per_task
    record_tasks(session, plan, number * session.context.settings.files_per_task)
    is_rejected = submit.submit_unaccepted(session)
    session.save()
    session.context.show_progress()
    if is_rejected or _has_unsubmitted(session):
        return False
    return plan.submitted > before or not number


def _has_unsubmitted(session: Session) -> bool:
    """Return whether a transfer task is recorded that Globus is not known to have accepted."""
    tasks = session.store.tasks_in_progress("transfer").values()
    return any(task.task_id is None for task in tasks)


def record_tasks(session: Session, plan: TransferPlan, files: int | None = None) -> None:
    """Add unsubmitted tasks to the datastore, with records of the files to transfer.

    That are so many `files` (None: all), unless there are too many tasks in progress. Leave out
    those that this scan has submitted before.
    """
    store, settings = session.store, session.context.settings
    most = settings.files_per_task
    if store.forget_ended_tasks(session.context.started, failed=True):
        # One file that the destination rejects makes its whole task fail, and a failed task does
        # not list files that it found equal. In smaller tasks, that file holds up fewer others.
        most = min(most, math.ceil(len(plan.transfers) / PARTS) or 1)
    if plan.recursive:
        most = len(plan.transfers)
        number = _new_task(session, plan)
    room = most if plan.recursive else 0
    verbose = log.isEnabledFor(logging.DEBUG)
    left = len(plan.transfers) if files is None else files
    for directory, found in plan.transfers.directories():
        names = _unsubmitted(session, plan, directory, sorted(found))[:left]
        left -= len(names)
        while names:
            if not room and sum(task.in_progress for task in store.tasks.values()) >= PENDING_MOST:
                log.info("Tasks in progress: %d; the next run sends the rest", PENDING_MOST)
                return
            if not room:
                number, room = _new_task(session, plan), most
            part, names = names[:room], names[room:]
            room -= len(part)
            plan.submitted += len(part)
            records = {}
            for name in part:
                size, mtime = found[name].size, found[name].mtime
                records[name] = FileRecord(size, mtime, number)
            store.files.update(directory, records)
            for name in part if verbose else ():
                version, decision = plan.transfers.planned(found[name])
                path = joined(directory, name)
                log.debug("Send %s (%d bytes): %s; task %d", path, version.size, decision, number)


def _unsubmitted(
    session: Session, plan: TransferPlan, directory: str, names: list[str]
) -> list[str]:
    """Return those of `names` that this scan has not submitted."""
    if not plan.submitted:
        return names
    records = session.store.files.read(directory)
    return [name for name in names if name not in records or records[name].task < plan.first_task]


def _new_task(session: Session, plan: TransferPlan) -> int:
    """Add an unsubmitted task without files to the datastore; return its number."""
    store, settings = session.store, session.context.settings
    number, new_id = store.next_task_number(), session.client.new_submission_id()
    store.tasks[number] = globus.new_task(
        "transfer",
        new_id,
        label=session.label("transfer", new_id),
        scanned_at=plan.began,
        source_dir=settings.src_dir,
        destination=settings.dst_id,
        destination_dir=settings.dst_dir,
        recursive=plan.recursive,
        exclude=settings.exclude if plan.recursive else [],
        roots=plan.roots if plan.recursive else None,
    )
    return number
