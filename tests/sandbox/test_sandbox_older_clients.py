"""What older clients, and the web app, send."""

import json
import time
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import globus_sdk
import pytest
import time_machine

from globus_auto.sandbox.scopes import TRANSFER_ALL
from tests.sandbox.conftest import Site, api_error
from tests.sandbox.test_sandbox_bodies import differences, send, shipped


def submit(site: Site, *items: dict[str, Any], **fields: Any) -> Any:
    """Submit a transfer of these items as a document; return the task document."""
    data = globus_sdk.TransferData(site.source.id, site.destination.id)
    data["submission_id"] = site.client.get_submission_id()["value"]
    data["DATA"] = [{"DATA_TYPE": "transfer_item", **item} for item in items]
    task = site.client.post("/v0.10/transfer", data={**data, **fields})["task_id"]
    return site.client.get_task(task)


def test_fields_of_older_clients_are_accepted(site: Site) -> None:
    site.write("dir/a")
    site.write("dir/b")
    notify = dict.fromkeys(("notify_on_succeeded", "notify_on_failed", "notify_on_inactive"), True)
    found = submit(
        site,
        {"source_path": "/dir/a", "destination_path": "x/y/a"},
        {"source_path": "~/dir/b", "destination_path": "/~/x/b"},
        **notify,
        skip_activation_check=True,
        store_base_path_info=True,
        destination_local_user="someone",
        label=None,
    )
    assert (found["status"], found["files_transferred"]) == ("SUCCEEDED", 2)
    assert sorted(str(path.relative_to(site.dst)) for path in site.dst.rglob("?")) == [
        *("x", "x/b", "x/y", "x/y/a"),
    ]
    assert site.transferred(found["task_id"]) == ["/dir/a", "/~/dir/b"]
    assert (found["source_base_path"], found["destination_base_path"]) == ("/", "/~/x")
    options = site.world.tasks[found["task_id"]].submission.options
    assert all(options[name] is True for name in notify)
    deleted = site.delete("dir/a", notify_on_failed=True, skip_activation_check=True)
    assert site.client.get_task(deleted)["status"] == "SUCCEEDED"
    assert not (site.src / "dir/a").exists()


@pytest.mark.parametrize(("word", "count"), [("true", 2), ("FALSE", 1), ("1", 2), ("0", 1)])
def test_show_hidden_may_be_a_word(site: Site, word: str, count: int) -> None:
    site.write(".hidden")
    site.write("shown")
    assert len(site.names(query_params={"show_hidden": word})) == count


def test_every_route_of_transfer_honours_fields(site: Site) -> None:
    site.write("a")
    task = site.transfer(("/a", "/a"))
    get, fields = site.client.get, {"fields": "DATA_TYPE"}
    operation = f"/v0.10/operation/endpoint/{site.source.id}"
    for path in (f"/v0.10/task/{task}", f"/v0.10/endpoint/{site.source.id}"):
        assert list(get(path, query_params=fields).data) == ["DATA_TYPE"]
    for path in (f"{operation}/ls", f"/v0.10/task/{task}/event_list", "/v0.10/task_list"):
        assert {str(list(each)) for each in get(path, query_params=fields)["DATA"]} == {
            "['DATA_TYPE']"
        }
    assert api_error(get, f"/v0.10/task/{task}", query_params={"fields": "colour"})[0] == 400


def test_only_mapped_collections_have_local_users(site: Site) -> None:
    client, there = site.client, site.destination.id
    assert list(client.operation_ls(there, "/", local_user="someone")) == []
    assert client.operation_mkdir(there, "/x", local_user="someone")["code"] == "DirectoryCreated"
    assert client.operation_stat(there, "/x", local_user="someone")["type"] == "dir"
    renamed = client.operation_rename(there, "/x", "/y", local_user="someone")
    assert renamed["code"] == "FileRenamed"
    for call in (client.operation_ls, client.operation_stat, client.operation_mkdir):
        assert api_error(call, site.source.id, "/x", local_user="someone")[0] == 400


def test_parents_of_the_mount_can_show_the_way_down(site: Site) -> None:
    site.write("a")
    options = {"mount": "/lab/data", "lists_parents": True}
    endpoint = site.world.add_endpoint(site.src, "mounted", **options)
    for path, name in (("/", "lab"), ("/lab", "data"), ("/lab/data", "a")):
        listing = site.client.operation_ls(endpoint.id, path)
        assert [each["name"] for each in listing] == [name]
        assert listing["path"] == f"{path.rstrip('/')}/"
    assert api_error(site.client.operation_ls, endpoint.id, "/la")[0] == 403
    assert api_error(site.client.operation_ls, endpoint.id, "/lab/other")[0] == 403


def test_an_older_app_logs_in_without_pkce_and_state(site: Site) -> None:
    """Its redirect_uri is the page of Globus, whatever the address of the service."""
    app = "8b8060fd-610e-4a74-885e-1051c71ad473"
    redirect = "https://auth.globus.org/v2/web/auth-code"
    login = {"client_id": app, "redirect_uri": redirect, "scope": f"openid {TRANSFER_ALL}"}
    url = f"{site.url}/v2/oauth2/authorize?" + urlencode({**login, "response_type": "code"})
    with pytest.raises(Exception, match="no app"):
        site.world.identity.code_for(url)
    site.world.identity.accepts_any_app = True
    code = site.world.identity.code_for(url)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect}
    with globus_sdk.NativeAppAuthClient(app) as auth:
        tokens = auth.oauth2_token({**form, "client_id": app}).by_resource_server
    assert sorted(tokens) == ["auth.globus.org", "transfer.api.globus.org"]
    assert "state" not in parse_qs(urlsplit(url).query)
    with globus_sdk.NativeAppAuthClient("no uuid") as auth:
        found = api_error(auth.oauth2_token, {**form, "client_id": "no uuid"})
    assert found == (401, None)


def test_auth_describes_identities_and_tokens(site: Site) -> None:
    scope = "openid profile email urn:globus:auth:scope:auth.globus.org:view_identity_set"
    people = site.world.identity
    token = people.client_credentials({"scope": scope}, site.account, "")["access_token"]
    bearer = f"Bearer {token}"
    status, found = send(site, "GET", "/v2/oauth2/userinfo", token=bearer)
    assert (status, found["sub"]) == (200, site.account)
    assert found["preferred_username"] == f"{site.account}@clients.auth.globus.org"
    assert [each["sub"] for each in found["identity_set"]] == [site.account]
    wrong = [send(site, "GET", "/v2/oauth2/userinfo", token="Bearer x")]
    wrong.append(send(site, "GET", "/v2/api/identities?ids=x", token="Bearer x"))
    assert [each[0] for each in wrong] == [401, 401]
    assert differences(shipped("auth.userinfo", "unauthorized"), wrong[0][1]) == []
    assert wrong[0][1]["errors"][0]["code"] == "UNAUTHORIZED"
    with globus_sdk.AuthClient(authorizer=globus_sdk.AccessTokenAuthorizer(token)) as auth:
        (person,) = auth.get_identities(ids=people.person)["identities"]
        names = [person["username"], "new@example.org"]
        assert len(auth.get_identities(usernames=names)["identities"]) == 1
        made = auth.get_identities(usernames=names, provision=True)["identities"]
        assert sorted(each["status"] for each in made) == ["unused", "used"]
        assert differences(shipped("auth.get_identities")["identities"][0], person) == []
    with globus_sdk.ConfidentialAppAuthClient(site.account, site.secret) as auth:
        told = auth.oauth2_token_introspect(token, include="session_info")
        theirs = shipped("auth.oauth2_token_introspect")
        assert differences(theirs, told.data) == []
        assert list(told["session_info"]["authentications"]) == [site.account]
        assert auth.oauth2_token_introspect("x").data == {"active": False}
        auth.oauth2_revoke_token(token)
    status, found = send(site, "GET", "/v2/oauth2/userinfo", token=bearer)
    assert (status, found["errors"][0]["code"]) == (403, "FORBIDDEN")


def test_an_app_registers_a_client_for_an_installation(site: Site) -> None:
    template = site.world.identity.add_native_app()
    with globus_sdk.NativeAppAuthClient(template) as auth:
        made = auth.create_native_app_instance(template, "here")
    theirs = shipped("auth.create_native_app_instance")["client"]
    assert differences(theirs, made.data) == []
    client, secret = made["client"]["id"], made["included"]["client_credential"]["secret"]
    with globus_sdk.ConfidentialAppAuthClient(client, secret) as auth:
        auth.oauth2_start_flow("http://localhost:1/", "openid", refresh_tokens=True)
        code = site.world.identity.code_for(auth.oauth2_get_authorize_url())
        tokens = auth.oauth2_exchange_code_for_tokens(code)
        assert tokens.decode_id_token()["sub"] == site.world.identity.person
        assert auth.delete(f"/v2/api/clients/{client}").http_status == 200
        assert api_error(auth.oauth2_token_introspect, "x")[0] == 401


def test_a_task_in_progress_can_be_updated(site: Site) -> None:
    task = site.transfer(("/gone", "/x"), label="old")
    change = {"DATA_TYPE": "task", "label": "new", "deadline": "2099-01-01"}
    assert site.client.update_task(task, change)["code"] == "Updated"
    found = site.client.get_task(task)
    assert (found["label"], found["deadline"]) == ("new", "2099-01-01T00:00:00+00:00")
    assert site.client.task_pause_info(task)["pause_rules"] == []
    site.client.cancel_task(task)
    assert api_error(site.client.update_task, task, change) == (409, "Conflict")


def test_collections_are_found_by_text_scope_and_type(site: Site) -> None:
    def found(*text: str, **filters: Any) -> list[str]:
        pages = site.client.paginated.endpoint_search(*text, **filters)
        return [each["display_name"] for each in pages.items()]

    assert found("SOURCE") == ["source"]
    assert found("sandbox") == ["destination", "source"]
    assert found("sandbox", filter_entity_type="GCP_mapped_collection") == ["source"]
    assert found("sandbox", filter_non_functional=True) == []
    assert found(filter_scope="my-endpoints") == ["destination", "source"]
    assert found(filter_scope="recently-used") == []
    site.transfer(("/gone", "/x"))
    assert found(filter_scope="in-use") == ["destination", "source"]
    assert found(filter_scope="shared-with-me") == []
    assert api_error(site.client.endpoint_search)[0] == 400
    assert api_error(site.client.endpoint_search, "x", filter_scope="nowhere")[0] == 400


def test_an_external_checksum_must_be_that_of_the_file(site: Site) -> None:
    site.write("a", b"content")
    sha = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
    item = {"source_path": "/a", "destination_path": "/a", "checksum_algorithm": "sha256"}
    good = submit(site, {**item, "external_checksum": sha.upper()})
    (row,) = site.client.task_successful_transfers(good["task_id"])
    assert (row["checksum"], row["checksum_algorithm"]) == (sha, "SHA256")
    bad = submit(site, {**item, "destination_path": "/b", "external_checksum": "0"})
    assert bad["status"] == "FAILED"
    assert bad["fatal_error"] == {
        "code": "EXTERNAL_CHECKSUM_MISMATCH",
        "description": "external checksum mismatch",
    }


def test_extra_files_at_the_destination_are_deleted(site: Site) -> None:
    for name in ("dir/kept", "dir/sub/kept", "dir/skipped"):
        site.write(name)
    for name in ("dir/extra", "dir/sub/extra", "dir/old/deep/extra", "outside"):
        (site.dst / name).parent.mkdir(parents=True, exist_ok=True)
        (site.dst / name).write_bytes(b"")
    site.world.skip_paths("/dir/skipped")
    options = {"delete_destination_extra": True, "skip_source_errors": True}
    task = site.transfer(("/dir", "/dir", True), **options)
    assert "DELETE_DESTINATION_EXTRA_SKIPPED" in site.event_codes(task)
    assert (site.dst / "dir/extra").exists()
    site.world.skipped_paths.clear()
    site.transfer(("/dir", "/dir", True), **options)
    left = sorted(str(path.relative_to(site.dst)) for path in site.dst.rglob("*"))
    assert left == ["dir", "dir/kept", "dir/skipped", "dir/sub", "dir/sub/kept", "outside"]


def test_extra_files_are_those_of_the_last_walk(site: Site) -> None:
    """A directory that had to be walked again keeps what appeared in between."""
    site.write("dir/old")
    site.world.stall_next("TIMEOUT", after_files=1, times=1)
    site.write("dir/sub/new")
    (site.dst / "dir").write_bytes(b"in the way")
    task = site.transfer(("/dir", "/dir", True), delete_destination_extra=True)
    assert site.client.get_task(task)["nice_status"] == "NOT_A_DIRECTORY"
    site.write("dir/late")
    (site.dst / "dir").unlink()
    while site.client.get_task(task)["status"] == "ACTIVE":
        assert len(site.world.requests) < 20
    left = sorted(str(path.relative_to(site.dst)) for path in site.dst.rglob("*"))
    assert left == ["dir", "dir/late", "dir/old", "dir/sub", "dir/sub/new"]


def test_progress_is_seen_while_bytes_move(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("globus_auto.sandbox.copying.CHUNK", 10)
    site.write("a", b"x" * 1000)
    with time_machine.travel(time.time(), tick=False) as clock:
        site.world.bytes_per_second = 5
        task = site.transfer(("/a", "/a"))
        seen = []
        for _ in range(4):
            clock.shift(50)
            seen.append(site.client.get_task(task)["bytes_transferred"])
        assert seen == [250, 500, 750, 1000]
        clock.shift(1)
        assert site.client.get_task(task)["status"] == "SUCCEEDED"
        events = list(site.client.task_event_list(task))
    assert [each["code"] for each in events] == [
        *("SUCCEEDED", "PROGRESS", "PROGRESS", "STARTED"),
    ]
    assert sum(json.loads(each["details"])["bytes_transferred"] for each in events[1:3]) == 1000


def test_files_in_progress_and_those_tried_again_count(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also once the task is cancelled, in the middle of a file."""
    monkeypatch.setattr("globus_auto.sandbox.copying.CHUNK", 10)
    for name in "ab":
        site.write(name, b"x" * 1000)
    with time_machine.travel(time.time(), tick=False) as clock:
        site.world.bytes_per_second = 5
        task = site.transfer(("/gone", "/gone"), ("/a", "/a"), ("/b", "/b"))
        names = ("files", "subtasks_total", "subtasks_pending", "subtasks_canceled")
        for progress in ([2, 5, 3, 0], [2, 5, 0, 3]):
            clock.shift(50)
            found = site.client.get_task(task)
            assert [found[name] for name in names] == progress
            site.client.cancel_task(task)


def test_a_missing_file_has_the_counters_of_a_recording(site: Site) -> None:
    found = site.client.get_task(site.transfer(("/gone", "/x")))
    names = ("files", "subtasks_total", "subtasks_pending", "subtasks_retrying", "faults")
    assert [found[name] for name in names] == [0, 1, 1, 0, 1]
    found = site.client.get_task(site.delete("/gone"))
    names = ("files", "subtasks_total", "subtasks_succeeded", "subtasks_failed", "faults")
    assert [found[name] for name in names] == [1, 1, 0, 1, 1]
