"""Refusals: what an error of Globus Transfer asks for: a login, a consent, a session.

globus_sdk's `error.info` tells the same, but raises where authorization_parameters are null, and
takes a ConsentRequired that names no scope for none.
"""

from __future__ import annotations

import globus_sdk

from globus_auto.wording import condensed


def requires_login(error: globus_sdk.TransferAPIError) -> bool:
    """Return whether it is the login, a consent or the session that is refused."""
    return error.http_status == 401 or requires_consent(error) or requires_session(error)


def requires_consent(error: globus_sdk.TransferAPIError) -> bool:
    """Return whether a consent is missing (globus_sdk.exc.err_info, ConsentRequiredInfo)."""
    return error.code == "ConsentRequired"


def required_scopes(error: globus_sdk.TransferAPIError) -> list[str]:
    """Return the scopes for which a consent is missing, as far as they are named."""
    document: object = error.raw_json
    scopes = document.get("required_scopes") if isinstance(document, dict) else None
    return [str(scope) for scope in scopes] if isinstance(scopes, list) else []


def requires_session(error: globus_sdk.TransferAPIError) -> bool:
    """Return whether an endpoint refuses an identity until a person logs in as it asks.

    That is said by authorization_parameters, or by the code alone ("LoginFailed").
    """
    document: object = error.raw_json
    asked = document.get("authorization_parameters") if isinstance(document, dict) else None
    return bool(asked) or "LoginFailed" in (error.code or "")


def api_details(error: globus_sdk.GlobusAPIError, code: str | None = None) -> str:
    """Return what Globus says, and what its support asks for: message, code, request id."""
    message = condensed(error.message or "")
    parts = [f"Globus says: {message.rstrip('.')}"] if message else []
    name = error.code or code
    parts.append(
        f"Code: {name} (HTTP {error.http_status})"
        if name
        else f"HTTP status: {error.http_status}, without a code of Globus"
    )
    if error.request_id:
        parts.append(f"Request id: {error.request_id}")
    return ". ".join(parts) + "."
