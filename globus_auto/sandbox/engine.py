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
from typing import TYPE_CHECKING

from globus_auto.sandbox import texts, work
from globus_auto.sandbox.documents import RefusalError, bad_request
from globus_auto.sandbox.submissions import Order
from globus_auto.sandbox.tasks import Pace, Plan, Task
from globus_auto.sandbox.trouble import TroubleError

if TYPE_CHECKING:
    from globus_auto.sandbox.world import World

__all__ = ["Engine", "Pace", "Plan", "Task"]

WORKED_AT_ONCE = 3  # tasks of one user and kind
PENDING_TASKS = 100  # of one user
SLICE = 256 * 1024 * 1024  # bytes that tasks may move before the next answer is sent
DAY = 24 * 3600.0  # seconds
FIRST_DEADLINE, AFTER_SUCCESS = DAY, 3 * DAY


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
                    message = "The deadline of the task has passed"
                    task.finish("FAILED", "EXPIRED", message, texts.description("EXPIRED"))

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
            task.finish(
                "FAILED",
                fatal.code,
                fatal.details,
                fatal.description or texts.description(fatal.code),
            )
        finally:
            if len(task.successes) > done and task.order.deadline is None:
                task.deadline = max(task.deadline, time.time() + AFTER_SUCCESS)
        return budget
