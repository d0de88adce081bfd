"""Sentences for what Globus and its SDK raise: what happened, what it means, what to do."""

from __future__ import annotations

import re
from typing import Protocol

import globus_sdk
from globus_sdk.login_flows import CommandLineLoginFlowEOFError
from globus_sdk.token_storage import TokenValidationError
from globus_sdk.token_storage.validating_token_storage import IdentityMismatchError

from globus_auto import (
    catalog,
    catalog_collections,
    catalog_login,
    catalog_transfers,
    listing,
    login,
    refusals,
    submitting,
    watching,
)
from globus_auto.alerts import GLOBUS, Alert, AlertError
from globus_auto.wording import sentence

ENDPOINT_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Facts(Protocol):
    """What an explanation needs to know of a run: `names` are those of collections by id."""

    program: str
    names: dict[str, str]

    @property
    def login_command(self) -> str:
        """The command that logs in."""

    def collection(self, endpoint: str) -> str:
        """Return what a collection is called in texts."""


def explain(error: Exception, context: Facts) -> Alert:
    """Return the alert for `error`, which ended `run` or one of its submissions."""
    login_command = context.login_command
    if isinstance(error, AlertError):
        return error.alert
    if isinstance(error, login.DamagedTokenFile):
        return catalog_login.token_file_damaged(error.path, error.error, login_command)
    if isinstance(error, login.NoTerminal):
        return catalog_login.login_needs_terminal(login_command)
    if isinstance(error, CommandLineLoginFlowEOFError):
        return catalog_login.login_without_code(login_command)
    if isinstance(error, IdentityMismatchError):
        return catalog_login.login_of_another(
            str(error.new_id), str(error.stored_id), login_command
        )
    if isinstance(error, TokenValidationError):
        return catalog_login.login_missing(login_command)
    if isinstance(error, globus_sdk.AuthAPIError):
        return _refused_login(error, login_command)
    if isinstance(error, listing.EndpointNotReady):
        return _not_ready(error, context)
    if isinstance(error, globus_sdk.TransferAPIError):
        return _refused_call(error, context)
    silent = (globus_sdk.NetworkError, watching.InvalidResponse, watching.CancelTimeout)
    if isinstance(error, silent) or _is_raised_by_sdk(error):
        return catalog_collections.service_unreachable(sentence(str(error)))
    return catalog.crashed(context.program, f"{type(error).__name__}: {error}")


def _not_ready(error: listing.EndpointNotReady, context: Facts) -> Alert:
    endpoint = error.endpoint
    if error.name:
        context.names[endpoint] = error.name
    collection = context.collection(endpoint)
    match error.obstacle:
        case "server":
            return catalog_collections.collection_is_server(endpoint, collection)
        case "disconnected":
            return catalog_collections.collection_disconnected(endpoint, collection)
        case "paused":
            return catalog_collections.collection_paused(endpoint, collection)
        case "unreachable":
            return catalog_collections.collection_unreachable(endpoint, collection, error.details)
        case "undescribed":
            return catalog_collections.collection_undescribed(
                endpoint, collection, sentence(error.details)
            )


def _is_raised_by_sdk(error: Exception) -> bool:
    """Return whether globus_sdk stumbled over an answer.

    It takes any answer of 200 for a token, and any JSON of an error for a document with a code:
    where a proxy or a portal answers instead, it raises ValueError, TypeError and the like.
    """
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "") if trace else ""
    return str(module).partition(".")[0] == "globus_sdk"


def refused(refusal: submitting.Rejection, context: Facts) -> Alert:
    """Return the alert for a submission that did not lead to a task."""
    if refusal.error is None:
        return catalog_transfers.transfer_blocked(refusal.source_dir, refusal.what)
    alert = _refused_call(refusal.error, context)
    if alert.kind != "service":
        return alert
    return catalog_transfers.transfer_rejected(
        refusal.source_dir,
        refusal.what,
        details(refusal.error),
        malformed=refusal.error.http_status in submitting.DIVISIBLE,
    )


def _refused_login(error: globus_sdk.AuthAPIError, login_command: str) -> Alert:
    if login.revoked(error):
        return catalog_login.login_revoked(login_command)
    if error.http_status == 401 and login.refusal(error) == "invalid_grant":
        return catalog_login.login_code_rejected(details(error), login_command)
    if error.http_status in (400, 401, 403):
        return catalog_login.login_rejected(details(error), login_command)
    return catalog_collections.service_error(details(error))


def _refused_call(error: globus_sdk.TransferAPIError, context: Facts) -> Alert:
    what, login_command = details(error), context.login_command
    if refusals.requires_consent(error):
        scopes = " ".join(refusals.required_scopes(error))
        ids = sorted({found[0] for found in ENDPOINT_ID.finditer(scopes)})
        return catalog_login.consent_missing(
            list(map(context.collection, ids)), what, login_command
        )
    if refusals.requires_session(error):
        return catalog_login.session_expired(what, login_command)
    if error.http_status == 401:
        return catalog_login.token_rejected(what, login_command)
    code = error.code or ""
    if code in ("EndpointNotFound", "EndpointDeleted"):
        return catalog_collections.collection_unknown(what)
    if any(part in code for part in listing.ENDPOINT_DOWN):
        match = ENDPOINT_ID.search(error.message or "")
        endpoint = match[0] if match else GLOBUS
        collection = context.collection(endpoint) if match else "a collection"
        return catalog_collections.collection_unreachable(endpoint, collection, what)
    return catalog_collections.service_error(details(error))


def details(error: globus_sdk.GlobusAPIError) -> str:
    """Return what the support of Globus asks for: status, code, message, request id."""
    code = login.refusal(error) if isinstance(error, globus_sdk.AuthAPIError) else None
    return refusals.api_details(error, code)
