"""Delete tasks: submit each one, wait until it has ended, and leave none behind."""

from __future__ import annotations

import logging
import posixpath
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import NamedTuple

import globus_sdk

from globus_auto import globus
from globus_auto.alerts import Alerts, catalog
from globus_auto.alerts.catalog import LEFTOVER
from globus_auto.datastore import OPEN, Datastore, TaskRecord
from globus_auto.errors import CancelTimeout, InvalidResponse, ListingTooOld
from globus_auto.globus import TaskDocument

log = logging.getLogger(__name__)

DELETE_TIMEOUT = 120  # seconds


def delete_document(
    task: TaskRecord, paths: Iterable[str], *, directories: bool
) -> globus_sdk.DeleteData:
    """Return the document of a task that deletes only `paths`: files or empty `directories`."""
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


class Age:
    """The time since an object was made, including the time this machine was suspended."""

    # The clock that also counts while the machine sleeps; on macOS that is CLOCK_MONOTONIC.
    CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def __init__(self) -> None:
        self.since = time.time()
        self._boot = time.clock_gettime(self.CLOCK)

    @property
    def seconds(self) -> float:
        """Seconds since it was made, by the wall clock or the boot clock, whichever says more."""
        return max(time.time() - self.since, time.clock_gettime(self.CLOCK) - self._boot)


class Deletion(NamedTuple):
    """What to delete: explicit `paths`, of files or of empty `directories`.

    `age` started before the listing that shows that they may be deleted. That listing may be at
    most `most_seconds` old when the task is submitted.
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
    """Delete only what `deletion` names at the source; return the document of the ended task.

    Save the task record first, with a short deadline. Cancel the task if it has not ended after two
    minutes: a delete task must not wait in Globus's queue while files change. `label` makes a label
    from a submission id.

    Raise ListingTooOld if the listing is too old now, and whatever the calls raise. Before that,
    try to cancel a task that Globus may have accepted; its record stays, unless Globus rejected the
    request.
    """
    number, paths = store.next_task_number(), deletion.paths
    new_id = globus.new_submission_id(client)
    task = globus.new_task(
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
        task.task_id = globus.submit(client.submit_delete, document)
        save()
        ended = globus.wait(client, task.task_id, DELETE_TIMEOUT, progress)
        if ended.status in OPEN:
            ended = globus.cancel(client, task.task_id)
    except globus_sdk.TransferAPIError as error:
        if task.task_id is None and globus.is_rejected(error):
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
    """Cancel a delete task whose end is unknown; the next run checks it again by its record."""
    try:
        if task.task_id is None:
            found = globus.recent_tasks(client, task.submitted_at)
            mine = [each for each in found if (each.label or "").endswith(task.submission_id)]
            task.task_id = mine[0].task_id if mine else None
        if task.task_id:
            client.cancel_task(task.task_id)
            log.info("Cancelled a delete task, since its end is unknown: task %s", task.task_id)
    except (globus_sdk.GlobusError, InvalidResponse) as error:
        log.info("Cannot cancel a delete task now; the next run tries again: %s", error)


def cancel_leftovers(
    client: globus_sdk.TransferClient, store: Datastore, alerts: Alerts, now: int
) -> None:
    """Cancel the delete tasks that an interrupted run left, and drop their task records.

    Drop the records of a task's files if it SUCCEEDED before it could be cancelled. Never submit an
    old delete again: the files may have changed. Keep the record of a task without a task id until
    its deadline, for its submission may still arrive. After its deadline a delete task deletes
    nothing more, even if it does not end. Raise any error that leaves open whether a task has
    ended.
    """
    for number, task in store.tasks_in_progress("delete").items():
        over = now > (task.deadline or 0)
        if task.task_id:
            try:
                ended = globus.cancel(client, task.task_id)
            except (globus_sdk.TransferAPIError, CancelTimeout, InvalidResponse) as error:
                gone = (
                    isinstance(error, globus_sdk.TransferAPIError)
                    and error.http_status == 404
                    and globus.is_rejected(error)
                )
                if not gone and not over:
                    raise
                if isinstance(error, CancelTimeout):
                    alerts.fire(
                        catalog.delete_never_ends(task.source_dir, globus.link(task.task_id or ""))
                    )
            else:
                log.info(
                    "Cancelled a delete task of an earlier run: task %s, now %s",
                    task.task_id,
                    ended.status,
                )
                # No run has written records since: these describe the files that the task deleted.
                for path in task.deletes or () if ended.status == "SUCCEEDED" else ():
                    store.drop(path)
        if task.task_id or over:
            del store.tasks[number]
    alerts.resolve("delete failed", lambda about: about.startswith(LEFTOVER))
