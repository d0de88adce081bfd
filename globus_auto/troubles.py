"""Sentences for what Globus and its SDK raise: what happened, what it means, what to do."""

from __future__ import annotations

import re

import globus_sdk
from globus_sdk.login_flows import CommandLineLoginFlowEOFError
from globus_sdk.token_storage import TokenValidationError
from globus_sdk.token_storage.validating_token_storage import IdentityMismatchError

from globus_auto import listing, login, refusals, submitting, watching
from globus_auto.alerts import GLOBUS, Alert

ENDPOINT_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def explain(error: Exception, program: str, login_command: str) -> Alert:
    """Return the alert for `error`, which ended a run of `program` or one of its submissions.

    `login_command` is what to type on a terminal to log in.
    """
    if isinstance(error, login.DamagedTokenFile):
        return _login(str(error), f"Log in by: {login_command}")
    if isinstance(error, login.NoTerminal):
        return _login("There was no terminal to log in on.", f"On one run: {login_command}")
    if isinstance(error, CommandLineLoginFlowEOFError):
        return _login("No authorization code was entered.", f"On a terminal run: {login_command}")
    if isinstance(error, IdentityMismatchError):
        return _login(
            f"The new login is of another identity ({error.new_id}) than the one before"
            f" ({error.stored_id}).",
            f"Log in as before, or remove the file at TOKEN_PATH first: {login_command}",
        )
    if isinstance(error, TokenValidationError):
        return _login(
            "There is no login that Globus accepts.", f"On a terminal run: {login_command}"
        )
    if isinstance(error, globus_sdk.AuthAPIError):
        return _refused_login(error, login_command)
    if isinstance(error, listing.EndpointNotReady):
        return Alert(kind="endpoint", about=error.endpoint, text=str(error), code=error.code)
    if isinstance(error, globus_sdk.TransferAPIError):
        return _refused_call(error, login_command)
    silent = (globus_sdk.NetworkError, watching.InvalidResponse, watching.CancelTimeout)
    if isinstance(error, silent) or _is_raised_by_sdk(error):
        return Alert(
            kind="service",
            about=GLOBUS,
            text=f"Globus cannot be reached or did not answer as it should ({error}). Nothing is"
            " lost, and nothing is concluded from that; the next run tries again. If it lasts, see"
            " whether this machine has a network.",
        )
    return Alert(
        kind="crash",
        about=program,
        text=f"{program}.py stopped at an error that is its own: {type(error).__name__}: {error}."
        " The next run tries again; the log has the details, please report them.",
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


def refused(refusal: submitting.Rejection, login_command: str) -> Alert:
    """Return the alert for a submission that did not lead to a task."""
    if refusal.error is None:
        return Alert(
            kind="refused",
            about=refusal.source_dir,
            text=f"A transfer of {refusal.what} never reached Globus in several runs, though other"
            " requests do: something between this machine and Globus, such as a proxy, does not let"
            " it through. The file stays at the source, and is tried once a day. Exclude it by"
            " EXCLUDE, rename it, or let requests to Globus pass.",
        )
    alert = _refused_call(refusal.error, login_command)
    if alert.kind != "service":
        return alert
    # Malformed is what names a file that Globus cannot take; otherwise it is about the place.
    if refusal.error.http_status in submitting.DIVISIBLE:
        hint = "It is tried once a day. Exclude it by EXCLUDE, or rename it."
    else:
        hint = "The next run tries again. See that you may write there."
    return Alert(
        kind="refused",
        about=refusal.source_dir,
        text=f"Globus refused to transfer {refusal.what} ({details(refusal.error)}). It stays at"
        f" the source. {hint}",
    )


def _login(what: str, how: str) -> Alert:
    # The command comes last, so that it can be copied.
    text = f"{what} Until then nothing is sent or deleted. {how}"
    return Alert(kind="login", about=GLOBUS, text=text, code=3)


def _refused_login(error: globus_sdk.AuthAPIError, login_command: str) -> Alert:
    if login.revoked(error):
        return _login(
            "Globus no longer accepts the stored login: it was revoked, or not used for six"
            " months.",
            f"On a terminal run: {login_command}",
        )
    if error.http_status == 401 and login.refusal(error) == "invalid_grant":
        return _login(
            f"Globus Auth did not take the authorization code ({details(error)}): it was mistyped,"
            " used before or is too old.",
            f"On a terminal run: {login_command}",
        )
    if error.http_status in (400, 401, 403):
        return _login(
            f"Globus Auth refused the login ({details(error)}). Check CLIENT_ID and, for a"
            " service account, its secret.",
            f"For a person's login run: {login_command}",
        )
    return _service(error)


def _refused_call(error: globus_sdk.TransferAPIError, login_command: str) -> Alert:
    what = details(error)
    if refusals.requires_consent(error):
        scopes = " ".join(refusals.required_scopes(error))
        places = " and ".join(sorted({found[0] for found in ENDPOINT_ID.finditer(scopes)}))
        return Alert(
            kind="consent",
            about=GLOBUS,
            text=f"Globus needs your consent to reach the files ({what}) of the endpoint"
            f" {places or 'that it names'}. Until then nothing is sent or deleted. On a terminal"
            f" run: {login_command}",
            code=3,
        )
    if refusals.requires_session(error):
        return Alert(
            kind="session",
            about=GLOBUS,
            text=f"The endpoint wants you to log in again, in person ({what}). Until then"
            " nothing is sent or deleted. A high-assurance collection ends sessions that no stored"
            " login can renew; use a service account or another collection for unattended work."
            f" For now, on a terminal run: {login_command}",
            code=3,
        )
    if error.http_status == 401:
        return _login(f"Globus does not accept the login ({what}).", f"Run: {login_command}")
    code = error.code or ""
    if code in ("EndpointNotFound", "EndpointDeleted"):
        return Alert(
            kind="unknown endpoint",
            about=GLOBUS,
            text=f"Globus knows no such endpoint ({what}). Check SRC_ID and DST_ID.",
            code=2,
        )
    if any(part in code for part in listing.ENDPOINT_DOWN):
        match = ENDPOINT_ID.search(error.message or "")
        return Alert(
            kind="endpoint",
            about=match[0] if match else GLOBUS,
            text=f"An endpoint is out of reach ({what}). Nothing is lost, but nothing moves"
            " either: see whether it runs. The next run tries again.",
        )
    return _service(error)


def _service(error: globus_sdk.GlobusAPIError) -> Alert:
    return Alert(
        kind="service",
        about=GLOBUS,
        text=f"Globus refused a call ({details(error)}). Nothing is lost; the next run tries"
        " again.",
    )


def details(error: globus_sdk.GlobusAPIError) -> str:
    """Return what the support of Globus asks for: status, code, message, request id."""
    code = login.refusal(error) if isinstance(error, globus_sdk.AuthAPIError) else None
    return refusals.api_details(error, code)
