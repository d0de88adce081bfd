"""The world that the sandbox serves: endpoints, tasks, identities and planned failures.

A test, or the command line, builds a World and changes it while it is served.
"""

from __future__ import annotations

import errno
import math
import posixpath
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from globus_auto.sandbox.documents import APIError, Document, bad_request
from globus_auto.sandbox.endpoints import Endpoint, OutsideError
from globus_auto.sandbox.engine import Engine
from globus_auto.sandbox.faults import Faults, Request
from globus_auto.sandbox.file_documents import printable
from globus_auto.sandbox.identity import Identity
from globus_auto.sandbox.scopes import TRANSFER_ALL, data_access
from globus_auto.sandbox.snapshots import Snapshots
from globus_auto.sandbox.state import State
from globus_auto.sandbox.submissions import Submission
from globus_auto.sandbox.tasks import CompletionPolicy, PlannedFailure, Task
from globus_auto.sandbox.tokens import Token

__all__ = ["CompletionPolicy", "Endpoint", "World"]

LISTING_LIMIT = 100_000  # entries; docs.globus.org/api/transfer/file_operations
LOCAL_USERS = ["source_local_user", "destination_local_user"]  # fields of a transfer
RATE_WINDOW = 10.0  # seconds over which calls are counted


class World(State):
    """The state of the emulated Globus. All public attributes may be changed at any time.

    * `completion`: when new tasks complete. `planned_failures`: what goes wrong in the next tasks.
    * `latency`: seconds before every answer. `calls_per_second`: the limit for Transfer, measured
      over ten seconds; None is no limit.
    * `listing_limit`: the size of the largest directory that can be listed. `page_size`: the length
      of a page of successful_transfers and skipped_errors.
    * `listing_lag`: the maximum age in seconds of what ls and stat show; see `Snapshots`.
    * `skipped_paths`: source paths that fail in every transfer, and the error code of each.
    * `missed_paths`: source paths that recursive items do not see; see `miss_paths`.
    * `bytes_per_second`: how fast each task copies and checksums; None: as fast as it can.
    * `rejects_verify`: reject a transfer that asks for verification where it is disabled, instead
      of accepting it and not verifying. Which of the two Globus does is not published.
    * `lists_delay`: for so many seconds after a task completes, reject successful_transfers and
      skipped_errors as if the task had not completed.
    * `task_memory`: seconds after its completion for which a task is known at all; None: for ever.
      `task_list_memory`: the same for task_list alone. `task_list_lag`: seconds before task_list
      shows a new task. A repeated submission is a duplicate even of a task that is not known.
    * `requests`: all requests so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self.faults = Faults()
        self.identity = Identity(self._has_data_access)
        self.engine = Engine(self)
        self.latency = 0.0
        self.calls_per_second: float | None = None
        self.listing_limit = LISTING_LIMIT
        self.page_size = 1000
        self.listing_lag = 0.0
        self.rejects_verify = False
        self.lists_delay = 0.0
        self.task_memory: float | None = None
        self.task_list_memory: float | None = None
        self.task_list_lag = 0.0
        self._calls: deque[float] = deque()
        self._snapshots = Snapshots()

    def add_endpoint(self, directory: Path, name: str, *args: Any, **more: Any) -> Endpoint:  # noqa: ANN401
        """Serve `directory` as an endpoint; the other arguments are the fields of `Endpoint`."""
        endpoint = Endpoint(directory, name, *args, **more)
        self.endpoints[endpoint.id] = endpoint
        return endpoint

    def stall_next(self, code: str = "PERMISSION_DENIED", **failure: Any) -> None:  # noqa: ANN401
        """Plan that the next task stays ACTIVE with this error; see `PlannedFailure`.

        It continues once its `planned_failure` is None, or when it has stalled `times` times.
        """
        self.planned_failures.append(PlannedFailure(code, **failure))

    def fail_next(self, code: str = "ENDPOINT_ERROR", **failure: Any) -> None:  # noqa: ANN401
        """Plan that the next task ends FAILED with this error; see `PlannedFailure`."""
        self.planned_failures.append(PlannedFailure(code, **failure, fatal=True))

    def skip_paths(self, *paths: str, code: str = "PERMISSION_DENIED") -> None:
        """Make these source paths fail with `code` in every transfer from now on."""
        self.skipped_paths.update(dict.fromkeys(paths, code))

    def miss_paths(self, *paths: str) -> None:
        """Hide these source paths from recursive items until `missed_paths` is cleared.

        They are neither copied nor skipped nor counted, as if they had been absent while Globus
        walked the directory above them. The path of an item itself is always seen.
        """
        self.missed_paths.update(posixpath.normpath(path) for path in paths)

    def endpoint(self, endpoint_id: str) -> Endpoint:
        """Return an endpoint by id; raise the APIError of `GET endpoint` if there is none."""
        endpoint = self.endpoints.get(endpoint_id.lower())
        if endpoint is None:
            raise APIError("EndpointNotFound", f"No such endpoint '{endpoint_id}'")
        if endpoint.deleted:
            raise APIError("EndpointDeleted", f"Endpoint '{endpoint_id}' has been deleted")
        return endpoint

    def usable_endpoint(self, endpoint_id: str, caller: Token) -> Endpoint:
        """Return an endpoint that this caller may use for data; raise APIError if not."""
        endpoint = self.endpoint(endpoint_id)
        if not endpoint.functional:
            raise APIError("NotSupported", f"'{endpoint.name}' is not a collection")
        scope = data_access(endpoint.id)
        needed = endpoint.data_access_required and endpoint.has_data_access
        if needed and not self.identity.has_consent(caller, scope):
            scopes, message = [f"{TRANSFER_ALL}[*{scope}]"], "Missing required data_access consent"
            gare = {"session_message": message, "required_scopes": scopes}
            extra = {"required_scopes": scopes, "authorization_parameters": gare}
            raise APIError("ConsentRequired", message, **extra)
        return endpoint

    @contextmanager
    def open_endpoint(self, endpoint_id: str, caller: Token, failure: str) -> Iterator[Endpoint]:
        """Yield an endpoint for one operation; turn its state and disk errors into an APIError.

        `failure` is the middle part of the operation's ExternalError codes. For stat these codes
        are a guess, except "not found" (`globus_sdk.testing`, operation_stat).
        """
        endpoint = self.usable_endpoint(endpoint_id, caller)
        if endpoint.offline_code == "GC_NOT_CONNECTED":
            raise APIError(
                f"ExternalError.{failure}.GCDisconnected", _disconnected_message(endpoint)
            )
        if endpoint.offline_code == "CONNECT_FAILED":
            message = f"The host of '{endpoint.name}' does not answer"
            raise APIError(f"ExternalError.{failure}.ConnectFailed", message)
        if endpoint.offline_code:
            raise APIError("EndpointError", f"'{endpoint.name}' is paused")
        try:
            yield endpoint
        except OSError as error:
            paths = [error.filename, *filter(None, [error.filename2])]
            shown = " -> ".join(printable(endpoint.shown_path(str(path))) for path in paths)
            message = f"{error.strerror}: {shown}"
            stat = failure == "StatFailed"
            if isinstance(error, OutsideError):
                code = "EndpointPermissionDenied"
            elif stat and isinstance(error, FileNotFoundError | NotADirectoryError):
                code, message = "NotFound", f"Path not found, {message}; c=PATH_NOT_FOUND"
            elif isinstance(error, FileNotFoundError):
                code = "ClientError.NotFound"
            elif isinstance(error, NotADirectoryError):
                code = f"ExternalError.{failure}.NotDirectory"
            elif error.errno in (errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY):
                code = f"ExternalError.{failure}.Exists"
            elif isinstance(error, PermissionError):
                code = f"ExternalError.{failure}.PermissionDenied"
            else:
                code = "EndpointError"
            raise APIError(code, message) from error

    def list_directory(self, endpoint: Endpoint, path: str) -> list[Document]:
        """Return the file documents of a directory as ls shows them now."""
        if endpoint.next_to_mount(path):
            return endpoint.list_directory(path, self.listing_limit)
        key = (endpoint.id, "ls", endpoint.relative_path(path))
        return self._snapshots.get(
            key, self._lag(endpoint), lambda: endpoint.list_directory(path, self.listing_limit)
        )

    def stat(self, endpoint: Endpoint, path: str) -> Document:
        """Return the file document of a path as stat shows it now."""
        key = (endpoint.id, "stat", endpoint.relative_path(path))
        return self._snapshots.get(key, self._lag(endpoint), lambda: endpoint.stat(path))

    def _lag(self, endpoint: Endpoint) -> float:
        return self.listing_lag if endpoint.listing_lag is None else endpoint.listing_lag

    def submit(self, submission: Submission, caller: Token) -> tuple[Task, bool]:
        """Return the task of a submission, and whether it was submitted before."""
        duplicate = self.engine.find_duplicate(submission)
        if duplicate is not None:
            return duplicate, True
        verify = bool(submission.options.get("verify_checksum"))
        fields = ["local_user"] if submission.kind == "DELETE" else LOCAL_USERS
        for endpoint_id, field in zip(submission.endpoint_ids, fields, strict=True):
            endpoint = self.usable_endpoint(endpoint_id, caller)
            endpoint.check_local_user(submission.options[field], field)
            if endpoint.offline_code == "GC_NOT_CONNECTED":
                raise APIError("GCDisconnectedException", _disconnected_message(endpoint))
            if verify and self.rejects_verify and endpoint.has_policy("disable_verify"):
                message = f"The policy disable_verify of '{endpoint.name}' does not allow it"
                raise bad_request(f"'verify_checksum': {message}")
        return self.engine.accept(submission, caller.identity), False

    def task(self, task_id: str, owner: str) -> Task:
        """Return a user's task; raise APIError if it is unknown or belongs to someone else."""
        task = self.tasks.get(task_id)
        if task is None or task.owner != owner or _ended_before(task, self.task_memory):
            raise APIError("ClientError.NotFound", f"No task found with id '{task_id}'")
        return task

    def task_list(self, owner: str) -> list[Task]:
        """Return the tasks of a user that task_list shows, oldest first."""
        now, memories = time.time(), (self.task_memory, self.task_list_memory)
        return [
            task
            for task in self.engine.tasks_of(owner)
            if now - task.requested >= self.task_list_lag
            and not any(_ended_before(task, memory) for memory in memories)
        ]

    def retry_after(self) -> int:
        """Count one call; return 0, or the seconds to wait if it is over the limit."""
        now = time.time()
        while self._calls and self._calls[0] <= now - RATE_WINDOW:
            self._calls.popleft()
        if len(self._calls) >= (self.calls_per_second or math.inf) * RATE_WINDOW:
            return max(1, math.ceil(self._calls[0] + RATE_WINDOW - now))
        self._calls.append(now)
        return 0

    def _has_data_access(self, endpoint_id: str) -> bool:
        endpoint = self.endpoints.get(endpoint_id)
        return endpoint is not None and endpoint.has_data_access


def _ended_before(task: Task, seconds: float | None) -> bool:
    """Return whether a task completed at least `seconds` ago; always False for None."""
    if seconds is None or task.completed is None:
        return False
    return time.time() - task.completed >= seconds


def _disconnected_message(endpoint: Endpoint) -> str:
    name = f"{endpoint.name} ({endpoint.id})"
    return f"The Globus Connect Personal endpoint '{name}' is not currently connected to Globus"
