"""Start of both programs: log in, finish the work of earlier runs, check both collections."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from globus_auto import globus
from globus_auto.context import RunContext
from globus_auto.datastore import OPEN, Datastore, TaskRecord
from globus_auto.globus import Connection, TaskDocument
from globus_auto.steps import compare, facts, leftovers, poll, quarantine
from globus_auto.steps.session import Progress, Session
from globus_auto.steps.submit import submit_unaccepted

log = logging.getLogger(__name__)

# Without a datastore it is unknown since when tasks may be in progress.
LONGEST_TASK = 30 * 86_400  # seconds


@contextmanager
def open_session(
    context: RunContext, progress: Progress, connection: Connection | None = None
) -> Iterator[Session]:
    """Yield a session that holds the datastore's lock, after finishing the work of earlier runs.

    Without a `connection`, log in; that connection stays open until the run ends.
    """
    with context.store_locked():
        store = context.load()
        if connection is None:
            connection = globus.connect(
                context.settings,
                interactive=context.interactive,
                again=getattr(context.options, "login", False),
            )
            context.resources.callback(connection.close)
        session = Session(context, store, connection, progress)
        _start_up(session)
        # Globus may accept the submissions of earlier runs just now or later: they count as well.
        left = [task.mapping for task in store.tasks_in_progress("transfer").values()]
        context.require_own_destination([*store.mappings, *left])
        yield session


def _start_up(session: Session) -> None:
    """Finish the work of earlier runs, whose tasks may have ended since."""
    context, store = session.context, session.store
    before = _all_but_records(store)
    leftovers.recover(session)
    # If loading already found the datastore restored, its delivered records are dropped by now.
    if compare_with_list(session) and not store.restored:
        context.restored(store)
    if not context.dry:
        submit_unaccepted(session)
        leftovers.cancel(session)
        quarantine.restore(session)
    poll.poll(session)
    facts.record_deliveries(session)
    compare.poll(session)
    store.forget_ended_tasks(context.started)
    transfers = [task for task in store.tasks.values() if task.kind == "transfer"]
    if all(task.verify_checksum for task in transfers if task.status == "SUCCEEDED"):
        context.alerts.resolve("unverified")
    # File records change here only with their tasks, and comparing a million of them takes a while.
    if store.changed or _all_but_records(store) != before:
        session.save()


def _all_but_records(store: Datastore) -> object:
    return msgspec.to_builtins((store.tasks, store.quarantined, store.mappings))


def compare_with_list(session: Session) -> bool:
    """Update the datastore from Globus's task list; return whether it is older than the list.

    A submission whose answer was lost gets its task id. An unknown transfer of this mapping in
    progress is recorded, and files wait for it, since it may still write their copies. An unknown
    delete task in progress is recorded as well, to be cancelled. A datastore that has never had a
    task of this mapping as new as one in the list was restored from a backup. Raise what the call
    raises.
    """
    store, settings = session.store, session.context.settings
    mine = globus.mapping_id(settings)
    mapping = store.mapping(settings.mapping)
    newest = mapping.newest if mapping else 0
    by_id = {task.submission_id: task for task in store.tasks.values()}
    older = False
    for document in session.client.recent_tasks(_since(store, newest)):
        label = globus.parse_label(document.label)
        if label is None:
            continue
        kind, listed_mapping, submission_id = label
        task = by_id.get(submission_id)
        if task:
            _recognise(store, task, document)
            continue
        requested = globus.seconds(document.request_time) or 0
        # Without a mapping there is no earlier state that the datastore could be older than.
        newer = bool(mapping) and kind == "transfer" and requested > newest
        if listed_mapping != mine or not (document.status in OPEN or newer):
            continue
        older |= newer
        if document.status in OPEN and not _is_given_up(kind, requested, session):
            log.info("In progress, but not in the datastore until now: task %s", document.task_id)
            store.tasks[store.next_task_number()] = _adopted(session, kind, submission_id, document)
        if mapping:
            mapping.newest = max(mapping.newest, requested)
    return older


def _is_given_up(kind: str, requested: int, session: Session) -> bool:
    """Return whether this is a delete task whose deadline has passed, by this machine's clock.

    Earlier runs tried to cancel it until then. Such a task may never end, so it is not recorded
    again.
    """
    limit = session.context.settings.delete_deadline_minutes * 60
    return kind == "delete" and time.time() > requested + limit


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
    task.requested_at = globus.seconds(document.request_time) or task.requested_at
    if task.kind == "transfer" and task.task_id == document.task_id:
        store.add_mapping(task)
    if not task.in_progress and document.status in OPEN and isinstance(task.lost, list):
        log.info("A task that Globus did not show before is in progress: task %s", document.task_id)
        # Its file records were dropped, so it counts as recursive: it covers all files.
        task.status, task.recursive = "ACTIVE", True
        task.ended_at, task.lost = None, msgspec.UNSET


def _adopted(session: Session, kind: str, submission_id: str, document: TaskDocument) -> TaskRecord:
    """Return the record of a task in progress that this datastore did not start.

    Which files such a transfer has is unknown, so it counts as recursive: it covers all of them.
    """
    settings = session.context.settings
    requested = globus.seconds(document.request_time) or int(time.time())
    # A comparison may write copies, too.
    transfer = kind != "delete"
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
