"""Planned faults: what the next calls are answered, and whether they take effect."""

import threading
import time
from typing import Any, NoReturn

import globus_sdk
import pytest
import time_machine

from globus_auto.sandbox.faults import ROUTE_NAMES
from globus_auto.sandbox.routes import ROUTES
from globus_auto.sandbox.server import Sandbox
from globus_auto.sandbox.world import World
from tests.sandbox.conftest import Site, api_error


def test_a_planned_status_is_answered_without_an_effect(site: Site) -> None:
    faults, ls = site.world.faults, site.client.operation_ls
    faults.add("ls", times=2, status=502, body={"code": "ExternalError.Planned"})
    faults.add("ls", status=500, body="<html>")
    faults.add("mkdir", status=503, body=b"", headers={"X-Planned": "1"})
    assert [api_error(ls, site.source.id, "/") for _ in range(3)] == [
        *[(502, "ExternalError.Planned")] * 2,
        (500, None),
    ]
    assert site.names() == []
    assert api_error(site.client.operation_mkdir, site.source.id, "/x") == (503, None)
    assert not (site.src / "x").exists()
    assert [each.status for each in site.world.requests if each.route == "ls"] == [
        502,
        502,
        500,
        200,
    ]


def test_a_fault_applies_only_to_requests_that_match(site: Site) -> None:
    faults, ls = site.world.faults, site.client.operation_ls
    site.write("a/x")
    faults.add("ls", times=None, status=502, match=lambda request: request.query["path"] == "/a")
    assert site.names() == ["a"]
    assert [api_error(ls, site.source.id, "/a")[0] for _ in range(3)] == [502] * 3
    faults.clear()
    assert site.names("/a") == ["x"]
    with pytest.raises(ValueError, match="no such route: lss"):
        faults.add("lss", status=500)
    with pytest.raises(TypeError):
        faults.add("ls", state=500)


def test_a_connection_drops_before_or_after_the_effect(site: Site) -> None:
    site.world.faults.add("mkdir", drop="before")
    site.world.faults.add("mkdir", drop="after")
    for name, made in (("before", False), ("after", True)):
        with pytest.raises(globus_sdk.GlobusConnectionError):
            site.client.operation_mkdir(site.source.id, f"/{name}")
        assert (site.src / name).exists() is made
    assert [each.status for each in site.world.requests if each.route == "mkdir"] == [None, None]
    site.client.retry_config.max_retries = 1
    site.world.faults.add("transfer", drop="after")
    site.write("a")
    task = site.transfer(("/a", "/a"))
    assert list(site.world.tasks) == [task]


def test_a_truncated_answer_is_not_json_but_has_taken_effect(site: Site) -> None:
    site.world.faults.add("mkdir", truncate=True)
    answer = site.client.operation_mkdir(site.source.id, "/made")
    assert (answer.http_status, answer.data) == (200, None)
    assert (site.src / "made").is_dir()


@pytest.mark.parametrize("status", [403, 404, 408, 413, 504])
def test_a_proxy_page_keeps_the_request_from_globus(site: Site, status: int) -> None:
    """The client sees an HTML page without an error code, and nothing is created."""
    site.world.faults.add_proxy("mkdir", status, times=2)
    for _ in range(2):
        with pytest.raises(globus_sdk.TransferAPIError) as caught:
            site.client.operation_mkdir(site.source.id, "/x")
        assert (caught.value.http_status, caught.value.code) == (status, None)
        assert caught.value.headers["Content-Type"].startswith("text/html")
        assert f"<title>{status} " in caught.value.text
    assert not (site.src / "x").exists()
    site.client.operation_mkdir(site.source.id, "/x")


def test_a_proxy_can_replace_the_answer_after_the_effect(site: Site) -> None:
    proxy, mkdir = site.world.faults.add_proxy, site.client.operation_mkdir
    proxy("mkdir", 504, after=True, match=lambda request: request.body["path"] == "/x")
    mkdir(site.source.id, "/y")
    assert api_error(mkdir, site.source.id, "/x") == (504, None)
    assert (site.src / "x").is_dir()
    proxy("mkdir", 504, after=True)
    assert api_error(mkdir, site.source.id, "/x") == (504, None), "the API error is lost as well"
    with pytest.raises(ValueError, match="after"):
        site.world.faults.add("mkdir", after=True)


def test_a_proxy_can_answer_200_or_without_a_body(site: Site) -> None:
    site.world.faults.add_proxy("ls", 200)
    answer = site.client.get(f"/v0.10/operation/endpoint/{site.source.id}/ls")
    assert (answer.http_status, answer.data) == (200, None)
    site.world.faults.add_proxy("ls", html=False)
    with pytest.raises(globus_sdk.TransferAPIError) as caught:
        site.names()
    assert (caught.value.http_status, caught.value.text) == (403, "")
    assert "Content-Type" not in caught.value.headers


def test_a_late_answer_delays_no_other_request(site: Site) -> None:
    site.names()
    site.world.faults.add("stat", delay=30)
    site.client.transport.http_timeout = 0.05
    begun = time.monotonic()
    with pytest.raises(globus_sdk.GlobusTimeoutError):
        site.client.operation_stat(site.source.id, "/")
    site.client.transport.http_timeout = 10
    assert site.names() == []
    assert time.monotonic() - begun < 5
    site.world.latency = 0.01
    assert site.names() == []


def test_hooks_run_before_or_after_the_effect_and_may_block(site: Site) -> None:
    seen: list[Any] = []
    go = threading.Event()
    hook = site.world.faults.add_hook
    hook("mkdir", lambda request: seen.append((request.body["path"], (site.src / "x").exists())))
    hook("mkdir", lambda _: seen.append((site.src / "x").exists()), when="after")
    site.client.operation_mkdir(site.source.id, "/x")
    assert seen == [("/x", False), True]
    hook("stat", lambda _: go.wait(10))
    waiting = threading.Thread(target=site.client.operation_stat, args=(site.source.id, "/x"))
    waiting.start()
    with globus_sdk.TransferClient(
        authorizer=globus_sdk.AccessTokenAuthorizer(site.bearer().split()[1])
    ) as other:
        assert [each["name"] for each in other.operation_ls(site.source.id, "/")] == ["x"]
    go.set()
    waiting.join()


def test_an_exception_in_a_hook_is_raised_by_the_with_block() -> None:
    """The request itself is answered with 500."""
    world = World()

    def fail(_request: object) -> NoReturn:
        raise AssertionError("seen")

    world.faults.add_hook("jwk", fail)
    with pytest.raises(AssertionError, match="seen"), Sandbox(world) as sandbox:
        auth = globus_sdk.AuthClient(base_url=sandbox.url)
        auth.retry_config.max_retries = 0
        assert api_error(auth.get, "/jwk.json")[0] == 500
        auth.close()


def test_calls_over_the_limit_get_429_with_retry_after(site: Site) -> None:
    """The limit is measured over ten seconds."""
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        site.world.calls_per_second = 0.3
        for _ in range(3):
            site.names()
            clock.shift(2)
        with pytest.raises(globus_sdk.TransferAPIError) as caught:
            site.names()
        assert caught.value.http_status == 429
        assert caught.value.headers["Retry-After"] == "4"
        clock.shift(4)
        assert site.names() == []
        assert api_error(site.names)[0] == 429
        site.world.calls_per_second = None
        assert site.names() == []


def test_a_route_that_is_not_emulated_is_a_501(site: Site) -> None:
    """It is one whatever its query and its token; that of Auth has Auth's shape."""
    requests = [("get", "/v0.10/bookmark_list?x=1"), ("delete", "/v0.10/task/x")]
    auth = {("get", "/v2/api/projects?x=1"): "NOT_IMPLEMENTED"}
    for method, path in (*requests, *auth):
        with pytest.raises(globus_sdk.TransferAPIError, match="does not emulate") as caught:
            getattr(site.client, method)(path)
        assert (caught.value.http_status, caught.value.code) == (
            501,
            auth.get((method, path), "NotImplemented"),
        )
    assert {each.route for each in site.world.requests} == {"token", "unknown"}


def test_faults_can_be_planned_for_every_route() -> None:
    assert sorted([*(route.operation.__name__ for route in ROUTES), "unknown"]) == sorted(
        ROUTE_NAMES.split()
    )
