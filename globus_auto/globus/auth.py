"""Login: turn the settings into working Globus clients, or raise what prevents it."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import globus_sdk
from globus_sdk.login_flows import CommandLineLoginFlowManager
from globus_sdk.transport import RetryConfig

from globus_auto import text
from globus_auto.errors import InvalidResponse, NoTerminal
from globus_auto.globus import errors
from globus_auto.globus.client import Client
from globus_auto.globus.errors import is_revoked, requires_consent
from globus_auto.globus.limiter import RateLimiter
from globus_auto.globus.tokens import Result, TokenFile
from globus_auto.settings import Settings
from globus_auto.text import SECRETS, condensed, register_secret
from globus_auto.walk import Lister

log = logging.getLogger(__name__)

SECRET = "GLOBUS_CLIENT_SECRET"
SERVER = globus_sdk.TransferClient.scopes.resource_server


class CodePrompt(CommandLineLoginFlowManager):
    """globus_sdk's login on a terminal; the code that you enter is registered as a secret."""

    def prompt_for_code(self) -> str:
        """Return the code that the user enters."""
        return text.register_secret(super().prompt_for_code())


class Connection:
    """Globus as this program's identity: `client` for the main thread, new_client() for others.

    `may_log_in` says whether a login is possible: on a terminal, or with a service account.
    """

    def __init__(
        self, app: globus_sdk.GlobusApp, interactive: bool, calls_per_second: float
    ) -> None:
        self._app = app
        self._limiter = RateLimiter(calls_per_second)
        self.may_log_in = interactive or isinstance(app, globus_sdk.ClientApp)
        transfer = globus_sdk.TransferClient(app=app, retry_config=_retries())
        self.client = Client(transfer, self._limiter)

    def new_client(self) -> Client:
        """Return a client for one thread, with connections of its own."""
        transfer = globus_sdk.TransferClient(
            authorizer=self._app.get_authorizer(SERVER),
            app_name=self._app.app_name,
            retry_config=_retries(),
        )
        return Client(transfer, self._limiter)

    @contextlib.contextmanager
    def lister(self, endpoint: str) -> Iterator[Lister]:
        """Yield a lister of directories at the collection `endpoint`, for use by one thread."""
        client = self.new_client()
        try:
            yield lambda path: client.list_directory(endpoint, path)
        finally:
            client.close()

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
        """Close the main thread's connections to Globus."""
        self.client.close()
        self._app.close()


def _retries() -> RetryConfig:
    """Return which answers globus_sdk tries again: not 429, which all threads wait for together."""
    return RetryConfig(
        retry_after_status_codes=(503,),
        transient_error_status_codes=(500, 502, 503, 504),
    )


def secret(settings: Settings) -> str:
    """Return the service account's secret, or "" if a user's login is used."""
    if settings.client_secret_file:
        return Path(settings.client_secret_file).read_text(encoding="utf-8").strip()
    return os.environ.get(SECRET, "").strip()


def connect(settings: Settings, *, interactive: bool, again: bool = False) -> Connection:
    """Return a connection that holds a token for Globus Transfer.

    On a terminal (`interactive`), ask the user to log in if necessary, or always if `again`.
    Without a terminal, never ask. Raise DamagedTokenFile, NoTerminal, InvalidResponse,
    globus_sdk.AuthAPIError, globus_sdk.token_storage.TokenValidationError or
    globus_sdk.NetworkError.
    """
    # Secrets of an earlier run in this process are no longer in use.
    SECRETS.clear()
    app = _app(settings, interactive)
    with contextlib.ExitStack() as resources:
        connection = Connection(app, interactive, settings.list_calls_per_second)
        resources.callback(connection.close)
        asked = again or (interactive and app.login_required())
        if again:
            if not connection.may_log_in:
                raise NoTerminal
            app.login(force=True)
        try:
            _ensure_token(app)
        except globus_sdk.AuthAPIError as error:
            if not (interactive and is_revoked(error)):
                raise
            app.login(force=True)
        if asked:
            _ask_for_consents(app, connection.client, {settings.src_id, settings.dst_id})
        resources.pop_all()
        return connection


def _ask_for_consents(app: globus_sdk.GlobusApp, client: Client, endpoints: set[str]) -> None:
    """Log in once more if a collection needs a data_access consent that was never given.

    Then no later run stops for it. Mapped collections need one unless they are high-assurance
    (globus-sdk's user guide, "Detecting data_access requirements").
    """
    needed = []
    for endpoint in sorted(endpoints):
        try:
            document = client.collection(endpoint)
        except InvalidResponse as error:
            log.info("Cannot tell which consents %s needs: %s", endpoint, error)
            continue
        if document.high_assurance:
            log.warning("%s", high_assurance(document.display_name or endpoint))
            continue
        if document.entity_type == "GCSv5_mapped_collection":
            needed.append(endpoint)
    if needed:
        log.info("Asking for missing data_access consents for %s", ", ".join(needed))
        client.require_data_access(needed)
        app.login()


def high_assurance(name: str) -> str:
    """Return the warning about the high-assurance collection `name`."""
    return (
        f"{name} is a high-assurance collection: its sessions expire, and you must then log in"
        " again. Use a service account or another collection."
    )


def _app(settings: Settings, interactive: bool) -> globus_sdk.GlobusApp:
    password = register_secret(secret(settings))
    # Separate namespaces keep the tokens of a user and of a service account apart.
    namespace = f"client {settings.client_id}" if password else "DEFAULT"
    storage = TokenFile(settings.token_path, namespace)
    if password:
        return globus_sdk.ClientApp(
            "globus_auto",
            client_id=settings.client_id,
            client_secret=password,
            config=globus_sdk.GlobusAppConfig(token_storage=storage),
        )
    prompting = globus_sdk.GlobusAppConfig(
        token_storage=storage, request_refresh_tokens=True, login_flow_manager=CodePrompt
    )
    silent = globus_sdk.GlobusAppConfig(
        token_storage=storage, request_refresh_tokens=True, token_validation_error_handler=None
    )
    return globus_sdk.UserApp(
        "globus_auto", client_id=settings.client_id, config=prompting if interactive else silent
    )


def _ensure_token(app: globus_sdk.GlobusApp) -> None:
    """Get a token that is not about to expire: a stored, a refreshed or a new one."""
    try:
        authorizer = app.get_authorizer(SERVER)
        if isinstance(authorizer, globus_sdk.authorizers.RenewingAuthorizer):
            authorizer.ensure_valid_token()
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, globus_sdk.GlobusError):
            raise
        # The SDK reads any response with status 200 as a token, also one of a proxy or a portal.
        raise InvalidResponse("Globus Auth sent no whole token.") from error
