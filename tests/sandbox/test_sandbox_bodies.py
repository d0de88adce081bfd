"""Answers have the keys and types of the bodies that ship with `globus_sdk.testing`."""

import base64
import hashlib
import json
import urllib.error
import urllib.request
from importlib import import_module
from typing import Any
from urllib.parse import urlencode

import pytest

from globus_auto.sandbox.scopes import TRANSFER_ALL, data_access
from tests.sandbox.conftest import Site

# Keys that differ on purpose, and why.
LEFT_OUT: dict[str, str] = {}


def shipped(name: str, case: str = "default") -> Any:
    """Return a body from globus_sdk.testing, such as `transfer.get_endpoint`."""
    module = import_module(f"globus_sdk.testing.data.{name}")
    return module.RESPONSES.lookup(case).json


def differences(theirs: Any, ours: Any, where: str = "") -> list[str]:
    """Return what `ours` lacks or has with another JSON type; a null in `theirs` matches all."""
    if where in LEFT_OUT or theirs is None:
        return []
    if type(theirs) is not type(ours):
        return [f"{where}: {theirs!r} there, {ours!r} here"]
    if isinstance(theirs, dict):
        missing = [f"{where}.{key}: missing" for key in theirs if key not in ours]
        both = [key for key in theirs if key in ours]
        return missing + [
            line for key in both for line in differences(theirs[key], ours[key], f"{where}.{key}")
        ]
    if isinstance(theirs, list) and theirs and ours:
        return differences(theirs[0], ours[0], f"{where}[]")
    return []


def send(
    site: Site, method: str, path: str, body: Any = None, token: str | None = None
) -> tuple[int, Any]:
    """Send a request without globus-sdk; return the status and JSON of the answer."""
    headers = {"Authorization": token or site.bearer()}
    data = None
    if isinstance(body, bytes):
        data = body
    elif body is not None:
        data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
    request = urllib.request.Request(site.url + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def basic(account: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{account}:{secret}".encode()).decode()


def test_transfer_answers_as_the_shipped_bodies_do(site: Site) -> None:
    site.write("a.txt")
    site.write("b/c.txt")
    operation = f"/v0.10/operation/endpoint/{site.source.id}"
    task_id = site.transfer(("/a.txt", "/a.txt", False), verify_checksum=True)
    submission = site.client.get_submission_id()["value"]
    item = {"DATA_TYPE": "transfer_item", "source_path": "/b", "destination_path": "/b"}
    ends = {"source_endpoint": site.source.id, "destination_endpoint": site.destination.id}
    transfer = {"DATA_TYPE": "transfer", "submission_id": submission, **ends, "DATA": [item]}
    item = {"DATA_TYPE": "delete_item", "path": "/a.txt"}
    target = {"endpoint": site.source.id, "submission_id": "0" * 32}
    delete = {"DATA_TYPE": "delete", **target, "DATA": [item]}
    mkdir = {"DATA_TYPE": "mkdir", "path": "/new"}
    rename = {"DATA_TYPE": "rename", "old_path": "/new", "new_path": "/newer"}
    answers = [
        ("get_endpoint", "default", send(site, "GET", f"/v0.10/endpoint/{site.source.id}"), 200),
        ("get_submission_id", "default", send(site, "GET", "/v0.10/submission_id"), 200),
        ("operation_mkdir", "default", send(site, "POST", f"{operation}/mkdir", mkdir), 200),
        ("operation_rename", "default", send(site, "POST", f"{operation}/rename", rename), 200),
        ("operation_stat", "default", send(site, "GET", f"{operation}/stat?path=/a.txt"), 200),
        ("operation_stat", "not_found", send(site, "GET", f"{operation}/stat?path=/zz"), 404),
        ("task_list", "default", send(site, "GET", "/v0.10/task_list"), 200),
        ("submit_transfer", "default", send(site, "POST", "/v0.10/transfer", transfer), 202),
        (
            "submit_transfer",
            "failure",
            send(site, "POST", "/v0.10/transfer", {**transfer, "DATA": []}),
            400,
        ),
        ("submit_delete", "default", send(site, "POST", "/v0.10/delete", delete), 202),
        ("cancel_task", "default", send(site, "POST", f"/v0.10/task/{task_id}/cancel"), 200),
        (
            "endpoint_manager_task_successful_transfers",
            "default",
            send(site, "GET", f"/v0.10/task/{task_id}/successful_transfers"),
            200,
        ),
    ]
    (site.home / "secret").write_text("")
    (site.src / "out").symlink_to(site.home)
    denied = send(site, "GET", f"{operation}/stat?path=/out/secret")
    answers.append(("operation_stat", "permission_denied", denied, 403))
    for name, case, (status, ours), expected in answers:
        theirs = shipped(f"transfer.{name}", case)
        if name.endswith("successful_transfers"):
            theirs["next_marker"] = None  # ours is the last page
        assert (name, case, status) == (name, case, expected), ours
        assert differences(theirs, ours, name) == []
        if case != "default":
            assert ours["code"] == theirs["code"]


def test_auth_answers_as_the_shipped_bodies_do(site: Site) -> None:
    site.destination.data_access_required = True
    app, verifier = site.world.identity.add_native_app(), "v" * 64
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    redirect = f"{site.url}/v2/web/auth-code"
    login = {
        "client_id": app,
        "redirect_uri": redirect,
        "state": "_default",
        "response_type": "code",
        "code_challenge": challenge.decode(),
        "code_challenge_method": "S256",
        "access_type": "online",
    }

    def exchange(scope: str, code: str = "") -> tuple[int, Any]:
        query = urlencode({**login, "scope": scope})
        form = {
            "client_id": app,
            "grant_type": "authorization_code",
            "code": code or site.world.identity.code_for(f"http://x/?{query}"),
            "code_verifier": verifier,
            "redirect_uri": redirect,
        }
        return token(form, "none")

    def token(form: dict[str, str], who: str, path: str = "") -> tuple[int, Any]:
        request = urllib.request.Request(
            f"{site.url}/v2/oauth2/token{path}", urlencode(form).encode()
        )
        if who != "none":
            request.add_header("Authorization", who)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    account = basic(site.account, site.secret)
    credentials = {"grant_type": "client_credentials"}
    nested = f"{TRANSFER_ALL}[*{data_access(site.destination.id)}]"
    everything = exchange(f"openid {nested}")[1]
    person = f"/v2/api/identities/{site.world.identity.person}/consents?all=False"
    bearer = f"Bearer {everything['access_token']}"
    answers = [
        (
            "oauth2_client_credentials_tokens",
            "default",
            token({**credentials, "scope": TRANSFER_ALL}, account),
        ),
        (
            "oauth2_client_credentials_tokens",
            "openid",
            token({**credentials, "scope": "openid"}, account),
        ),
        ("oauth2_exchange_code_for_tokens", "default", exchange(TRANSFER_ALL)),
        ("oauth2_exchange_code_for_tokens", "openid", exchange("openid")),
        ("oauth2_exchange_code_for_tokens", "invalid_grant", exchange("openid", "wrong")),
        ("oauth2_revoke_token", "default", token({"token": "x"}, account, "/revoke")),
    ]
    consents = [send(site, "GET", person, token=bearer)]
    for name, case, (status, ours) in answers:
        assert status == (401 if case == "invalid_grant" else 200), ours
        assert differences(shipped(f"auth.{name}", case), ours, name) == []
    (status, ours) = consents[0]
    assert status == 200
    assert differences(shipped("auth.get_consents"), ours, "get_consents") == []
    last = ours["consents"][-1]
    assert last["scope_name"] == data_access(site.destination.id)
    assert last["dependency_path"] == [ours["consents"][1]["id"], last["id"]]
    status, ours = send(site, "GET", person.replace("all=False", "all=True"), token=bearer)
    assert (status, ours["errors"][0]["code"]) == (400, "BAD_REQUEST")
    someone = f"/v2/api/identities/{site.account}/consents"
    assert send(site, "GET", someone, token=bearer)[0] == 403


@pytest.mark.parametrize(
    ("kind", "connected", "functional"),
    [
        ("GCP_mapped_collection", True, True),
        ("GCP_guest_collection", None, True),
        ("GCSv5_mapped_collection", None, True),
        ("GCSv5_guest_collection", None, True),
        ("GCSv5_endpoint", None, False),
    ],
)
def test_the_endpoint_document_shows_the_kind_of_endpoint(
    site: Site, kind: str, connected: bool | None, functional: bool
) -> None:
    made = site.world.add_endpoint(site.src, "other", kind, host=site.source)
    found = site.client.get_endpoint(made.id)
    assert (found["entity_type"], found["gcp_connected"]) == (kind, connected)
    assert found["non_functional"] is not functional
    assert found["is_globus_connect"] is kind.startswith("GCP")
    assert found["host_endpoint_id"] == site.source.id
    with pytest.raises(ValueError, match="no such entity_type"):
        site.world.add_endpoint(site.src, "other", "GCSv6")
