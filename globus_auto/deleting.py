"""Delete tasks: each is seen to end, and none is left behind."""

from __future__ import annotations

import logging
import posixpath
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import NamedTuple

import globus_sdk

from globus_auto import catalog_deletions
from globus_auto.alerts import Alerts
from globus_auto.datastore import OPEN, Datastore, TaskRecord
from globus_auto.tasks import is_rejected, new_submission_id, new_task, recent_tasks, submit
from globus_auto.watching import CancelTimeout, InvalidResponse, TaskDocument, cancel, link, wait

DELETE_TIMEOUT = 120  # seconds

log = logging.getLogger(__name__)


def delete_document(
    task: TaskRecord, paths: Iterable[str], *, directories: bool
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


class ListingTooOld(Exception):
    """A listing is too old by now to delete anything on the strength of it."""


class Age:
    """How old something is, however long this machine was suspended in between."""

    # The clock that goes on while a machine sleeps: macOS has it under the other name.
    CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def __init__(self) -> None:
        self.since = time.time()
        self._boot = time.clock_gettime(self.CLOCK)

    @property
    def seconds(self) -> float:
        """Seconds since it was made, by that of two clocks that says more."""
        return max(time.time() - self.since, time.clock_gettime(self.CLOCK) - self._boot)


class Deletion(NamedTuple):
    """What is to be deleted: explicit `paths`, files or else empty `directories`.

    `age` began before the listing that justifies it, which may be `most_seconds` old when it is
    submitted.
    """

    paths: list[str]
    directories: bool
    age: Age
    most_seconds: float


def delete(
    client: globus_sdk.TransferClient,
    store: Datastore,
    deletion: Deletion,
    *,
    label: Callable[[str], str],
    deadline_seconds: int,
    save: Callable[[], None],
    progress: Callable[[TaskDocument], None],
) -> TaskDocument:
    """Delete just what `deletion` names at the source, and see it end.

    The record is saved first and has a short deadline; what has not ended after two minutes is
    cancelled, for no delete may linger in Globus's queue while files change. `label` makes a label
    of a submission id. Return the document of the ended task. Raise Overtaken where the listing is
    too old by now, and what the calls raise, after trying to cancel what may have been accepted:
    then the record stays, unless Globus rejected the request.
    """
    number, paths = store.next_task_number(), deletion.paths
    new_id = new_submission_id(client)
    task = new_task(
        "delete",
        new_id,
        label=label(new_id),
        scanned_at=int(deletion.age.since),
        source_dir=posixpath.commonpath([posixpath.dirname(path) for path in paths]),
        destination=store.source,
        destination_dir="",
        deadline=int(deletion.age.since) + deadline_seconds,
    )
    task.deletes = paths
    store.tasks[number] = task
    save()
    document = delete_document(task, paths, directories=deletion.directories)
    if deletion.age.seconds > deletion.most_seconds:
        del store.tasks[number]
        raise ListingTooOld
    try:
        task.task_id = submit(client.submit_delete, document)
        save()
        ended = wait(client, task.task_id, DELETE_TIMEOUT, progress)
        if ended.status in OPEN:
            ended = cancel(client, task.task_id)
    except globus_sdk.TransferAPIError as error:
        if task.task_id is None and is_rejected(error):
            del store.tasks[number]
            save()
        else:
            _cancel_unseen(client, task)
        raise
    except BaseException:
        _cancel_unseen(client, task)
        raise
    del store.tasks[number]
    return ended


def _cancel_unseen(client: globus_sdk.TransferClient, task: TaskRecord) -> None:
    """Cancel a delete whose end cannot be seen; its record stays, for the next run to make sure."""
    try:
        if task.task_id is None:
            found = recent_tasks(client, task.submitted_at)
            mine = [each for each in found if (each.label or "").endswith(task.submission_id)]
            task.task_id = mine[0].task_id if mine else None
        if task.task_id:
            client.cancel_task(task.task_id)
            log.info("Cancelled a delete whose end cannot be seen: %s", task.task_id)
    except (globus_sdk.GlobusError, InvalidResponse) as error:
        log.info("Cannot cancel a delete now, the next run does: %s", error)


def cancel_leftovers(
    client: globus_sdk.TransferClient, store: Datastore, alerts: Alerts, now: int
) -> None:
    """Cancel what a run that was cut short left open of deletes, and drop their records.

    What one has deleted before it could be cancelled is forgotten. An old delete is never sent
    again: files change. One that Globus does not list, and whose deadline is not over, may still be
    on its way: its record stays that long. After its deadline a delete does nothing any more, even
    if it does not end. Raise what leaves open whether one has ended.
    """
    for number, task in store.tasks_in_progress("delete").items():
        over = now > (task.deadline or 0)
        if task.task_id:
            try:
                ended = cancel(client, task.task_id)
            except (globus_sdk.TransferAPIError, CancelTimeout, InvalidResponse) as error:
                gone = (
                    isinstance(error, globus_sdk.TransferAPIError)
                    and error.http_status == 404
                    and is_rejected(error)
                )
                if not gone and not over:
                    raise
                if isinstance(error, CancelTimeout):
                    alerts.fire(
                        catalog_deletions.delete_never_ends(
                            task.source_dir, link(task.task_id or "")
                        )
                    )
            else:
                log.info(
                    "Cancelled the delete of an earlier run, now %s: %s",
                    ended.status,
                    task.task_id,
                )
                # Nobody has written here since, so these entries are of what it was given.
                for path in task.deletes or () if ended.status == "SUCCEEDED" else ():
                    store.drop(path)
        if task.task_id or over:
            del store.tasks[number]
    alerts.resolve("delete failed", lambda about: about.startswith(catalog_deletions.LEFTOVER))
