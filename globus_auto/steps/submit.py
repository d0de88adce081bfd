"""Submit each recorded task exactly once, however often a run is killed or an answer is lost."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from globus_auto import globus
from globus_auto.alerts import Alert, Facts, catalog, explain_call
from globus_auto.datastore import Datastore, TaskRecord
from globus_auto.errors import InvalidResponse
from globus_auto.globus import DIVISIBLE, MOST_REJECTED
from globus_auto.steps.session import Session, totals
from globus_auto.text import counted, sized

log = logging.getLogger(__name__)

# Codes of a rejection that is temporary (docs.globus.org/api/transfer/task_submit, "Errors").
NOT_NOW = ("Conflict", "TooManyPendingJobs")
# Tries that may leave open whether a task exists, before its submission is given up.
MOST_TRIES = 2
# Submissions in a row that may leave that open in one run: each needs a minute or more.
MOST_UNKNOWN = 2


def submit_unaccepted(session: Session) -> bool:
    """Submit every transfer task without a task id; return whether Globus rejected any.

    Save the datastore before anything is submitted. Discard a task that Globus rejects, with an
    alert: drop its record and those of its files, so that they are classified again. If a request
    is malformed or too large, submit both halves of it instead, until the file is found that cannot
    be sent. Fire an alert about identical paths in progress, or about too many tasks, only after
    STALL_HOURS. If it is unknown whether a task exists, keep it unsubmitted, so that it is
    submitted again with the same id. Raise what concerns the login or the network.
    """
    context = session.context
    rejections = _Submitting(session).run()
    for group in _grouped(rejections):
        context.alerts.fire(explain_rejections(group, context))
    paths = [each.path for each in rejections if each.path and each.once_a_day]
    if paths:
        context.remember(lambda health: health.refuse(paths, context.started))
    return bool(rejections)


class Rejection(NamedTuple):
    """A submission that led to no task: its source directory, and `path` if it is about one file.

    `error` is the answer of Globus; None if the submission never reached Globus, as far as is
    known.
    """

    source_dir: str
    path: str | None
    error: globus.TransferAPIError | None

    @property
    def once_a_day(self) -> bool:
        """Whether it is about this one file, so that it is useless to try again soon."""
        return self.error is None or self.error.http_status in DIVISIBLE

    @property
    def group(self) -> tuple[str, bool, bool]:
        """What is equal for all rejections that one alert explains."""
        return self.source_dir, self.error is None, bool(self.path) and self.once_a_day


class _Submitting:
    """One round of submissions."""

    def __init__(self, session: Session) -> None:
        self.client, self.store, self.save = session.client, session.store, session.save
        self.alerts = session.context.alerts
        self.grace = session.context.settings.stall_hours * 3600
        store = self.store
        unsubmitted = {
            number: task
            for number, task in store.tasks_in_progress("transfer").items()
            if task.task_id is None
        }
        # Least tried first, so that one that never gets through holds up no other.
        self.queue = sorted(unsubmitted, key=lambda number: (unsubmitted[number].tries, number))
        # A recursive task names no file, and may cover a million.
        named = (number for number in self.queue if not store.tasks[number].recursive)
        self.paths = store.paths_by_task(named)
        self.refusals: list[Rejection] = []
        self.rejected = self.unknown = 0

    def run(self) -> list[Rejection]:
        """Submit all tasks; return the submissions that led to no task."""
        if self.queue:
            self.save()
        while self.queue and self.unknown < MOST_UNKNOWN:
            number = self.queue.pop(0)
            task = self.store.tasks[number]
            if task.tries >= MOST_TRIES and not task.recursive:
                self._give_up(number, task)
                continue
            document = globus.transfer_document(self.store.source, task, self._oldest_first(number))
            try:
                task.task_id = self.client.submit(document)
            except (globus.TransferAPIError, InvalidResponse) as error:
                self._not_accepted(number, task, error)
            except globus.NetworkError:
                task.tries += 1
                self.save()
                raise
            else:
                self.unknown = 0
                self._log_submission(number, task)
                self.store.add_mapping(task)
                self.alerts.resolve("conflict", task.source_dir)
        return self.refusals

    def _oldest_first(self, number: int) -> list[str]:
        """Return the paths of a task, oldest mtime first; the order depends only on its records."""
        mtimes = {}
        for path in self.paths.get(number, ()):
            record = self.store.record(path)
            mtimes[path] = record.mtime if record else 0
        return sorted(mtimes, key=lambda path: (mtimes[path], path))

    def _log_submission(self, number: int, task: TaskRecord) -> None:
        if task.recursive:
            files, size = totals(self.store, [number])[number]
        else:
            # There may be many such tasks, and a million records.
            records = [self.store.record(path) for path in self.paths[number]]
            files, size = len(records), sum(record.size for record in records if record)
        log.info(
            "Submitted transfer task %s: %s, %s%s; %s",
            task.task_id,
            counted(files, "file"),
            sized(size),
            ", as one recursive task" if task.recursive else "",
            globus.link(task.task_id or ""),
        )

    def _give_up(self, number: int, task: TaskRecord) -> None:
        """Halve a task whose submission never got through in several runs; reject a single file.

        Globus does not list the task, so it does not exist: something on the way, such as a
        gateway, blocks requests of this size, or with this name in it.
        """
        if len(self.paths[number]) > 1:
            self._halve(number)
            return
        self.refusals.append(Rejection(task.source_dir, self.paths[number][0], None))
        discard(self.store, number, self.paths[number])

    def _not_accepted(
        self, number: int, task: TaskRecord, error: globus.TransferAPIError | InvalidResponse
    ) -> None:
        if isinstance(error, InvalidResponse) or not globus.is_rejected(error):
            if not isinstance(error, InvalidResponse) and globus.requires_login(error):
                raise error
            # 429 and 503 mean that Globus is busy or down for all; this task is not the reason.
            task.tries += getattr(error, "http_status", 0) not in (429, 503)
            self.unknown += 1
            self.save()
            self.alerts.fire(_unknown(task, error))
            return
        self.unknown = 0
        store, paths = self.store, self.paths
        paths |= store.paths_by_task(each for each in (number, *self.queue) if each not in paths)
        divisible = error.http_status in DIVISIBLE
        self.rejected += divisible
        if divisible and len(paths[number]) > 1 and not task.recursive:
            if self.rejected <= MOST_REJECTED:
                self._halve(number)
            else:
                discard(store, number, paths[number])
            return
        discard(store, number, paths[number])
        if error.code in NOT_NOW:
            self.alerts.fire(_conflict(task.source_dir, error, self.grace))
        else:
            single = paths[number][0] if len(paths[number]) == 1 else None
            self.refusals.append(Rejection(task.source_dir, single, error))
        if error.code != "Conflict" and not divisible:
            self._discard_similar(task)

    def _discard_similar(self, task: TaskRecord) -> None:
        """Discard all other tasks of this destination: Globus would reject them as well."""
        place = task.destination, task.destination_dir
        for number in list(self.queue):
            other = self.store.tasks[number]
            if (other.destination, other.destination_dir) == place:
                self.queue.remove(number)
                discard(self.store, number, self.paths[number])

    def _halve(self, number: int) -> None:
        halves = _split_in_halves(self.client, self.store, number, self.paths[number])
        self.paths |= halves
        self.queue[:0] = halves
        self.save()


def discard(store: Datastore, number: int, paths: Iterable[str]) -> None:
    """Drop the record of a task, and those of its files at `paths`."""
    for path in paths:
        store.drop(path)
    del store.tasks[number]


def _split_in_halves(
    client: globus.Client, store: Datastore, number: int, paths: list[str]
) -> dict[int, list[str]]:
    """Replace a task by two with half of its files each; return their paths by task number."""
    whole = store.tasks.pop(number)
    middle = len(paths) // 2
    halves = {}
    for part in (paths[:middle], paths[middle:]):
        half = max(number + 1, store.next_task_number())
        new_id = client.new_submission_id()
        store.tasks[half] = globus.new_task(
            "transfer",
            new_id,
            label=f"{whole.label.rpartition(' ')[0]} {new_id}",
            scanned_at=whole.scanned_at,
            source_dir=whole.source_dir,
            destination=whole.destination,
            destination_dir=whole.destination_dir,
        )
        for path in part:
            record = store.record(path)
            if record:
                store.put(path, msgspec.structs.replace(record, task=half))
        halves[half] = part
    return halves


def _conflict(source_dir: str, error: globus.TransferAPIError, grace: float) -> Alert:
    return catalog.transfers_conflict(source_dir, globus.api_details(error), grace)


def _unknown(task: TaskRecord, error: Exception) -> Alert:
    return catalog.submission_unanswered(task.source_dir, globus.described(error))


def _grouped(rejections: list[Rejection]) -> list[list[Rejection]]:
    groups: dict[tuple[str, bool, bool], list[Rejection]] = {}
    for rejection in rejections:
        groups.setdefault(rejection.group, []).append(rejection)
    return list(groups.values())


def explain_rejections(group: list[Rejection], context: Facts) -> Alert:
    """Return the alert for submissions of one group that did not lead to a task."""
    (source_dir, _, malformed), error = group[0].group, group[0].error
    paths = [each.path for each in group if each.path]
    if error is None:
        return catalog.transfer_blocked(source_dir, paths)
    alert = explain_call(error, context)
    if alert.kind != "service":
        return alert
    return catalog.transfer_rejected(source_dir, paths, globus.details(error), malformed=malformed)
