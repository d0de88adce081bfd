"""The engine: accepts submissions, queues tasks and runs them.

Nothing happens between requests, unless the `Sandbox` runs in `background`. Each request first
advances the tasks (`Engine.advance`), so a test decides what happens between a submission and its
work. The rules are those of docs.globus.org/api/transfer/task_behavior: three transfer tasks and
three delete tasks of a user run, the others are queued; what fails is retried until the deadline.
"""

from __future__ import annotations

import math
import time
import uuid
from collections import deque

from globus_auto.sandbox import texts, work
from globus_auto.sandbox.documents import APIError, bad_request
from globus_auto.sandbox.state import State
from globus_auto.sandbox.submissions import Submission
from globus_auto.sandbox.task_errors import TaskError
from globus_auto.sandbox.tasks import CompletionPolicy, PlannedFailure, Task

__all__ = ["CompletionPolicy", "Engine", "PlannedFailure", "Task"]

MAX_RUNNING_TASKS = 3  # tasks of one user and kind
MAX_PENDING_TASKS = 100  # of one user
SLICE = 256 * 1024 * 1024  # bytes that tasks may copy before the next answer is sent
DAY = 24 * 3600.0  # seconds
PROGRESS_SECONDS = 60.0  # between the events about the progress of a task
DEADLINE, DEADLINE_AFTER_SUCCESS = DAY, 3 * DAY  # after the submission, after a success


class Engine:
    """Accepts submissions and runs their tasks on the directories of `state`."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._submitted: dict[str, Task] = {}

    def find_duplicate(self, submission: Submission) -> Task | None:
        """Return the task that was submitted before with this submission_id, if any.

        What Globus does if the documents differ is not published. Here it is an APIError.
        """
        task = self._submitted.get(submission.submission_id)
        if task is not None and task.submission.document != submission.document:
            raise bad_request("'submission_id': was used for another document")
        return task

    def accept(self, submission: Submission, owner: str) -> Task:
        """Create the task of a submission; raise APIError where Globus rejects it."""
        open_ = [task for task in self.tasks_of(owner) if task.in_progress]
        if len(open_) >= MAX_PENDING_TASKS:
            raise APIError("TooManyPendingJobs", f"You have {len(open_)} pending tasks")
        if any(task.submission.same_paths(submission) for task in open_):
            message = "A transfer with identical paths has not yet completed"
            raise APIError("Conflict", message)
        now, failures = time.time(), self._state.planned_failures
        failure = next(
            (failure for failure in failures if failure.kind in (None, submission.kind)), None
        )
        if failure is not None:
            failures.remove(failure)
        task = Task(
            id=str(uuid.uuid1()),
            owner=owner,
            submission=submission,
            completion=self._state.completion,
            planned_failure=failure,
            requested=now,
            deadline=now + DEADLINE if submission.deadline is None else submission.deadline,
            verify_checksum=self._effective_option(
                submission, "verify_checksum", "disable_verify", "force_verify"
            ),
            encrypt_data=self._effective_option(submission, "encrypt_data", "refuses_encryption"),
            pending=deque(submission.items),
        )
        self._state.tasks[task.id] = self._submitted[submission.submission_id] = task
        self.advance()
        return task

    def tasks_of(self, owner: str) -> list[Task]:
        """Return a user's tasks, oldest first."""
        return [task for task in self._state.tasks.values() if task.owner == owner]

    def _effective_option(
        self, submission: Submission, option: str, disable: str, force: str = ""
    ) -> bool:
        """Return whether a task does what `option` asks for, given the policies of its collections.

        What happens if one collection forces it and the other disables it is not published. Here
        it is disabled, the harder case for a client.
        """
        endpoints = [self._state.endpoints[each] for each in submission.endpoint_ids]
        if submission.kind == "DELETE" or any(end.has_policy(disable) for end in endpoints):
            return False
        forced = bool(force) and any(end.has_policy(force) for end in endpoints)
        return forced or bool(submission.options[option])

    def advance(self) -> None:
        """Advance all tasks: work on at most SLICE bytes, and end those past their deadline."""
        budget = SLICE
        running: dict[tuple[str, str], int] = {}
        for task in list(self._state.tasks.values()):
            queue = (task.owner, task.submission.kind)
            if task.status == "ACTIVE" and running.get(queue, 0) < MAX_RUNNING_TASKS:
                budget = self._work_on(task, budget)
                running[queue] = running.get(queue, 0) + task.in_progress
            if task.in_progress and time.time() >= task.deadline:
                if task.started is None and task.submission.deadline is None:  # it never ran
                    task.deadline = time.time() + DEADLINE
                else:
                    message = "The deadline of the task has passed"
                    task.finish("FAILED", "EXPIRED", message, texts.description("EXPIRED"))

    def _work_on(self, task: Task, budget: int) -> int:
        """Work on one task for at most `budget` bytes; return how much of that is left."""
        now = time.time()
        if task.started is None:
            task.started, task.nice_status = now, "OK"
            task.add_event("STARTED")
        due = task.polls >= task.completion.polls and now >= task.started + task.completion.seconds
        if not due or now >= task.deadline or budget <= 0:
            return budget
        limit = self._byte_limit(task, now)
        if task.steps is not None and task.bytes_moved >= limit:
            return budget
        done, task.nice_status = len(task.successes), "OK"
        if task.steps is None:
            endpoints = [self._state.endpoints[each] for each in task.submission.endpoint_ids]
            task.steps = work.steps(task, endpoints, self._state)
        try:
            for moved in task.steps:
                budget -= moved
                task.bytes_moved += moved
                if budget <= 0 or task.bytes_moved >= limit:
                    if now - (task.reported_at or task.started) >= PROGRESS_SECONDS:
                        task.add_progress()
                    return budget
            task.steps = None
            if not task.pending:
                if task.skipped:
                    task.add_event("SKIPPED_ERRORS", f"{len(task.skipped)} paths were skipped")
                task.add_progress()
                task.finish("SUCCEEDED", "SUCCEEDED")
        except TaskError as fatal:
            task.faults += 1
            task.finish("FAILED", fatal.code, fatal.details, texts.description(fatal.code))
        finally:
            if len(task.successes) > done and task.submission.deadline is None:
                task.deadline = max(task.deadline, time.time() + DEADLINE_AFTER_SUCCESS)
        return budget

    def _byte_limit(self, task: Task, now: float) -> float:
        """Return how many bytes a task may have moved by now."""
        rate = self._state.bytes_per_second
        return math.inf if rate is None else rate * (now - (task.started or now))
