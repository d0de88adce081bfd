"""What every run does first: learn from Globus's list what earlier runs, or other ones, left."""

from __future__ import annotations

import logging
import time

import globus_sdk
import msgspec

from globus_auto import tasks, watching
from globus_auto.datastore import OPEN, Datastore, TaskRecord
from globus_auto.settings import Settings
from globus_auto.watching import TaskDocument

log = logging.getLogger(__name__)

# With no datastore it is not known since when tasks may be in progress.
LONGEST_TASK = 30 * 86_400  # seconds


def compare_with_list(
    client: globus_sdk.TransferClient, store: Datastore, settings: Settings
) -> bool:
    """Compare `store` with the tasks of this mapping that Globus lists; return whether it is older.

    A submission whose answer was lost gets its task id. A transfer in progress that is not
    remembered is from then on: files wait for it, since it may still write their copies. A delete
    in progress that is not remembered is, too, to be cancelled. A datastore that has never had a
    task as new as one in the list was restored from a backup. Raise what the call raises.
    """
    mine = tasks.mapping_id(settings)
    mapping = store.mapping(settings.mapping)
    newest = mapping.newest if mapping else 0
    by_id = {task.submission_id: task for task in store.tasks.values()}
    older = False
    for document in tasks.recent_tasks(client, _since(store, newest)):
        label = tasks.parse_label(document.label)
        if label is None:
            continue
        kind, listed_mapping, submission_id = label
        task = by_id.get(submission_id)
        if task:
            _recognise(store, task, document)
            continue
        requested = watching.seconds(document.request_time) or 0
        # Without a mapping nothing was remembered, and nothing can be too old.
        newer = bool(mapping) and kind == "transfer" and requested > newest
        if listed_mapping != mine or not (document.status in OPEN or newer):
            continue
        older |= newer
        if document.status in OPEN and not _is_given_up(kind, requested, settings):
            log.info("Not started by this datastore, and in progress: task %s", document.task_id)
            store.tasks[store.next_task_number()] = _adopted(
                kind, submission_id, document, settings
            )
        if mapping:
            mapping.newest = max(mapping.newest, requested)
    return older


def _is_given_up(kind: str, requested: int, settings: Settings) -> bool:
    """Return whether this is a delete whose deadline is over by our own account.

    It was cancelled as long as that was not so. One that never ends is not begun with again.
    """
    return kind == "delete" and time.time() > requested + settings.delete_deadline_minutes * 60


def _since(store: Datastore, newest: int) -> int:
    """Return from when on tasks are asked for, in seconds UTC."""
    earliest = newest or int(time.time()) - LONGEST_TASK
    return min(
        [earliest, *(task.submitted_at for task in store.tasks.values() if task.in_progress)]
    )


def _recognise(store: Datastore, task: TaskRecord, document: TaskDocument) -> None:
    """Take down what the list says of a task that is remembered."""
    if task.in_progress and task.task_id is None:
        log.info("Accepted though the answer was lost: task %s", document.task_id)
        task.task_id = document.task_id
    task.requested_at = watching.seconds(document.request_time) or task.requested_at
    if task.kind == "transfer" and task.task_id == document.task_id:
        store.add_mapping(task)
    if not task.in_progress and document.status in OPEN and isinstance(task.lost, list):
        log.info("In progress though Globus did not show it before: task %s", document.task_id)
        task.status, task.recursive = "ACTIVE", True
        task.ended_at, task.lost = None, msgspec.UNSET


def _adopted(
    kind: str, submission_id: str, document: TaskDocument, settings: Settings
) -> TaskRecord:
    """Return the record of a task in progress that this datastore did not start.

    Of a transfer it is not known which files it has: it counts as one that has them all.
    """
    requested = watching.seconds(document.request_time) or int(time.time())
    transfer = kind == "transfer"
    return TaskRecord(
        kind="transfer" if transfer else "delete",
        submission_id=submission_id,
        task_id=document.task_id,
        label=document.label or "",
        submitted_at=min(requested, int(time.time())),
        scanned_at=requested,
        requested_at=requested,
        recursive=transfer,
        source_dir=settings.src_dir,
        destination=settings.dst_id if transfer else settings.src_id,
        destination_dir=settings.dst_dir if transfer else "",
        deadline=None if transfer else requested + settings.delete_deadline_minutes * 60,
    )
