"""Login: turn the settings into working Globus clients, or raise what prevents it."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path

import globus_sdk
from globus_sdk.gare import GlobusAuthorizationParameters
from globus_sdk.login_flows import CommandLineLoginFlowManager

from globus_auto import text
from globus_auto.errors import InvalidResponse, NoTerminal, SecretMissing
from globus_auto.globus import errors
from globus_auto.globus.client import Client
from globus_auto.globus.connection import SERVER, Connection
from globus_auto.globus.errors import is_revoked
from globus_auto.globus.limiter import RateLimiter
from globus_auto.globus.tokens import TokenFile
from globus_auto.settings import Settings
from globus_auto.text import SECRETS, register_secret

log = logging.getLogger(__name__)

SECRET = "GLOBUS_CLIENT_SECRET"
CODES_MOST = 3
CODE_REJECTED = (
    "Globus did not accept that code: it was mistyped, used before, or is too old. Enter it again,"
    " or open the link once more for a new one."
)
LOGIN_1 = "Login 1 of 2: log in to Globus. Login 2 is for collections that require a consent."
LOGIN_2 = "Login 2 of 2: give your consent to reach the files of {names}."
LOGIN_2_NOT_NEEDED = "Login 2 of 2 is not needed."


class CodePrompt(CommandLineLoginFlowManager):
    """globus_sdk's login on a terminal, which asks again if Globus rejects the code."""

    def run_login_flow(
        self, auth_parameters: GlobusAuthorizationParameters
    ) -> globus_sdk.OAuthTokenResponse:
        """Show the link, ask for the code up to CODES_MOST times, and return the tokens for it."""
        number = 1
        while True:
            try:
                if number == 1:
                    return super().run_login_flow(auth_parameters)
                # Another link would make the code that belongs to the first one useless.
                return self.login_client.oauth2_exchange_code_for_tokens(self.prompt_for_code())
            except globus_sdk.AuthAPIError as error:
                if number == CODES_MOST or errors.oauth_error(error) != "invalid_grant":
                    raise
            except RecursionError as error:
                raise InvalidResponse("Globus Auth sent no whole token.") from error
            print(CODE_REJECTED)
            number += 1

    def prompt_for_code(self) -> str:
        """Return the code that the user enters, which is registered as a secret."""
        while not (code := super().prompt_for_code()):
            pass
        return text.register_secret(code)


def secret(settings: Settings) -> str:
    """Return the service account's secret, or "" if a user's login is used."""
    if settings.client_secret_file:
        return Path(settings.client_secret_file).read_text(encoding="utf-8").strip()
    return os.environ.get(SECRET, "").strip()


def secret_place(settings: Settings) -> str:
    """Return what has the service account's secret: a setting or a variable; "" for a user."""
    if settings.client_secret_file:
        return f"CLIENT_SECRET_FILE {settings.client_secret_file}"
    return SECRET if secret(settings) else ""


def connect(settings: Settings, *, interactive: bool, again: bool = False) -> Connection:
    """Return a connection that holds a token for Globus Transfer.

    On a terminal (`interactive`), ask the user to log in if there is no login that Globus accepts,
    or always if `again`.
    Without a terminal, never ask. Raise DamagedTokenFile, NoTerminal, SecretMissing,
    InvalidResponse, globus_sdk.AuthAPIError, globus_sdk.token_storage.TokenValidationError or
    globus_sdk.NetworkError.
    """
    # Secrets of an earlier run in this process are no longer in use.
    SECRETS.clear()
    app = _app(settings, interactive)
    if not again and isinstance(app, globus_sdk.UserApp) and app.login_required():
        _require_no_secret(settings)
    with contextlib.ExitStack() as resources:
        limiter = RateLimiter(settings.list_calls_per_second, settings.list_concurrency)
        connection = Connection(app, interactive, limiter)
        resources.callback(connection.close)
        if again and not connection.may_log_in:
            raise NoTerminal
        if again or (interactive and not _is_accepted(app, connection.client)):
            others = {other.dst_id for other in settings.others}
            _log_in(app, connection.client, {settings.src_id, settings.dst_id, *others})
        _ensure_token(app)
        resources.pop_all()
        return connection


def _is_accepted(app: globus_sdk.GlobusApp, client: Client) -> bool:
    """Return whether there is a login that Globus accepts: one that was revoked looks valid."""
    if app.login_required():
        return False
    try:
        _ensure_token(app)
        client.new_submission_id()
    except globus_sdk.AuthAPIError as error:
        if is_revoked(error):
            return False
        raise
    except globus_sdk.TransferAPIError as error:
        if error.http_status == 401:
            return False
        raise
    return True


def _log_in(app: globus_sdk.GlobusApp, client: Client, endpoints: set[str]) -> None:
    """Log in, and once more if a collection needs a data_access consent that was never given.

    Then no later run stops for it. Mapped collections need one unless they are high-assurance
    (globus-sdk's user guide, "Detecting data_access requirements").
    """
    is_user = isinstance(app, globus_sdk.UserApp)  # A service account is asked nothing.
    if is_user:
        print(LOGIN_1)
    app.login(force=True)
    _ensure_token(app)
    needed = []
    for endpoint in sorted(endpoints):
        try:
            document = client.collection(endpoint)
        except InvalidResponse as error:
            log.info("Cannot tell which consents %s needs: %s", endpoint, error)
            continue
        name = document.display_name or endpoint
        if document.high_assurance:
            log.warning("%s", high_assurance(name))
        elif document.entity_type == "GCSv5_mapped_collection":
            needed.append((endpoint, text.printable(name)))
    if needed:
        client.require_data_access([endpoint for endpoint, _ in needed])
    needs_consent = app.login_required()
    if is_user:
        names = " and ".join(name for _, name in needed)
        print(LOGIN_2.format(names=names) if needs_consent else LOGIN_2_NOT_NEEDED)
    app.login()


def high_assurance(name: str) -> str:
    """Return the warning about the high-assurance collection `name`."""
    return (
        f"{name} is a high-assurance collection: its sessions expire, and you must then log in"
        " again. Use a service account or another collection."
    )


def _namespace(settings: Settings) -> str:
    """Return the namespace that keeps the tokens of a service account apart from a user's."""
    return f"client {settings.client_id}"


def _require_no_secret(settings: Settings) -> None:
    """Raise SecretMissing if the token file has tokens of a service account with this CLIENT_ID."""
    stored = TokenFile(settings.token_path, _namespace(settings))
    if stored.get_token_data_by_resource_server():
        raise SecretMissing


def _app(settings: Settings, interactive: bool) -> globus_sdk.GlobusApp:
    password = register_secret(secret(settings))
    namespace = _namespace(settings) if password else "DEFAULT"
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
