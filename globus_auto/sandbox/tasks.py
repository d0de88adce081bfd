"""A task: its state, its events, and the failure planned for it."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from globus_auto.sandbox import texts
from globus_auto.sandbox.documents import Document, moment
from globus_auto.sandbox.submissions import Item, Kind, Submission

HISTORY = 30 * 24 * 3600.0  # seconds that events and lists are kept


@dataclass(frozen=True)
class CompletionPolicy:
    """When the work of a task is done: after `polls`, and `seconds` after it starts to run.

    A poll is a `GET task`; the first `polls` of them find the task ACTIVE.
    """

    polls: int = 0
    seconds: float = 0.0

    @classmethod
    def at_once(cls) -> CompletionPolicy:
        """Do the work before the submission is answered."""
        return cls()

    @classmethod
    def after_polls(cls, polls: int) -> CompletionPolicy:
        """Do the work after this many polls."""
        return cls(polls=polls)

    @classmethod
    def after_seconds(cls, seconds: float) -> CompletionPolicy:
        """Do the work this many seconds after the start, by `time.time()`."""
        return cls(seconds=seconds)


@dataclass(frozen=True)
class PlannedFailure:
    """How a task (of this kind, if given) stalls or fails once `after_files` files are done.

    A task stalls the first `times` times that it is worked on, and then continues. With None it
    stalls until its `planned_failure` is removed.
    """

    code: str
    details: str = "planned"
    after_files: int = 0
    kind: Kind | None = None
    fatal: bool = False
    times: int | None = None


@dataclass
class Task:
    """A task. Tests may change any field: make it INACTIVE, remove its failure, lose its history.

    Times are in seconds since 1970. `verify_checksum` and `encrypt_data` say what is done, which
    may differ from the submission. `pending` are the items still to do, `unfinished` those that are
    begun, or are tried again after all others; `successes`, `skipped` and `events` (oldest first)
    are documents. `bytes_moved` counts what was copied and checksummed; `mirrored` has the names in
    the source of each directory at the destination.
    """

    id: str
    owner: str
    submission: Submission
    completion: CompletionPolicy
    planned_failure: PlannedFailure | None
    requested: float
    deadline: float
    verify_checksum: bool
    encrypt_data: bool
    pending: deque[Item]
    unfinished: list[Item] = field(default_factory=list)
    status: str = "ACTIVE"
    nice_status: str = "Queued"
    fatal_error: Document | None = None
    started: float | None = None
    completed: float | None = None
    polls: int = 0
    faults: int = 0
    directories: int = 0
    files_skipped: int = 0
    removed: int = 0
    bytes_transferred: int = 0
    bytes_checksummed: int = 0
    successes: list[Document] = field(default_factory=list)
    skipped: list[Document] = field(default_factory=list)
    events: list[Document] = field(default_factory=list)
    stalls: int = 0
    reported_faults: set[tuple[str, str]] = field(default_factory=set)
    history_lost: bool = False
    steps: Iterator[int] | None = None
    bytes_moved: int = 0
    reported_bytes: int = 0
    reported_at: float | None = None
    mirrored: dict[str, set[str]] = field(default_factory=dict)

    @property
    def in_progress(self) -> bool:
        """Whether it has not ended yet."""
        return self.status in ("ACTIVE", "INACTIVE")

    @property
    def remaining(self) -> tuple[Item, ...]:
        """The items that are not done."""
        return *self.pending, *self.unfinished

    @property
    def files(self) -> int:
        """The number of files, as Globus counts them in the task document.

        In recordings, the transfer of a missing file has 0 files, and the 186 files of another
        transfer are 174 transferred and 12 equal ones: skipped errors are not included. A delete
        task counts its items.
        """
        if self.submission.kind == "DELETE":
            return len(self.submission.items)
        waiting = sum(not (item.missing or item.recursive) for item in self.remaining)
        return waiting + self.files_skipped + len(self.successes)

    @property
    def subtasks(self) -> int:
        """The number of subtasks: one for each path to check, one more for each known file.

        In recordings, a delete task has one for each item.
        """
        if self.submission.kind == "DELETE":
            return len(self.submission.items)
        unknown = sum(bool(item.missing or item.recursive) for item in self.remaining)
        return 2 * self.files + self.directories + unknown + len(self.skipped)

    @property
    def speed(self) -> int:
        """Bytes per second from the start to the end, or until now."""
        seconds = (self.completed or time.time()) - (self.started or self.requested)
        return int(self.bytes_transferred / max(seconds, 1.0))

    @property
    def history_deleted(self) -> bool:
        """Whether its events and lists are deleted, as Globus does 30 days after the end."""
        old = self.completed is not None and time.time() - self.completed > HISTORY
        return self.history_lost or old

    def add_event(self, code: str, details: str = "", *, is_error: bool = False) -> None:
        """Add an event to the task."""
        event = {
            "DATA_TYPE": "event",
            "code": code,
            "description": texts.description(code),
            "details": details,
            "is_error": is_error,
            "time": moment(time.time()),
        }
        self.events.append(event)

    def add_progress(self) -> None:
        """Add an event about the bytes transferred since the last one, if there are any."""
        now, since = time.time(), self.reported_at or self.started or self.requested
        moved, seconds = self.bytes_transferred - self.reported_bytes, max(now - since, 0.001)
        if moved <= 0:
            return
        self.reported_bytes, self.reported_at = self.bytes_transferred, now
        facts = {
            "bytes_transferred": moved,
            "duration": round(seconds, 3),
            "mbps": round(moved * 8 / 1e6 / seconds, 3),
        }
        self.add_event("PROGRESS", json.dumps(facts, indent=2))

    def add_fault(self, code: str, details: str) -> None:
        """Record an error that may pass: set nice_status, add an event the first time."""
        self.nice_status = code
        if (code, details) not in self.reported_faults:
            self.reported_faults.add((code, details))
            self.faults += 1
            self.add_event(code, details, is_error=True)

    def finish(self, status: str, code: str, details: str = "", description: str = "") -> None:
        """End the task with an event; if it failed, `code` and `description` are its fatal_error.

        `description` defaults to `details`.
        """
        self.status, self.completed, self.steps = status, time.time(), None
        failed = status == "FAILED"
        fatal_error = {
            "code": code,
            "description": description or details or texts.description(code),
        }
        self.fatal_error = fatal_error if failed else None
        self.add_event(code, details, is_error=failed)
