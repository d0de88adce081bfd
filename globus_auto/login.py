"""Login: from settings to clients that work, or to the sentence that says what to do."""

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
# A rewrite of the token file takes milliseconds; whoever holds its lock longer is suspended.
LOCK_SECONDS = 60
LOCK_PAUSE = 0.02  # seconds
Result = TypeVar("Result")


class DamagedTokenFile(Exception):
    """The token file at `path` is there, but cannot be used; `error` names the exception."""

    def __init__(self, path: str, error: str) -> None:
        super().__init__(f"The token file {path} cannot be used ({error}).")
        self.path = path
        self.error = error


class NoTerminal(Exception):
    """A login was asked for where there is nobody to ask."""


class TokenFile(JSONTokenStorage):
    """globus_sdk's JSON token storage, safe for many threads and processes at once.

    A change reads, alters and replaces the file under a lock of its own, `<path>.lock`, so no
    process undoes what another stored; a kill or a full disk in the middle of it leaves the file
    as it was. Raise TokenFileDamaged for a file that cannot be read, OSError for one that cannot
    be written or whose lock another process does not release within LOCK_SECONDS.
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
        """Return the tokens in the file by resource server; none where there is no file."""
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
        """Apply `change` to a copy of the file, then put the copy in its place."""
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
        """Hold the lock between processes; the kernel ends it with the process."""
        path = f"{self.filepath}.lock"
        with open(path, "a", opener=datastore.private, encoding="ascii") as file:
            waited = 0.0
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    # A suspended process holds it until somebody wakes or ends it.
                    if waited >= LOCK_SECONDS:
                        reason = f"another process has kept it locked for {LOCK_SECONDS} seconds"
                        raise TimeoutError(errno.ETIMEDOUT, reason, path) from None
                time.sleep(LOCK_PAUSE)
                waited += LOCK_PAUSE
            yield

    def _copy_to(self, temporary: str) -> None:
        """Copy the file, if there is one, to a new file that only the owner may read."""
        with (
            contextlib.suppress(FileNotFoundError),
            open(self.filepath, "rb") as file,
            open(temporary, "xb", opener=datastore.private) as copy,
        ):
            shutil.copyfileobj(file, copy)

    def _remove_leftovers(self) -> None:
        """Remove the temporary files of killed processes; under the lock no other is in use."""
        directory, name = os.path.split(self.filepath)
        # Version 1.0 gave all of them one name, without the digits.
        leftover = re.compile(re.escape(name) + r"(\.[0-9a-f]{16})?\.new")
        for entry in os.listdir(directory or "."):
            if leftover.fullmatch(entry):
                Path(directory, entry).unlink(missing_ok=True)

    def _refuse(self, error: Exception) -> NoReturn:
        # The error's own text could repeat part of a token.
        raise DamagedTokenFile(self.filepath, type(error).__name__) from error


def _fsync(path: str) -> None:
    """Let a file or a directory outlast a loss of power."""
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
    """globus_sdk's way to log in on a terminal; the code that a person enters stays a secret."""

    def prompt_for_code(self) -> str:
        """Return what the person enters."""
        return wording.register_secret(super().prompt_for_code())


class Connection:
    """Globus as this program's identity: `client` for the main thread, others by new_client().

    `may_log_in`: a login can be had, from a person on a terminal or for a service account.
    """

    def __init__(self, app: globus_sdk.GlobusApp, interactive: bool) -> None:
        self._app = app
        self.may_log_in = interactive or isinstance(app, globus_sdk.ClientApp)
        self.client = globus_sdk.TransferClient(app=app)

    def new_client(self) -> globus_sdk.TransferClient:
        """Return a client for one thread, which leaves what to do on a 429 to its caller."""
        return globus_sdk.TransferClient(
            authorizer=self._app.get_authorizer(SERVER),
            app_name=self._app.app_name,
            retry_config=RetryConfig(
                retry_after_status_codes=(503,),
                transient_error_status_codes=(500, 502, 503, 504),
            ),
        )

    def with_consent(self, call: Callable[[], Result]) -> Result:
        """Return what `call` returns; if Globus wants a consent for it, ask for that once.

        Asked is a person on a terminal, or Globus Auth itself for a service account. Raise what
        `call` raises, where there is nobody to ask.
        """
        try:
            return call()
        except globus_sdk.TransferAPIError as error:
            scopes = refusals.required_scopes(error)
            if not (refusals.requires_consent(error) and scopes and self.may_log_in):
                raise
        log.info("Globus wants a consent, which is asked for: %s", " ".join(scopes))
        self._app.add_scope_requirements({SERVER: scopes})
        self._app.login(force=True)
        return call()

    def close(self) -> None:
        """Close the connections to Globus that the main thread holds."""
        self.client.close()
        self._app.close()


def secret(settings: Settings) -> str:
    """Return the service account's secret, or "" where a person's login is used."""
    if settings.client_secret_file:
        return Path(settings.client_secret_file).read_text(encoding="utf-8").strip()
    return os.environ.get(SECRET, "").strip()


def connect(settings: Settings, *, interactive: bool, again: bool = False) -> Connection:
    """Return a connection that holds a token for Globus Transfer.

    On a terminal (`interactive`) a person is asked to log in where that is needed, or always, if
    `again`. Without one nobody is asked. Raise TokenFileDamaged, NoTerminal,
    InvalidResponse, globus_sdk.AuthAPIError, globus_sdk.token_storage.TokenValidationError or
    globus_sdk.NetworkError.
    """
    # Those of an earlier run in this process are no longer used.
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
    """Log in once more if an endpoint needs a data_access consent that was never given.

    So no later run stops for it. Mapped collections need one unless they are of high assurance
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
        log.info(
            "Consents for the files at %s are asked for, if they are missing", ", ".join(needed)
        )
        client.add_app_data_access_scope(needed)
        app.login()


def high_assurance(name: str) -> str:
    """Return what a person must know of the high-assurance collection `name`, before a run."""
    return (
        f"{name} is a high-assurance collection: its sessions end, and only a person can renew"
        " them. Use a service account or another collection."
    )


def _app(settings: Settings, interactive: bool) -> globus_sdk.GlobusApp:
    password = wording.register_secret(secret(settings))
    # A person's tokens and a service account's are never taken for one another.
    namespace = f"client {settings.client_id}" if password else "DEFAULT"
    storage = TokenFile(settings.token_path, namespace)
    if password:
        return globus_sdk.ClientApp(
            "globus_auto",
            client_id=settings.client_id,
            client_secret=password,
            config=globus_sdk.GlobusAppConfig(token_storage=storage),
        )
    asked = globus_sdk.GlobusAppConfig(
        token_storage=storage, request_refresh_tokens=True, login_flow_manager=CodePrompt
    )
    unasked = globus_sdk.GlobusAppConfig(
        token_storage=storage, request_refresh_tokens=True, token_validation_error_handler=None
    )
    return globus_sdk.UserApp(
        "globus_auto", client_id=settings.client_id, config=asked if interactive else unasked
    )


def _ensure_token(app: globus_sdk.GlobusApp) -> None:
    """Get a token that is not about to expire: refreshed, logged in for, or asked for."""
    try:
        authorizer = app.get_authorizer(SERVER)
        if isinstance(authorizer, globus_sdk.authorizers.RenewingAuthorizer):
            authorizer.ensure_valid_token()
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, globus_sdk.GlobusError):
            raise
        # The SDK takes any answer of 200 for a token; a proxy or a portal answers so as well.
        raise InvalidResponse("Globus Auth sent no whole token.") from error


def revoked(error: globus_sdk.AuthAPIError) -> bool:
    """Return whether Globus Auth no longer knows the refresh token that it was shown.

    It then answers 400 with "invalid_grant"; to a code that is wrong it answers so with 401.
    """
    return error.http_status == 400 and refusal(error) == "invalid_grant"


def refusal(error: globus_sdk.AuthAPIError) -> str | None:
    """Return the bare OAuth2 error that Globus Auth answered with (RFC 6749, section 5.2)."""
    document: object = error.raw_json
    code = document.get("error") if isinstance(document, dict) else None
    return code if isinstance(code, str) else None
