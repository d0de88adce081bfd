"""Tasks: submit each exactly once, and never leave a delete behind."""

from __future__ import annotations

import logging
import posixpath
import re
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import Any, Literal, NamedTuple

import globus_sdk
import msgspec

from globus_auto.alerts import Alert, Findings
from globus_auto.datastore import OPEN, Datastore, Task
from globus_auto.watching import Inconclusive, TaskDocument, cancel, paged, wait

# What delete.py calls a directory while it sees whether it is empty.
ASIDE = ".globus_auto_empty."
# Codes of a refusal that passes by itself (docs.globus.org/api/transfer/task_submit, "Errors").
NOT_NOW = ("Conflict", "TooManyPendingJobs")
DELETE_PATIENCE = 120  # seconds
ID = re.compile(r"[\w-]{8,64}", re.ASCII)  # a UUID, in all that is published

log = logging.getLogger(__name__)


def new_task(
    kind: Literal["transfer", "delete"],
    number: int,
    submission_id: str,
    *,
    listed_at: int,
    source_dir: str,
    destination: str,
    destination_dir: str,
    full: bool = False,
    exclude: Iterable[str] = (),
    deadline: int | None = None,
) -> Task:
    """Return the record of a task that is about to be submitted; times in seconds UTC.

    Its label is unique, so that the task can be found by it.
    """
    return Task(
        kind=kind,
        submission_id=submission_id,
        label=f"globus_auto {kind} {number} {submission_id}",
        submitted_at=int(time.time()),
        listed_at=listed_at,
        full=full,
        exclude=list(exclude),
        source_dir=source_dir,
        destination=destination,
        destination_dir=destination_dir,
        deadline=deadline,
    )


def submission_id(client: globus_sdk.TransferClient) -> str:
    """Return a new id under which Globus accepts one task, however often it is submitted.

    Source: docs.globus.org/api/transfer/task_submit, "Get a submission id".
    """
    return _id(client.get_submission_id().data, "value")


def _id(document: object, key: str) -> str:
    value = document.get(key) if isinstance(document, dict) else None
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise Inconclusive(f"Globus answered without a usable {key}.")
    return value


def transfer_document(source: str, task: Task, paths: Iterable[str]) -> globus_sdk.TransferData:
    """Return the document to submit for `task`, whose entries have the sorted `paths`.

    It comes from the record alone, so that it can be submitted again unaltered. `source` is the
    id of the source endpoint.
    """
    document = globus_sdk.TransferData(
        source,
        task.destination,
        label=task.label,
        submission_id=task.submission_id,
        sync_level="checksum",
        verify_checksum=True,
        encrypt_data=True,
        preserve_timestamp=True,
        skip_source_errors=True,
        delete_destination_extra=False,
        notify_on_succeeded=False,
        notify_on_failed=False,
        notify_on_inactive=False,
    )
    if task.full:
        document.add_item(task.source_dir, task.destination_dir, recursive=True)
        for pattern in [*task.exclude, f"{ASIDE}*"]:
            document.add_filter_rule(pattern, method="exclude")
    else:
        for path in paths:
            document.add_item(path, task.destination_of(path), recursive=False)
    return document


def delete_document(
    task: Task, paths: Iterable[str], *, directories: bool
) -> globus_sdk.DeleteData:
    """Return the document that deletes just these `paths`, files or else empty `directories`."""
    deadline = datetime.fromtimestamp(task.deadline or 0, timezone.utc)
    document = globus_sdk.DeleteData(
        task.destination,
        label=task.label,
        submission_id=task.submission_id,
        recursive=directories,
        ignore_missing=True,
        interpret_globs=False,
        deadline=deadline.isoformat(timespec="seconds"),
        notify_on_succeeded=False,
        notify_on_failed=False,
        notify_on_inactive=False,
    )
    for path in paths:
        document.add_item(path)
    return document


def submit(post: Callable[[Any], globus_sdk.GlobusHTTPResponse], document: dict[str, Any]) -> str:
    """Submit `document` by a client's method `post` and return the id of its task.

    Globus says Accepted once, and Duplicate, with the same task id, whenever this submission id
    comes again (docs.globus.org/api/transfer/task_submit). Raise Inconclusive for another answer,
    and what the call raises.
    """
    answer = post(document).data
    if not isinstance(answer, dict) or answer.get("code") not in ("Accepted", "Duplicate"):
        raise Inconclusive("Globus answered a submission neither Accepted nor Duplicate.")
    return _id(answer, "task_id")


class Refusal(NamedTuple):
    """A submission that Globus refused for good: `what` of `source_dir`, and the error."""

    source_dir: str
    what: str
    error: globus_sdk.TransferAPIError


def submit_intents(
    client: globus_sdk.TransferClient,
    store: Datastore,
    findings: Findings,
    save: Callable[[], None],
    grace: float,
) -> list[Refusal]:
    """Submit every transfer task that has no task id yet; return what Globus refused.

    `save` is called before anything is submitted. A task that is refused for good is withdrawn:
    its record and entries are dropped, to be chosen again. Of one that Globus calls malformed both
    halves are tried, until the file is found that it does not take. That identical paths are under
    way, or too many tasks, is an alert only after `grace` seconds. Raise what leaves open whether
    the task exists: then its intent stays, to be submitted again with the same id.
    """
    intents = [
        number for number, task in store.open_tasks("transfer").items() if task.task_id is None
    ]
    # A full task names no file, and may have a million.
    paths = store.paths_by_task(number for number in intents if not store.tasks[number].full)
    refusals = []
    if intents:
        save()
    while intents:
        number = intents.pop(0)
        task = store.tasks[number]
        try:
            document = transfer_document(store.source, task, paths.get(number, ()))
            task.task_id = submit(client.submit_transfer, document)
            findings.well("conflict", task.source_dir)
        except globus_sdk.TransferAPIError as error:
            if not refused(error):
                raise
            paths |= store.paths_by_task(each for each in (number, *intents) if each not in paths)
            if error.http_status == 400 and len(paths[number]) > 1 and not task.full:
                halves = _halved(client, store, number, paths[number])
                paths |= halves
                intents[:0] = halves
                save()
                continue
            withdraw(store, number, paths[number])
            if error.code in NOT_NOW:
                findings.add(_conflict(task.source_dir, error, grace))
            else:
                what = (
                    paths[number][0] if len(paths[number]) == 1 else f"files of {task.source_dir}"
                )
                refusals.append(Refusal(task.source_dir, what, error))
            if error.code != "Conflict" and error.http_status != 400:
                # What holds for this pair of directories holds for the other tasks as well.
                for left in intents:
                    withdraw(store, left, paths[left])
                break
    return refusals


def refused(error: globus_sdk.TransferAPIError) -> bool:
    """Return whether Globus has refused a submission, so that there is no such task."""
    return 400 <= error.http_status < 500 and error.http_status not in (401, 429)


def withdraw(store: Datastore, number: int, paths: Iterable[str]) -> None:
    """Drop the record of a task and its entries, which are at `paths`."""
    for path in paths:
        store.drop(path)
    del store.tasks[number]


def _halved(
    client: globus_sdk.TransferClient, store: Datastore, number: int, paths: list[str]
) -> dict[int, list[str]]:
    """Replace a task by two of half its files each; return their paths by number."""
    whole = store.tasks.pop(number)
    middle = len(paths) // 2
    halves = {}
    for part in (paths[:middle], paths[middle:]):
        half = max(number + 1, store.number())
        store.tasks[half] = new_task(
            "transfer",
            half,
            submission_id(client),
            listed_at=whole.listed_at,
            source_dir=whole.source_dir,
            destination=whole.destination,
            destination_dir=whole.destination_dir,
        )
        for path in part:
            entry = store.entry(path)
            if entry:
                store.put(path, msgspec.structs.replace(entry, task=half))
        halves[half] = part
    return halves


def _conflict(source_dir: str, error: globus_sdk.TransferAPIError, grace: float) -> Alert:
    return Alert(
        kind="conflict",
        about=source_dir,
        text=f"Globus does not take transfers of {source_dir} now ({error.code}, {error.message})."
        " Its files wait at the source for a later run. If that has lasted for"
        f" {grace / 3600:g} hours, look at your tasks in the web app.",
        code=0,
        after=grace,
    )


def cancel_deletes(client: globus_sdk.TransferClient, store: Datastore, now: int) -> None:
    """Cancel what a run that was cut short left open of deletes, and drop their records.

    What one has deleted before it could be cancelled is forgotten. An old delete is never sent
    again: files change. One that Globus does not know by its label, and whose deadline is not over,
    may still be on its way: its record stays that long. After its deadline a delete does nothing
    any more, even if its cancelling is refused.
    """
    for number, task in store.open_tasks("delete").items():
        over = now > (task.deadline or 0)
        task_id = task.task_id or _find(client, task.label)
        try:
            if task_id:
                ended = cancel(client, task_id)
                log.info(
                    "Cancelled the delete of an earlier run, now %s: %s", ended.status, task_id
                )
                # Nobody has written here since, so these entries are of what it was given.
                for path in task.deletes or () if ended.status == "SUCCEEDED" else ():
                    store.drop(path)
        except globus_sdk.TransferAPIError as error:
            if error.http_status != 404 and not (over and refused(error)):
                raise
        if task_id or over:
            del store.tasks[number]


def _find(client: globus_sdk.TransferClient, label: str) -> str | None:
    """Return the id of the delete task with this label, or None."""
    found = paged([client.task_list(filter=f"type:DELETE/label:={label}")], TaskDocument)
    return next((task.task_id for task in found if task.label == label), None)


def delete(
    client: globus_sdk.TransferClient,
    store: Datastore,
    endpoint: str,
    paths: list[str],
    *,
    directories: bool,
    listed_at: int,
    deadline_seconds: int,
    save: Callable[[], None],
    progress: Callable[[TaskDocument], None],
) -> TaskDocument:
    """Delete just these `paths` at `endpoint`, files or else empty directories, and see it end.

    The record is saved first and has a short deadline; what has not ended after two minutes is
    cancelled, for no delete may linger in Globus's queue while files change. Return the document
    of the ended task. Raise what the calls raise: then the record stays, to be cancelled.
    """
    number = store.number()
    now = int(time.time())
    task = new_task(
        "delete",
        number,
        submission_id(client),
        listed_at=listed_at,
        source_dir=posixpath.commonpath([posixpath.dirname(path) for path in paths]),
        destination=endpoint,
        destination_dir="",
        deadline=now + deadline_seconds,
    )
    task.deletes = paths
    store.tasks[number] = task
    save()
    document = delete_document(task, paths, directories=directories)
    try:
        task.task_id = submit(client.submit_delete, document)
    except globus_sdk.TransferAPIError as error:
        if refused(error):
            del store.tasks[number]
            save()
        raise
    save()
    ended = wait(client, task.task_id, DELETE_PATIENCE, progress)
    if ended.status in OPEN:
        ended = cancel(client, task.task_id)
    del store.tasks[number]
    return ended
