"""Polling: ask Globus about the transfer tasks in progress, and record their results."""

from __future__ import annotations

import logging

import msgspec

from globus_auto import globus
from globus_auto.alerts import Alert, Alerts, catalog
from globus_auto.datastore import OPEN, TaskRecord
from globus_auto.errors import EndpointNotReady, InvalidResponse
from globus_auto.globus import TaskDocument
from globus_auto.steps import delivered, failures
from globus_auto.steps.delivered import Delivery
from globus_auto.steps.session import Session
from globus_auto.text import counted

log = logging.getLogger(__name__)

# These errors leave the status of a task unknown.
UNKNOWN_STATUS = (InvalidResponse, globus.NetworkError, globus.TransferAPIError)


def poll(session: Session) -> None:
    """Ask about every transfer task in progress, and record the results of those that ended.

    Drop the records of files that an ended task is not known to have delivered, so that they are
    transferred again, and add them to `session.undelivered`. After an invalid response leave the
    task as it is. Raise errors that concern the login.
    """
    store, alerts, now = session.store, session.context.alerts, session.context.started
    succeeded = failed = unknown = progressing = 0
    ended: dict[int, TaskDocument | None] = {}
    for number, task in store.tasks_in_progress("transfer").items():
        if task.task_id is None:
            continue
        try:
            document = _task_document(session, task)
            if document and document.status in OPEN:
                trouble = _check_progress(session, task, document)
                if isinstance(trouble, Alert):
                    alerts.fire(trouble)
                elif trouble:
                    progressing += 1
            else:
                ended[number] = document
        except UNKNOWN_STATUS as error:
            _report_unknown(error, task, alerts)
            unknown += 1
            if isinstance(error, globus.NetworkError):
                # While the network is down each call takes minutes: leave the rest to the next run.
                break
    for number, paths in store.paths_by_task(ended).items():
        document = ended[number]
        task = store.tasks[number]
        try:
            if document is None:
                _record_lost(task, paths, now)
                dropped = paths
            else:
                found = delivered.find_delivered(session, task, document, paths, now)
                if found is None:
                    # Its lists are not available yet: it stays in progress until a later run.
                    continue
                dropped = _record_end(session, number, document, paths, found)
        except (*UNKNOWN_STATUS, EndpointNotReady) as error:
            _report_unknown(error, task, alerts)
            unknown += 1
            continue
        for path in dropped:
            store.drop(path)
        session.undelivered.extend(dropped)
        succeeded += task.status == "SUCCEEDED"
        failed += task.status == "FAILED"
        if document and document.status == "FAILED":
            alerts.fire(_failure(session, task, document))
    # Only transferred files show that nothing holds them up any more.
    if (succeeded or progressing) and not (failed or unknown):
        alerts.resolve("stalled")
        alerts.resolve("inactive")
    if not unknown:
        alerts.resolve("unknown status")
    if succeeded and not failed:
        alerts.resolve("failed")


def _task_document(session: Session, task: TaskRecord) -> TaskDocument | None:
    """Return the document of `task` and record its status; None if Globus has no such task."""
    task_id = task.task_id or ""
    try:
        document = session.client.task(task_id)
    except globus.TransferAPIError as error:
        if globus.is_unknown_task(error):
            log.info("Globus has no task %s: its files are transferred again", task_id)
            return None
        raise
    if document.status in OPEN:
        task.status = "INACTIVE" if document.status == "INACTIVE" else "ACTIVE"
    return document


def _record_lost(task: TaskRecord, paths: list[str], now: int) -> None:
    """End a task that Globus no longer shows; it may still be writing copies of its files."""
    if task.ended_at is None:
        task.lost = [] if task.recursive else paths
        task.ended_at = now
    task.status = "FAILED"


def _record_end(
    session: Session,
    number: int,
    document: TaskDocument,
    paths: list[str],
    found: Delivery,
) -> list[str]:
    """Record the end of a task; return those of its `paths` that it has not delivered.

    Files that Globus found equal, and did not copy, move to a second record of the same task.
    """
    store, task = session.store, session.store.tasks[number]
    session.skipped.update(found.skipped)
    task.status = "SUCCEEDED" if document.status == "SUCCEEDED" else "FAILED"
    task.requested_at = globus.seconds(document.request_time) or task.requested_at
    task.completed_at = globus.seconds(document.completion_time)
    task.ended_at = _between(task.submitted_at, task.completed_at, session.context.started)
    task.unlisted_since = task.error_since = task.error_progress = None
    task.verify_checksum = document.verify_checksum is True
    task.encrypt_data = document.encrypt_data is True
    store.add_mapping(task)
    session.ended.add(task.task_id)
    if len(found.dropped) < len(paths):
        _check_policies(session.context.alerts, task)
    if found.equal:
        equal = msgspec.structs.replace(task, equal=True)
        equal_number = number
        if len(found.equal) + len(found.dropped) < len(paths):
            equal_number = store.next_task_number()
        store.tasks[equal_number] = equal
        for path in found.equal:
            record = store.record(path)
            if record:
                store.put(path, msgspec.structs.replace(record, task=equal_number))
    log.info(
        "Task %s ended: %s, delivered %d of %s",
        task.task_id,
        document.status,
        len(paths) - len(found.dropped),
        counted(len(paths), "file"),
    )
    return found.dropped


def _check_policies(alerts: Alerts, task: TaskRecord) -> None:
    """Fire or resolve the alerts about checksum verification and encryption of a task."""
    if task.verify_checksum:
        alerts.resolve("unverified", task.destination)
    else:
        alerts.fire(unverified(task))
    if task.encrypt_data:
        alerts.resolve("unencrypted", task.destination)
    else:
        alerts.fire(
            catalog.transfer_unencrypted(
                task.destination, task.source_dir, globus.link(task.task_id or "")
            )
        )


def unverified(task: TaskRecord) -> Alert:
    """Return the alert that Globus did not compare checksums after a transfer."""
    return catalog.checksums_unverified(
        task.destination, task.source_dir, globus.link(task.task_id or "")
    )


def _report_unknown(error: Exception, task: TaskRecord, alerts: Alerts) -> None:
    """Fire the alert on a task of unknown status; raise `error` if it concerns the login."""
    if isinstance(error, globus.TransferAPIError) and globus.requires_login(error):
        raise error
    reason = globus.described(error)
    alerts.fire(catalog.status_unknown(task.source_dir, reason))


def _check_progress(session: Session, task: TaskRecord, document: TaskDocument) -> Alert | bool:
    """Return the alert that a task in progress needs, or whether it is known to make progress."""
    now, stall_seconds = session.context.started, session.context.settings.stall_hours * 3600
    link = globus.link(document.task_id)
    if document.status == "INACTIVE":
        reason = failures.newest_error(session, document)
        return catalog.transfer_suspended(task.source_dir, task.destination_dir, reason, link)
    if document.nice_status not in (None, "OK", "Queued"):
        reason = failures.newest_error(session, document) or globus.describe_error(
            document.nice_status, None
        )
        if not _is_stuck(task, document, now, stall_seconds):
            log.info("Task %s has an error that may pass: %s", document.task_id, reason)
            return False
        return catalog.transfer_stalled(
            task.source_dir, task.destination_dir, document.nice_status, reason, link
        )
    task.error_since = task.error_progress = None
    if now - task.submitted_at <= stall_seconds:
        return bool(document.files_transferred or document.bytes_transferred)
    event = session.client.newest_event(document.task_id)
    last = event.time.timestamp() if event else task.submitted_at
    if now - last <= stall_seconds:
        return True
    return catalog.transfer_silent(
        task.source_dir, task.destination_dir, (now - last) / 3600, failures.described(event), link
    )


def _is_stuck(task: TaskRecord, document: TaskDocument, now: int, stall_seconds: float) -> bool:
    """Return whether an error of a task in progress needs attention.

    Globus retries after an error. It needs attention if the task made no progress between two runs,
    if the error has lasted for `stall_seconds`, or if you must fix it, as with a full disk.
    """
    before, task.error_progress = task.error_progress, document.progress
    task.error_since = now if task.error_since is None else task.error_since
    lasting = before is not None and document.progress <= before
    return (
        lasting or now - task.error_since > stall_seconds or document.nice_status in catalog.NO_ROOM
    )


def _between(earliest: int, moment: int | None, latest: int) -> int:
    """Return `moment` (seconds UTC), limited to a plausible range: clocks differ."""
    return max(earliest, min(latest if moment is None else moment, latest))


def _failure(session: Session, task: TaskRecord, document: TaskDocument) -> Alert:
    return catalog.transfer_failed(
        task.source_dir,
        task.destination_dir,
        document.fatal_error.code if document.fatal_error else None,
        failures.reason_of_failure(session, document),
        globus.link(document.task_id),
    )
