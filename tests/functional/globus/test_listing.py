"""Listings: invalid answers, and services that are down, busy or answer without end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import globus_sdk
import pytest

from globus_auto import config_file, walk
from globus_auto.errors import EndpointNotReady, InvalidResponse
from globus_auto.files import FileVersion
from globus_auto.globus import auth
from globus_auto.globus import limiter as limiter_module
from globus_auto.globus.client import Client
from globus_auto.globus.connection import Connection
from globus_auto.walk import DirectoryListing, Lister, ListingError
from tests.lab import Lab, files

HTML: dict[str, Any] = {
    "body": "<html>Please log in</html>",
    "headers": {"Content-Type": "text/html"},
}
SURROGATE = '{"DATA": [{"name": "\\ud800", "type": "dir"}], "total": 1'


def below(path: str) -> Callable[[Any], bool]:
    """Return a function that matches full listings of paths with this prefix."""
    return lambda request: request.query["path"].startswith(path) and "limit" not in request.query


def api_error(code: str, message: str = "planned") -> dict[str, str]:
    """Return the body of an error of Globus."""
    return {"code": code, "message": message, "request_id": "r123"}


@pytest.fixture
def connection(lab: Lab) -> Iterator[Connection]:
    """Yield a connection as the programs use it."""
    with_token = auth.connect(config_file.read_settings(str(lab.config)), interactive=False)
    yield with_token
    with_token.close()


@pytest.fixture
def client(connection: Connection) -> Client:
    """Return the client of that connection."""
    return connection.client


@pytest.fixture
def one_clock(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the monotonic clock follow the clock that the tests set."""
    assert clock
    offset = time.monotonic() - time.time()
    monkeypatch.setattr(time, "monotonic", lambda: time.time() + offset)


@pytest.mark.usefixtures("one_clock")
@pytest.mark.parametrize("after", ["86400", "60", "59"])
def test_a_service_that_always_says_429_ends_the_run_soon(lab: Lab, after: str) -> None:
    lab.given_transferred("d/a")
    before, began = lab.datastore_bytes(), time.time()
    lab.write("d/new")
    busy = {"status": 429, "body": api_error("TooMany"), "headers": {"Retry-After": after}}
    lab.world.faults.add("ls", times=None, match=below("/src/d"), **busy)
    assert lab.transfer() == 1
    assert 230 < time.time() - began < 330
    assert lab.alerts().keys() == {"service"}
    assert (lab.datastore_bytes(), lab.submitted()) == (before, [])


@pytest.mark.usefixtures("one_clock")
@pytest.mark.parametrize("after", ["", "\u00b2", "-5", "9" * 5000, "Tue, 24 Nov 2026 10:00:00 GMT"])
def test_an_odd_retry_after_causes_a_short_back_off(lab: Lab, after: str) -> None:
    lab.given_transferred("d/a")
    lab.write("d/new")
    busy = {"status": 429, "body": api_error("TooMany"), "headers": {"Retry-After": after}}
    lab.world.faults.add("ls", times=3, match=below("/src/d"), **busy)
    began = time.time()
    assert lab.transfer() == 0
    assert time.time() - began < 200


def row(number: int) -> dict[str, Any]:
    """Return one row of a list of successful transfers."""
    return {"source_path": f"/src/{number}", "size": 1}


def endless(lab: Lab, change: Callable[[dict[str, Any], int], None]) -> dict[str, Any]:
    """Let `change` produce each page of a task's list; return the page."""
    page: dict[str, Any] = {"DATA": [row(0)], "next_marker": 0}
    numbers = iter(range(1, 10_000))

    def match(_request: object) -> bool:
        change(page, next(numbers))
        return True

    lab.world.faults.add("successful_transfers", times=None, status=200, body=page, match=match)
    return page


@pytest.mark.parametrize(
    ("change", "pages"),
    [
        (lambda _page, _number: None, 2),
        (lambda page, number: page.update(next_marker=f"page {number % 3}"), 4),
        (lambda page, number: page.update(DATA=[], next_marker=number), 3),
        (lambda page, number: page.update(next_marker=number), 51),
    ],
    ids=["the same marker", "markers in a circle", "empty pages", "too many rows"],
)
def test_an_endless_list_is_an_invalid_response(
    lab: Lab,
    client: Client,
    change: Callable[[dict[str, Any], int], None],
    pages: int,
) -> None:
    endless(lab, change)
    lab.world.requests.clear()
    with pytest.raises(InvalidResponse, match="does not end"):
        client.successful_transfers("x", 50)
    assert len(lab.world.requests) == pages


def test_a_list_that_ends_may_have_empty_pages(lab: Lab, client: Client) -> None:
    def change(page: dict[str, Any], number: int) -> None:
        rows = [row(number)] if number % 3 == 0 else []
        page.update(DATA=rows, next_marker=number if number < 30 else None)

    endless(lab, change)
    found = client.successful_transfers("x")
    assert [item.source_path for item in found] == [f"/src/{number}" for number in range(3, 31, 3)]


def test_an_endless_list_of_a_failed_task_is_given_up(lab: Lab) -> None:
    lab.write("a")
    assert lab.transfer() == 0
    (task,) = lab.world.tasks.values()
    body = {"task_id": task.id, "status": "FAILED", "subtasks_skipped_errors": 0}
    lab.world.faults.add("task", times=None, status=200, body=body)
    endless(lab, lambda _page, _number: None)
    before = lab.submitted()
    assert [lab.transfer(), lab.records(), lab.submitted()] == [0, {"/src/a"}, before]
    lab.advance(3601)
    assert lab.transfer() == 1
    assert "Globus does not list what" in lab.alerts()["failed"]
    assert len(lab.submitted()) == len(before) + 1


DIRECTORIES = [f"d{number:02}/a" for number in range(30)]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503, "body": api_error("ServiceUnavailable")},
        {"status": 502, **HTML},
        {"status": 500, "body": ""},
    ],
    ids=["unavailable", "gateway", "empty"],
)
def test_a_service_that_is_down_ends_the_run(lab: Lab, fault: dict[str, Any], workers: int) -> None:
    lab.configure(LIST_CONCURRENCY=workers)
    lab.given_transferred("old", *DIRECTORIES)
    before = lab.datastore_bytes()
    (lab.source / "d07/a").unlink()
    lab.write("new")
    lab.world.faults.add("ls", times=None, match=below("/src/d"), **fault)
    assert lab.transfer() == 1
    assert lab.alerts().keys() == {"service"}
    assert (lab.datastore_bytes(), lab.submitted()) == (before, [])
    failed = [request for request in lab.world.requests if request.status == fault["status"]]
    # Each listing is tried six times; other workers may be busy with one more when the fifth fails.
    assert len(failed) <= 6 * (limiter_module.SERVICE_FAILURES + workers)
    lab.world.faults.clear()
    assert lab.transfer() == 0
    assert lab.alerts() == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "times"),
    [
        ({"status": 502, "body": api_error("EndpointError")}, None),
        ({"status": 503, "body": api_error("ExternalError.DirListingFailed")}, None),
        ({"status": 403, "body": api_error("PermissionDenied")}, None),
        ({"status": 501, "body": api_error("NotImplemented")}, None),
        ({"status": 503, "body": ""}, 6 * (limiter_module.SERVICE_FAILURES - 1)),
    ],
    ids=["endpoint", "busy endpoint", "forbidden", "not implemented", "four failures"],
)
def test_failures_of_single_directories_do_not_end_the_scan(
    lab: Lab, fault: dict[str, Any], times: int | None
) -> None:
    lab.configure(LIST_CONCURRENCY=1)
    lab.given_transferred("old", *DIRECTORIES)
    before = lab.records()
    lab.write("new")
    lab.world.faults.add("ls", times=times, match=below("/src/d"), **fault)
    assert lab.transfer() == 1
    assert lab.alerts().keys() == {"unlisted"}
    assert lab.records() == before | {"/src/new"}


@pytest.mark.parametrize("code", ["ClientError.NotFound", "NotFound"])
@pytest.mark.parametrize(
    ("message", "gone"),
    [
        ("No such directory", True),
        ("Path /src/INTERNAL_ERROR was not found: c=PATH_NOT_FOUND", True),
        ("550-GlobusError: v=1 c=INTERNAL_ERROR", False),
        ("Path /src/INTERNAL_ERROR: 500-GlobusError: v=1 c=ENDPOINT_ERROR", False),
    ],
)
def test_a_404_for_an_internal_error_is_not_read_as_not_found(
    lab: Lab, client: Client, code: str, message: str, gone: bool
) -> None:
    path = "/src/INTERNAL_ERROR"
    for route in ("ls", "stat"):
        lab.world.faults.add(route, times=None, status=404, body=api_error(code, message))
    listed = client.list_directory(lab.src.id, path)
    refused = client.listing_error(lab.src.id, path)
    version = client.stat_file(lab.src.id, path)
    assert isinstance(listed, ListingError)
    assert isinstance(refused, ListingError)
    assert (listed.gone, refused.gone, version is None) == (gone, gone, gone)
    if not gone:
        assert listed.reason == (
            f"Globus says: {message}. Code: {code} (HTTP 404). Request id: r123."
        )


def test_a_file_stays_after_an_internal_error_about_its_copy(lab: Lab) -> None:
    lab.given_transferred("d/a")
    failed = api_error("NotFound", "c=ENDPOINT_ERROR")
    for route in ("ls", "stat"):
        lab.world.faults.add(
            route,
            times=None,
            match=lambda request: request.query["path"].startswith("/dst/d"),
            status=404,
            body=failed,
        )
    assert lab.delete() == 1
    assert lab.alerts().keys() == {"destination"}
    assert files(lab.source).keys() == {"d/a"}
    assert lab.records() == {"/src/d/a"}
    assert lab.submitted("delete") == []


@pytest.mark.parametrize(
    "fault",
    [HTML, {"body": ""}, {"body": {"message": "no Route matched"}}, {"body": {"code": 404}}],
    ids=["a page", "nothing", "a gateway", "a number"],
)
@pytest.mark.parametrize("program", ["transfer", "delete"])
def test_a_404_without_a_globus_code_ends_the_run(
    lab: Lab, fault: dict[str, Any], program: str
) -> None:
    lab.given_transferred("a", "d/b")
    before = lab.datastore_bytes()
    lab.world.faults.add("ls", times=None, match=below("/src/d"), status=404, **fault)
    lab.world.faults.add("ls", times=None, match=below("/dst/d"), status=404, **fault)
    assert getattr(lab, program)() == 1
    assert "service" in lab.alerts()
    assert "d/b" in files(lab.source)
    assert "/src/d/b" in lab.records()
    if program == "transfer":
        assert lab.datastore_bytes() == before


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (HTML, "the answer is not valid JSON"),
        ({"body": SURROGATE}, "the answer is not valid JSON"),
        ({"body": ""}, "the answer is not valid JSON"),
        ({"body": []}, "Expected `object`, got `array`"),
        ({"body": {"code": "ok"}}, "missing required field"),
    ],
    ids=["a page", "cut", "empty", "a list", "another document"],
)
def test_an_answer_that_is_no_listing_is_an_error(
    lab: Lab, client: Client, fault: dict[str, Any], said: str
) -> None:
    for route in ("ls", "stat", "endpoint"):
        lab.world.faults.add(route, times=None, status=200, **fault)
    for outcome in (
        client.list_directory(lab.src.id, "/src"),
        client.listing_error(lab.src.id, "/src"),
        client.stat_file(lab.src.id, "/src/a"),
    ):
        assert isinstance(outcome, ListingError)
        assert not outcome.gone
        assert said in outcome.reason
    with pytest.raises(EndpointNotReady, match=said):
        client.require_ready(lab.src.id)


def test_a_real_listing_of_one_name_is_accepted(lab: Lab, client: Client) -> None:
    lab.write("a")
    lab.write("b")
    assert client.listing_error(lab.src.id, "/src") is None
    assert isinstance(client.stat_file(lab.src.id, "/src/a"), FileVersion)


def test_a_portal_in_place_of_the_destination_is_an_alert(lab: Lab) -> None:
    lab.write("a")
    portal = {"status": 200, **HTML}
    lab.world.faults.add(
        "ls", times=None, match=lambda request: request.query["path"] == "/dst", **portal
    )
    assert lab.transfer() == 1
    assert "/dst at" in lab.alerts()["endpoint"]
    assert "not valid JSON" in lab.alerts()["endpoint"]
    assert lab.submitted() == []


@pytest.mark.parametrize("place", ["/src/d", "/dst/d"])
def test_a_listing_that_cannot_be_decoded_is_an_alert(lab: Lab, place: str) -> None:
    """Decoders differ in what they accept: one odd name may spoil a whole listing."""
    lab.given_transferred("a", "d/b")
    spoilt = {"status": 200, "body": SURROGATE}
    for route in ("ls", "stat"):
        lab.world.faults.add(
            route,
            times=None,
            match=lambda request: request.query["path"].startswith(place),
            **spoilt,
        )
    program, kind = (lab.transfer, "unlisted") if place == "/src/d" else (lab.delete, "destination")
    assert program() == 1
    assert lab.alerts().keys() == {kind}
    assert "the answer is not valid JSON" in lab.alerts()[kind]
    assert "d/b" in files(lab.source)
    assert "/src/d/b" in lab.records()


@pytest.mark.parametrize("body", [[], {"code": 502}, {"code": None}, "null"])
def test_a_gateway_with_json_of_its_own_is_no_crash(lab: Lab, body: object) -> None:
    lab.given_transferred("d/a")
    before = lab.datastore_bytes()
    lab.world.faults.add("ls", times=None, match=below("/src/d"), status=502, body=body)
    assert lab.transfer() == 1
    assert lab.alerts().keys() <= {"service", "unlisted"}
    assert lab.datastore_bytes() == before


@pytest.mark.parametrize("by", ["an error", "the reader"])
def test_a_scan_that_stops_early_closes_its_connections(
    lab: Lab, connection: Connection, by: str
) -> None:
    for name in DIRECTORIES:
        lab.write(name)
    opened, closed = [], []

    @contextmanager
    def lister() -> Iterator[Lister]:
        opened.append(threading.current_thread())
        try:
            with connection.lister(lab.src.id) as list_one:
                yield list_one
        finally:
            closed.append(threading.current_thread())

    # The other workers are waiting for an answer when the first one fails.
    gone = {"status": 404, "body": api_error("EndpointDeleted")}
    if by == "an error":
        lab.world.faults.add("ls", match=below("/src/d00"), **gone)
    lab.world.faults.add("ls", times=None, match=below("/src/d"), delay=0.1)
    scan = walk.walk(lister, ["/src"], lambda _name: True, workers=lambda: 4)
    if by == "an error":
        with pytest.raises(globus_sdk.TransferAPIError):
            list(scan)
    else:
        assert isinstance(next(scan), DirectoryListing)
        assert isinstance(next(scan), DirectoryListing)
        scan.close()  # type: ignore[attr-defined]
    assert len(opened) == 4
    assert set(closed) == set(opened)
