"""Leftover delete tasks: cancel those of interrupted runs, and find out what they have deleted."""

from __future__ import annotations

import logging

from globus_auto import globus, history
from globus_auto.alerts import AlertError, catalog
from globus_auto.alerts.catalog import LEFTOVER
from globus_auto.datastore import TaskRecord
from globus_auto.errors import CancelTimeout, EndpointNotReady, InvalidResponse
from globus_auto.globus import TaskDocument
from globus_auto.steps import batches, delete_task
from globus_auto.steps.reasons import KeepReason
from globus_auto.steps.session import Session

log = logging.getLogger(__name__)


def recover(session: Session) -> None:
    """Take over what an interrupted run was deleting, and what it had deleted before.

    The datastore was not saved since; what is in the history since then is no longer there.
    """
    store, found = session.store, session.context.read_deletion()
    if found is None:
        return
    log.info("An interrupted run was deleting files")
    since = history.moment(found.since)
    for line in history.lines(session.context.settings.history_path, b'"deleted"', since[:7]):
        fact = history.parsed(line)
        record = store.record(fact.path) if fact and fact.at >= since else None
        if fact and record and (fact.size, fact.mtime) == (record.size, record.mtime):
            store.drop(fact.path)
    recorded = {task.submission_id for task in store.tasks.values()}
    if found.task and found.task.submission_id not in recorded:
        store.tasks[store.next_task_number()] = found.task
    store.changed = True


def cancel(session: Session) -> None:
    """Cancel the delete tasks that an interrupted run left, and drop their task records.

    Drop the records of the files that a task has deleted, after adding them to the history: all of
    its files if it SUCCEEDED before it could be cancelled, else those that are gone. Never submit
    an old delete again: the files may have changed. Keep the record of a task without a task id
    until its deadline, for its submission may still arrive. After its deadline a delete task
    deletes nothing more, even if it does not end. Raise any error that leaves open whether a task
    has ended.
    """
    for number, task in session.store.tasks_in_progress("delete").items():
        over = session.context.started > (task.deadline or 0)
        ended = _cancelled(session, task, over=over) if task.task_id else None
        if not (task.task_id or over):
            continue
        paths = list(task.deletes or ())
        # No run has written records since: these describe the files that the task deleted.
        deleted = paths if ended and ended.status == "SUCCEEDED" else _gone(session, paths)
        if deleted is None:
            log.info("What a delete task has deleted is not known yet: task %s", task.task_id)
            continue
        try:
            delete_task.conclude(session, number, deleted)
        except AlertError as error:
            session.context.alerts.fire(error.alert)
    session.context.alerts.resolve("delete failed", lambda about: about.startswith(LEFTOVER))


def _cancelled(session: Session, task: TaskRecord, *, over: bool) -> TaskDocument | None:
    """Cancel a task; return its document, or None if Globus no longer has it, or it is `over`."""
    task_id = task.task_id or ""
    try:
        ended = session.client.cancel(task_id)
    except (globus.TransferAPIError, CancelTimeout, InvalidResponse) as error:
        gone = (
            isinstance(error, globus.TransferAPIError)
            and error.http_status == 404
            and globus.is_rejected(error)
        )
        if not gone and not over:
            raise
        if isinstance(error, CancelTimeout):
            link = globus.link(task_id)
            session.context.alerts.fire(catalog.delete_never_ends(task.source_dir, link))
        return None
    log.info("Cancelled a delete task of an earlier run: task %s, now %s", task_id, ended.status)
    return ended


def _gone(session: Session, paths: list[str]) -> list[str] | None:
    """Return those of `paths` with a record that are gone from the source; None if not known."""
    group = {path: record for path in paths if (record := session.store.record(path))}
    if not group:
        return []
    try:
        listed = batches.list_again(session, group, deleting=True)
    except (globus.TransferAPIError, EndpointNotReady) as error:
        log.info("The source cannot be listed: %s", error)
        return None
    unknown = any(why.reason is KeepReason.UNKNOWN for _, why in listed.kept)
    return None if unknown else listed.gone
