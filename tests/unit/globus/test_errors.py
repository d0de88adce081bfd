"""What an error of Globus means, and how it is described."""

from __future__ import annotations

import pytest

from globus_auto.globus import errors
from tests.unit.globus.samples import api_error
from tests.unit.test_text import EVENT, REASON


def test_what_globus_says_ends_with_its_code() -> None:
    said = errors.describe_error("PERMISSION_DENIED", "permission denied", EVENT + REASON)
    assert said == (
        "Globus says: permission denied: /foo/: Permission denied. Code: PERMISSION_DENIED."
    )
    assert errors.describe_error("EXPIRED", None) == "Code: EXPIRED."
    assert errors.describe_error(None, None) == ""


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
