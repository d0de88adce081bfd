"""The shapes of answers: plain data in, the JSON documents of Globus out.

Field names are those of docs.globus.org/api/transfer and of the bodies in `globus_sdk.testing`.
"""

from __future__ import annotations

import math
import secrets
import string
import uuid
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from globus_auto.sandbox.endpoints import Endpoint
    from globus_auto.sandbox.engine import Task

Document = dict[str, Any]

FIRST_SECOND, LAST_SECOND = -62135596800, 253402300799  # what a four-digit year can say
UNSET = """
    department keywords contact_email contact_info info_link user_message user_message_link
    globus_connect_setup_key non_functional_endpoint_id non_functional_endpoint_display_name
    https_server tlsftp_server authentication_timeout_mins authentication_policy_id subscription_id
    local_user_info_available myproxy_server myproxy_dn oauth_server s3_url
"""
OFF = """
    public french_english_bilingual mfa_required force_encryption force_verify disable_verify
    disable_anonymous_writes requester_pays subscription_admin_verified shareable acl_available
    acl_editable in_use activated s3_owner_activated
"""
ENDPOINT: Document = {  # the same for every endpoint here
    **dict.fromkeys(UNSET.split()),
    **dict.fromkeys(OFF.split(), False),
    "DATA_TYPE": "endpoint",
    "DATA": [],
    "description": "A directory on this machine, served by the local Globus",
    "username": "sandbox",
    "owner_string": "sandbox",
    "organization": "sandbox",
    "location": "Automatic",
    "network_use": "normal",
    "default_directory": "/~/",
    "my_effective_roles": ["administrator"],
    "preserve_modtime": True,
    "expires_in": 0,
    "expire_time": "2000-01-01 00:00:00+00:00",
}
TASK_FLAGS = """
    encrypt_data verify_checksum preserve_timestamp delete_destination_extra skip_source_errors
    fail_on_quota_errors
"""


class RefusalError(Exception):
    """What Globus refuses: an error code, a sentence, and fields to add to the answer."""

    def __init__(self, code: str, message: str, **extra: Any) -> None:  # noqa: ANN401
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.extra = code, message, extra


def bad_request(message: str) -> RefusalError:
    """Return the refusal of a request that is wrong in itself."""
    return RefusalError("ClientError.BadRequest", message)


def moment(seconds: float, separator: str = "T") -> str:
    """Return seconds since 1970 as UTC in whole seconds: `2026-09-23T18:53:12+00:00`."""
    whole = min(max(math.floor(seconds), FIRST_SECOND), LAST_SECOND)
    return datetime.fromtimestamp(whole, timezone.utc).isoformat(separator)


def parse_moment(text: object, field: str) -> float:
    """Return an ISO-8601 date or time (UTC unless it says otherwise) as seconds since 1970.

    Raise RefusalError naming `field` if it is neither.
    """
    try:
        parsed = datetime.fromisoformat(str(text).strip().replace("Z", "+00:00"))
    except ValueError as error:
        raise bad_request(f"'{field}': {text!r} is not an ISO-8601 time") from error
    return parsed.replace(tzinfo=parsed.tzinfo or timezone.utc).timestamp()


def result(code: str, message: str, resource: str, data_type: str | None = "result") -> Document:
    """Return the answer to an operation; `resource` is the path that was asked for."""
    letters = string.ascii_letters + string.digits
    number = "".join(secrets.choice(letters) for _ in range(9))
    document = {"code": code, "message": message, "request_id": number, "resource": resource}
    return {"DATA_TYPE": data_type, **document} if data_type else document


def submission_id() -> Document:
    """Return a new id that a submission may be repeated under."""
    return {"DATA_TYPE": "submission_id", "value": str(uuid.uuid1())}


def submission(task: Task, resource: str, *, duplicate: bool) -> Document:
    """Return the answer to a submitted transfer or delete."""
    kind = task.order.kind.lower()
    message = f"The {kind} has been accepted and a task has been created and queued for execution"
    if duplicate:
        message = f"This {kind} was submitted before under the same submission_id"
    link = {"DATA_TYPE": "link", "rel": "related", "resource": "task", "title": "related task"}
    return {
        **result("Duplicate" if duplicate else "Accepted", message, resource, f"{kind}_result"),
        "submission_id": task.order.submission_id,
        "task_id": task.id,
        "task_link": {**link, "href": f"/v0.10/task/{task.id}?format=json"},
    }


def page(data_type: str, data: list[Document], limit: int, offset: int) -> Document:
    """Return one page, by limit and offset, of a list of documents."""
    shown = data[offset : offset + limit]
    counts = {"length": len(shown), "limit": limit, "offset": offset, "total": len(data)}
    return {"DATA_TYPE": data_type, **counts, "DATA": shown}


def marked_page(data_type: str, data: list[Document], marker: int, size: int) -> Document:
    """Return the page of `size` documents that begins at `marker`."""
    following = marker + size if marker + size < len(data) else None
    shown = data[marker : marker + size]
    return {"DATA_TYPE": data_type, "marker": marker, "next_marker": following, "DATA": shown}


def endpoint(place: Endpoint, owner: str) -> Document:
    """Return the endpoint document of an endpoint or collection of any kind."""
    personal = place.entity_type.startswith("GCP")
    told = place.entity_type == "GCP_mapped_collection"
    host = place.host
    return {
        **ENDPOINT,
        "id": place.id,
        "name": place.id,
        "canonical_name": f"sandbox#{place.id}",
        "display_name": place.name,
        "owner_id": owner,
        "entity_type": place.entity_type,
        "high_assurance": place.high_assurance,
        "is_globus_connect": personal,
        "gcp_connected": place.connected if told else None,
        "gcp_paused": place.paused if told else None,
        "gcs_version": None if personal else "5.4.80",
        "gcs_manager_url": None if personal else "https://sandbox.invalid",
        "non_functional": not place.functional,
        "host_endpoint_id": host and host.id,
        "host_endpoint_display_name": host and host.name,
        "host_path": host and "/",
        "mapped_collection_id": host and host.id,
        "mapped_collection_display_name": host and host.name,
    }


def file_list(place: Endpoint, path: str, found: Document) -> Document:
    """Return the listing of the directory at `path`, whose page of entries is `found`."""
    return {
        **found,
        "endpoint": place.id,
        "path": place.spelled(path),
        "absolute_path": place.absolute(path),
        "rename_supported": place.rename_supported,
        "symlink_supported": True,
    }


def event(code: str, details: str, time: float, *, is_error: bool) -> Document:
    """Return one line of a task's history."""
    return {
        "DATA_TYPE": "event",
        "code": code,
        "description": code.replace("_", " ").lower(),
        "details": details,
        "is_error": is_error,
        "time": moment(time),
    }


def task(work: Task, source: str, destination: str | None = None) -> Document:
    """Return the task document; `source` and `destination` are the endpoints' display names."""
    order, left = work.order, len(work.pending)
    transfer = order.kind == "TRANSFER"
    ending = (work.fatal_error or {}).get("code")
    nice = work.nice_status if work.is_open else None
    total = len(order.items) + work.files
    return {
        **{name: bool(order.options.get(name)) for name in TASK_FLAGS.split()},
        "DATA_TYPE": "task",
        "task_id": work.id,
        "type": order.kind,
        "status": work.status,
        "label": order.label,
        "owner_id": work.owner,
        "username": f"u_{work.owner}",
        "command": "API 0.10",
        "request_time": moment(work.requested),
        "completion_time": None if work.completed is None else moment(work.completed),
        "deadline": moment(work.deadline),
        "source_endpoint": f"sandbox#{order.source_id}",
        "source_endpoint_id": order.source_id,
        "source_endpoint_display_name": source,
        "destination_endpoint": f"sandbox#{order.destination_id}" if transfer else None,
        "destination_endpoint_id": order.destination_id,
        "destination_endpoint_display_name": destination,
        "sync_level": order.options.get("sync_level"),
        "filter_rules": order.options.get("filter_rules"),
        "recursive_symlinks": "ignore" if transfer else None,
        "history_deleted": work.history_deleted,
        "fatal_error": work.fatal_error,
        "faults": work.faults,
        "files": work.files,
        "directories": work.directories,
        "symlinks": 0,
        "files_skipped": work.files_skipped,
        "files_transferred": len(work.successes) if transfer else None,
        "subtasks_total": total,
        "subtasks_pending": left if work.is_open and not work.faults else 0,
        "subtasks_retrying": left if work.is_open and work.faults else 0,
        "subtasks_succeeded": max(total - left - len(work.skipped), 0),
        "subtasks_expired": left if ending == "EXPIRED" else 0,
        "subtasks_canceled": left if ending == "CANCELED" else 0,
        "subtasks_failed": left if ending not in (None, "EXPIRED", "CANCELED") else 0,
        "subtasks_skipped_errors": len(work.skipped),
        "bytes_transferred": work.bytes_transferred,
        "bytes_checksummed": work.bytes_checksummed,
        "effective_bytes_per_second": work.speed,
        "nice_status": nice,
        "nice_status_short_description": nice and nice.replace("_", " ").lower(),
        "nice_status_details": None,
        "nice_status_expires_in": nice and -1,
        "is_ok": nice in ("OK", "Queued") if work.status == "ACTIVE" else None,
        "is_paused": False,
        "canceled_by_admin": None,
        "canceled_by_admin_message": None,
    }
