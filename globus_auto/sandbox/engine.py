"""Tasks: accepted, queued, worked at, ended.

Nothing here runs by itself. Every request that arrives first lets the tasks catch up
(`Engine.advance`), so that a test decides what happens between a submission and its work. The rules
are those of docs.globus.org/api/transfer/task_behavior: three transfers and three deletes of a user
are worked at, the rest is queued; what fails is tried again until the deadline.
"""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from globus_auto.sandbox import work
from globus_auto.sandbox.documents import Document, RefusalError, bad_request, moment
from globus_auto.sandbox.submissions import Item, Kind, Order
from globus_auto.sandbox.trouble import TroubleError

if TYPE_CHECKING:
    from globus_auto.sandbox.world import World

WORKED_AT_ONCE = 3  # tasks of one user and kind
PENDING_TASKS = 100  # of one user
SLICE = 256 * 1024 * 1024  # bytes that tasks may move before the next answer is sent
DAY = 24 * 3600.0  # seconds
FIRST_DEADLINE, AFTER_SUCCESS, HISTORY = DAY, 3 * DAY, 30 * DAY


@dataclass(frozen=True)
class Pace:
    """When a task's work is done, counted from its turn: after `looks` at it and `seconds`.

    A look is a `GET task`; the first `looks` of them find it ACTIVE.
    """

    looks: int = 0
    seconds: float = 0.0

    @classmethod
    def at_once(cls) -> Pace:
        """Work is done before the submission is answered."""
        return cls()

    @classmethod
    def after_looks(cls, looks: int) -> Pace:
        """Work is done after this many looks."""
        return cls(looks=looks)

    @classmethod
    def by_time(cls, seconds: float) -> Pace:
        """Work is done this many seconds later, by `time.time()`."""
        return cls(seconds=seconds)


@dataclass(frozen=True)
class Plan:
    """How a task (of a kind) shall stall or fail, once `after_files` of its files are done."""

    code: str
    details: str = "planned"
    after_files: int = 0
    kind: Kind | None = None
    fatal: bool = False


@dataclass
class Task:
    """A task. Tests may change all of it: make it INACTIVE, drop its `plan`, lose its history.

    Times are in seconds since 1970. `verify_checksum` and `encrypt_data` are what is done, whatever
    the order asked for. `pending` is what is still to be done; `successes`, `skipped` and `events`
    (oldest first) are documents.
    """

    id: str
    owner: str
    order: Order
    pace: Pace
    plan: Plan | None
    requested: float
    deadline: float
    verify_checksum: bool
    encrypt_data: bool
    pending: deque[Item]
    status: str = "ACTIVE"
    nice_status: str = "Queued"
    fatal_error: Document | None = None
    started: float | None = None
    completed: float | None = None
    looks: int = 0
    faults: int = 0
    directories: int = 0
    files_skipped: int = 0
    removed: int = 0
    bytes_transferred: int = 0
    bytes_checksummed: int = 0
    successes: list[Document] = field(default_factory=list)
    skipped: list[Document] = field(default_factory=list)
    events: list[Document] = field(default_factory=list)
    noted: set[tuple[str, str]] = field(default_factory=set)
    history_lost: bool = False
    steps: Iterator[int] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.status in ("ACTIVE", "INACTIVE")

    @property
    def files(self) -> int:
        """The number of files known to be its business.

        A recorded transfer of a missing file has 0 files, and 186 files of another are 174
        transferred and 12 that were equal: skipped errors are not among them. A delete counts its
        items.
        """
        if self.order.kind == "DELETE":
            return len(self.order.items)
        waiting = sum(item.seen and item.recursive is not True for item in self.pending)
        return waiting + self.files_skipped + len(self.successes)

    @property
    def subtasks(self) -> int:
        """The number of subtasks: one for each path to look at, one more for each known file."""
        if self.order.kind == "DELETE":
            return 2 * len(self.order.items)
        unknown = sum(not item.seen or item.recursive is True for item in self.pending)
        return 2 * self.files + self.directories + unknown + len(self.skipped)

    @property
    def speed(self) -> int:
        """Bytes per second, from its start to its end or now."""
        seconds = (self.completed or time.time()) - (self.started or self.requested)
        return int(self.bytes_transferred / max(seconds, 1.0))

    @property
    def history_deleted(self) -> bool:
        """Whether its events and lists are gone, as they are 30 days after its end."""
        old = self.completed is not None and time.time() - self.completed > HISTORY
        return self.history_lost or old

    def tell(self, code: str, details: str = "", *, is_error: bool = False) -> None:
        """Add an event."""
        event = {
            "DATA_TYPE": "event",
            "code": code,
            "description": code.replace("_", " ").lower(),
            "details": details,
            "is_error": is_error,
            "time": moment(time.time()),
        }
        self.events.append(event)

    def note(self, code: str, details: str) -> None:
        """Report trouble that may pass: shown as nice_status, an event the first time."""
        self.nice_status = code
        if (code, details) not in self.noted:
            self.noted.add((code, details))
            self.faults += 1
            self.tell(code, details, is_error=True)

    def finish(self, status: str, code: str, details: str = "") -> None:
        """End it; `code` and `details` are its last event and, if it failed, its fatal_error."""
        self.status, self.completed, self.steps = status, time.time(), None
        failed = status == "FAILED"
        self.fatal_error = {"code": code, "description": details} if failed else None
        self.tell(code, details, is_error=failed)


class Engine:
    """Takes orders and works at them, on the directories of `world`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._submitted: dict[str, Task] = {}

    def earlier(self, order: Order) -> Task | None:
        """Return the task that this submission_id led to before, if any.

        What Globus does if the documents differ is not published; it is a mistake, and refused.
        """
        task = self._submitted.get(order.submission_id)
        if task is not None and task.order.document != order.document:
            raise bad_request("'submission_id': was used for another document")
        return task

    def accept(self, order: Order, owner: str) -> Task:
        """Make a task of the order; raise RefusalError where Globus does."""
        open_ = [task for task in self.owned(owner) if task.is_open]
        if len(open_) >= PENDING_TASKS:
            raise RefusalError("TooManyPendingJobs", f"You have {len(open_)} pending tasks")
        if any(task.order.same_paths(order) for task in open_):
            message = "A transfer with identical paths has not yet completed"
            raise RefusalError("Conflict", message)
        now, plans = time.time(), self._world.plans
        plan = next((plan for plan in plans if plan.kind in (None, order.kind)), None)
        if plan is not None:
            plans.remove(plan)
        task = Task(
            id=str(uuid.uuid1()),
            owner=owner,
            order=order,
            pace=self._world.pace,
            plan=plan,
            requested=now,
            deadline=now + FIRST_DEADLINE if order.deadline is None else order.deadline,
            verify_checksum=self._does(order, "verify_checksum", "disable_verify", "force_verify"),
            encrypt_data=self._does(order, "encrypt_data", "refuses_encryption"),
            pending=deque(order.items),
        )
        self._world.tasks[task.id] = self._submitted[order.submission_id] = task
        self.advance()
        return task

    def owned(self, owner: str) -> list[Task]:
        """Return a user's tasks, oldest first."""
        return [task for task in self._world.tasks.values() if task.owner == owner]

    def _does(self, order: Order, option: str, disable: str, force: str = "") -> bool:
        """Return whether a transfer does what `option` asks for, given the policies of its ends.

        Which one wins if one end forces it and the other disables it is not published. Disabling
        is the harder case for a client.
        """
        ends = [self._world.endpoints[each] for each in order.endpoint_ids]
        if order.kind == "DELETE" or any(end.has_policy(disable) for end in ends):
            return False
        forced = bool(force) and any(end.has_policy(force) for end in ends)
        return forced or bool(order.options[option])

    def advance(self) -> None:
        """Let every task catch up: deadlines, turns, work; at most SLICE bytes of it."""
        budget = SLICE
        turns: dict[tuple[str, str], int] = {}
        for task in list(self._world.tasks.values()):
            whose = (task.owner, task.order.kind)
            if task.status == "ACTIVE" and turns.get(whose, 0) < WORKED_AT_ONCE:
                budget = self._work(task, budget)
                turns[whose] = turns.get(whose, 0) + task.is_open
            if task.is_open and time.time() >= task.deadline:
                if task.started is None and task.order.deadline is None:  # no fault of its own
                    task.deadline = time.time() + FIRST_DEADLINE
                else:
                    task.finish("FAILED", "EXPIRED", "The deadline of the task has passed")

    def _work(self, task: Task, budget: int) -> int:
        """Work at one task for at most `budget` bytes; return how much of that is left."""
        now = time.time()
        if task.started is None:
            task.started, task.nice_status = now, "OK"
            task.tell("STARTED")
        due = task.looks >= task.pace.looks and now >= task.started + task.pace.seconds
        if not due or now >= task.deadline or budget <= 0:
            return budget
        done, task.nice_status = len(task.successes), "OK"
        if task.steps is None:
            ends = [self._world.endpoints[each] for each in task.order.endpoint_ids]
            task.steps = work.steps(task, ends, self._world)
        try:
            for moved in task.steps:
                budget -= moved
                if budget <= 0:
                    return budget
            task.steps = None
            if not task.pending:
                if task.skipped:
                    task.tell("SKIPPED_ERRORS", f"{len(task.skipped)} paths were skipped")
                task.finish("SUCCEEDED", "SUCCEEDED")
        except TroubleError as fatal:
            task.faults += 1
            task.finish("FAILED", fatal.code, fatal.details)
        finally:
            if len(task.successes) > done and task.order.deadline is None:
                task.deadline = max(task.deadline, time.time() + AFTER_SUCCESS)
        return budget
