"""The documents of endpoints and tasks, as Globus sends them.

Field names are those of docs.globus.org/api/transfer and of the bodies in `globus_sdk.testing`.
"""

from __future__ import annotations

import posixpath

from globus_auto.sandbox import texts
from globus_auto.sandbox.documents import Document, moment
from globus_auto.sandbox.endpoints import Endpoint
from globus_auto.sandbox.submissions import Submission
from globus_auto.sandbox.tasks import Task

UNSET = """
    department keywords contact_email contact_info info_link user_message user_message_link
    globus_connect_setup_key non_functional_endpoint_id non_functional_endpoint_display_name
    https_server tlsftp_server authentication_timeout_mins authentication_policy_id subscription_id
    authentication_assurance_timeout host_endpoint last_accessed_time sharing_target_endpoint
    sharing_target_root_path storage_type default_directory associated_flow_policy
    auto_delete_timeout acl_max_expiration_period_mins
    local_user_info_available myproxy_server myproxy_dn oauth_server s3_url
"""
OFF = """
    public french_english_bilingual mfa_required force_encryption
    disable_anonymous_writes requester_pays subscription_admin_verified shareable acl_available
    acl_editable in_use activated s3_owner_activated
    skip_auto_delete restrict_transfers_to_high_assurance
"""
ENDPOINT: Document = {  # the same for every endpoint here
    **dict.fromkeys(UNSET.split()),
    **dict.fromkeys(OFF.split(), False),
    "DATA_TYPE": "endpoint",
    "DATA": [],
    "description": "A directory on this machine, served by the sandbox",
    **dict.fromkeys(("username", "owner_string", "organization"), "sandbox"),
    "location": "Automatic",
    "network_use": "normal",
    **dict.fromkeys(("max_concurrency", "preferred_parallelism"), 4),
    "preferred_concurrency": 2,
    "max_parallelism": 8,
    "my_effective_roles": ["administrator"],
    "preserve_modtime": True,
    "expires_in": 0,
    "expire_time": "2000-01-01 00:00:00+00:00",
}
SERVER = {
    "DATA_TYPE": "server",
    "hostname": "127.0.0.1",
    "id": 1,
    "is_connected": True,
    "is_paused": False,
    "port": 443,
    "scheme": "gsiftp",
    "uri": "gsiftp://127.0.0.1:443",
    **dict.fromkeys(("incoming_data_port_start", "incoming_data_port_end", "subject")),
    **dict.fromkeys(("outgoing_data_port_start", "outgoing_data_port_end")),
}
TASK_FLAGS = """
    preserve_timestamp delete_destination_extra skip_source_errors
    fail_on_quota_errors
"""


def endpoint(endpoint: Endpoint, owner: str) -> Document:
    """Return the endpoint document of an endpoint or collection of any kind."""
    personal = endpoint.entity_type.startswith("GCP")
    shows_state = endpoint.entity_type == "GCP_mapped_collection"
    host_id, host_name = (endpoint.host.id, endpoint.host.name) if endpoint.host else (None, None)
    return {
        **ENDPOINT,
        "id": endpoint.id,
        "name": endpoint.id,
        "canonical_name": f"sandbox#{endpoint.id}",
        "display_name": endpoint.name,
        "owner_id": owner,
        "DATA": [] if personal else [SERVER],
        "entity_type": endpoint.entity_type,
        "high_assurance": endpoint.high_assurance,
        "is_globus_connect": personal,
        "gcp_connected": endpoint.connected if shows_state else None,
        "gcp_paused": endpoint.paused if shows_state else None,
        "gcs_version": None if personal else "5.4.80",
        "gcs_manager_url": None if personal else "https://sandbox.invalid",
        "non_functional": not endpoint.functional,
        "host_path": host_id and "/",
        **{name: endpoint.has_policy(name) for name in ("disable_verify", "force_verify")},
        **dict.fromkeys(("host_endpoint_id", "mapped_collection_id"), host_id),
        **dict.fromkeys(
            ("host_endpoint_display_name", "mapped_collection_display_name"), host_name
        ),
    }


def task(work: Task, endpoints: list[Endpoint]) -> Document:
    """Return the task document; `endpoints` are those of its submission."""
    submission, left = work.submission, len(work.remaining)
    transfer = submission.kind == "TRANSFER"
    ending = (work.fatal_error or {}).get("code")
    nice = work.nice_status if work.in_progress else None
    return {
        **{name: bool(submission.options.get(name)) for name in TASK_FLAGS.split()},
        "DATA_TYPE": "task",
        "verify_checksum": work.verify_checksum,
        "encrypt_data": work.encrypt_data,
        "task_id": work.id,
        "type": submission.kind,
        "status": work.status,
        "label": submission.label,
        "owner_id": work.owner,
        "username": f"u_{work.owner}",
        "command": "API 0.10",
        "request_time": moment(work.requested),
        "completion_time": None if work.completed is None else moment(work.completed),
        "deadline": moment(work.deadline),
        "source_endpoint": f"sandbox#{endpoints[0].id}",
        "source_endpoint_id": endpoints[0].id,
        "source_endpoint_display_name": endpoints[0].name,
        "destination_endpoint": f"sandbox#{endpoints[1].id}" if transfer else None,
        "destination_endpoint_id": endpoints[1].id if transfer else None,
        "destination_endpoint_display_name": endpoints[1].name if transfer else None,
        "sync_level": submission.options.get("sync_level"),
        "filter_rules": submission.document.get("filter_rules"),
        "recursive_symlinks": "ignore" if transfer else None,
        "history_deleted": work.history_deleted,
        "fatal_error": work.fatal_error,
        "faults": work.faults,
        "files": work.files,
        "directories": work.directories,
        "symlinks": 0,
        "files_skipped": work.files_skipped,
        "files_transferred": len(work.successes) if transfer else None,
        "subtasks_total": work.subtasks,
        "subtasks_pending": left if work.in_progress else 0,
        "subtasks_retrying": 0,  # as in recordings, even of tasks that only retry
        "subtasks_succeeded": work.subtasks - left - len(work.skipped),
        "subtasks_expired": left if ending == "EXPIRED" else 0,
        "subtasks_canceled": left if ending == "CANCELED" else 0,
        "subtasks_failed": left if ending not in (None, "EXPIRED", "CANCELED") else 0,
        "subtasks_skipped_errors": len(work.skipped),
        "bytes_transferred": work.bytes_transferred,
        "bytes_checksummed": work.bytes_checksummed,
        "effective_bytes_per_second": work.speed,
        "nice_status": nice,
        "nice_status_short_description": nice and texts.description(nice),
        "nice_status_details": None,
        "nice_status_expires_in": nice and -1,
        "is_ok": nice in ("OK", "Queued") if work.status == "ACTIVE" else None,
        **_base_paths(submission),
        "is_paused": False,
        "canceled_by_admin": None,
        "canceled_by_admin_message": None,
    }


def _base_paths(submission: Submission) -> Document:
    """Return the directories that all paths have in common, if the submission asks for them."""
    sources = [posixpath.dirname(item.source.rstrip("/")) for item in submission.items]
    targets = [posixpath.dirname(item.destination.rstrip("/")) for item in submission.items]
    stored, transfer = submission.options["store_base_path_info"], submission.kind == "TRANSFER"
    return {
        "source_base_path": posixpath.commonpath(sources) if stored else None,
        "destination_base_path": posixpath.commonpath(targets) if stored and transfer else None,
    }
