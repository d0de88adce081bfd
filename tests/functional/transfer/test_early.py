"""A long scan submits what it has found as it goes on, in whole tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from globus_auto.steps import scan
from tests.lab import Lab, another_destination, files

NAMES = [f"d{number}/a" for number in range(7)]


@pytest.fixture
def early(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Return a laboratory with long scans that list one directory after the other."""
    monkeypatch.setattr(scan, "LONG_SECONDS", 0)
    lab.configure(FILES_PER_TASK=2, LIST_CONCURRENCY=1)
    lab.given_transferred("old")
    for name in NAMES:
        lab.write(name, f"the content of {name}")
    return lab


def last(request: Any) -> bool:
    """Return whether a request lists the directory that a scan lists last."""
    return bool(request.query["path"] == "/src/d0")


def submitted_before_the_last(lab: Lab, code: int = 0) -> list[int]:
    """Run transfer.py; return how many tasks it submitted before it listed the last directory."""
    counts: list[int] = []
    count = lambda _request: counts.append(len(lab.submitted()))  # noqa: E731
    lab.world.faults.add_hook("ls", count, match=last)
    assert lab.transfer() == code
    return counts


def sent(lab: Lab) -> list[list[str]]:
    """Return the paths of each task."""
    return [[item["source_path"] for item in body["DATA"]] for body in lab.submitted()]


def all_sent(lab: Lab) -> list[str]:
    """Return the paths of all tasks."""
    return [path for paths in sent(lab) for path in paths]


def test_a_scan_submits_whole_tasks_as_it_goes_on(early: Lab) -> None:
    assert submitted_before_the_last(early) == [3]
    assert [len(paths) for paths in sent(early)] == [2, 2, 2, 1]
    assert sorted(all_sent(early)) == [f"/src/{name}" for name in NAMES]
    assert "8 files; to transfer: 7, deferred: 0" in early.log()
    assert early.transfer() == 0
    assert len(sent(early)) == 4
    assert files(early.destination).keys() == {"old", *NAMES}


def test_an_interrupted_scan_loses_less_than_one_task(early: Lab) -> None:
    early.world.faults.add("ls", times=9, drop="before", match=last)
    assert early.transfer() == 1
    assert [len(paths) for paths in sent(early)] == [2, 2, 2]
    early.world.faults.clear()
    assert early.transfer() == 0
    assert sorted(all_sent(early)) == [f"/src/{name}" for name in NAMES]
    assert early.transfer() == 0
    assert files(early.destination).keys() == {"old", *NAMES}


@pytest.mark.parametrize(("seconds", "count"), [(57, 0), (60, 3)])
def test_only_a_long_scan_submits_before_its_end(
    early: Lab, monkeypatch: pytest.MonkeyPatch, seconds: int, count: int
) -> None:
    monkeypatch.setattr(scan, "LONG_SECONDS", 60)
    root = lambda request: request.query["path"] == "/src"  # noqa: E731
    early.world.faults.add_hook("ls", lambda _request: early.advance(seconds), match=root)
    assert submitted_before_the_last(early) == [count]


def first_run(lab: Lab) -> None:
    (lab.state / "datastore").unlink()
    (lab.state / "datastore.health").unlink()
    lab.world.tasks.clear()


def no_marker(lab: Lab) -> None:
    lab.world.faults.add("mkdir", times=None, status=403, body={"code": "PermissionDenied"})
    for path in lab.destination.glob(".globus_auto.*"):
        path.rmdir()


@pytest.mark.parametrize("case", [first_run, another_destination, no_marker])
def test_nothing_is_submitted_before_the_end(early: Lab, case: Callable[[Lab], Any]) -> None:
    """A whole scan must show first that the destination's marker is not in the source."""
    case(early)
    assert submitted_before_the_last(early) == [0]
    assert early.submitted()


def test_names_that_collide_are_held_back(early: Lab) -> None:
    early.dst.ignores_case = True
    early.write("OLD", "another")
    early.write("e/b")
    assert submitted_before_the_last(early, 1) == [3]
    assert "/src/OLD" not in all_sent(early)
    assert early.alerts().keys() == {"spelling"}


def test_a_task_of_unknown_status_is_not_tried_twice_in_a_run(early: Lab) -> None:
    early.world.faults.add("transfer", times=None, status=502, body="")
    assert early.transfer() == 1
    tasks = early.store().tasks.values()
    assert [task.tries for task in tasks if task.task_id is None] == [1]
    early.world.faults.clear()
    early.world.requests.clear()
    assert [early.transfer(), early.transfer()] == [0, 0]
    assert sorted(all_sent(early)) == [f"/src/{name}" for name in NAMES]


def test_a_rejected_file_is_submitted_once(early: Lab) -> None:
    body = {"code": "ClientError.BadRequest", "message": "m", "request_id": "r", "resource": "/"}
    early.world.faults.add(
        "transfer",
        times=None,
        match=lambda request: any("d6/a" in item["source_path"] for item in request.body["DATA"]),
        status=400,
        body=body,
    )
    assert early.transfer() == 1
    assert sent(early).count(["/src/d6/a"]) == 1
    assert early.alerts().keys() == {"refused"}
    assert early.transfer() == 0
    assert files(early.destination).keys() == {"old", *NAMES} - {"d6/a"}
