"""What a step gets: one run, its datastore, the connection to Globus, what stays, and progress."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from globus_auto import globus, walk
from globus_auto.alerts import AlertError, KeptSummary, catalog
from globus_auto.context import RunContext
from globus_auto.datastore import Datastore
from globus_auto.files import below, joined, marker_name
from globus_auto.globus import Client, Connection, TaskDocument
from globus_auto.steps.reasons import PASSING, Reason, Why
from globus_auto.text import counted
from globus_auto.walk import DirectoryListing, ListingResult, Skips, no_skips

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 60  # between two signs of progress


@dataclass
class KeepLog:
    """The files that delete.py keeps at the source, counted by reason; paths only if `listed`.

    `overdue` has, by reason, the paths of files that were transferred before `due` (seconds UTC)
    and stay for a reason that should have passed by now.
    """

    store: Datastore
    due: float
    listed: bool = False
    counts: Counter[Reason] = field(default_factory=Counter)
    paths: list[tuple[str, Why]] = field(default_factory=list)
    overdue: dict[Reason, list[str]] = field(default_factory=dict)

    def add(self, path: str, why: Why) -> None:
        """Count the file at `path` as kept because of `why`."""
        self.counts[why.reason] += 1
        if self.listed:
            self.paths.append((path, why))
        else:
            log.debug("Keep %s: %s", path, why)
        if why.reason in PASSING:
            record = self.store.record(path)
            ended = record and self.store.tasks[record.task].ended_at
            if ended and ended < self.due:
                self.overdue.setdefault(why.reason, []).append(path)

    def add_all(self, directory: str, names: list[str], why: Why) -> None:
        """Count the files `names` of a directory as kept because of `why`, which is in order."""
        if self.listed or log.isEnabledFor(logging.DEBUG):
            for name in names:
                self.add(joined(directory, name), why)
        elif names:
            self.counts[why.reason] += len(names)

    def report(self, context: RunContext) -> None:
        """Log how many files stay for which reason, and fire alerts about those kept too long."""
        alerts, hours = context.alerts, context.settings.stall_hours
        files = {reason.value: number for reason, number in self.counts.most_common()}
        context.kept = KeptSummary(at=context.started, files=files)
        for reason, number in self.counts.most_common():
            log.info("Kept %s: %s", counted(number, "file"), reason.value)
        for reason, paths in self.overdue.items():
            alerts.fire(catalog.files_kept_too_long(reason.name, reason.value, paths, hours))
        alerts.resolve("kept")


class NoKeepLog(KeepLog):
    """Where files are not counted that were counted before."""

    def add(self, path: str, why: Why) -> None:
        """Do nothing."""

    def add_all(self, directory: str, names: list[str], why: Why) -> None:
        """Do nothing."""


Item = TypeVar("Item")
Result = TypeVar("Result")
MarkerState = Literal["unknown", "there", "nowhere", "refused"]


class Progress:
    """Where steps report their progress: this shows nothing, a terminal's does."""

    def scan(self, results: Iterable[ListingResult], what: str) -> Iterator[ListingResult]:  # noqa: ARG002
        """Yield `results`, and count directories and files of `what`."""
        yield from results

    @contextmanager
    def task(self, what: str, size: int = 0) -> Iterator[Callable[[TaskDocument], None]]:  # noqa: ARG002
        """Yield a function that shows how far a task is, which has `size` bytes (0: unknown)."""
        yield lambda _document: None


@dataclass
class Session:
    """A run with its datastore and its connection to Globus.

    `ended` are the ids of the tasks that this run saw end. `skipped`, `undelivered` and `checksums`
    concern these: the paths that Globus skipped, with its error codes, the paths that are not known
    to be delivered, and Globus's checksums, as "md5:HEX". `names` are the display names of both
    collections, and `marker` is the state of the marker in DST_DIR; both have defaults until
    `require_ready`.
    """

    context: RunContext
    store: Datastore
    connection: Connection
    progress: Progress
    skipped: dict[str, str] = field(default_factory=dict)
    undelivered: list[str] = field(default_factory=list)
    checksums: dict[str, str] = field(default_factory=dict)
    ended: set[str | None] = field(default_factory=set)
    names: tuple[str, str] = ("source", "destination")
    marker: MarkerState = "unknown"
    kept: KeepLog = field(init=False)

    def __post_init__(self) -> None:
        stall_seconds = self.context.settings.stall_hours * 3600
        due = self.context.started - stall_seconds
        self.kept = KeepLog(self.store, due, listed=self.context.dry)

    @property
    def client(self) -> Client:
        """The main thread's client."""
        return self.connection.client

    def concurrently(
        self, call: Callable[[Client, Item], Result], items: Iterable[Item]
    ) -> list[Result]:
        """Return what `call` returns for each of `items`, from several threads at once."""
        return self.connection.concurrently(call, items)

    def save(self) -> None:
        """Save the datastore, unless this run may change nothing."""
        self.context.save(self.store)

    def label(self, kind: str, submission_id: str) -> str:
        """Return the label of a new task."""
        return globus.new_label(kind, self.context.settings, self.names, submission_id)

    def walk(
        self,
        endpoint: str,
        roots: Iterable[str],
        enter: Callable[[str], bool] = lambda _name: False,
        skips: Skips = no_skips,
    ) -> Iterator[ListingResult]:
        """Yield the listings of `roots` on a collection, and of those below that `enter` accepts.

        Leave out those that `skips` says, as `walk.walk` does.

        Raise AlertError if the source contains the marker that was made at the destination: then
        both are one directory.
        """
        connection = self.connection
        results = walk.walk(
            lambda: connection.lister(endpoint),
            roots,
            enter,
            lambda: connection.calls_at_once,
            skips,
        )
        at_source = endpoint == self.context.settings.src_id
        return distinct(self, results) if at_source else results


def distinct(session: Session, results: Iterable[ListingResult]) -> Iterator[ListingResult]:
    """Yield `results`, which are listings at the source's collection, and show progress.

    Raise AlertError if one of SRC_DIR, or of a directory below it, contains the marker, which was
    made in DST_DIR, or in an earlier one.
    """
    settings, store = session.context.settings, session.store
    own = {marker_name(settings.src_id, settings.src_dir)}
    own |= {marker_name(store.source, mapping.source_dir) for mapping in store.mappings}
    shown = time.monotonic()
    for result in results:
        if time.monotonic() - shown >= PROGRESS_SECONDS:
            shown = time.monotonic()
            session.context.show_progress()
        names = result.directories if isinstance(result, DirectoryListing) else {}
        if below(result.path, settings.src_dir) and not own.isdisjoint(names):
            name = min(own.intersection(names))
            raise AlertError(
                catalog.source_is_destination(settings.src_dir, result.path, name, settings.dst_dir)
            )
        yield result


def totals(store: Datastore, numbers: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Return how many files each of the tasks `numbers` has, and their bytes, by number."""
    found = dict.fromkeys(numbers, (0, 0))
    for _, records in store.files.items(found.keys()):
        for record in records.values():
            if record.task in found:
                files, size = found[record.task]
                found[record.task] = files + 1, size + record.size
    return found
