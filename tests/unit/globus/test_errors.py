"""What an error of Globus means, and how it is described."""

from __future__ import annotations

import pytest

from globus_auto.errors import InvalidResponse
from globus_auto.globus import documents, errors
from globus_auto.globus.documents import EndpointDocument, TaskDocument
from tests.unit.globus.samples import api_error
from tests.unit.test_text import EVENT, REASON


def test_what_globus_says_ends_with_its_code() -> None:
    said = errors.describe_error("PERMISSION_DENIED", "permission denied", EVENT + REASON)
    assert said == (
        "Globus says: permission denied: /foo/: Permission denied. Code: PERMISSION_DENIED."
    )
    assert errors.describe_error("EXPIRED", None) == "Code: EXPIRED."
    assert errors.describe_error(None, None) == ""


def test_what_globus_says_is_cut_at_a_sane_length() -> None:
    """A message, a code and an id, and names in documents."""
    error = api_error(400, "x" * 10_000, message="x " * 5000)
    error.request_id = "x" * 10_000
    for said in (
        errors.details(error),
        errors.described(error),
        errors.described(InvalidResponse("x" * 10_000)),
        errors.describe_error("x" * 10_000, "x " * 5000, "x " * 5000),
    ):
        assert "..." in said
        assert len(said) < 1000, len(said)
    with pytest.raises(InvalidResponse) as caught:
        documents.checked({"task_id": "t", "status": "x" * 10_000}, TaskDocument)
    assert len(str(caught.value)) < 1000
    task = {"task_id": "t", "status": "ACTIVE", "nice_status": "x" * 10_000}
    assert documents.checked(task, TaskDocument).nice_status == "x" * 128 + "..."
    collection = {"id": "c", "display_name": "x" * 10_000}
    assert documents.checked(collection, EndpointDocument).display_name == "x" * 128 + "..."


@pytest.mark.parametrize(
    ("status", "code", "rejected"),
    [
        (400, "ClientError.BadRequest", True),
        (403, "PermissionDenied", True),
        (404, "EndpointDeleted", True),
        (409, "Conflict", True),
        (413, "", True),
        (400, "", False),
        (403, "", False),
        (404, "", False),
        (401, "ClientError.AuthenticationFailed", False),
        (408, "RequestTimeout", False),
        (429, "TooManyRequests", False),
        (500, "InternalError", False),
        (504, "", False),
    ],
)
def test_only_an_error_code_of_globus_rejects_a_request(
    status: int, code: str, rejected: bool
) -> None:
    assert errors.is_rejected(api_error(status, code)) == rejected
