"""A file that cannot be sent or deleted is an alert, and delays no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.lab import Lab, another_destination, fail_after_deleting, files

HOUR = 3600


def has(path: str) -> Callable[[Any], bool]:
    """Return a function that matches requests that name a path."""
    return lambda request: any(path in item.values() for item in request.body["DATA"])


def sizes(lab: Lab) -> list[int]:
    """Return the number of paths of each delete task since the requests were cleared."""
    return [len(body["DATA"]) for body in lab.submitted("delete")]


def test_a_path_that_globus_refuses_to_delete_delays_no_others(lab: Lab) -> None:
    lab.given_transferred("bad", *(f"f{number}" for number in range(9)))
    api_error = {"code": "ClientError.BadRequest", "message": "no such name", "request_id": "r1"}
    lab.world.faults.add("delete", times=None, status=400, body=api_error, match=has("/src/bad"))
    assert lab.delete() == 1
    assert files(lab.source).keys() == {"bad"}
    assert not lab.store().tasks_in_progress("delete")
    text = lab.alerts()["delete failed"]
    assert "rejected the deletion of /src/bad. It stays at the source" in text
    lab.world.requests.clear()
    assert (lab.delete(), sizes(lab)) == (1, [1])
    lab.world.faults.clear()
    assert (lab.delete(), files(lab.source), lab.alerts()) == (0, {}, {})


@pytest.mark.slow
def test_rejected_delete_tasks_are_bounded_in_a_run(lab: Lab) -> None:
    lab.given_transferred(*(f"bad{number:02}" for number in range(60)))
    api_error = {"code": "ClientError.BadRequest", "message": "no"}
    lab.world.faults.add("delete", times=None, status=400, body=api_error)
    assert lab.delete() == 1
    assert len(sizes(lab)) <= 60


def test_a_delete_task_that_is_too_large_is_halved(lab: Lab) -> None:
    lab.given_transferred(*"abcde")
    lab.world.faults.add(
        "delete",
        times=None,
        status=413,
        body={},
        match=lambda request: len(request.body["DATA"]) > 2,
    )
    assert lab.delete() == 0
    assert (files(lab.source), sizes(lab)) == ({}, [5, 2, 3, 1, 2])


def test_a_file_that_cannot_be_deleted_delays_others_briefly(lab: Lab) -> None:
    """It is found within a few runs; from then on it comes last, in a task of its own."""
    lab.configure(FILES_PER_TASK=25)
    lab.given_transferred("bad", *(f"f{number:02}" for number in range(60)))

    def fail(_request: object) -> None:
        lab.world.fail_next("PERMISSION_DENIED", kind="DELETE")

    lab.world.faults.add_hook("delete", fail, times=None, match=has("/src/bad"))
    for _ in range(4):
        lab.world.requests.clear()
        assert lab.delete() == 1
        assert len(sizes(lab)) <= 13
        lab.advance(HOUR)
    assert files(lab.source).keys() == {"bad"}
    assert "PERMISSION_DENIED" in lab.alerts()["delete failed"]
    lab.world.requests.clear()
    lab.write("new")
    assert [lab.transfer(), lab.delete()] == [0, 1]
    assert sizes(lab) == [1, 1], "the new one first, and alone"
    assert files(lab.source).keys() == {"bad"}


def test_files_deleted_by_a_failed_task_count_as_deleted(lab: Lab) -> None:
    lab.given_transferred("a", "b")
    lab.world.fail_next(kind="DELETE", after_files=1)
    assert lab.delete() == 1
    (left,) = files(lab.source)
    assert lab.records() == {f"/src/{left}"}
    assert (lab.delete(), files(lab.source), lab.alerts()) == (0, {}, {})


def test_a_failed_task_that_emptied_the_source_is_no_lost_disk(lab: Lab) -> None:
    lab.given_transferred("a", "b")
    fail_after_deleting(lab)
    assert lab.delete() == 1
    assert (files(lab.source), lab.records()) == ({}, set())
    assert (lab.transfer(), lab.alerts().keys()) == (0, {"delete failed"})


def test_a_deletion_without_permission_says_so(lab: Lab) -> None:
    """The delete task is cancelled after two minutes; its events have the reason."""
    lab.given_transferred("a")
    lab.world.stall_next("PERMISSION_DENIED", kind="DELETE")
    assert lab.delete() == 1
    text = lab.alerts()["delete failed"]
    assert "Let the account that Globus uses there write in the directories" in text
    assert text.endswith("Code: PERMISSION_DENIED.")


@pytest.mark.parametrize("program", ["transfer", "delete"])
def test_all_rejected_files_are_named(lab: Lab, program: str) -> None:
    if program == "delete":
        lab.given_transferred("a", "b", "c")
    else:
        lab.given_transferred("old")
        for name in "abc":
            lab.write(name)
    body = {"code": "ClientError.BadRequest", "message": "no"}
    for name in "ab":
        lab.world.faults.add(program, times=None, status=400, body=body, match=has(f"/src/{name}"))
    assert getattr(lab, program)() == 1
    (text,) = lab.alerts().values()
    assert "/src/a, /src/b. They stay at the source" in text


def run_hourly(lab: Lab, runs: int) -> None:
    """Run transfer.py every hour."""
    for _ in range(runs):
        lab.transfer()
        lab.advance(HOUR)


def test_a_file_that_a_gateway_blocks_delays_no_others(lab: Lab) -> None:
    """An alert names it, and it is tried once a day."""
    lab.given_transferred("old")
    names = {"bad", *(f"f{number}" for number in range(7))}
    for name in names:
        lab.write(name)
    lab.world.faults.add_proxy("transfer", 403, times=None, match=has("/src/bad"))
    run_hourly(lab, 10)
    assert files(lab.destination).keys() == names - {"bad"} | {"old"}
    assert "A transfer of /src/bad never reached Globus" in lab.alerts()["refused"]
    assert lab.alerts().keys() == {"refused"}
    lab.world.requests.clear()
    for _ in range(8):
        run_hourly(lab, 1)
        lab.advance(8 * HOUR)
    assert len({body["submission_id"] for body in lab.submitted()}) <= 3, "once a day"
    assert len(lab.submitted()) <= 6
    lab.world.faults.clear()
    lab.advance(24 * HOUR)
    run_hourly(lab, 2)
    assert (files(lab.destination), lab.alerts()) == (files(lab.source), {})


def test_submissions_shrink_until_a_gateway_accepts_them(lab: Lab) -> None:
    lab.given_transferred("old")
    for number in range(8):
        lab.write(f"f{number}")
    lab.world.faults.add_proxy(
        "transfer", 504, times=None, match=lambda request: len(request.body["DATA"]) > 3
    )
    run_hourly(lab, 8)
    assert (files(lab.destination), lab.alerts()) == (files(lab.source), {})
    assert len(lab.submitted()[-1]["DATA"]) == 2


@pytest.mark.slow
def test_many_rejected_files_are_found_within_a_few_runs(lab: Lab) -> None:
    lab.given_transferred("old")
    good = {f"good{number:02}" for number in range(40)}
    for number in range(120):
        lab.write(f"bad{number:03}", age=60 + number % 7)
    for number, name in enumerate(sorted(good)):
        lab.write(name, age=60 + number % 7)
    body = {"code": "ClientError.BadRequest", "message": "no"}

    def is_bad(request: Any) -> bool:
        return any("/bad" in item["source_path"] for item in request.body["DATA"])

    lab.world.faults.add("transfer", times=None, status=400, body=body, match=is_bad)
    lab.configure(FILES_PER_TASK=200)
    for _ in range(8):
        lab.world.requests.clear()
        assert lab.transfer() in (0, 1)
        assert len(lab.submitted()) <= 110
        lab.advance(HOUR)
    assert files(lab.destination).keys() == good | {"old"}
    assert lab.alerts().keys() == {"refused"}
    lab.world.requests.clear()
    assert (lab.transfer(), lab.submitted()) == (0, []), "they are tried once a day"


def test_files_of_a_collection_that_is_gone_go_to_the_new_one(lab: Lab) -> None:
    lab.given_transferred("a", "b")
    other = another_destination(lab)
    lab.dst.deleted = True
    assert lab.delete() == 1
    assert "which no longer exists at Globus" in lab.alerts()["not at the destination"]
    assert files(lab.source).keys() == {"a", "b"}
    assert [lab.transfer(), lab.transfer(), lab.delete()] == [0, 0, 0]
    assert (files(lab.source), files(other).keys()) == ({}, {"a", "b"})
    assert lab.alerts() == {}
