"""The world that the local Globus serves: endpoints, tasks, people, and what shall go wrong.

A test, or the command line, builds a World and changes it while it is served.
"""

from __future__ import annotations

import math
import posixpath
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from globus_auto.sandbox.documents import Document, RefusalError, bad_request
from globus_auto.sandbox.endpoints import Endpoint, OutsideError, printable
from globus_auto.sandbox.engine import Engine
from globus_auto.sandbox.faults import Faults, Request
from globus_auto.sandbox.identity import TRANSFER_ALL, Identity, Token, data_access
from globus_auto.sandbox.snapshots import Snapshots
from globus_auto.sandbox.submissions import Order
from globus_auto.sandbox.tasks import Pace, Plan, Task

__all__ = ["Endpoint", "Pace", "World"]

LISTING_LIMIT = 100_000  # entries; docs.globus.org/api/transfer/file_operations
METERED_SECONDS = 10.0  # over which calls are counted


class World:
    """Everything there is. All public attributes may be changed at any time.

    * `pace`: when tasks end. `plans`: what goes wrong in the next ones.
    * `latency`: seconds before every answer. `calls_per_second`: what Transfer allows, metered over
      ten seconds; None is no limit.
    * `listing_limit`: the size of the largest directory that can be listed. `page_size`: the length
      of a page of successful_transfers and skipped_errors.
    * `listing_lag`: up to how many seconds old the state is that ls and stat show; see `Snapshots`.
    * `skipped_paths`: the code that each of these source paths meets in every transfer.
    * `missed`: source paths that recursive items do not see; see `miss_paths`.
    * `verify_refused`: a transfer that asks for verification where it is disabled is refused, not
      accepted and left unverified. Globus does one of the two; which is not published.
    * `lists_late`: seconds after a task's completion in which successful_transfers and
      skipped_errors are refused, as if the task had not completed.
    * `task_memory`: seconds after its completion for which a task is known at all; None: for ever.
      `task_list_memory`: the same for task_list alone. `task_list_lag`: seconds before a new task
      is in task_list. A repeated submission is a duplicate even of a task that is not known.
    * `requests`: all so far.
    """

    def __init__(self) -> None:
        self.endpoints: dict[str, Endpoint] = {}
        self.tasks: dict[str, Task] = {}
        self.requests: list[Request] = []
        self.faults = Faults()
        self.identity = Identity(self._has_data_access)
        self.engine = Engine(self)
        self.pace = Pace.at_once()
        self.plans: list[Plan] = []
        self.latency = 0.0
        self.calls_per_second: float | None = None
        self.listing_limit = LISTING_LIMIT
        self.page_size = 1000
        self.listing_lag = 0.0
        self.skipped_paths: dict[str, str] = {}
        self.missed: set[str] = set()
        self.verify_refused = False
        self.lists_late = 0.0
        self.task_memory: float | None = None
        self.task_list_memory: float | None = None
        self.task_list_lag = 0.0
        self._calls: deque[float] = deque()
        self._snapshots = Snapshots()

    def add_endpoint(self, directory: Path, name: str, *args: Any, **more: Any) -> Endpoint:  # noqa: ANN401
        """Serve `directory` as an endpoint; what more can be said of it stands in `Endpoint`."""
        endpoint = Endpoint(directory, name, *args, **more)
        self.endpoints[endpoint.id] = endpoint
        return endpoint

    def stall_next(self, code: str = "PERMISSION_DENIED", **plan: Any) -> None:  # noqa: ANN401
        """Let the next task stay ACTIVE with this error; see `Plan`.

        It goes on when its `plan` is None, or with `times` when it has met the error so many times.
        """
        self.plans.append(Plan(code, **plan))

    def fail_next(self, code: str = "ENDPOINT_ERROR", **plan: Any) -> None:  # noqa: ANN401
        """Let the next task end FAILED with this error; see `Plan`."""
        self.plans.append(Plan(code, **plan, fatal=True))

    def skip_paths(self, *paths: str, code: str = "PERMISSION_DENIED") -> None:
        """Let these source paths meet `code` in every transfer from now on."""
        self.skipped_paths.update(dict.fromkeys(paths, code))

    def miss_paths(self, *paths: str) -> None:
        """Let recursive items not see these source paths, until `missed` is cleared.

        They are neither copied nor skipped nor counted, as if they had been absent while Globus
        walked the directory above them. The path of an item itself is always seen.
        """
        self.missed.update(posixpath.normpath(path) for path in paths)

    def endpoint(self, endpoint_id: str) -> Endpoint:
        """Return an endpoint by id; raise RefusalError as `GET endpoint` answers."""
        endpoint = self.endpoints.get(endpoint_id.lower())
        if endpoint is None:
            raise RefusalError("EndpointNotFound", f"No such endpoint '{endpoint_id}'")
        if endpoint.deleted:
            raise RefusalError("EndpointDeleted", f"Endpoint '{endpoint_id}' has been deleted")
        return endpoint

    def usable(self, endpoint_id: str, caller: Token) -> Endpoint:
        """Return an endpoint that this caller may reach data through; raise RefusalError if not."""
        endpoint = self.endpoint(endpoint_id)
        if not endpoint.functional:
            raise RefusalError("NotSupported", f"'{endpoint.name}' is not a collection")
        scope = data_access(endpoint.id)
        needed = endpoint.data_access_required and endpoint.has_data_access
        if needed and not self.identity.consented(caller, scope):
            scopes, message = [f"{TRANSFER_ALL}[*{scope}]"], "Missing required data_access consent"
            gare = {"session_message": message, "required_scopes": scopes}
            extra = {"required_scopes": scopes, "authorization_parameters": gare}
            raise RefusalError("ConsentRequired", message, **extra)
        return endpoint

    @contextmanager
    def reached(self, endpoint_id: str, caller: Token, failure: str) -> Iterator[Endpoint]:
        """Give an endpoint to act on; turn what is wrong with it or its disk into what Globus says.

        `failure` is the middle of the operation's ExternalError codes. For stat those are a guess;
        its "not found" has a code of its own (`globus_sdk.testing`, operation_stat).
        """
        place = self.usable(endpoint_id, caller)
        if place.trouble == "GC_NOT_CONNECTED":
            raise RefusalError(f"ExternalError.{failure}.GCDisconnected", _disconnected(place))
        if place.trouble == "CONNECT_FAILED":
            message = f"The host of '{place.name}' does not answer"
            raise RefusalError(f"ExternalError.{failure}.ConnectFailed", message)
        if place.trouble:
            raise RefusalError("EndpointError", f"'{place.name}' is paused")
        try:
            yield place
        except OSError as error:
            message = f"{error.strerror}: {printable(str(error.filename))}"
            stat = failure == "StatFailed"
            if isinstance(error, OutsideError):
                code = "EndpointPermissionDenied"
            elif stat and isinstance(error, FileNotFoundError | NotADirectoryError):
                code, message = "NotFound", f"Path not found, {message}; c=PATH_NOT_FOUND"
            elif isinstance(error, FileNotFoundError):
                code = "ClientError.NotFound"
            elif isinstance(error, NotADirectoryError):
                code = f"ExternalError.{failure}.NotDirectory"
            elif isinstance(error, FileExistsError):
                code = f"ExternalError.{failure}.Exists"
            elif isinstance(error, PermissionError):
                code = f"ExternalError.{failure}.PermissionDenied"
            else:
                code = "EndpointError"
            raise RefusalError(code, message) from error

    def entries(self, place: Endpoint, path: str) -> list[Document]:
        """Return the file documents of a directory, as ls shows them at this time."""
        key = (place.id, "ls", place.relative(path))
        return self._snapshots.show(
            key, self._lag(place), lambda: place.entries(path, self.listing_limit)
        )

    def look(self, place: Endpoint, path: str) -> Document:
        """Return the file document of a path, as stat shows it at this time."""
        key = (place.id, "stat", place.relative(path))
        return self._snapshots.show(key, self._lag(place), lambda: place.look(path))

    def _lag(self, place: Endpoint) -> float:
        return self.listing_lag if place.listing_lag is None else place.listing_lag

    def submit(self, order: Order, caller: Token) -> tuple[Task, bool]:
        """Return the task of an order, and whether it was submitted before."""
        earlier = self.engine.earlier(order)
        if earlier is not None:
            return earlier, True
        verify = bool(order.options.get("verify_checksum"))
        for endpoint in [self.usable(each, caller) for each in order.endpoint_ids]:
            if endpoint.trouble == "GC_NOT_CONNECTED":
                raise RefusalError("GCDisconnectedException", _disconnected(endpoint))
            if verify and self.verify_refused and endpoint.has_policy("disable_verify"):
                message = f"The policy disable_verify of '{endpoint.name}' does not allow it"
                raise bad_request(f"'verify_checksum': {message}")
        return self.engine.accept(order, caller.identity), False

    def task(self, task_id: str, owner: str) -> Task:
        """Return a user's task; raise RefusalError if it is not known, or anybody else's."""
        task = self.tasks.get(task_id)
        if task is None or task.owner != owner or _over_for(task, self.task_memory):
            raise RefusalError("ClientError.NotFound", f"No task found with id '{task_id}'")
        return task

    def task_list(self, owner: str) -> list[Task]:
        """Return those of a user's tasks that task_list knows, oldest first."""
        now, memories = time.time(), (self.task_memory, self.task_list_memory)
        return [
            task
            for task in self.engine.owned(owner)
            if now - task.requested >= self.task_list_lag
            and not any(_over_for(task, memory) for memory in memories)
        ]

    def seconds_over_budget(self) -> int:
        """Count one call; return 0, or how long to wait because it is one too many."""
        now = time.time()
        while self._calls and self._calls[0] <= now - METERED_SECONDS:
            self._calls.popleft()
        if len(self._calls) >= (self.calls_per_second or math.inf) * METERED_SECONDS:
            return max(1, math.ceil(self._calls[0] + METERED_SECONDS - now))
        self._calls.append(now)
        return 0

    def _has_data_access(self, endpoint_id: str) -> bool:
        endpoint = self.endpoints.get(endpoint_id)
        return endpoint is not None and endpoint.has_data_access


def _over_for(task: Task, seconds: float | None) -> bool:
    """Return whether a task completed at least so many seconds ago; None: never."""
    if seconds is None or task.completed is None:
        return False
    return time.time() - task.completed >= seconds


def _disconnected(endpoint: Endpoint) -> str:
    name = f"{endpoint.name} ({endpoint.id})"
    return f"The Globus Connect Personal endpoint '{name}' is not currently connected to Globus"
