"""What counts as delivered: what Globus lists, or what a listing of the destination shows."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from globus_auto.sandbox.tasks import Task
from globus_auto.sandbox.world import Pace
from tests.conftest import Lab, files, put
from tests.test_delete import deleted


def recursive(lab: Lab) -> list[bool]:
    """Return of each transfer whether it was recursive."""
    return [document["DATA"][0]["recursive"] for document in lab.submitted()]


def newest(lab: Lab) -> Task:
    """Return the transfer that was submitted last, as Globus knows it."""
    tasks = [task for task in lab.world.tasks.values() if task.order.kind == "TRANSFER"]
    return tasks[-1]


def test_a_directory_that_the_first_walk_missed_goes_file_by_file(lab: Lab) -> None:
    """An older copy of equal size is there, which would have counted as the file."""
    put(lab.destination / "d/a", "older", time.time() - 9999)
    lab.write("d/a", "newer")
    lab.write("b")
    lab.world.miss_paths("/src/d")
    assert lab.transfer() == 0
    assert files(lab.destination) == {"d/a": b"older", "b": b"data"}
    assert lab.delete() == 0
    assert (files(lab.source), deleted(lab)) == ({"d/a": b"newer"}, [["/src/b"]])
    assert lab.entries() == set()
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert recursive(lab) == [True, False]
    assert files(lab.destination) == {"d/a": b"newer", "b": b"data"}
    assert files(lab.source) == {}


@pytest.mark.parametrize(("shift", "kept"), [(0, True), (1, False), (-1, False)])
def test_what_a_recursive_task_found_equal_is_seen_there_with_its_time(
    lab: Lab, shift: int, kept: bool
) -> None:
    """Globus lists only what it copied; the rest must be there with size and time."""
    source = lab.write("d/a", "equal")
    put(lab.destination / "d/a", "equal", source.stat().st_mtime + shift)
    assert lab.transfer() == 0
    assert lab.delete() == 0
    assert (files(lab.source) == {}) is kept
    assert newest(lab).files_skipped == 1


def test_a_file_of_another_size_is_no_copy_though_its_time_fits(lab: Lab) -> None:
    source = lab.write("d/a", "whole")
    put(lab.destination / "d/a", "hal", source.stat().st_mtime)
    lab.world.miss_paths("/src/d")
    lab.write("b")
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert recursive(lab) == [True, False]
    assert files(lab.destination)["d/a"] == b"whole"


@pytest.mark.parametrize("away", [{"status": 502, "body": {"code": "EndpointError"}}, {"down": 1}])
def test_while_the_destination_cannot_be_listed_a_recursive_task_stays_open(
    lab: Lab, away: dict[str, Any]
) -> None:
    """Nothing is concluded of what it does not list."""
    lab.write("d/a")
    lab.world.miss_paths("/src/d")
    lab.write("b")
    assert lab.transfer() == 0
    if "down" in away:
        lab.dst.connected = False
        assert lab.delete() == 1
        assert lab.entries() == {"/src/d/a", "/src/b"}
        lab.dst.connected = True
        assert lab.delete() == 0
    else:
        for route in ("ls", "stat"):
            lab.world.faults.add(
                route, times=None, match=lambda asked: asked.query["path"][:6] == "/dst/d", **away
            )
        assert lab.delete() == 0
    assert files(lab.source) == {"d/a": b"data"}
    assert lab.entries() == set()


def test_after_a_clean_out_new_files_go_as_items(lab: Lab) -> None:
    """A recursive task would let an older copy of a file that it misses pass for it."""
    lab.send("a", "d/b")
    assert lab.delete() == 0
    assert (files(lab.source), lab.entries()) == ({}, set())
    lab.send("a", "d/c")
    assert recursive(lab) == [True, False]
    assert lab.delete() == 0
    assert files(lab.source) == {}


def test_after_a_failed_first_task_files_go_as_items(lab: Lab) -> None:
    lab.world.fail_next()
    lab.send("a")
    assert [lab.transfer(), lab.transfer()] == [1, 0]
    assert recursive(lab) == [True, False]


def test_a_first_task_that_was_never_accepted_is_still_the_first(lab: Lab) -> None:
    refused = {"code": "PermissionDenied", "message": "no", "request_id": "r"}
    lab.world.faults.add("transfer", status=403, body=refused)
    lab.write("a")
    assert [lab.transfer(), lab.transfer()] == [1, 0]
    assert recursive(lab) == [True, True]


def test_items_that_globus_found_equal_belong_to_a_twin_of_the_task(lab: Lab) -> None:
    lab.sent("first")
    lab.write("equal", "the same")
    put(lab.destination / "equal", "the same", 1)
    lab.send("new")
    assert lab.transfer() == 0
    store = lab.store()
    twin, task = (store.tasks[store.record(f"/src/{name}").task] for name in ("equal", "new"))
    assert (twin.equal, task.equal) == (True, False)
    assert (twin.task_id, twin.completed_at) == (task.task_id, task.completed_at)
    assert lab.delete() == 0
    assert files(lab.source) == {}


def test_a_task_that_copied_nothing_is_its_own_twin(lab: Lab) -> None:
    lab.sent("first")
    lab.write("equal", "the same")
    put(lab.destination / "equal", "the same", 1)
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    store = lab.store()
    assert [task.equal for task in store.tasks.values()] == [False, True]
    assert store.record("/src/equal").task == max(store.tasks)


def test_where_a_task_did_fewer_files_than_it_was_given_all_are_sent_again(lab: Lab) -> None:
    lab.sent("first")
    put(lab.destination / "equal", "the content of equal", 1)
    lab.send("a", "equal")
    newest(lab).files_skipped = 0
    assert lab.delete() == 0
    assert files(lab.source).keys() == {"a", "equal"}
    assert lab.entries() == set()
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert files(lab.source) == {}


def test_skipped_files_count_among_those_that_a_task_was_given(lab: Lab) -> None:
    lab.sent("first")
    lab.world.skip_paths("/src/a")
    lab.write("a")
    lab.send("b")
    assert lab.delete() == 1
    assert files(lab.source).keys() == {"a"}
    assert lab.entries() == set()


def test_a_file_that_is_listed_with_another_size_is_sent_again(lab: Lab) -> None:
    """It grew between the scan and the copy: what arrived is another version."""
    lab.sent("first")
    lab.world.pace = Pace.after_looks(1)
    lab.send("a", "b")
    lab.write("a", "the content of a, and more")
    os.utime(lab.source / "a", (time.time() - 60,) * 2)
    assert lab.delete() == 0
    assert lab.delete() == 0
    assert lab.entries() == set()
    assert files(lab.source).keys() == {"a"}
    lab.world.pace = Pace.at_once()
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert files(lab.source) == {}


@pytest.mark.parametrize("full", [False, True])
def test_of_a_failed_task_only_files_listed_with_their_size_are_delivered(
    lab: Lab, full: bool
) -> None:
    if not full:
        lab.sent("first")
    lab.world.fail_next(after_files=2)
    lab.send("a", "b", "c")
    newest(lab).successes[0]["size"] += 1
    assert lab.delete() == 1
    assert len(lab.submitted("delete")) == 1
    listed = [each["source_path"] for each in newest(lab).successes]
    assert len(listed) == 2
    gone = {"a", "b", "c"} - files(lab.source).keys()
    assert {f"/src/{name}" for name in gone} <= {listed[1]}


def test_skipped_errors_are_not_asked_for_where_there_are_none(lab: Lab) -> None:
    """Nor is what it sent where it sent nothing: Globus answers 404 for some such tasks."""
    lab.sent("first")
    lab.send("a")
    lab.world.requests.clear()
    assert lab.transfer() == 0
    routes = [each.route for each in lab.world.requests]
    assert routes.count("successful_transfers") == 1
    assert "skipped_errors" not in routes


def test_lists_that_come_late_are_waited_for_and_then_given_up(lab: Lab) -> None:
    lab.sent("first")
    lab.world.lists_late = 30 * 60
    lab.send("a")
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert files(lab.source).keys() == {"a"}, "nothing is concluded yet"
    assert lab.entries() == {"/src/a"}
    lab.later(31 * 60)
    assert lab.delete() == 0
    assert files(lab.source) == {}
    lab.world.lists_late = 9 * 3600
    lab.send("b")
    assert lab.transfer() == 0
    lab.later(3700)
    assert lab.transfer() == 1
    assert "Globus does not tell what a transfer of /src did" in lab.alerts()["failed"]
    assert len(lab.submitted()) == 3, "it is sent again"
