"""Files count as delivered if Globus lists them, or if a listing of the destination does."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from globus_auto.sandbox.tasks import Task
from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, deleted, files, put


def recursive(lab: Lab) -> list[bool]:
    """Return, for each submitted transfer, whether it was recursive."""
    return [document["DATA"][0]["recursive"] for document in lab.submitted()]


def newest(lab: Lab) -> Task:
    """Return the transfer task that was submitted last."""
    tasks = [task for task in lab.world.tasks.values() if task.submission.kind == "TRANSFER"]
    return tasks[-1]


def test_a_directory_that_globus_missed_is_sent_as_items(lab: Lab) -> None:
    """The destination has an older copy of equal size, which must not count as the file."""
    put(lab.destination / "d/a", "older", time.time() - 9999)
    lab.write("d/a", "newer")
    lab.write("b")
    lab.world.miss_paths("/src/d")
    assert lab.transfer() == 0
    assert files(lab.destination) == {"d/a": b"older", "b": b"data"}
    assert lab.delete() == 0
    assert (files(lab.source), deleted(lab)) == ({"d/a": b"newer"}, [["/src/b"]])
    assert lab.records() == set()
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert recursive(lab) == [True, False]
    assert files(lab.destination) == {"d/a": b"newer", "b": b"data"}
    assert files(lab.source) == {}


@pytest.mark.parametrize(("shift", "kept"), [(0, True), (1, False), (-1, False)])
def test_a_file_found_equal_must_have_equal_size_and_mtime(
    lab: Lab, shift: int, kept: bool
) -> None:
    """Globus lists only what it copied; a listing of the destination must show the rest."""
    source = lab.write("d/a", "equal")
    put(lab.destination / "d/a", "equal", source.stat().st_mtime + shift)
    assert lab.transfer() == 0
    assert lab.delete() == 0
    assert (files(lab.source) == {}) is kept
    assert newest(lab).files_skipped == 1


def test_another_size_is_no_delivery_though_the_mtime_is_equal(lab: Lab) -> None:
    source = lab.write("d/a", "whole")
    put(lab.destination / "d/a", "hal", source.stat().st_mtime)
    lab.world.miss_paths("/src/d")
    lab.write("b")
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert recursive(lab) == [True, False]
    assert files(lab.destination)["d/a"] == b"whole"


@pytest.mark.parametrize("fault", [{"status": 502, "body": {"code": "EndpointError"}}, {"down": 1}])
def test_an_unlisted_destination_shows_no_delivery(lab: Lab, fault: dict[str, Any]) -> None:
    """A file that neither the task nor a listing of the destination shows is not delivered."""
    lab.write("d/a")
    lab.world.miss_paths("/src/d")
    lab.write("b")
    assert lab.transfer() == 0
    if "down" in fault:
        lab.dst.connected = False
        assert lab.delete() == 1
        assert lab.records() == {"/src/d/a", "/src/b"}
        lab.dst.connected = True
        assert lab.delete() == 0
    else:
        for route in ("ls", "stat"):
            lab.world.faults.add(
                route,
                times=None,
                match=lambda request: request.query["path"][:6] == "/dst/d",
                **fault,
            )
        assert lab.delete() == 0
    assert files(lab.source) == {"d/a": b"data"}
    assert lab.records() == set()


def test_after_a_clean_out_new_files_are_sent_as_items(lab: Lab) -> None:
    """If a recursive task missed a file, an older copy could be taken for it."""
    lab.write_and_transfer("a", "d/b")
    assert lab.delete() == 0
    assert (files(lab.source), lab.records()) == ({}, set())
    lab.write_and_transfer("a", "d/c")
    assert recursive(lab) == [True, False]
    assert lab.delete() == 0
    assert files(lab.source) == {}


def test_after_a_failed_first_task_files_are_sent_as_items(lab: Lab) -> None:
    lab.world.fail_next()
    lab.write_and_transfer("a")
    assert [lab.transfer(), lab.transfer()] == [1, 0]
    assert recursive(lab) == [True, False]


def test_a_first_task_that_was_never_accepted_is_still_the_first(lab: Lab) -> None:
    api_error = {"code": "PermissionDenied", "message": "no", "request_id": "r"}
    lab.world.faults.add("transfer", status=403, body=api_error)
    lab.write("a")
    assert [lab.transfer(), lab.transfer()] == [1, 0]
    assert recursive(lab) == [True, True]


def test_items_found_equal_get_a_task_record_of_their_own(lab: Lab) -> None:
    """It equals that of the task, and is marked as equal."""
    lab.given_transferred("first")
    lab.write("equal", "the same")
    put(lab.destination / "equal", "the same", 1)
    lab.write_and_transfer("new")
    assert lab.transfer() == 0
    equal_task, task = (lab.task_of(f"/src/{name}") for name in ("equal", "new"))
    assert (equal_task.equal, task.equal) == (True, False)
    assert (equal_task.task_id, equal_task.completed_at) == (task.task_id, task.completed_at)
    assert lab.delete() == 0
    assert files(lab.source) == {}


def test_a_task_that_copied_nothing_is_marked_as_equal(lab: Lab) -> None:
    lab.given_transferred("first")
    lab.write("equal", "the same")
    put(lab.destination / "equal", "the same", 1)
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    store = lab.store()
    assert [task.equal for task in store.tasks.values()] == [False, True]
    assert lab.record("/src/equal").task == max(store.tasks)


def test_all_is_sent_again_if_a_task_reports_too_few_files(lab: Lab) -> None:
    lab.given_transferred("first")
    put(lab.destination / "equal", "the content of equal", 1)
    lab.write_and_transfer("a", "equal")
    newest(lab).files_skipped = 0
    assert lab.delete() == 0
    assert files(lab.source).keys() == {"a", "equal"}
    assert lab.records() == set()
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert files(lab.source) == {}


def test_skipped_files_count_as_reported_by_their_task(lab: Lab) -> None:
    lab.given_transferred("first")
    lab.world.skip_paths("/src/a")
    lab.write("a")
    lab.write_and_transfer("b")
    assert lab.delete() == 1
    assert files(lab.source).keys() == {"a"}
    assert lab.records() == set()


def test_a_file_that_is_listed_with_another_size_is_sent_again(lab: Lab) -> None:
    """The file grew between the scan and the copy: another fingerprint was delivered."""
    lab.given_transferred("first")
    lab.world.completion = CompletionPolicy.after_polls(1)
    lab.write_and_transfer("a", "b")
    lab.write("a", "the content of a, and more")
    os.utime(lab.source / "a", (time.time() - 60,) * 2)
    assert lab.delete() == 0
    assert lab.delete() == 0
    assert lab.records() == set()
    assert files(lab.source).keys() == {"a"}
    lab.world.completion = CompletionPolicy.at_once()
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert files(lab.source) == {}


@pytest.mark.parametrize("full", [False, True])
def test_a_failed_task_delivers_only_what_it_lists(lab: Lab, full: bool) -> None:
    """Each file with the size of its record."""
    if not full:
        lab.given_transferred("first")
    lab.world.fail_next(after_files=2)
    lab.write_and_transfer("a", "b", "c")
    newest(lab).successes[0]["size"] += 1
    assert lab.delete() == 1
    assert len(lab.submitted("delete")) == 1
    listed = [each["source_path"] for each in newest(lab).successes]
    assert len(listed) == 2
    gone = {"a", "b", "c"} - files(lab.source).keys()
    assert {f"/src/{name}" for name in gone} <= {listed[1]}


def test_skipped_errors_are_not_requested_if_there_are_none(lab: Lab) -> None:
    """Nor are successful transfers if there are none: Globus answers 404 for some such tasks."""
    lab.given_transferred("first")
    lab.write_and_transfer("a")
    lab.world.requests.clear()
    assert lab.transfer() == 0
    routes = [each.route for each in lab.world.requests]
    assert routes.count("successful_transfers") == 1
    assert "skipped_errors" not in routes


def test_lists_that_come_late_are_waited_for_and_then_given_up(lab: Lab) -> None:
    lab.given_transferred("first")
    lab.world.lists_delay = 30 * 60
    lab.write_and_transfer("a")
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert files(lab.source).keys() == {"a"}, "no record changes yet"
    assert lab.records() == {"/src/a"}
    lab.advance(31 * 60)
    assert lab.delete() == 0
    assert files(lab.source) == {}
    lab.world.lists_delay = 9 * 3600
    lab.write_and_transfer("b")
    assert lab.transfer() == 0
    lab.advance(3700)
    assert lab.transfer() == 1
    assert "Globus does not list what a transfer of /src has sent" in lab.alerts()["failed"]
    assert len(lab.submitted()) == 3, "it is sent again"
