"""From an exception to the alert that explains it."""

from __future__ import annotations

import re
from typing import Protocol

import globus_sdk
from globus_sdk.login_flows import CommandLineLoginFlowEOFError
from globus_sdk.token_storage import TokenValidationError
from globus_sdk.token_storage.validating_token_storage import IdentityMismatchError

from globus_auto import globus
from globus_auto.alerts import catalog
from globus_auto.alerts.model import GLOBUS, Alert, AlertError
from globus_auto.errors import (
    CancelTimeout,
    DamagedDatastore,
    DamagedTokenFile,
    EndpointNotReady,
    InvalidResponse,
    NewerDatastore,
    NoTerminal,
    OlderDatastore,
    OlderTokenFile,
    SecretMissing,
    StopSignal,
)
from globus_auto.globus import ENDPOINT_DOWN
from globus_auto.settings import Settings
from globus_auto.text import NAMES_SHOWN, condensed, sentence

ENDPOINT_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Facts(Protocol):
    """What an explanation needs to know of a run: `names` are those of collections by id."""

    program: str
    settings: Settings
    names: dict[str, str]

    @property
    def login_command(self) -> str:
        """The command that logs in."""

    def collection(self, endpoint: str) -> str:
        """Return what a collection is called in texts."""


def explain(error: Exception, context: Facts) -> Alert:
    """Return the alert for `error`, which ended a run or a part of it."""
    login_command = context.login_command
    if isinstance(error, AlertError):
        return error.alert
    if isinstance(error, NewerDatastore):
        return catalog.datastore_newer(error.path, error.version, error.supported)
    if isinstance(error, OlderDatastore):
        return catalog.datastore_older(error.path, error.form, error.files)
    if isinstance(error, DamagedDatastore):
        return catalog.datastore_damaged(error.path, error.reason)
    if isinstance(error, StopSignal):
        return catalog.stopped(context.program)
    if isinstance(error, OSError):
        path = error.filename or context.settings.code_path
        return catalog.state_unusable(context.program, str(path), str(error.strerror or error))
    if isinstance(error, OlderTokenFile):
        return catalog.token_file_older(error.path, login_command)
    if isinstance(error, DamagedTokenFile):
        return catalog.token_file_damaged(error.path, error.error, login_command)
    if isinstance(error, NoTerminal):
        return catalog.login_needs_terminal(login_command)
    if isinstance(error, SecretMissing):
        return catalog.secret_missing(context.settings.client_id, globus.SECRET)
    if isinstance(error, CommandLineLoginFlowEOFError):
        return catalog.login_without_code(login_command)
    if isinstance(error, IdentityMismatchError):
        return catalog.login_of_another(str(error.new_id), str(error.stored_id), login_command)
    if isinstance(error, TokenValidationError):
        return catalog.login_missing(login_command)
    if isinstance(error, globus_sdk.AuthAPIError):
        return _refused_login(error, context)
    if isinstance(error, EndpointNotReady):
        return _not_ready(error, context)
    if isinstance(error, globus_sdk.TransferAPIError):
        return explain_call(error, context)
    if isinstance(error, CancelTimeout):
        return catalog.delete_not_cancelled(sentence(str(error)))
    if isinstance(error, globus_sdk.NetworkError):
        return catalog.service_unreachable(*globus.unreached(error))
    if isinstance(error, InvalidResponse) or _is_raised_by_sdk(error):
        return catalog.service_answer_invalid(sentence(condensed(str(error))))
    return catalog.crashed(context.program, condensed(f"{type(error).__name__}: {error}"))


def _not_ready(error: EndpointNotReady, context: Facts) -> Alert:
    endpoint = error.endpoint
    if error.name:
        context.names[endpoint] = error.name
    collection = context.collection(endpoint)
    match error.obstacle:
        case "server":
            return catalog.collection_is_server(endpoint, collection)
        case "disconnected":
            return catalog.collection_disconnected(endpoint, collection)
        case "paused":
            return catalog.collection_paused(endpoint, collection)
        case "unreachable":
            return catalog.collection_unreachable(endpoint, collection, error.details)
        case "undescribed":
            return catalog.collection_undescribed(endpoint, collection, sentence(error.details))


def _is_raised_by_sdk(error: Exception) -> bool:
    """Return whether globus_sdk raised `error` because it could not handle an answer.

    It takes any answer of 200 for a token, and any JSON of an error for a document with a code:
    where a proxy or a portal answers instead, it raises ValueError, TypeError and the like.
    """
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "") if trace else ""
    return str(module).partition(".")[0] == "globus_sdk"


def _refused_login(error: globus_sdk.AuthAPIError, context: Facts) -> Alert:
    login_command = context.login_command
    if globus.is_revoked(error):
        return catalog.login_revoked(login_command)
    if error.http_status == 401 and globus.oauth_error(error) == "invalid_grant":
        return catalog.login_code_rejected(globus.details(error), login_command)
    if error.http_status in (400, 401, 403):
        secret = globus.secret_place(context.settings)
        return catalog.login_rejected(globus.details(error), login_command, secret)
    return catalog.service_error(globus.details(error))


def explain_call(error: globus_sdk.TransferAPIError, context: Facts) -> Alert:
    """Return the alert for a call that Globus rejected or did not answer."""
    what, login_command = globus.details(error), context.login_command
    if globus.requires_consent(error):
        scopes = " ".join(globus.required_scopes(error))
        ids = sorted({found[0] for found in ENDPOINT_ID.finditer(scopes)})[:NAMES_SHOWN]
        return catalog.consent_missing(list(map(context.collection, ids)), what, login_command)
    if globus.requires_session(error):
        return catalog.session_expired(what, login_command)
    if error.http_status == 401:
        return catalog.token_rejected(what, login_command)
    code = error.code or ""
    if code in ("EndpointNotFound", "EndpointDeleted"):
        match = ENDPOINT_ID.search(error.message or "")
        endpoint = match[0] if match else "its id is wrong, or it was deleted"
        given = {"SRC_ID": context.settings.src_id, "DST_ID": context.settings.dst_id}
        wrong = [name for name, value in given.items() if value == endpoint]
        return catalog.collection_unknown(wrong, endpoint, what)
    if any(part in code for part in ENDPOINT_DOWN):
        match = ENDPOINT_ID.search(error.message or "")
        endpoint = match[0] if match else GLOBUS
        collection = context.collection(endpoint) if match else "a collection"
        return catalog.collection_unreachable(endpoint, collection, what)
    return catalog.service_error(globus.details(error))
