"""The scopes of Globus Auth, and the service that each one is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from globus_auto.sandbox.tokens import AUTH, TRANSFER

if TYPE_CHECKING:
    from globus_sdk.scopes import Scope

TRANSFER_ALL = "urn:globus:auth:scope:transfer.api.globus.org:all"
# The services that there are tokens for, by the beginning of their scopes. Only Auth and Transfer
# are emulated, but `globus login` requests the scopes of all at once.
SERVICES = {
    "urn:globus:auth:scope:auth.globus.org:": AUTH,
    "urn:globus:auth:scope:groups.api.globus.org:": "groups.api.globus.org",
    "urn:globus:auth:scope:search.api.globus.org:": "search.api.globus.org",
    "https://auth.globus.org/scopes/524230d7-ea86-4a52-8312-86065a9e0417/": (
        "524230d7-ea86-4a52-8312-86065a9e0417"  # Timers
    ),
    "https://auth.globus.org/scopes/eec9b274-0c81-4334-bdc2-54e90e689b9a/": "flows.globus.org",
    "https://auth.globus.org/scopes/actions.globus.org/transfer/": "actions.globus.org",
}


class OAuthError(Exception):
    """An error of the token endpoint.

    `error` is the OAuth 2 error code. `credentials`: the client could not authenticate.
    """

    def __init__(self, error: str, *, credentials: bool = False) -> None:
        super().__init__(error)
        self.error, self.credentials = error, credentials


def data_access(collection_id: str) -> str:
    """Return the data_access scope of a collection."""
    return f"https://auth.globus.org/scopes/{collection_id}/data_access"


def server_of(scope: str) -> str:
    """Return the resource server of a scope; raise OAuthError if there is no such scope."""
    if scope in ("openid", "profile", "email"):
        return AUTH
    if scope == TRANSFER_ALL:
        return TRANSFER
    for prefix, server in SERVICES.items():
        if scope.startswith(prefix):
            return server
    raise OAuthError("unknown_scope")


def parse(text: str, has_data_access: Callable[[str], bool]) -> list[Scope]:
    """Return the scopes of a scope string; raise OAuthError for an unknown one.

    `has_data_access` returns whether a collection has a data_access scope.
    """
    from globus_sdk.scopes import ScopeParseError, ScopeParser  # noqa: PLC0415  slow to import

    try:
        scopes = sorted(ScopeParser.parse(text), key=str)
    except ScopeParseError as error:
        raise OAuthError("invalid_scope") from error
    if not scopes:
        raise OAuthError("invalid_scope")
    for scope in scopes:
        _check(scope, has_data_access)
    return scopes


def _check(scope: Scope, has_data_access: Callable[[str], bool]) -> None:
    """Raise OAuthError unless a scope and those below it exist."""
    server = server_of(scope.scope_string)
    for below in scope.dependencies:
        if server != TRANSFER:
            _check(below, has_data_access)
            continue
        collection = below.scope_string.removesuffix("/data_access").rpartition("/")[2]
        if below.scope_string != data_access(collection) or not has_data_access(collection):
            raise OAuthError("unknown_scope")
