"""Record the tasks of a plan before they are submitted, then submit them."""

from __future__ import annotations

import glob
import logging
import math

from globus_auto import globus
from globus_auto.datastore import FileRecord
from globus_auto.steps import submit
from globus_auto.steps.plan import TransferPlan
from globus_auto.steps.session import Session

log = logging.getLogger(__name__)

PARTS = 10  # files of failed tasks are sent again in about this many tasks


def submit_plan(session: Session, plan: TransferPlan) -> None:
    """Record tasks for the files to transfer, and submit them."""
    record_tasks(session, plan)
    if not (submit.submit_unaccepted(session) or plan.rejected):
        session.context.alerts.resolve("refused")
    session.save()


def record_tasks(session: Session, plan: TransferPlan) -> None:
    """Move the files to transfer from `plan` to the datastore, as records of unsubmitted tasks.

    There may be a million of them, so they are never in both.
    """
    store, settings = session.store, session.context.settings
    paths = sorted(plan.transfers)
    most = settings.files_per_task
    if store.forget_ended_tasks(session.context.started, failed=True):
        # One file that the destination rejects makes its whole task fail, and a failed task does
        # not list files that it found equal. In smaller tasks, that file holds up fewer others.
        most = min(most, math.ceil(len(paths) / PARTS) or 1)
    # A recursive task would transfer these as well, so a filter rule excludes each name.
    left_out = [glob.escape(path.rpartition("/")[2]) for path in plan.collisions]
    verbose = log.isEnabledFor(logging.DEBUG)
    parts = [paths[start : start + most] for start in range(0, len(paths), most)]
    for part in [paths] if plan.recursive else parts:
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
            exclude=[*settings.exclude, *left_out] if plan.recursive else [],
        )
        for path in part:
            version, decision = plan.transfers.pop(path)
            store.put(path, FileRecord(version.size, version.mtime, number))
            if verbose:
                log.debug("Send %s (%d bytes): %s; task %d", path, version.size, decision, number)
    # A dict does not free memory when its items are removed one by one.
    plan.transfers.clear()
