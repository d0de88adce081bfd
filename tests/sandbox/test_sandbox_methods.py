"""Each method of globus-sdk for Transfer and Auth is served, or listed as not emulated."""

import contextlib
import inspect
import re
from fnmatch import fnmatchcase
from typing import Any

import globus_sdk
import pytest

from globus_auto import sandbox
from tests.sandbox.conftest import Site

LISTED = re.findall(r"`([a-z0-9_*]+)`", sandbox.__doc__ or "")
# They send nothing.
LOCAL = {
    *("add_app_data_access_scope", "oauth2_get_authorize_url", "oauth2_start_flow"),
    *("oauth2_exchange_code_for_tokens", "oauth2_token"),
}
# Methods that check what they are given.
OPTIONS: dict[str, dict[str, Any]] = {
    "create_client": {"public_client": True},
    "create_child_client": {"public_client": True},
    "get_client": {"client_id": "x"},
}
BODIES: dict[str, dict[str, Any]] = {
    "submit_delete": {"data": {"endpoint": ""}},
    "create_tunnel": {"data": {"data": {"attributes": {}}}},
}


def arguments(method: Any, values: dict[str, Any]) -> list[Any]:
    """Return a value for each parameter without a default."""
    found = inspect.signature(method).parameters.values()
    return [
        values.get(each.name, values["task_id"])
        for each in found
        if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD
    ]


def keywords(method: Any, values: dict[str, Any]) -> dict[str, Any]:
    found = inspect.signature(method).parameters.values()
    return {
        each.name: values.get(each.name, values["task_id"])
        for each in found
        if each.default is each.empty and each.kind is each.KEYWORD_ONLY
    }


def methods(client: globus_sdk.BaseClient) -> list[str]:
    """Return the public methods that a client has beyond those of every client."""
    found = set(dir(client)) - set(dir(globus_sdk.BaseClient))
    names = sorted(name for name in found if not name.startswith("_"))
    return [name for name in names if inspect.ismethod(getattr(client, name))]


def values(site: Site) -> dict[str, Any]:
    """Return values of the parameters, by name; every other one gets the id of a task."""
    site.write("a")
    task = site.transfer(("/a", "/a"))
    transfer = globus_sdk.TransferData(site.source.id, site.destination.id)
    transfer.add_item("/a", "/b")
    return {
        "task_id": task,
        "task_ids": [task],
        "endpoint_id": site.source.id,
        "path": "/new",
        "oldpath": "/a",
        "newpath": "/b",
        "data": transfer,
        "identity_id": site.account,
        "template_id": site.world.identity.add_native_app(),
        "token": "x",
        "refresh_token": "x",
        "requested_scopes": "openid",
        **{name: {} for name in ("rule_data", "role_data", "bookmark_data", "update_doc")},
    }


@pytest.mark.parametrize("kind", ["transfer", "auth", "native", "confidential"])
def test_each_sdk_method_is_served_or_listed(site: Site, kind: str) -> None:
    given = values(site)
    tokens = site.world.identity.client_credentials({"scope": "openid"}, site.account, "")
    authorizer = globus_sdk.AccessTokenAuthorizer(tokens["access_token"])
    client: globus_sdk.BaseClient = site.client
    if kind == "auth":
        client = globus_sdk.AuthClient(authorizer=authorizer)
    elif kind == "native":
        client = globus_sdk.NativeAppAuthClient(given["template_id"])
    elif kind == "confidential":
        client = globus_sdk.ConfidentialAppAuthClient(site.account, site.secret)
    client.retry_config.max_retries = 0
    served: list[str] = []
    missing: list[str] = []
    for name in methods(client):
        if name in LOCAL:
            continue
        site.world.requests.clear()
        method = getattr(client, name)
        more = {**given, **BODIES.get(name, {})}
        options = OPTIONS.get(name, {})
        with contextlib.suppress(globus_sdk.GlobusAPIError):
            method(*arguments(method, more), **keywords(method, more), **options)
        assert site.world.requests, name
        status = site.world.requests[-1].status
        (missing if status == 501 else served).append(name)
    if kind != "transfer":
        client.close()
    unlisted = [name for name in missing if not any(fnmatchcase(name, each) for each in LISTED)]
    assert unlisted == []
    listed = [name for name in served if any(fnmatchcase(name, each) for each in LISTED)]
    assert listed == []
    assert len(served) >= {"transfer": 17, "auth": 5, "native": 4, "confidential": 5}[kind], served
