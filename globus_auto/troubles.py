"""Sentences for what Globus and its SDK raise: what happened, what it means, what to do."""

from __future__ import annotations

import re

import globus_sdk
from globus_sdk.login_flows import CommandLineLoginFlowEOFError
from globus_sdk.token_storage import TokenValidationError
from globus_sdk.token_storage.validating_token_storage import IdentityMismatchError

from globus_auto import catalog, catalog_transfers, listing, login, refusals, submitting, watching
from globus_auto.alerts import GLOBUS, Alert

ENDPOINT_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def explain(error: Exception, program: str, login_command: str) -> Alert:
    """Return the alert for `error`, which ended a run of `program` or one of its submissions.

    `login_command` is what to type on a terminal to log in.
    """
    if isinstance(error, login.TokenFileDamaged):
        return catalog.token_file_damaged(str(error), login_command)
    if isinstance(error, login.NoTerminal):
        return catalog.login_needs_terminal(login_command)
    if isinstance(error, CommandLineLoginFlowEOFError):
        return catalog.login_without_code(login_command)
    if isinstance(error, IdentityMismatchError):
        return catalog.login_of_another(str(error.new_id), str(error.stored_id), login_command)
    if isinstance(error, TokenValidationError):
        return catalog.login_missing(login_command)
    if isinstance(error, globus_sdk.AuthAPIError):
        return _refused_login(error, login_command)
    if isinstance(error, listing.EndpointNotReady):
        return catalog.endpoint_not_ready(error.endpoint, str(error), error.code)
    if isinstance(error, globus_sdk.TransferAPIError):
        return _refused_call(error, login_command)
    silent = (globus_sdk.NetworkError, watching.InvalidResponse, watching.CancelTimeout)
    if isinstance(error, silent) or _is_raised_by_sdk(error):
        return catalog.service_unreachable(str(error))
    return catalog.crashed(program, f"{type(error).__name__}: {error}")


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


def refused(refusal: submitting.Refusal, login_command: str) -> Alert:
    """Return the alert for a submission that did not lead to a task."""
    if refusal.error is None:
        return catalog_transfers.transfer_never_arrived(refusal.source_dir, refusal.what)
    alert = _refused_call(refusal.error, login_command)
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
        return catalog.login_revoked(login_command)
    if error.http_status == 401 and login.refusal(error) == "invalid_grant":
        return catalog.login_code_rejected(details(error), login_command)
    if error.http_status in (400, 401, 403):
        return catalog.login_rejected(details(error), login_command)
    return catalog.service_error(details(error))


def _refused_call(error: globus_sdk.TransferAPIError, login_command: str) -> Alert:
    what = details(error)
    if refusals.requires_consent(error):
        scopes = " ".join(refusals.required_scopes(error))
        places = sorted({found[0] for found in ENDPOINT_ID.finditer(scopes)})
        return catalog.consent_missing(places, what, login_command)
    if refusals.requires_session(error):
        return catalog.session_expired(what, login_command)
    if error.http_status == 401:
        return catalog.token_rejected(what, login_command)
    code = error.code or ""
    if code in ("EndpointNotFound", "EndpointDeleted"):
        return catalog.endpoint_unknown(what)
    if any(part in code for part in listing.ENDPOINT_DOWN):
        known = ENDPOINT_ID.search(error.message or "")
        return catalog.endpoint_unreachable(known[0] if known else GLOBUS, what)
    return catalog.service_error(details(error))


def details(error: globus_sdk.GlobusAPIError) -> str:
    """Return what the support of Globus asks for: status, code, message, request id."""
    code = login.refusal(error) if isinstance(error, globus_sdk.AuthAPIError) else None
    return refusals.api_details(error, code)
