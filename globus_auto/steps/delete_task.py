"""Delete tasks: submit each one, wait until it has ended, and leave none behind."""

from __future__ import annotations

import logging
import posixpath
import time
from collections.abc import Collection
from typing import NamedTuple

from globus_auto import globus
from globus_auto.datastore import OPEN, TaskRecord
from globus_auto.errors import InvalidResponse, ListingTooOld
from globus_auto.globus import TaskDocument
from globus_auto.history import Event
from globus_auto.steps import facts
from globus_auto.steps.session import Session
from globus_auto.text import counted, sized

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


class Ended(NamedTuple):
    """An ended delete task; its record has this `number`, and stays until `conclude`."""

    number: int
    document: TaskDocument


def delete(session: Session, deletion: Deletion) -> Ended:
    """Delete only what `deletion` names at the source; return the ended task.

    Record the task first, with a short deadline. Cancel the task if it has not ended after two
    minutes: a delete task must not wait in Globus's queue while files change.

    Raise ListingTooOld if the listing is too old now, and whatever the calls raise. Before that,
    try to cancel a task that Globus may have accepted; its record stays, unless Globus rejected the
    request.
    """
    client, store, paths = session.client, session.store, deletion.paths
    facts.reserve(session, paths)
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
    session.context.begin_deletion(task)
    document = globus.delete_document(task, paths, directories=deletion.directories)
    if deletion.age.seconds > deletion.most_seconds:
        del store.tasks[number]
        session.context.begin_deletion(None)
        raise ListingTooOld
    try:
        task.task_id = client.submit(document)
        session.context.add_deletion_id(task.task_id)
        _log_submission(session, task, deletion)
        with session.progress.task(f"Deleting {_what(deletion)}") as show:
            ended = client.wait(task.task_id, DELETE_TIMEOUT, show)
        if ended.status in OPEN:
            ended = client.cancel(task.task_id)
    except globus.TransferAPIError as error:
        if task.task_id is None and globus.is_rejected(error):
            del store.tasks[number]
            session.context.begin_deletion(None)
        else:
            _cancel_unseen(client, task)
        raise
    except BaseException:
        _cancel_unseen(client, task)
        raise
    return Ended(number, ended)


def conclude(
    session: Session, number: int, deleted: Collection[str], event: Event = "deleted"
) -> None:
    """Add what a delete task has deleted to the history; then drop these records and the task's.

    If the history cannot be written, raise AlertError: then both stay, and a later run finds out
    again what was deleted.
    """
    facts.record(session, event, deleted, session.store.tasks[number].task_id)
    for path in deleted:
        session.store.drop(path)
    del session.store.tasks[number]


def _what(deletion: Deletion) -> str:
    nouns = ("directory", "directories") if deletion.directories else ("file", "files")
    return counted(len(deletion.paths), *nouns)


def _log_submission(session: Session, task: TaskRecord, deletion: Deletion) -> None:
    records = [session.store.record(path) for path in deletion.paths]
    size = sized(sum(record.size for record in records if record))
    what = _what(deletion) + ("" if deletion.directories else f", {size}")
    link = globus.link(task.task_id or "")
    log.info("Submitted delete task %s: %s; %s", task.task_id, what, link)


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
        log.info(
            "Cannot cancel a delete task now; the next run tries again: %s", globus.described(error)
        )
