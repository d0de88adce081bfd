"""The start of every run: update the datastore from Globus's list of tasks."""

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

# Without a datastore it is unknown since when tasks may be in progress.
LONGEST_TASK = 30 * 86_400  # seconds


def compare_with_list(
    client: globus_sdk.TransferClient, store: Datastore, settings: Settings
) -> bool:
    """Update `store` from Globus's task list; return whether `store` is older than the list.

    A submission whose answer was lost gets its task id. An unknown transfer of this mapping in
    progress is recorded, and files wait for it, since it may still write their copies. An unknown
    delete task in progress is recorded as well, to be cancelled. A datastore that has never had a
    task of this mapping as new as one in the list was restored from a backup. Raise what the call
    raises.
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
        # Without a mapping there is no earlier state that the datastore could be older than.
        newer = bool(mapping) and kind == "transfer" and requested > newest
        if listed_mapping != mine or not (document.status in OPEN or newer):
            continue
        older |= newer
        if document.status in OPEN and not _is_given_up(kind, requested, settings):
            log.info("In progress, but not in the datastore until now: task %s", document.task_id)
            store.tasks[store.next_task_number()] = _adopted(
                kind, submission_id, document, settings
            )
        if mapping:
            mapping.newest = max(mapping.newest, requested)
    return older


def _is_given_up(kind: str, requested: int, settings: Settings) -> bool:
    """Return whether this is a delete task whose deadline has passed, by this machine's clock.

    Earlier runs tried to cancel it until then. Such a task may never end, so it is not recorded
    again.
    """
    return kind == "delete" and time.time() > requested + settings.delete_deadline_minutes * 60


def _since(store: Datastore, newest: int) -> int:
    """Return the time from which to list tasks, in seconds UTC."""
    earliest = newest or int(time.time()) - LONGEST_TASK
    return min(
        [earliest, *(task.submitted_at for task in store.tasks.values() if task.in_progress)]
    )


def _recognise(store: Datastore, task: TaskRecord, document: TaskDocument) -> None:
    """Update the record of a known task from the list."""
    if task.in_progress and task.task_id is None:
        log.info("Globus had accepted a task, but its answer was lost: task %s", document.task_id)
        task.task_id = document.task_id
    task.requested_at = watching.seconds(document.request_time) or task.requested_at
    if task.kind == "transfer" and task.task_id == document.task_id:
        store.add_mapping(task)
    if not task.in_progress and document.status in OPEN and isinstance(task.lost, list):
        log.info("A task that Globus did not show before is in progress: task %s", document.task_id)
        # Its file records were dropped, so it counts as recursive: it covers all files.
        task.status, task.recursive = "ACTIVE", True
        task.ended_at, task.lost = None, msgspec.UNSET


def _adopted(
    kind: str, submission_id: str, document: TaskDocument, settings: Settings
) -> TaskRecord:
    """Return the record of a task in progress that this datastore did not start.

    Which files such a transfer has is unknown, so it counts as recursive: it covers all of them.
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
