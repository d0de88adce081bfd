"""The routes of the service: their operations, query parameters and tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from globus_auto.sandbox import auth_operations, file_operations, task_operations, tokens
from globus_auto.sandbox.call import Call
from globus_auto.sandbox.documents import Document


@dataclass(frozen=True)
class Route:
    """A route: its operation, the query parameters it supports, the service of its tokens.

    Every route of Transfer supports `fields` too.
    """

    method: str
    path: str
    operation: Callable[[Call], Document]
    parameters: str | None = ""  # None: the operation checks them
    service: str | None = tokens.TRANSFER


OAUTH, API = "/v2/oauth2", "/v0.10"
OPERATION, TASK = f"{API}/operation/endpoint/{{endpoint_id}}", f"{API}/task/{{task_id}}"
LISTING = "path show_hidden filter orderby limit offset local_user"
SEARCH = """
    filter_fulltext filter_scope filter_owner_id filter_host_endpoint filter_non_functional
    filter_entity_type limit offset
"""
ROUTES = [  # tried in this order, so the busiest comes first
    Route(
        "GET",
        f"{OPERATION}/ls",
        file_operations.ls,
        LISTING,
    ),
    Route("GET", f"{API}/endpoint/{{endpoint_id}}", file_operations.endpoint),
    Route("GET", f"{OPERATION}/stat", file_operations.stat, "path local_user"),
    Route("POST", f"{OPERATION}/mkdir", file_operations.mkdir),
    Route("POST", f"{OPERATION}/rename", file_operations.rename),
    Route("GET", f"{API}/submission_id", task_operations.submission_id),
    Route("POST", f"{API}/transfer", task_operations.transfer),
    Route("POST", f"{API}/delete", task_operations.delete),
    Route("GET", TASK, task_operations.task, "format"),
    Route("GET", f"{API}/task_list", task_operations.task_list, "filter orderby limit offset"),
    Route("PUT", TASK, task_operations.update),
    Route("GET", f"{TASK}/pause_info", task_operations.pause_info),
    Route("GET", f"{API}/endpoint_search", file_operations.endpoint_search, SEARCH),
    Route("POST", f"{TASK}/cancel", task_operations.cancel),
    Route("GET", f"{TASK}/event_list", task_operations.event_list, "filter limit offset"),
    Route("GET", f"{TASK}/successful_transfers", task_operations.successful_transfers, "marker"),
    Route("GET", f"{TASK}/skipped_errors", task_operations.skipped_errors, "marker"),
    Route(
        "GET", "/.well-known/openid-configuration", auth_operations.openid_configuration, "", None
    ),
    Route("GET", "/jwk.json", auth_operations.jwk, "", None),
    Route("GET", f"{OAUTH}/authorize", auth_operations.authorize, None, None),
    Route("POST", f"{OAUTH}/token", auth_operations.token, "", None),
    Route("POST", f"{OAUTH}/token/revoke", auth_operations.revoke, "", None),
    Route("POST", f"{OAUTH}/token/validate", auth_operations.validate, "", None),
    Route("GET", f"{OAUTH}/userinfo", auth_operations.userinfo, "", tokens.AUTH),
    Route("POST", f"{OAUTH}/token/introspect", auth_operations.introspect, "", None),
    Route(
        "GET",
        "/v2/api/identities",
        auth_operations.identities,
        "ids usernames provision",
        tokens.AUTH,
    ),
    Route("POST", "/v2/api/clients", auth_operations.create_client, "", None),
    Route("DELETE", "/v2/api/clients/{client_id}", auth_operations.delete_client, "", None),
    Route(
        "GET",
        "/v2/api/identities/{identity_id}/consents",
        auth_operations.consents,
        "all",
        tokens.AUTH,
    ),
]
NO_ROUTE = Route("", "", file_operations.unknown, "", None)
