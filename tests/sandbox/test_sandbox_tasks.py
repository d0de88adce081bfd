"""Tasks from submission to end, and how to find them."""

import time
from typing import Any

import globus_sdk
import pytest
import time_machine

from globus_auto.sandbox.engine import CompletionPolicy
from tests.sandbox.conftest import Site, api_error

ITEM = {"DATA_TYPE": "transfer_item", "source_path": "/a", "destination_path": "/a"}
ONE_POLL = CompletionPolicy.after_polls(1)


def test_a_deadline_is_one_day_and_moves_with_each_success(site: Site) -> None:
    site.write("a")
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        site.world.stall_next(after_files=1)
        moving = site.transfer(("/a", "/a", False), ("/a", "/b", False))
        plain = site.transfer(("/gone", "/gone", False))
        own = site.transfer(("/gone", "/x", False), deadline="2027-01-16 08:00:00Z")
        queued = site.transfer(("/a", "/q", False))
        deadlines = [
            site.client.get_task(task)["deadline"] for task in (moving, plain, own, queued)
        ]
        assert deadlines == [
            "2027-01-18T08:00:00+00:00",
            "2027-01-16T08:00:00+00:00",
            "2027-01-16T08:00:00+00:00",
            "2027-01-16T08:00:00+00:00",
        ]
        assert site.client.get_task(queued)["nice_status"] == "Queued"
        site.world.tasks[queued].deadline -= 60
        clock.shift(86_399)
        assert site.client.get_task(queued)["deadline"] == "2027-01-17T07:59:59+00:00"
        clock.shift(1)
        assert site.client.get_task(plain)["fatal_error"]["code"] == "EXPIRED"
        assert site.client.get_task(queued)["status"] == "SUCCEEDED"


def test_a_repeated_submission_is_a_duplicate(site: Site) -> None:
    """It is one after the task has ended, and while the source is offline."""
    site.write("a")
    data = globus_sdk.TransferData(site.source.id, site.destination.id)
    data.add_item("/a", "/a", recursive=False)
    first = site.client.submit_transfer(data)
    (site.dst / "a").unlink()
    again = site.client.submit_transfer(data)
    assert (first.http_status, first["code"]) == (202, "Accepted")
    assert (again.http_status, again["code"]) == (200, "Duplicate")
    assert again["task_id"] == first["task_id"]
    assert again["submission_id"] == data["submission_id"] != first["task_id"]
    assert not (site.dst / "a").exists()
    site.source.connected = False
    assert site.client.submit_transfer(data)["code"] == "Duplicate"
    assert api_error(site.client.submit_transfer, {**data, "label": "other"})[0] == 400


def test_a_transfer_of_paths_in_progress_is_a_conflict(site: Site) -> None:
    site.world.completion = ONE_POLL
    site.write("a")
    site.transfer(("/a", "/a"))
    assert api_error(site.transfer, ("/a", "/a")) == (409, "Conflict")
    site.transfer(("/a", "/b"))
    site.delete("/x", ignore_missing=True)
    site.delete("/x", ignore_missing=True)


def test_three_tasks_of_a_kind_run_and_a_hundred_may_wait(site: Site) -> None:
    """One more is a TooManyPendingJobs."""
    site.write("a")
    for number in range(97):
        site.world.stall_next("ENDPOINT_ERROR")
        site.transfer(("/a", f"/{number}"))
    site.world.completion = ONE_POLL
    last = [site.delete(f"/{number}", ignore_missing=True) for number in range(3)]
    assert api_error(site.transfer, ("/a", "/a")) == (409, "TooManyPendingJobs")
    states = [task.nice_status for task in site.world.tasks.values()]
    assert states == [*["ENDPOINT_ERROR"] * 3, *["Queued"] * 94, *["OK"] * 3]
    assert site.client.get_task(last[0])["status"] == "ACTIVE"
    for task in list(site.world.tasks.values())[:3]:
        task.planned_failure = None
    assert site.client.get_task(last[0])["status"] == "SUCCEEDED"
    states = [task.nice_status for task in site.world.tasks.values() if task.in_progress]
    assert states[:4] == [*["ENDPOINT_ERROR"] * 3, "Queued"]


def test_the_completion_policy_sets_when_work_is_done(site: Site) -> None:
    """Work is done after some polls or seconds, and not before."""
    site.write("a", b"old")
    site.world.completion = CompletionPolicy.after_polls(2)
    task = site.transfer(("/a", "/a"))
    site.write("a", b"new")
    statuses = [site.client.get_task(task)["status"] for _ in range(3)]
    assert statuses == ["ACTIVE", "ACTIVE", "SUCCEEDED"]
    assert (site.dst / "a").read_bytes() == b"new"
    site.world.completion = CompletionPolicy.after_seconds(60)
    with time_machine.travel(time.time(), tick=False) as clock:
        task = site.transfer(("/a", "/b"))
        clock.shift(59)
        assert site.client.get_task(task)["status"] == "ACTIVE"
        clock.shift(1)
        assert site.client.get_task(task)["status"] == "SUCCEEDED"


def test_a_large_task_continues_with_each_request(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("globus_auto.sandbox.engine.SLICE", 10)
    monkeypatch.setattr("globus_auto.sandbox.copying.CHUNK", 4)
    site.write("big", b"0123456789" * 3)
    task = site.transfer(("/big", "/big", False), verify_checksum=True)
    assert 0 < len((site.dst / "big").read_bytes()) < 30
    polls = 0
    while site.client.get_task(task)["status"] == "ACTIVE":
        polls += 1
    assert 3 <= polls <= 6
    assert (site.dst / "big").read_bytes() == b"0123456789" * 3
    assert api_error(site.client.get_task, "0" * 8) == (404, "ClientError.NotFound")
    assert api_error(site.client.get_task, task, query_params={"format": "xml"})[0] == 400


def test_a_copy_with_a_wrong_checksum_is_copied_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("globus_auto.sandbox.engine.SLICE", 8)
    monkeypatch.setattr("globus_auto.sandbox.copying.CHUNK", 4)
    site.write("big", b"0123456789")
    task = site.transfer(("/big", "/big", False), verify_checksum=True)
    with open(site.dst / "big", "r+b") as broken:
        broken.write(b"x")
    while site.client.get_task(task)["status"] == "ACTIVE":
        assert len(site.world.requests) < 20
    assert (site.dst / "big").read_bytes() == b"0123456789"
    assert site.event_codes(task) == [
        *("SUCCEEDED", "PROGRESS", "VERIFY_CHECKSUM", "STARTED"),
    ]


def test_a_task_waits_while_an_endpoint_is_offline(site: Site) -> None:
    site.world.stall_next("TIMEOUT", after_files=1)
    for name in "ab":
        site.write(name)
    task = site.transfer(("/a", "/a"), ("/b", "/b"))
    assert site.client.get_task(task)["nice_status"] == "TIMEOUT"
    site.world.tasks[task].planned_failure = None
    for state, code in (("connected", "GC_NOT_CONNECTED"), ("paused", "GC_PAUSED")):
        setattr(site.source, state, not getattr(site.source, state))
        assert site.client.get_task(task)["nice_status"] == code
        setattr(site.source, state, not getattr(site.source, state))
        site.destination.connected = False
        assert site.client.get_task(task)["nice_status"] == "CONNECT_FAILED"
    site.destination.connected = True
    assert site.client.get_task(task)["status"] == "SUCCEEDED"
    assert site.transferred(task) == ["/a", "/b"]
    assert site.event_codes(task)[2:6] == [
        "GC_PAUSED",
        "CONNECT_FAILED",
        "GC_NOT_CONNECTED",
        "TIMEOUT",
    ]


def test_a_task_can_be_inactive_fail_or_be_unknown(site: Site) -> None:
    for name in "ab":
        site.write(name)
    site.world.completion = ONE_POLL
    task = site.transfer(("/a", "/a"))
    site.world.tasks[task].status = "INACTIVE"
    assert {site.client.get_task(task)["status"] for _ in range(3)} == {"INACTIVE"}
    site.world.tasks[task].status = "ACTIVE"
    assert site.client.get_task(task)["status"] == "SUCCEEDED"
    site.world.completion = CompletionPolicy.at_once()
    site.world.fail_next("ENDPOINT_ERROR", details="broken", after_files=1, kind="TRANSFER")
    site.delete("/none", ignore_missing=True)
    task = site.transfer(("/a", "/1"), ("/b", "/2"))
    found = site.client.get_task(task)
    assert found["fatal_error"] == {"code": "ENDPOINT_ERROR", "description": "endpoint error"}
    assert site.client.task_event_list(task)["DATA"][0]["details"] == "broken"
    assert (site.transferred(task), found["subtasks_failed"], found["faults"]) == (["/a"], 1, 1)
    del site.world.tasks[task]
    assert api_error(site.client.get_task, task) == (404, "ClientError.NotFound")


def test_history_is_deleted_after_thirty_days_or_on_request(site: Site) -> None:
    site.write("a")
    with time_machine.travel(time.time(), tick=False) as clock:
        old, lost = site.transfer(("/a", "/a")), site.transfer(("/a", "/b"))
        site.world.tasks[lost].history_lost = True
        clock.shift(30 * 86_400 - 1)
        assert site.client.get_task(old)["history_deleted"] is False
        assert site.transferred(old) == ["/a"]
        clock.shift(2)
        for task in (old, lost):
            assert site.client.get_task(task)["history_deleted"] is True
            assert (
                site.transferred(task)
                == site.event_codes(task)
                == list(site.skipped_errors(task))
                == []
            )


def test_only_a_task_in_progress_can_be_cancelled(site: Site) -> None:
    site.write("a")
    site.world.completion = ONE_POLL
    task = site.transfer(("/a", "/a"))
    assert site.client.cancel_task(task)["code"] == "Canceled"
    found = site.client.get_task(task)
    assert (found["status"], found["fatal_error"]["code"]) == ("FAILED", "CANCELED")
    assert (found["subtasks_canceled"], site.event_codes(task)[0]) == (1, "CANCELED")
    assert site.client.cancel_task(task)["code"] == "TaskComplete"
    assert list(site.dst.iterdir()) == []


def test_lists_come_in_pages(site: Site) -> None:
    site.world.page_size = 2
    for number in range(5):
        site.write(str(number))
    task = site.transfer(*((f"/{number}", f"/{number}") for number in range(5)))
    paged = site.client.paginated.task_successful_transfers(task)
    assert [len(page["DATA"]) for page in paged.pages()] == [2, 2, 1]
    first = site.client.task_event_list(task, limit=1)
    assert (first["total"], first["length"], first["limit"]) == (3, 1, 1)
    events = site.client.paginated.task_event_list(task).items()
    assert [each["code"] for each in events] == ["SUCCEEDED", "PROGRESS", "STARTED"]
    errors = site.client.task_event_list(task, query_params={"filter": "is_error:1"})
    assert errors["DATA"] == []
    assert api_error(site.client.task_event_list, task, query_params={"filter": "x:1"})[0] == 400
    assert (
        api_error(site.client.task_successful_transfers, task, query_params={"marker": "x"})[0]
        == 400
    )


def test_lists_can_be_rejected_for_a_while_after_completion(site: Site) -> None:
    site.write("a")
    site.world.lists_delay = 60
    lists = (site.client.task_successful_transfers, site.client.task_skipped_errors)
    with time_machine.travel(time.time(), tick=False) as clock:
        task = site.transfer(("/a", "/a"))
        clock.shift(59)
        assert site.client.get_task(task)["status"] == "SUCCEEDED"
        for call in lists:
            assert api_error(call, task) == (400, "ClientError.BadRequest")
        clock.shift(1)
        assert [len(call(task)["DATA"]) for call in lists] == [1, 0]


def test_a_stall_can_end_after_some_tries(site: Site) -> None:
    site.write("a")
    site.world.stall_next("CONNECTION_RESET", times=3, details="reset by peer")
    task = site.transfer(("/a", "/a"))
    states = [site.client.get_task(task)["nice_status"] for _ in range(3)]
    assert states == ["CONNECTION_RESET", "CONNECTION_RESET", None]
    assert site.transferred(task) == ["/a"]
    assert site.event_codes(task) == [
        *("SUCCEEDED", "PROGRESS", "CONNECTION_RESET", "STARTED"),
    ]


def test_ended_tasks_can_become_unknown(site: Site) -> None:
    site.write("a")
    with time_machine.travel(time.time(), tick=False) as clock:
        site.world.task_memory = 60
        ended, waiting = site.transfer(("/a", "/a")), site.transfer(("/gone", "/b"))
        listed = [each["task_id"] for each in site.client.task_list()]
        assert listed == [waiting, ended]
        clock.shift(60)
        assert [each["task_id"] for each in site.client.task_list()] == [waiting]
        calls = (site.client.get_task, site.client.cancel_task, site.client.task_event_list)
        for call in (*calls, site.client.task_successful_transfers):
            assert api_error(call, ended) == (404, "ClientError.NotFound")
        assert site.client.get_task(waiting)["status"] == "ACTIVE"


def test_task_list_can_hide_new_and_ended_tasks(site: Site) -> None:
    site.write("a")
    with time_machine.travel(time.time(), tick=False) as clock:
        site.world.task_list_lag, site.world.task_list_memory = 10, 30
        task = site.transfer(("/a", "/a"))
        shown = []
        for seconds in (9, 1, 19, 1):
            clock.shift(seconds)
            shown.append(len(site.client.task_list()["DATA"]))
        assert shown == [0, 1, 1, 0]
        assert site.client.get_task(task)["status"] == "SUCCEEDED"


def test_tasks_are_found_by_status_type_label_id_and_time(site: Site) -> None:
    site.write("a")
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        first = site.transfer(("/a", "/a"), label="first run")
        clock.shift(60)
        second = site.transfer(("/gone", "/b"), label="Second")
        gone = site.delete("/zz")

        def found(filter_: Any, **options: Any) -> list[str]:
            listed = site.client.task_list(filter=filter_, **options)
            return [each["task_id"] for each in listed]

        assert found("") == found("type:TRANSFER") == [second, first]
        everything = "type:TRANSFER,DELETE/request_time:2027-01-15T08:00:30+00:00,"
        assert (
            found(everything) == found(f"{everything}2027-01-15T08:02:00+00:00") == [gone, second]
        )
        assert found(f"{everything}2027-01-15T08:00:40+00:00") == []
        assert found(f"{everything}/status:ACTIVE,INACTIVE") == [second]
        assert found("type:TRANSFER,DELETE") == [gone, second, first]
        assert found("status:ACTIVE,INACTIVE/type:TRANSFER,DELETE") == [second]
        assert found("type:DELETE/status:FAILED") == [gone]
        assert (
            found("label:=first run") == found("label:~FIRST*") == found("label:!Second") == [first]
        )
        assert found(f"task_id:{first},{gone}/type:DELETE,TRANSFER") == [gone, first]
        assert found("request_time:2027-01-15 08:00:30,") == [second]
        assert found({"request_time": ",2027-01-15T08:00:30Z"}) == [first]
        assert found("completion_time:2027-01-01,") == [first]
        assert found("", orderby="label") == [second, first]
        assert found("", orderby="request_time ASC", offset=1, limit=1) == [second]
        listed = site.client.task_list(query_params={"fields": "task_id,status"})
        assert [sorted(each) for each in listed["DATA"]] == [["status", "task_id"]] * 2
        for options in (
            {"filter": "colour:red"},
            {"query_params": {"fields": "x"}},
            {"limit": 1001},
            {"query_params": {"filter": ["type:DELETE", "status:ACTIVE"]}},
        ):
            assert api_error(site.client.task_list, **options)[0] == 400


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"source_local_user": "root"}, "source_local_user"),
        ({"recursive_symlinks": "copy"}, "recursive_symlinks"),
        ({"perf_cc": 2}, "perf_cc"),
        ({"sync_level": 4}, "sync_level"),
        ({"encrypt_data": "yes"}, "encrypt_data"),
        ({"label": "x" * 129}, "label"),
        ({"label": " x"}, "label"),
        ({"deadline": "soon"}, "deadline"),
        ({"submission_id": "x"}, "submission_id"),
        ({"submission_id": None}, "submission_id"),
        ({"filter_rules": [{"DATA_TYPE": "filter_rule", "method": "x", "name": "y"}]}, "method"),
        ({"filter_rules": [{"DATA_TYPE": "filter_rule", "method": "exclude", "name": 1}]}, "name"),
        ({"filter_rules": "x"}, "filter_rules"),
        ({"DATA": ["x"]}, r"DATA\[0\]"),
        ({"DATA": [{"DATA_TYPE": "transfer_symlink_item"}]}, "DATA_TYPE"),
        ({"DATA": [{"DATA_TYPE": "transfer_item", "source_path": ""}]}, "source_path"),
        ({"DATA": [{"DATA_TYPE": "transfer_item", "source_path": "/a\n"}]}, "source_path"),
        ({"DATA": [{"DATA_TYPE": "transfer_item", "source_path": "/\ud800"}]}, "source_path"),
        ({"DATA": [{**ITEM, "checksum_algorithm": "CRC32"}]}, "checksum_algorithm"),
        ({"DATA": [{**ITEM, "external_checksum": "0", "recursive": True}]}, "external_checksum"),
    ],
)
def test_an_unsupported_field_of_a_submission_is_rejected(
    site: Site, change: dict[str, Any], named: str
) -> None:
    """The error names the field, and no task is created."""
    data = globus_sdk.TransferData(site.source.id, site.destination.id)
    data.add_item("/a", "/a")
    data["submission_id"] = site.client.get_submission_id()["value"]
    with pytest.raises(globus_sdk.TransferAPIError, match=f"'{named}'"):
        site.client.post("/v0.10/transfer", data={**data, **change})
    assert site.world.tasks == {}


def test_a_submission_needs_items_endpoints_and_json(site: Site) -> None:
    data = globus_sdk.DeleteData(site.source.id)
    assert api_error(site.client.submit_delete, data) == (400, "ClientError.BadRequest")
    assert api_error(site.client.post, "/v0.10/delete", data="nonsense", encoding="text")[0] == 400
    assert api_error(site.client.post, "/v0.10/delete", data=["x"])[0] == 400
    server = site.world.add_endpoint(site.src, "server", "GCSv5_endpoint")
    data = globus_sdk.DeleteData(server.id)
    data.add_item("/x")
    assert api_error(site.client.submit_delete, data) == (409, "NotSupported")
    data["endpoint"] = "0" * 32
    assert api_error(site.client.submit_delete, data) == (404, "EndpointNotFound")


def test_a_user_sees_only_their_own_tasks(site: Site) -> None:
    site.write("a")
    task = site.transfer(("/a", "/a"))
    site.world.tasks[task].owner = "somebody else"
    assert api_error(site.client.get_task, task) == (404, "ClientError.NotFound")
    assert site.client.task_list()["DATA"] == []
