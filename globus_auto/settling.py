"""Settling: to learn what became of the open transfer tasks, and which files they have sent."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import NamedTuple

import globus_sdk

from globus_auto import refusals, tasks, troubles, watching
from globus_auto.alerts import Alert, Findings
from globus_auto.datastore import OPEN, Datastore, Task, below, with_parents

log = logging.getLogger(__name__)

# After these nothing may be concluded of a task.
UNCLEAR = (watching.Inconclusive, globus_sdk.NetworkError, globus_sdk.TransferAPIError)
# What a task meets where an endpoint is out of reach: that is told of the endpoint, and passes.
AWAY = ("GC_NOT_CONNECTED", "GC_PAUSED", "CONNECT_FAILED", "CONNECTION_BROKEN", "CONNECTION_RESET")
OUT_OF_REACH = ("endpoint", "service")
# Kinds of alerts that explain why a task did not end in time.
IN_THE_WAY = (*OUT_OF_REACH, "stalled", "inactive", "login", "consent", "session")


class Settled(NamedTuple):
    """What settling has found: paths that Globus skipped, by error code; numbers of tasks.

    `moving` are open and have been seen to make progress.
    """

    skipped: dict[str, str]
    succeeded: list[int]
    failed: list[int]
    unclear: list[int]
    moving: list[int]


def settle(
    client: globus_sdk.TransferClient,
    store: Datastore,
    findings: Findings,
    now: int,
    stall_seconds: float,
) -> Settled:
    """Ask for every open transfer task of `store` and conclude what is proven by the answers.

    Entries of an ended task that are not known to be sent are dropped, so that they are chosen
    again. Unclear answers conclude nothing. Raise what concerns the login.
    """
    settled = Settled({}, [], [], [], [])
    ended: dict[int, watching.TaskDocument | None] = {}
    for number, task in store.open_tasks("transfer").items():
        if task.task_id is None:
            continue
        try:
            document = _asked(client, task)
            if document and document.status in OPEN:
                trouble = _trouble(client, task, document, now, stall_seconds)
                if isinstance(trouble, Alert):
                    findings.add(trouble)
                elif trouble:
                    settled.moving.append(number)
            else:
                ended[number] = document
        except UNCLEAR as error:
            _unclear(error, task, findings)
            settled.unclear.append(number)
            if isinstance(error, globus_sdk.NetworkError):
                # Each try takes minutes where the network is down; the next run asks the others.
                settled.unclear.extend(store.open_tasks("transfer"))
                break
    for number, paths in store.paths_by_task(ended).items():
        document = ended[number]
        task = store.tasks[number]
        try:
            _conclude(client, store, task, document, paths, settled, findings)
        except UNCLEAR as error:
            _unclear(error, task, findings)
            settled.unclear.append(number)
            continue
        _close(task, document, now)
        (settled.succeeded if task.status == "SUCCEEDED" else settled.failed).append(number)
        if document and document.status == "FAILED":
            findings.add(_failure(client, task, document))
    # Only that files get through shows that what was in their way is over.
    if (settled.succeeded or settled.moving) and not (settled.failed or settled.unclear):
        findings.well("stalled")
        findings.well("inactive")
    if not settled.unclear:
        findings.well("unclear")
    if settled.succeeded and not settled.failed:
        findings.well("failed")
    return settled


def _asked(client: globus_sdk.TransferClient, task: Task) -> watching.TaskDocument | None:
    """Return what Globus says of `task`, and note its status; None if it knows no such task."""
    task_id = task.task_id or ""
    try:
        document = watching.task_document(client, task_id)
    except globus_sdk.TransferAPIError as error:
        if _unknown(error):
            log.info("Unknown to Globus, so its files are sent again: task %s", task_id)
            return None
        raise
    if document.status in OPEN:
        task.status = "INACTIVE" if document.status == "INACTIVE" else "ACTIVE"
    return document


def _unknown(error: globus_sdk.TransferAPIError) -> bool:
    """Return whether the service no longer has this task, or hides it from this identity."""
    hidden = error.http_status == 403 and not refusals.wants_login(error)
    return error.http_status == 404 or hidden


def _unclear(error: Exception, task: Task, findings: Findings) -> None:
    """Note that nothing can be concluded of `task`; raise `error` if it is about the login."""
    if isinstance(error, globus_sdk.TransferAPIError) and refusals.wants_login(error):
        raise error
    reason = troubles.details(error) if isinstance(error, globus_sdk.TransferAPIError) else error
    findings.add(
        Alert(
            kind="unclear",
            about=task.source_dir,
            text=f"Globus did not say what became of a transfer of {task.source_dir} ({reason})."
            " Nothing is concluded from that; the next run asks again.",
            effect_of=("service",),
        )
    )


def _trouble(
    client: globus_sdk.TransferClient,
    task: Task,
    document: watching.TaskDocument,
    now: int,
    stall_seconds: float,
) -> Alert | bool:
    """Return what a person must know of an open task, or whether it is seen to make progress."""
    link = watching.link(document.task_id)
    what = f"A transfer from {task.source_dir} to {task.destination_dir}"
    if document.status == "INACTIVE":
        reason = _newest_error(client, document)
        return Alert(
            kind="inactive",
            about=task.source_dir,
            text=f"{what} is suspended until you act{reason}. Its files wait at the"
            f" source. Renew the login or consent that Globus asks for at {link}",
            code=3,
        )
    if document.nice_status not in (None, "OK", "Queued"):
        reason = _newest_error(client, document) or f" ({document.nice_status})"
        return Alert(
            kind="stalled",
            about=task.source_dir,
            text=f"{what} is in trouble{reason}. Its files wait at the source, and Globus goes on"
            f" trying. See what it says at {link}",
            effect_of=OUT_OF_REACH if document.nice_status in AWAY else (),
        )
    if now - task.submitted_at <= stall_seconds:
        return bool(document.files_transferred or document.bytes_transferred)
    event = watching.newest_event(client, document.task_id)
    last = event.time.timestamp() if event else task.submitted_at
    if now - last <= stall_seconds:
        return True
    return Alert(
        kind="stalled",
        about=task.source_dir,
        text=f"{what} has had no news for {(now - last) / 3600:.0f} hours{_because(event)}. Its"
        f" files wait at the source. See what holds it up, or cancel it, at {link}",
        effect_of=OUT_OF_REACH,
    )


def _newest_error(client: globus_sdk.TransferClient, document: watching.TaskDocument) -> str:
    """Return what the newest error of a task was, in brackets; "" if that cannot be told."""
    try:
        return _because(watching.newest_event(client, document.task_id, errors=True))
    except (globus_sdk.GlobusError, watching.Inconclusive) as error:
        log.info("No events of task %s: %s", document.task_id, error)
        return ""


def _because(event: watching.Event | None) -> str:
    if not event:
        return ""
    details = f": {event.details[:500]}" if event.details else ""
    return f" ({watching.said(event.code, event.description)}{details})"


def _conclude(
    client: globus_sdk.TransferClient,
    store: Datastore,
    task: Task,
    document: watching.TaskDocument | None,
    paths: list[str],
    settled: Settled,
    findings: Findings,
) -> None:
    """Drop those entries of an ended task, at `paths`, that are not known to be sent."""
    if document is None:
        lost = paths
    elif document.status == "SUCCEEDED":
        skipped = _skipped(client, document)
        if skipped is None:
            findings.add(
                Alert(
                    kind="failed",
                    about=task.source_dir,
                    text="Globus does not tell what it left out of a transfer of"
                    f" {task.source_dir}, so all of its files are sent again:"
                    f" {watching.link(document.task_id)}",
                )
            )
        lost = not_sent(task, paths, skipped)
        for item in skipped or ():
            if item.source_path:
                settled.skipped[item.source_path.rstrip("/")] = item.error_code or "unknown"
    else:
        sent = _sent(client, document.task_id)
        lost = [path for path in paths if not _has_size(store, path, sent.get(path))]
    for path in lost:
        store.drop(path)
    log.info(
        "Settled task %s: %s, %d of %d files sent",
        task.task_id,
        document.status if document else "unknown",
        len(paths) - len(lost),
        len(paths),
    )


def _has_size(store: Datastore, path: str, size: int | None) -> bool:
    entry = store.entry(path)
    return entry is not None and entry.size == size


def _skipped(
    client: globus_sdk.TransferClient, document: watching.TaskDocument
) -> list[watching.SkippedPath] | None:
    """Return what a task skipped because of errors, or None if that cannot be had in full.

    Source: docs.globus.org/api/transfer/task, "Get skipped errors".
    """
    if document.subtasks_skipped_errors is None:
        raise watching.Inconclusive("Globus did not say how many errors a task skipped.")
    try:
        pages = client.paginated.task_skipped_errors(document.task_id)
        skipped = watching.paged(pages, watching.SkippedPath)
    except globus_sdk.TransferAPIError as error:
        if not tasks.refused(error):
            raise
        return None
    whole = len(skipped) >= document.subtasks_skipped_errors
    return skipped if whole and all(item.source_path is not None for item in skipped) else None


def not_sent(
    task: Task, paths: Iterable[str], skipped: list[watching.SkippedPath] | None
) -> list[str]:
    """Return those of `paths` that a task that succeeded has not sent.

    They are what it skipped, and what stands below a skipped directory; all of them where a
    skipped path cannot be told or is none that this task was given.
    """
    paths = list(paths)
    if skipped is None or any(item.source_path is None for item in skipped):
        return paths
    left_out = {(item.source_path or "").rstrip("/") for item in skipped}
    if not all(below(path, task.source_dir) for path in left_out):
        return paths
    lost, matched = [], set()
    for path in paths:
        hits = left_out.intersection(with_parents(path)) if left_out else set()
        matched |= hits
        if hits:
            lost.append(path)
    if not task.full and left_out - matched:
        return paths
    return lost


def _sent(client: globus_sdk.TransferClient, task_id: str) -> dict[str, int | None]:
    """Return the sizes of the files that a failed task wrote, by source path; none if unknown.

    Source: docs.globus.org/api/transfer/task, "Get successful transfers".
    """
    try:
        pages = client.paginated.task_successful_transfers(task_id)
        sent = watching.paged(pages, watching.SentPath)
    except globus_sdk.TransferAPIError as error:
        if not tasks.refused(error):
            raise
        return {}
    return {item.source_path: item.size for item in sent if item.source_path is not None}


def _close(task: Task, document: watching.TaskDocument | None, now: int) -> None:
    completed = document.completion_time if document else None
    if completed and not completed.tzinfo:
        completed = completed.replace(tzinfo=timezone.utc)
    task.status = "SUCCEEDED" if document and document.status == "SUCCEEDED" else "FAILED"
    task.ended_at = _between(task.submitted_at, completed, now)


def _between(earliest: int, moment: datetime | None, latest: int) -> int:
    """Return `moment` in seconds UTC, within reason: clocks differ, and answers may be odd."""
    return max(earliest, min(int(moment.timestamp()) if moment else latest, latest))


def _failure(
    client: globus_sdk.TransferClient, task: Task, document: watching.TaskDocument
) -> Alert:
    fault = document.fatal_error
    code = fault.code if fault else None
    if fault and code:
        reason = f" ({watching.said(code, fault.description)})"
    else:
        reason = _newest_error(client, document)
    return Alert(
        kind="failed",
        about=task.source_dir,
        text=f"A transfer from {task.source_dir} to {task.destination_dir} failed{reason}."
        " What it did not send stays at the source and is sent again. If that goes on, see what"
        f" it says at {watching.link(document.task_id)}",
        effect_of=IN_THE_WAY if code == "EXPIRED" else OUT_OF_REACH if code in AWAY else (),
    )
