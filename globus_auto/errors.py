"""Every exception of the package."""

from __future__ import annotations

import time
from typing import Literal


class DamagedDatastore(Exception):
    """The file at `path` is not what was written, for this `reason`."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"The datastore {path} is damaged: {reason}.")
        self.path = path
        self.reason = reason


class NewerDatastore(DamagedDatastore):
    """The file at `path` has a `version` newer than the newest `supported` one."""

    def __init__(self, path: str, version: int, supported: int) -> None:
        super().__init__(path, f"it is of version {version}")
        self.version = version
        self.supported = supported


class OlderDatastore(DamagedDatastore):
    """The `files` of the datastore at `path` are of the older programs, for Python 2.7."""

    def __init__(self, path: str, form: str, files: list[str]) -> None:
        super().__init__(path, f"the older programs wrote it ({form})")
        self.form = form
        self.files = files


class ListingTooOld(Exception):
    """The listing is too old to delete anything because of it."""


Obstacle = Literal["undescribed", "server", "disconnected", "paused", "unreachable"]


class EndpointNotReady(Exception):
    """A collection of this `name`, as far as it is known, cannot be used now."""

    def __init__(
        self, endpoint: str, obstacle: Obstacle, details: str = "", name: str | None = None
    ) -> None:
        super().__init__(f"{name or endpoint} is {obstacle}. {details}".strip())
        self.endpoint = endpoint
        self.obstacle = obstacle
        self.details = details
        self.name = name


class AlreadyRunning(Exception):
    """Another run holds the lock at `path` since `since` (seconds UTC).

    `waited` says that this run waited for it until the timeout.
    """

    def __init__(self, path: str, pid: str, since: int, waited: bool) -> None:
        self.moment = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(since))
        super().__init__(f"another run (PID {pid}) has been running since {self.moment}")
        self.path = path
        self.pid = pid
        self.since = since
        self.waited = waited

    def too_long(self, now: int, limit: float) -> bool:
        """Return whether the other run needs attention: it has run for more than `limit` seconds.

        If this run waited for it in vain, it always does.
        """
        return self.waited or now - self.since > limit


class DamagedTokenFile(Exception):
    """The token file at `path` exists, but cannot be used; `error` names the exception."""

    def __init__(self, path: str, error: str) -> None:
        super().__init__(f"The token file {path} cannot be used ({error}).")
        self.path = path
        self.error = error


class OlderTokenFile(DamagedTokenFile):
    """The token file at `path` has only a refresh token, as the older programs wrote it."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "bare token")


class NoTerminal(Exception):
    """A login is needed, but there is no terminal to log in on."""


class SecretMissing(Exception):
    """CLIENT_ID has logged in as a service account before, and its secret is not known now."""


class StopSignal(Exception):
    """The program was asked to end by SIGTERM."""


class InvalidResponse(Exception):
    """Globus sent a response that shows nothing about the state of a task or file."""


class EndlessList(InvalidResponse):
    """Globus sent a list that does not end."""


class CancelTimeout(Exception):
    """A cancelled task did not end in time."""
