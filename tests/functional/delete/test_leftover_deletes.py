"""A delete task that a killed delete.py left is cancelled, and never submitted again."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, fail_after_deleting, files


@pytest.fixture
def deletable(lab: Lab) -> Lab:
    """Return a laboratory in real time that has deleted before, with two files to delete."""
    lab.real_time()
    lab.write_and_transfer("first")
    assert lab.delete() == 0
    lab.write_and_transfer("a", "b")
    return lab


def the_delete(lab: Lab) -> Any:
    """Return the last delete task that Globus accepted."""
    return [task for task in lab.world.tasks.values() if task.submission.kind == "DELETE"][-1]


def delete_routes(lab: Lab) -> list[str]:
    """Return the routes of requests about delete tasks, in their order."""
    return [each.route for each in lab.world.requests if each.route in ("cancel", "delete")]


def test_a_leftover_delete_task_is_found_by_its_label(deletable: Lab) -> None:
    """Its id is not known; it is cancelled before another task is submitted."""
    deletable.world.completion = CompletionPolicy.after_polls(3)
    deletable.kill("delete", "delete")
    assert [task.task_id for task in deletable.store().tasks_in_progress("delete").values()] == [
        None
    ]
    left = the_delete(deletable)
    assert left.in_progress
    deletable.write("a", "changed meanwhile")
    deletable.world.requests.clear()
    assert deletable.delete() == 0
    assert left.status == "FAILED"
    assert delete_routes(deletable) == ["cancel", "delete"]
    assert files(deletable.source) == {"a": b"changed meanwhile"}
    assert not deletable.store().tasks_in_progress("delete")


def test_a_leftover_delete_task_with_a_known_id_is_cancelled(deletable: Lab) -> None:
    deletable.world.completion = CompletionPolicy.after_polls(9)
    deletable.world.requests.clear()
    deletable.kill("delete", "task", match=lambda _each: "delete" in delete_routes(deletable))
    (record,) = deletable.store().tasks_in_progress("delete").values()
    assert record.task_id == the_delete(deletable).id
    deletable.write("a", "changed meanwhile")
    left = the_delete(deletable)
    deletable.world.completion = CompletionPolicy.at_once()
    assert deletable.delete() == 0
    assert left.status == "FAILED"
    assert files(deletable.source) == {"a": b"changed meanwhile"}
    assert deletable.submitted("delete")[-1]["DATA"] == [
        {"DATA_TYPE": "delete_item", "path": "/src/b"}
    ]


def test_other_delete_tasks_are_not_cancelled(deletable: Lab) -> None:
    deletable.kill("delete", "delete", effect=False)
    (record,) = deletable.store().tasks_in_progress("delete").values()
    other = {"task_id": "11111111-1111-1111-1111-111111111111", "status": "ACTIVE"}
    listed = [{**other, "label": f"{record.label} of another"}, {**other, "label": None}]
    deletable.world.faults.add("task_list", status=200, body={"DATA": listed})
    assert deletable.delete() == 0
    assert "cancel" not in delete_routes(deletable)
    assert files(deletable.source) == {}


def test_a_delete_task_may_end_before_its_answer_comes(deletable: Lab) -> None:
    """Then the next run has nothing to do."""
    deletable.kill("delete", "delete")
    assert files(deletable.source) == {}
    deletable.write("a", "a new file of that name")
    deletable.world.requests.clear()
    assert deletable.delete() == 0
    assert deletable.submitted("delete") == []
    assert files(deletable.source) == {"a": b"a new file of that name"}
    assert deletable.transfer() == 0
    assert deletable.records() == {"/src/a"}
    assert files(deletable.destination)["a"] == b"a new file of that name"


def test_a_leftover_task_may_have_deleted_files_and_failed(deletable: Lab) -> None:
    """An empty source is then no sign of a disk that is not mounted."""
    fail_after_deleting(deletable)
    deletable.kill("delete", "delete")
    assert (files(deletable.source), deletable.records()) == ({}, {"/src/a", "/src/b"})
    assert (deletable.transfer(), deletable.alerts(), deletable.records()) == (0, {}, set())


def test_a_delete_task_that_never_arrived_stays_recorded(deletable: Lab) -> None:
    """It may arrive until its deadline, and is never submitted again."""
    deletable.kill("delete", "delete", effect=False)
    ((number, record),) = deletable.store().tasks_in_progress("delete").items()
    deletable.write("a", "changed")
    assert deletable.delete() == 0
    assert files(deletable.source) == {"a": b"changed"}
    ids = [each["submission_id"] for each in deletable.submitted("delete")]
    assert ids.count(record.submission_id) == 1, "it is never submitted again"
    assert deletable.store().tasks_in_progress("delete") == {number: record}
    assert record.deadline
    deletable.advance(record.deadline - time.time() + 2)
    assert deletable.delete() == 0
    assert not deletable.store().tasks_in_progress("delete")
    ids = [each["submission_id"] for each in deletable.submitted("delete")]
    assert ids.count(record.submission_id) == 1


def test_a_delete_task_that_arrives_late_is_cancelled(deletable: Lab) -> None:
    """By the first run that sees it."""
    deletable.kill("delete", "delete", effect=False)
    document = deletable.submitted("delete")[-1]
    assert deletable.delete() == 0
    assert files(deletable.source) == {}
    deletable.write("a", "a new file of that name")
    deletable.world.completion = CompletionPolicy.after_polls(9)
    from globus_auto.sandbox import submissions

    owner = the_delete(deletable).owner
    late = deletable.world.engine.accept(submissions.read("DELETE", document), owner)
    assert deletable.delete() == 0
    assert late.status == "FAILED"
    assert files(deletable.source) == {"a": b"a new file of that name"}


def test_transfer_cancels_a_leftover_delete_task_too(deletable: Lab) -> None:
    deletable.world.completion = CompletionPolicy.after_polls(9)
    deletable.kill("delete", "delete")
    left = the_delete(deletable)
    deletable.write("a", "changed meanwhile")
    deletable.world.completion = CompletionPolicy.at_once()
    assert deletable.transfer() == 0
    assert left.status == "FAILED"
    assert not deletable.store().tasks_in_progress("delete")
    assert files(deletable.source).keys() == {"a", "b"}
    assert files(deletable.destination)["a"] == b"changed meanwhile"


def drop_answers(lab: Lab) -> None:
    lab.world.faults.add("cancel", times=None, drop="before")


def refuse_list(lab: Lab) -> None:
    lab.world.faults.add("task_list", times=None, status=500, body={})


def refuse_cancel(lab: Lab) -> None:
    body = {"code": "PermissionDenied", "message": "not yours"}
    lab.world.faults.add("cancel", times=None, status=403, body=body)


@pytest.mark.parametrize("harm", [drop_answers, refuse_list, refuse_cancel])
@pytest.mark.parametrize("program", ["transfer", "delete"])
def test_nothing_is_done_until_a_leftover_is_cancelled(
    program: str, harm: Callable[[Lab], None], lab: Lab
) -> None:
    lab.write_and_transfer("first")
    assert lab.delete() == 0
    lab.write_and_transfer("a")
    lab.world.completion = CompletionPolicy.after_polls(99)
    lab.world.faults.add("delete", times=None, drop="after")
    assert lab.delete() == 1
    assert lab.store().tasks_in_progress("delete")
    lab.write("b")
    lab.world.faults.clear()
    harm(lab)
    lab.world.requests.clear()
    assert getattr(lab, program)() == 1
    assert lab.submitted("delete") == lab.submitted("transfer") == []
    assert files(lab.source).keys() == {"a", "b"}
    lab.world.faults.clear()
    lab.world.completion = CompletionPolicy.at_once()
    assert lab.delete() == 0
    assert files(lab.source).keys() == {"b"}
    assert lab.transfer() == 0
    assert files(lab.destination).keys() == {"first", "a", "b"}


def test_a_refused_cancel_stops_all_until_the_deadline(lab: Lab) -> None:
    lab.write_and_transfer("first")
    assert lab.delete() == 0
    lab.write_and_transfer("a")
    lab.world.stall_next(kind="DELETE")
    api_error = {"code": "PermissionDenied", "message": "planned"}
    lab.world.faults.add("cancel", times=None, status=403, body=api_error)
    assert [lab.delete(), lab.transfer(), lab.delete()] == [1, 1, 1]
    assert len(lab.submitted("delete")) == 2, "first, and a"
    lab.advance(15 * 60 + 1)
    assert lab.delete() == 0
    assert files(lab.source) == {}
    assert not lab.store().tasks_in_progress("delete")


def test_a_cancelled_delete_task_that_does_not_end_stops_all(lab: Lab) -> None:
    lab.write_and_transfer("first")
    assert lab.delete() == 0
    lab.write_and_transfer("a")
    lab.world.stall_next(kind="DELETE")
    lab.world.faults.add("cancel", times=None, status=202, body={"code": "CancelAccepted"})
    assert lab.delete() == 1
    (record,) = lab.store().tasks_in_progress("delete").values()
    assert record.task_id == the_delete(lab).id
    assert lab.delete() == 1
    assert files(lab.source).keys() == {"a"}
    lab.world.faults.clear()
    assert lab.delete() == 0
    assert files(lab.source) == {}


def test_a_delete_task_unknown_to_globus_is_forgotten(lab: Lab) -> None:
    lab.write_and_transfer("first")
    assert lab.delete() == 0
    lab.write_and_transfer("a")
    lab.world.stall_next(kind="DELETE")
    lab.world.faults.add("cancel", times=None, drop="before")
    assert lab.delete() == 1
    del lab.world.tasks[the_delete(lab).id]
    lab.world.faults.clear()
    assert lab.delete() == 0
    assert files(lab.source) == {}
    assert not lab.store().tasks_in_progress("delete")


@pytest.mark.parametrize("route", ["delete", "task"])
def test_an_unseen_deletion_is_not_read_as_a_missing_disk(deletable: Lab, route: str) -> None:
    deletable.world.requests.clear()
    deletable.kill("delete", route, match=lambda _each: "delete" in delete_routes(deletable))
    assert files(deletable.source) == {}
    assert (deletable.transfer(), deletable.transfer()) == (0, 0)
    assert (deletable.alerts(), deletable.records()) == ({}, set())


def test_after_a_kill_the_next_run_knows_what_was_deleted(
    deletable: Lab,
) -> None:
    """The kill comes between two delete tasks."""
    deletable.configure(FILES_PER_TASK=1)
    deletable.world.requests.clear()
    deletable.kill("delete", "ls", match=lambda _each: "delete" in delete_routes(deletable))
    assert files(deletable.source).keys() == {"b"}
    deletable.world.requests.clear()
    assert deletable.transfer() == 0
    assert (deletable.records(), deletable.submitted()) == ({"/src/b"}, [])
    assert deletable.delete() == 0
    assert (files(deletable.source), deletable.records()) == ({}, set())
    assert files(deletable.destination).keys() == {"first", "a", "b"}
