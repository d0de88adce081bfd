"""Delete tasks: submit each one, wait until it has ended, and leave none behind."""

from __future__ import annotations

import logging
import posixpath
import time
from typing import NamedTuple

from globus_auto import globus
from globus_auto.alerts import catalog
from globus_auto.alerts.catalog import LEFTOVER
from globus_auto.datastore import OPEN, TaskRecord
from globus_auto.errors import CancelTimeout, InvalidResponse, ListingTooOld
from globus_auto.globus import TaskDocument
from globus_auto.steps.session import Session
from globus_auto.text import counted

log = logging.getLogger(__name__)

# The most seconds between a listing and the submission of a delete task that relies on it.
MOST_SECONDS = 60
# The most failed delete tasks in one run: a file that cannot be deleted holds up its whole group.
FAILED_TASKS = 10
DELETE_TIMEOUT = 120  # seconds


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


def delete(session: Session, deletion: Deletion) -> TaskDocument:
    """Delete only what `deletion` names at the source; return the document of the ended task.

    Save the task record first, with a short deadline. Cancel the task if it has not ended after two
    minutes: a delete task must not wait in Globus's queue while files change.

    Raise ListingTooOld if the listing is too old now, and whatever the calls raise. Before that,
    try to cancel a task that Globus may have accepted; its record stays, unless Globus rejected the
    request.
    """
    client, store, paths = session.client, session.store, deletion.paths
    number, new_id = store.next_task_number(), client.new_submission_id()
    deadline_seconds = session.context.settings.delete_deadline_minutes * 60
    task = globus.new_task(
        "delete",
        new_id,
        label=session.label("delete", new_id),
        scanned_at=int(deletion.age.since),
        source_dir=posixpath.commonpath([posixpath.dirname(path) for path in paths]),
        destination=store.source,
        destination_dir="",
        deadline=int(deletion.age.since) + deadline_seconds,
    )
    task.deletes = paths
    store.tasks[number] = task
    session.save()
    document = globus.delete_document(task, paths, directories=deletion.directories)
    if deletion.age.seconds > deletion.most_seconds:
        del store.tasks[number]
        raise ListingTooOld
    try:
        task.task_id = client.submit(document)
        session.save()
        with session.progress.task(_description(deletion)) as show:
            ended = client.wait(task.task_id, DELETE_TIMEOUT, show)
        if ended.status in OPEN:
            ended = client.cancel(task.task_id)
    except globus.TransferAPIError as error:
        if task.task_id is None and globus.is_rejected(error):
            del store.tasks[number]
            session.save()
        else:
            _cancel_unseen(client, task)
        raise
    except BaseException:
        _cancel_unseen(client, task)
        raise
    del store.tasks[number]
    return ended


def _description(deletion: Deletion) -> str:
    nouns = ("directory", "directories") if deletion.directories else ("file", "files")
    return f"Deleting {counted(len(deletion.paths), *nouns)}"


def reason_of(ended: TaskDocument) -> str:
    """Return why a delete task failed; "" if Globus gives no reason."""
    fault = ended.fatal_error
    return globus.describe_error(fault.code, fault.description) if fault else ""


def _cancel_unseen(client: globus.Client, task: TaskRecord) -> None:
    """Cancel a delete task whose end is unknown; the next run checks it again by its record."""
    try:
        if task.task_id is None:
            found = client.recent_tasks(task.submitted_at)
            mine = [each for each in found if (each.label or "").endswith(task.submission_id)]
            task.task_id = mine[0].task_id if mine else None
        if task.task_id:
            client.request_cancel(task.task_id)
            log.info("Cancelled a delete task, since its end is unknown: task %s", task.task_id)
    except (globus.GlobusError, InvalidResponse) as error:
        log.info("Cannot cancel a delete task now; the next run tries again: %s", error)


def cancel_leftovers(session: Session) -> None:
    """Cancel the delete tasks that an interrupted run left, and drop their task records.

    Drop the records of a task's files if it SUCCEEDED before it could be cancelled. Never submit an
    old delete again: the files may have changed. Keep the record of a task without a task id until
    its deadline, for its submission may still arrive. After its deadline a delete task deletes
    nothing more, even if it does not end. Raise any error that leaves open whether a task has
    ended.
    """
    store, alerts = session.store, session.context.alerts
    for number, task in store.tasks_in_progress("delete").items():
        over = session.context.started > (task.deadline or 0)
        if task.task_id:
            try:
                ended = session.client.cancel(task.task_id)
            except (globus.TransferAPIError, CancelTimeout, InvalidResponse) as error:
                gone = (
                    isinstance(error, globus.TransferAPIError)
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
