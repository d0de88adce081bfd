"""The only code that imports globus_sdk."""

from __future__ import annotations

from globus_sdk import AuthAPIError, GlobusError, NetworkError, TransferAPIError

from globus_auto.globus.auth import SECRET, connect, high_assurance, secret_place
from globus_auto.globus.client import Client
from globus_auto.globus.connection import Connection
from globus_auto.globus.documents import (
    ENDINGS,
    ROWS_MOST,
    Event,
    Shape,
    SkippedError,
    SuccessfulTransfer,
    TaskDocument,
    seconds,
)
from globus_auto.globus.errors import (
    DIVISIBLE,
    ENDPOINT_DOWN,
    FAILURES,
    MOST_REJECTED,
    api_details,
    describe_error,
    described,
    details,
    is_about_path,
    is_rejected,
    is_revoked,
    is_unknown_task,
    oauth_error,
    required_scopes,
    requires_consent,
    requires_login,
    requires_session,
)
from globus_auto.globus.tasks import (
    delete_document,
    link,
    mapping_id,
    new_label,
    new_task,
    parse_label,
    transfer_document,
)
from globus_auto.globus.unreached import Unreached, unreached

__all__ = [
    "DIVISIBLE",
    "ENDINGS",
    "ENDPOINT_DOWN",
    "FAILURES",
    "MOST_REJECTED",
    "ROWS_MOST",
    "SECRET",
    "AuthAPIError",
    "Client",
    "Connection",
    "Event",
    "GlobusError",
    "NetworkError",
    "Shape",
    "SkippedError",
    "SuccessfulTransfer",
    "TaskDocument",
    "TransferAPIError",
    "Unreached",
    "api_details",
    "connect",
    "delete_document",
    "describe_error",
    "described",
    "details",
    "high_assurance",
    "is_about_path",
    "is_rejected",
    "is_revoked",
    "is_unknown_task",
    "link",
    "mapping_id",
    "new_label",
    "new_task",
    "oauth_error",
    "parse_label",
    "required_scopes",
    "requires_consent",
    "requires_login",
    "requires_session",
    "seconds",
    "secret_place",
    "transfer_document",
    "unreached",
]
