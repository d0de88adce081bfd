"""Directory listings: what a collection shows in a directory, and walks of whole trees."""

from __future__ import annotations

import globus_sdk

from globus_auto.errors import InvalidResponse
from globus_auto.globus.unreached import unreached
from globus_auto.text import condensed, sentence, shortened

# The codes of a 404 that is about the path; other codes are about the collection
# (docs.globus.org/api/transfer/file_operations, section "Errors").
NOT_FOUND = ("ClientError.NotFound", "NotFound")
# Parts of codes that mean that the whole collection is unreachable.
ENDPOINT_DOWN = ("GCDisconnected", "GCPaused", "ConnectFailed", "OperationPaused")
# Words in the message of a 404 whose cause is a failed collection: the path may well exist.
ENDPOINT_FAILED = ("ENDPOINT_ERROR", "INTERNAL_ERROR")
# Statuses of a request that may be too large, or malformed because of one of its paths.
FAILURES = (globus_sdk.GlobusError, InvalidResponse)  # what a call raises that got no answer
DIVISIBLE = (400, 413)
# Rejected submissions in one run: 25 find one file among 5,000. The next run goes on.
MOST_REJECTED = 50


def is_of_service(error: globus_sdk.TransferAPIError) -> bool:
    """Return whether the service itself failed, and not the collection that it asked.

    globus_sdk distinguishes the two by the same codes when it decides whether to try again
    (globus_sdk.services.transfer.transport). A 501 is the service's answer to the call as such.
    """
    code = error.code or ""
    from_collection = "ExternalError" in code or "EndpointError" in code
    return error.http_status >= 500 and error.http_status != 501 and not from_collection


def is_overloaded(error: globus_sdk.TransferAPIError) -> bool:
    """Return whether a collection refused a call because it has too many at once."""
    code = (error.code or "").replace("_", "").lower()
    return "toobusy" in code or "c=ENDPOINT_TOO_BUSY" in (error.message or "")


def is_about_path(error: globus_sdk.TransferAPIError) -> bool:
    """Return whether Globus answered that just this path cannot be used, though it exists."""
    code = error.code or ""
    others = (*ENDPOINT_DOWN, "NotFound")
    elsewhere = requires_login(error) or is_of_service(error) or error.http_status in (404, 429)
    return bool(code) and not elsewhere and not any(part in code for part in others)


def is_revoked(error: globus_sdk.AuthAPIError) -> bool:
    """Return whether Globus Auth no longer knows the refresh token.

    It then answers 400 with "invalid_grant"; a wrong authorization code gets 401.
    """
    return error.http_status == 400 and oauth_error(error) == "invalid_grant"


def oauth_error(error: globus_sdk.AuthAPIError) -> str | None:
    """Return the OAuth2 error code that Globus Auth answered with (RFC 6749, section 5.2)."""
    document: object = error.raw_json
    code = document.get("error") if isinstance(document, dict) else None
    return code if isinstance(code, str) else None


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
    name = shortened(str(error.code or code or ""))
    parts.append(
        f"Code: {name} (HTTP {error.http_status})"
        if name
        else f"HTTP status: {error.http_status}, without a code of Globus"
    )
    if error.request_id:
        parts.append(f"Request id: {shortened(str(error.request_id))}")
    return ". ".join(parts) + "."


def is_rejected(error: globus_sdk.TransferAPIError) -> bool:
    """Return whether Globus rejected a request, so that the request had no effect.

    Only an answer with a Globus error code comes from Globus; an answer from a proxy or portal
    leaves open what Globus did. A 413 is the exception: a body that is too large for a server on
    the way never reached Globus.
    """
    if error.http_status == 413:
        return True
    if error.http_status in (401, 408, 429) or not error.code:
        return False
    return 400 <= error.http_status < 500


def is_unknown_task(error: globus_sdk.TransferAPIError) -> bool:
    """Return whether Globus no longer has a task, or hides it from this identity.

    Only a response with a Globus error code counts: a proxy answers with 403 or 404 as well.
    """
    ours = is_rejected(error) and not requires_login(error)
    return ours and error.http_status in (403, 404)


def details(error: globus_sdk.GlobusAPIError) -> str:
    """Return what the support of Globus asks for: status, code, message, request id."""
    code = oauth_error(error) if isinstance(error, globus_sdk.AuthAPIError) else None
    return api_details(error, code)


def described(error: Exception) -> str:
    """Return what is known of the failure of a call: what Globus says, or what was raised."""
    if isinstance(error, globus_sdk.GlobusAPIError):
        return details(error)
    if isinstance(error, globus_sdk.NetworkError):
        return f"Globus cannot be reached: {unreached(error)}."
    return f"Error: {sentence(condensed(str(error)))}"


def describe_error(code: str | None, description: str | None, details: str | None = None) -> str:
    """Return what Globus says of an error of a task: in words, then its code."""
    words = ": ".join(part for part in map(condensed, (description or "", details or "")) if part)
    parts = [f"Globus says: {words.rstrip('.')}"] if words else []
    parts += [f"Code: {shortened(code)}"] if code else []
    return f"{'. '.join(parts)}." if parts else ""
