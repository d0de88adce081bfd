"""Bodies of requests parsed, and answers built, with their HTTP status."""

from __future__ import annotations

import base64
import json
import time
import uuid
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from starlette.responses import Response

from globus_auto.sandbox import documents
from globus_auto.sandbox.documents import APIError, bad_request
from globus_auto.sandbox.faults import Fault

STATUS = {
    "ClientError.AuthenticationFailed": 401,
    **dict.fromkeys(("ConsentRequired", "EndpointPermissionDenied", "PermissionDenied"), 403),
    **dict.fromkeys(("ClientError.NotFound", "NotFound"), 404),
    **dict.fromkeys(("EndpointNotFound", "EndpointDeleted"), 404),
    **dict.fromkeys(("Conflict", "NotSupported", "TooManyPendingJobs"), 409),
    "GCDisconnectedException": 409,
    "TooManyRequests": 429,
    "InternalError": 500,
    "NotImplemented": 501,
    "EndpointError": 502,
}


def parse_body(raw: bytes, content_type: str) -> Any:  # noqa: ANN401
    """Return a body parsed by its content type, form or JSON; None for an empty one."""
    if content_type.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        return json.loads(raw) if raw else None
    except ValueError as error:
        raise bad_request("The body is not JSON") from error


def parse_basic(text: str) -> tuple[str, str]:
    """Return the client id and secret of HTTP Basic authentication."""
    client, _, secret = base64.b64decode(text).decode().partition(":")
    return client, secret


def fault_response(fault: Fault, status: int) -> Response:
    """Return the answer that a fault sends instead of the real one."""
    body = "" if fault.body is None else fault.body
    return response(body, status, fault.headers, fault.content_type)


def response(
    body: object,
    status: int = 200,
    headers: dict[str, str] | None = None,
    media_type: str | None = "application/json",
) -> Response:
    """Return an answer; bytes and str are sent unchanged, everything else as JSON."""
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    headers = {"Date": formatdate(time.time(), usegmt=True), **(headers or {})}
    return Response(content, status, headers, media_type=media_type)


def error_response(error: APIError, path: str) -> Response:
    """Return the error document of an API error, with its HTTP status."""
    code, wait = error.code, error.extra.get("retry_after")
    status = STATUS.get(code) or (502 if code.startswith("ExternalError") else 400)
    document = {**documents.result(code, error.message, path), **error.extra}
    if path.startswith("/v2/"):
        document = _auth_error(status, error.message)
    elif not path.startswith("/v0.10/"):  # Flows and Timers have further fields
        document["error"] = {"code": code, "detail": error.message, "message": error.message}
    return response(document, status, {"Retry-After": str(wait)} if wait else None)


def _auth_error(status: int, message: str) -> dict[str, Any]:
    """Return the error document of Auth (`globus_sdk.testing`, userinfo)."""
    title = HTTPStatus(status).phrase
    error = {
        "status": str(status),
        "id": str(uuid.uuid4()),
        "code": title.upper().replace(" ", "_"),
        "title": title,
        "detail": "Call must be authenticated" if status == 401 else message,
    }
    name = title.lower().replace(" ", "_")
    return {"errors": [error], "error_description": title, "error": name}
