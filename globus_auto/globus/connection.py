"""The connection to Globus: the clients of all threads, and the consents that a call may need."""

from __future__ import annotations

import contextlib
import logging
import queue
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import globus_sdk
from globus_sdk.transport import RetryConfig

from globus_auto.globus import errors
from globus_auto.globus.client import Client
from globus_auto.globus.errors import requires_consent
from globus_auto.globus.limiter import RateLimiter
from globus_auto.globus.tokens import Result
from globus_auto.text import condensed
from globus_auto.walk import Lister

log = logging.getLogger(__name__)

Item = TypeVar("Item")
SERVER = globus_sdk.TransferClient.scopes.resource_server


class Connection:
    """Globus as this program's identity: `client` for the main thread, others are borrowed.

    `may_log_in` says whether a login is possible: on a terminal, or with a service account. All
    threads share `limiter`.
    """

    def __init__(self, app: globus_sdk.GlobusApp, interactive: bool, limiter: RateLimiter) -> None:
        self._app = app
        self._limiter = limiter
        self._idle: queue.SimpleQueue[Client] = queue.SimpleQueue()
        self.may_log_in = interactive or isinstance(app, globus_sdk.ClientApp)
        transfer = globus_sdk.TransferClient(app=app, retry_config=_retries())
        self.client = Client(transfer, self._limiter)

    @contextlib.contextmanager
    def borrowed(self) -> Iterator[Client]:
        """Yield a client for one thread; its connections stay open for the next."""
        try:
            client = self._idle.get_nowait()
        except queue.Empty:
            client = self._new_client()
        try:
            yield client
        finally:
            self._idle.put(client)

    def _new_client(self) -> Client:
        transfer = globus_sdk.TransferClient(
            authorizer=self._app.get_authorizer(SERVER),
            app_name=self._app.app_name,
            retry_config=_retries(),
        )
        return Client(transfer, self._limiter)

    @property
    def identity(self) -> str:
        """Who is logged in, as far as the stored login shows; Globus is not asked."""
        if isinstance(self._app, globus_sdk.ClientApp):
            return f"service account {self._app.client_id}@clients.auth.globus.org"
        found = self._app.token_storage.identity_id
        return f"user with identity {found}" if found else "a user's login"

    @contextlib.contextmanager
    def lister(self, endpoint: str) -> Iterator[Lister]:
        """Yield a lister of directories at the collection `endpoint`, for use by one thread."""
        with self.borrowed() as client:
            yield lambda path: client.list_directory(endpoint, path)

    @property
    def calls_at_once(self) -> int:
        """How many calls at once are of use now."""
        return self._limiter.calls_at_once

    def concurrently(
        self, call: Callable[[Client, Item], Result], items: Iterable[Item]
    ) -> list[Result]:
        """Return what `call` returns for each of `items`, from several threads at once.

        Raise what the first failing call raises; calls that have not begun are left out then.
        """

        def once(item: Item) -> Result:
            with self.borrowed() as client:
                return call(client, item)

        executor = ThreadPoolExecutor(self.calls_at_once)
        try:
            return list(executor.map(once, items))
        finally:
            executor.shutdown(cancel_futures=True)

    def with_consent(self, call: Callable[[], Result]) -> Result:
        """Return what `call` returns; if Globus requires a consent for it, ask for it once.

        Ask the user on a terminal, or Globus Auth itself for a service account. If neither is
        possible, raise what `call` raises.
        """
        try:
            return call()
        except globus_sdk.TransferAPIError as error:
            scopes = errors.required_scopes(error)
            if not (requires_consent(error) and scopes and self.may_log_in):
                raise
        log.info("Globus requires a consent; asking for it: %s", condensed(" ".join(scopes)))
        self._app.add_scope_requirements({SERVER: scopes})
        self._app.login(force=True)
        return call()

    def close(self) -> None:
        """Close all connections to Globus."""
        self.client.close()
        while not self._idle.empty():
            self._idle.get_nowait().close()
        self._app.close()


def _retries() -> RetryConfig:
    """Return which answers globus_sdk tries again: not 429, which all threads wait for together."""
    return RetryConfig(
        retry_after_status_codes=(503,),
        transient_error_status_codes=(500, 502, 503, 504),
    )
