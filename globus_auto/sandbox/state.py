"""What the engine and the work of tasks need of the world: its endpoints, tasks and failures."""

from __future__ import annotations

from globus_auto.sandbox.endpoints import Endpoint
from globus_auto.sandbox.tasks import CompletionPolicy, PlannedFailure, Task


class State:
    """Endpoints and tasks by id, and what happens to tasks; see `World`."""

    def __init__(self) -> None:
        self.endpoints: dict[str, Endpoint] = {}
        self.tasks: dict[str, Task] = {}
        self.completion = CompletionPolicy.at_once()
        self.planned_failures: list[PlannedFailure] = []
        self.skipped_paths: dict[str, str] = {}
        self.bytes_per_second: float | None = None
        self.missed_paths: set[str] = set()
