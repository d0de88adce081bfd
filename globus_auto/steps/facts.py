"""What a run adds to the history, before it drops or relies on the records of files."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from globus_auto import history
from globus_auto.alerts import AlertError, catalog
from globus_auto.datastore import FileRecord, TaskRecord
from globus_auto.files import joined
from globus_auto.history import Event, Fact
from globus_auto.steps.session import Session

LINE_BYTES = 400  # of a line, at most, without its two paths


def record_deliveries(session: Session) -> None:
    """Add a line for each delivered file that has none yet, of all ended tasks.

    Where the history cannot be written, fire an alert: then these lines are written by a later run,
    and until then nothing is deleted.
    """
    try:
        _add_deliveries(session)
    except AlertError as error:
        session.context.alerts.fire(error.alert)


def _add_deliveries(session: Session) -> None:
    context, tasks = session.context, session.store.tasks
    if context.dry:
        return
    path = context.settings.history_path
    ended = {
        number: task
        for number, task in tasks.items()
        # A history that was removed is begun again.
        if _is_ended(task) and not (task.in_history and os.path.isdir(path))
    }
    if not ended:
        return
    with _writing(session):
        history.append(path, _deliveries(session, ended))
    for task in ended.values():
        task.in_history = True


def _is_ended(task: TaskRecord) -> bool:
    return task.kind == "transfer" and not task.in_progress


def _deliveries(session: Session, ended: dict[int, TaskRecord]) -> Iterator[Fact]:
    """Yield a fact for each file record of the tasks `ended`."""
    now = session.context.started
    at = {
        number: history.moment(now if task.task_id in session.ended else task.ended_at or now)
        for number, task in ended.items()
    }
    for directory, records in session.store.files.items(ended.keys()):
        for name, record in records.items():
            task = ended.get(record.task)
            if task:
                path = joined(directory, name)
                checksum = session.checksums.get(path)
                yield _fact(at[record.task], "delivered", path, record, task, checksum=checksum)


def require(session: Session) -> None:
    """Return if the history can be written and has all deliveries; else raise AlertError."""
    if session.context.dry:
        return
    with _writing(session):
        history.check(session.context.settings.history_path)
    _add_deliveries(session)


def reserve(session: Session, paths: Collection[str]) -> None:
    """Raise AlertError if there is no room for the lines of files that are about to be deleted."""
    size = sum(LINE_BYTES + 2 * len(path.encode()) for path in paths)
    with _writing(session):
        history.reserve(session.context.settings.history_path, size)


def record(
    session: Session, event: Event, paths: Collection[str], task_id: str | None = None
) -> None:
    """Add a line to the history for each of `paths` that has a record, or for each directory.

    `task_id` is that of the delete task, if there is one. Raise AlertError if the history cannot be
    written; then the records of these files must stay.
    """
    if not paths or session.context.dry:
        return
    store, now = session.store, history.moment(time.time())

    def facts() -> Iterator[Fact]:
        for path in paths:
            found = store.record(path)
            if event == "pruned":
                yield Fact(at=now, event=event, path=path, task=task_id)
            elif found:
                yield _fact(now, event, path, found, store.tasks[found.task], task_id)

    with _writing(session):
        history.append(session.context.settings.history_path, facts())


def _fact(
    at: str,
    event: Event,
    path: str,
    record: FileRecord,
    task: TaskRecord,
    task_id: str | None = None,
    checksum: str | None = None,
) -> Fact:
    return Fact(
        at=at,
        event=event,
        path=path,
        size=record.size,
        mtime=record.mtime,
        task=task_id or task.task_id,
        copy=f"{task.destination}:{task.destination_of(path)}",
        checksum=checksum,
    )


@contextmanager
def _writing(session: Session) -> Iterator[None]:
    """Resolve the alert about the history after a use of it; raise AlertError if that fails."""
    try:
        yield
    except OSError as error:
        path = session.context.settings.history_path
        alert = catalog.history_unwritable(path, error.strerror or str(error))
        raise AlertError(alert) from error
    session.context.alerts.resolve("history")
