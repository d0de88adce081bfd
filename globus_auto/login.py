"""Login: turn the settings into working Globus clients, or raise what prevents it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn, TypeVar

import globus_sdk
from globus_sdk.login_flows import CommandLineLoginFlowManager
from globus_sdk.token_storage import JSONTokenStorage, TokenStorageData
from globus_sdk.transport import RetryConfig

from globus_auto import datastore, refusals, wording
from globus_auto.settings import Settings
from globus_auto.watching import InvalidResponse

log = logging.getLogger(__name__)

SECRET = "GLOBUS_CLIENT_SECRET"
SERVER = globus_sdk.TransferClient.scopes.resource_server
# Rewriting the token file takes milliseconds. Who holds its lock for longer than this is suspended.
LOCK_SECONDS = 60
LOCK_PAUSE = 0.02  # seconds
Result = TypeVar("Result")


class DamagedTokenFile(Exception):
    """The token file at `path` exists, but cannot be used; `error` names the exception."""

    def __init__(self, path: str, error: str) -> None:
        super().__init__(f"The token file {path} cannot be used ({error}).")
        self.path = path
        self.error = error


class NoTerminal(Exception):
    """A login is needed, but there is no terminal to log in on."""


class TokenFile(JSONTokenStorage):
    """globus_sdk's JSON token storage, safe for several threads and processes at once.

    Each change reads, alters and replaces the file under its own lock, `<path>.lock`, so no process
    overwrites what another stored. If the process is killed or the disk is full, the file stays as
    it was. Raise DamagedTokenFile if the file cannot be read, and OSError if it cannot be written
    or another process holds its lock for LOCK_SECONDS.
    """

    def __init__(self, filepath: str, namespace: str) -> None:
        super().__init__(filepath, namespace=namespace)
        self._lock = threading.Lock()

    def store_token_data_by_resource_server(
        self, token_data_by_resource_server: Mapping[str, TokenStorageData]
    ) -> None:
        """Replace the tokens of these resource servers in the file."""
        _register(token_data_by_resource_server)
        self._rewrite(
            lambda copy: copy.store_token_data_by_resource_server(token_data_by_resource_server)
        )

    def get_token_data_by_resource_server(self) -> dict[str, TokenStorageData]:
        """Return the tokens in the file by resource server; none if there is no file."""
        try:
            found = super().get_token_data_by_resource_server()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self._refuse(error)
        _register(found)
        return found

    def remove_token_data(self, resource_server: str) -> bool:
        """Remove the tokens of one resource server; return whether there were any."""
        return self._rewrite(lambda copy: copy.remove_token_data(resource_server))

    def _rewrite(self, change: Callable[[JSONTokenStorage], Result]) -> Result:
        """Apply `change` to a copy of the file, then replace the file with the copy."""
        with self._lock, self._locked():
            self._remove_leftovers()
            temporary = f"{self.filepath}.{secrets.token_hex(8)}.new"
            try:
                self._copy_to(temporary)
                try:
                    result = change(JSONTokenStorage(temporary, namespace=self.namespace))
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    self._refuse(error)
                _fsync(temporary)
                os.replace(temporary, self.filepath)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
            _fsync(os.path.dirname(self.filepath) or ".")
            return result

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock between processes; the kernel releases it when the process ends."""
        path = f"{self.filepath}.lock"
        with open(path, "a", opener=datastore.private, encoding="ascii") as file:
            waited = 0.0
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    # A suspended process holds the lock until it is resumed or killed.
                    if waited >= LOCK_SECONDS:
                        reason = f"another process has kept it locked for {LOCK_SECONDS} seconds"
                        raise TimeoutError(errno.ETIMEDOUT, reason, path) from None
                time.sleep(LOCK_PAUSE)
                waited += LOCK_PAUSE
            yield

    def _copy_to(self, temporary: str) -> None:
        """Copy the file, if it exists, to a new file that only the owner may read."""
        with (
            contextlib.suppress(FileNotFoundError),
            open(self.filepath, "rb") as file,
            open(temporary, "xb", opener=datastore.private) as copy,
        ):
            shutil.copyfileobj(file, copy)

    def _remove_leftovers(self) -> None:
        """Remove temporary files of killed processes; under the lock no other process uses one."""
        directory, name = os.path.split(self.filepath)
        # Version 1.0 used one name for all of them, without the digits.
        leftover = re.compile(re.escape(name) + r"(\.[0-9a-f]{16})?\.new")
        for name in os.listdir(directory or "."):
            if leftover.fullmatch(name):
                Path(directory, name).unlink(missing_ok=True)

    def _refuse(self, error: Exception) -> NoReturn:
        # The text of `error` may contain part of a token.
        raise DamagedTokenFile(self.filepath, type(error).__name__) from error


def _fsync(path: str) -> None:
    """Flush a file or a directory to disk, so that it survives a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _register(tokens: Mapping[str, TokenStorageData]) -> None:
    for token in tokens.values():
        wording.register_secret(token.access_token)
        wording.register_secret(token.refresh_token or "")


class CodePrompt(CommandLineLoginFlowManager):
    """globus_sdk's login on a terminal; the code that you enter is registered as a secret."""

    def prompt_for_code(self) -> str:
        """Return the code that the user enters."""
        return wording.register_secret(super().prompt_for_code())


class Connection:
    """Globus as this program's identity: `client` for the main thread, new_client() for others.

    `may_log_in` says whether a login is possible: on a terminal, or with a service account.
    """

    def __init__(self, app: globus_sdk.GlobusApp, interactive: bool) -> None:
        self._app = app
        self.may_log_in = interactive or isinstance(app, globus_sdk.ClientApp)
        self.client = globus_sdk.TransferClient(app=app)

    def new_client(self) -> globus_sdk.TransferClient:
        """Return a client for one thread; it leaves the handling of status 429 to the caller."""
        return globus_sdk.TransferClient(
            authorizer=self._app.get_authorizer(SERVER),
            app_name=self._app.app_name,
            retry_config=RetryConfig(
                retry_after_status_codes=(503,),
                transient_error_status_codes=(500, 502, 503, 504),
            ),
        )

    def with_consent(self, call: Callable[[], Result]) -> Result:
        """Return what `call` returns; if Globus requires a consent for it, ask for it once.

        Ask the user on a terminal, or Globus Auth itself for a service account. If neither is
        possible, raise what `call` raises.
        """
        try:
            return call()
        except globus_sdk.TransferAPIError as error:
            scopes = refusals.required_scopes(error)
            if not (refusals.requires_consent(error) and scopes and self.may_log_in):
                raise
        log.info("Globus requires a consent; asking for it: %s", " ".join(scopes))
        self._app.add_scope_requirements({SERVER: scopes})
        self._app.login(force=True)
        return call()

    def close(self) -> None:
        """Close the main thread's connections to Globus."""
        self.client.close()
        self._app.close()


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
    wording.SECRETS.clear()
    app = _app(settings, interactive)
    with contextlib.ExitStack() as resources:
        connection = Connection(app, interactive)
        resources.callback(connection.close)
        asked = again or (interactive and app.login_required())
        if again:
            if not connection.may_log_in:
                raise NoTerminal
            app.login(force=True)
        try:
            _ensure_token(app)
        except globus_sdk.AuthAPIError as error:
            if not (interactive and revoked(error)):
                raise
            app.login(force=True)
        if asked:
            _ask_for_consents(app, connection.client, {settings.src_id, settings.dst_id})
        resources.pop_all()
        return connection


def _ask_for_consents(
    app: globus_sdk.GlobusApp, client: globus_sdk.TransferClient, endpoints: set[str]
) -> None:
    """Log in once more if a collection needs a data_access consent that was never given.

    Then no later run stops for it. Mapped collections need one unless they are high-assurance
    (globus-sdk's user guide, "Detecting data_access requirements").
    """
    needed = []
    for endpoint in sorted(endpoints):
        document: object = client.get_endpoint(endpoint).data
        if not isinstance(document, dict):
            continue
        if document.get("high_assurance"):
            log.warning("%s", high_assurance(document.get("display_name") or endpoint))
            continue
        if document.get("entity_type") == "GCSv5_mapped_collection":
            needed.append(endpoint)
    if needed:
        log.info("Asking for missing data_access consents for %s", ", ".join(needed))
        client.add_app_data_access_scope(needed)
        app.login()


def high_assurance(name: str) -> str:
    """Return the warning about the high-assurance collection `name`."""
    return (
        f"{name} is a high-assurance collection: its sessions expire, and you must then log in"
        " again. Use a service account or another collection."
    )


def _app(settings: Settings, interactive: bool) -> globus_sdk.GlobusApp:
    password = wording.register_secret(secret(settings))
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
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, globus_sdk.GlobusError):
            raise
        # The SDK reads any response with status 200 as a token, also one of a proxy or a portal.
        raise InvalidResponse("Globus Auth sent no whole token.") from error


def revoked(error: globus_sdk.AuthAPIError) -> bool:
    """Return whether Globus Auth no longer knows the refresh token.

    It then answers 400 with "invalid_grant"; a wrong authorization code gets 401.
    """
    return error.http_status == 400 and refusal(error) == "invalid_grant"


def refusal(error: globus_sdk.AuthAPIError) -> str | None:
    """Return the OAuth2 error code that Globus Auth answered with (RFC 6749, section 5.2)."""
    document: object = error.raw_json
    code = document.get("error") if isinstance(document, dict) else None
    return code if isinstance(code, str) else None
