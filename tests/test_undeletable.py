"""One file that cannot be deleted holds up no others, and is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Lab, another_destination, files

HOUR = 3600


def has(path: str) -> Callable[[Any], bool]:
    """Return what tells whether a request names a path."""
    return lambda asked: any(path in item.values() for item in asked.body["DATA"])


def sizes(lab: Lab) -> list[int]:
    """Return how many paths each delete had since the requests were last forgotten."""
    return [len(body["DATA"]) for body in lab.submitted("delete")]


def test_a_path_that_the_delete_api_refuses_holds_up_no_others(lab: Lab) -> None:
    lab.sent("bad", *(f"f{number}" for number in range(9)))
    refusal = {"code": "ClientError.BadRequest", "message": "no such name", "request_id": "r1"}
    lab.world.faults.add("delete", times=None, status=400, body=refusal, match=has("/src/bad"))
    assert lab.delete() == 1
    assert files(lab.source).keys() == {"bad"}
    assert not lab.store().tasks_in_progress("delete")
    told = lab.alerts()["delete failed"]
    assert "refused to delete /src/bad (400, ClientError.BadRequest, no such name, r1)" in told
    lab.world.requests.clear()
    assert (lab.delete(), sizes(lab)) == (1, [1])
    lab.world.faults.clear()
    assert (lab.delete(), files(lab.source), lab.alerts()) == (0, {}, {})


@pytest.mark.slow
def test_refused_paths_are_bounded_in_a_run(lab: Lab) -> None:
    lab.sent(*(f"bad{number:02}" for number in range(60)))
    refusal = {"code": "ClientError.BadRequest", "message": "no"}
    lab.world.faults.add("delete", times=None, status=400, body=refusal)
    assert lab.delete() == 1
    assert len(sizes(lab)) <= 60


def test_a_delete_that_is_too_large_is_halved(lab: Lab) -> None:
    lab.sent(*"abcde")
    lab.world.faults.add(
        "delete", times=None, status=413, body={}, match=lambda asked: len(asked.body["DATA"]) > 2
    )
    assert lab.delete() == 0
    assert (files(lab.source), sizes(lab)) == ({}, [5, 2, 3, 1, 2])


def test_a_file_whose_delete_fails_holds_up_the_others_for_a_few_runs(lab: Lab) -> None:
    lab.configure(FILES_PER_TASK=25)
    lab.sent("bad", *(f"f{number:02}" for number in range(60)))

    def fail(_asked: object) -> None:
        lab.world.fail_next("PERMISSION_DENIED", kind="DELETE")

    lab.world.faults.hook("delete", fail, times=None, match=has("/src/bad"))
    for _ in range(4):
        lab.world.requests.clear()
        assert lab.delete() == 1
        assert len(sizes(lab)) <= 13
        lab.later(HOUR)
    assert files(lab.source).keys() == {"bad"}
    assert "PERMISSION_DENIED" in lab.alerts()["delete failed"]
    lab.world.requests.clear()
    lab.write("new")
    assert [lab.transfer(), lab.delete()] == [0, 1]
    assert sizes(lab) == [1, 1], "the new one first, and alone"
    assert files(lab.source).keys() == {"bad"}


def test_what_a_failed_delete_has_deleted_counts_as_deleted(lab: Lab) -> None:
    lab.sent("a", "b")
    lab.world.fail_next(kind="DELETE", after_files=1)
    assert lab.delete() == 1
    (left,) = files(lab.source)
    assert lab.entries() == {f"/src/{left}"}
    assert (lab.delete(), files(lab.source), lab.alerts()) == (0, {}, {})


def run_hourly(lab: Lab, runs: int) -> None:
    """Let transfer.py run every hour."""
    for _ in range(runs):
        lab.transfer()
        lab.later(HOUR)


def test_a_file_that_a_gateway_never_lets_through_holds_up_no_others(lab: Lab) -> None:
    lab.sent("old")
    names = {"bad", *(f"f{number}" for number in range(7))}
    for name in names:
        lab.write(name)
    lab.world.faults.proxy("transfer", 403, times=None, match=has("/src/bad"))
    run_hourly(lab, 10)
    assert files(lab.destination).keys() == names - {"bad"} | {"old"}
    assert "A transfer of /src/bad never reached Globus" in lab.alerts()["refused"]
    assert lab.alerts().keys() == {"refused"}
    lab.world.requests.clear()
    for _ in range(8):
        run_hourly(lab, 1)
        lab.later(8 * HOUR)
    assert len({body["submission_id"] for body in lab.submitted()}) <= 3, "once a day"
    assert len(lab.submitted()) <= 6
    lab.world.faults.clear()
    lab.later(24 * HOUR)
    run_hourly(lab, 2)
    assert (files(lab.destination), lab.alerts()) == (files(lab.source), {})


def test_a_gateway_that_takes_only_small_requests_holds_up_nothing(lab: Lab) -> None:
    lab.sent("old")
    for number in range(8):
        lab.write(f"f{number}")
    lab.world.faults.proxy(
        "transfer", 504, times=None, match=lambda asked: len(asked.body["DATA"]) > 3
    )
    run_hourly(lab, 8)
    assert (files(lab.destination), lab.alerts()) == (files(lab.source), {})
    assert len(lab.submitted()[-1]["DATA"]) == 2


@pytest.mark.slow
def test_many_refused_files_are_found_within_a_few_runs(lab: Lab) -> None:
    lab.sent("old")
    good = {f"good{number:02}" for number in range(40)}
    for number in range(120):
        lab.write(f"bad{number:03}", age=60 + number % 7)
    for number, name in enumerate(sorted(good)):
        lab.write(name, age=60 + number % 7)
    body = {"code": "ClientError.BadRequest", "message": "no"}

    def is_bad(asked: Any) -> bool:
        return any("/bad" in item["source_path"] for item in asked.body["DATA"])

    lab.world.faults.add("transfer", times=None, status=400, body=body, match=is_bad)
    lab.configure(FILES_PER_TASK=200)
    for _ in range(8):
        lab.world.requests.clear()
        assert lab.transfer() in (0, 1)
        assert len(lab.submitted()) <= 110
        lab.later(HOUR)
    assert files(lab.destination).keys() == good | {"old"}
    assert lab.alerts().keys() == {"refused"}
    lab.world.requests.clear()
    assert (lab.transfer(), lab.submitted()) == (0, []), "they are tried once a day"


def test_files_of_a_collection_that_is_gone_go_to_the_new_one(lab: Lab) -> None:
    lab.sent("a", "b")
    other = another_destination(lab)
    lab.dst.deleted = True
    assert lab.delete() == 1
    assert "which no longer exists at Globus" in lab.alerts()["not at the destination"]
    assert files(lab.source).keys() == {"a", "b"}
    assert [lab.transfer(), lab.transfer(), lab.delete()] == [0, 0, 0]
    assert (files(lab.source), files(other).keys()) == ({}, {"a", "b"})
    assert lab.alerts() == {}
