"""JSON documents: their parts, and requests checked strictly.

Field names are those of docs.globus.org/api/transfer and of the bodies in `globus_sdk.testing`.
"""

from __future__ import annotations

import math
import re
import secrets
import string
from datetime import datetime, timezone
from typing import Any, TypeVar

import msgspec

Document = dict[str, Any]
Shape = TypeVar("Shape")

FIRST_SECOND, LAST_SECOND = -62135596800, 253402300799  # the range of four-digit years


class APIError(Exception):
    """An error that Globus answers: its code, a sentence, and further fields of the document."""

    def __init__(self, code: str, message: str, **extra: Any) -> None:  # noqa: ANN401
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.extra = code, message, extra


def bad_request(message: str) -> APIError:
    """Return the error for a malformed or unsupported request."""
    return APIError("ClientError.BadRequest", message)


def convert(document: object, shape: type[Shape]) -> Shape:
    """Return a JSON document as a msgspec struct; raise APIError naming the wrong field."""
    try:
        return msgspec.convert(document, shape)
    except msgspec.ValidationError as error:
        named = re.search(r"(?:field|at) `(?:\$[^`]*\.)?([^`]*)`", str(error))
        field = named[1] if named else "document"
        raise bad_request(f"'{field}': not supported by the sandbox: {error}") from error


def moment(seconds: float, separator: str = "T") -> str:
    """Return seconds since 1970 as UTC in whole seconds, such as `2026-09-23T18:53:12+00:00`."""
    whole = min(max(math.floor(seconds), FIRST_SECOND), LAST_SECOND)
    return datetime.fromtimestamp(whole, timezone.utc).isoformat(separator)


def parse_moment(text: str, field: str) -> float:
    """Return an ISO-8601 date or time (UTC unless it says otherwise) as seconds since 1970.

    Raise APIError naming `field` if it is neither.
    """
    try:
        parsed = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError as error:
        raise bad_request(f"'{field}': {text!r} is not an ISO-8601 time") from error
    return parsed.replace(tzinfo=parsed.tzinfo or timezone.utc).timestamp()


def result(code: str, message: str, resource: str) -> Document:
    """Return the fields of every answer to an operation; `resource` is the path of the request."""
    letters = string.ascii_letters + string.digits
    number = "".join(secrets.choice(letters) for _ in range(9))
    return {"code": code, "message": message, "request_id": number, "resource": resource}


def page(data_type: str, data: list[Document], limit: int, offset: int) -> Document:
    """Return one page of a list of documents, by limit and offset."""
    shown = data[offset : offset + limit]
    counts = {"length": len(shown), "limit": limit, "offset": offset, "total": len(data)}
    return {"DATA_TYPE": data_type, **counts, "DATA": shown}


def select(document: Document, fields: list[str]) -> Document:
    """Return only these fields of a document, or of each document in a list.

    Raise APIError naming a field that is not there.
    """
    try:
        if "DATA" in document and document["DATA_TYPE"] != "endpoint":
            selected = [{field: each[field] for field in fields} for each in document["DATA"]]
            return {**document, "DATA": selected}
        return {field: document[field] for field in fields}
    except KeyError as error:
        raise bad_request(f"'fields': there is no field {error}") from error
