"""A delete that a killed delete.py left behind is cancelled before another, never sent again."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from globus_auto.sandbox.world import Pace
from tests.conftest import Lab, files


@pytest.fixture
def sent(lab: Lab) -> Lab:
    """Give a laboratory in real time, which has deleted before, and two files to delete."""
    lab.real_time()
    lab.send("first")
    assert lab.delete() == 0
    lab.send("a", "b")
    return lab


def the_delete(lab: Lab) -> Any:
    """Return the last delete that Globus took."""
    return [task for task in lab.world.tasks.values() if task.order.kind == "DELETE"][-1]


def asked(lab: Lab) -> list[str]:
    """Return which requests about deletes have come in, in their order."""
    return [each.route for each in lab.world.requests if each.route in ("cancel", "delete")]


def test_a_delete_without_a_known_id_is_found_by_its_label_and_cancelled(sent: Lab) -> None:
    sent.world.pace = Pace.after_looks(3)
    sent.kill("delete", "delete")
    assert [task.task_id for task in sent.store().tasks_in_progress("delete").values()] == [None]
    left = the_delete(sent)
    assert left.is_open
    sent.write("a", "changed while nobody looked")
    sent.world.requests.clear()
    assert sent.delete() == 0
    assert left.status == "FAILED"
    assert asked(sent) == ["cancel", "delete"]
    assert files(sent.source) == {"a": b"changed while nobody looked"}
    assert not sent.store().tasks_in_progress("delete")


def test_a_delete_with_a_known_id_is_cancelled(sent: Lab) -> None:
    sent.world.pace = Pace.after_looks(9)
    sent.world.requests.clear()
    sent.kill("delete", "task", match=lambda _each: "delete" in asked(sent))
    (record,) = sent.store().tasks_in_progress("delete").values()
    assert record.task_id == the_delete(sent).id
    sent.write("a", "changed while nobody looked")
    left = the_delete(sent)
    sent.world.pace = Pace.at_once()
    assert sent.delete() == 0
    assert left.status == "FAILED"
    assert files(sent.source) == {"a": b"changed while nobody looked"}
    assert sent.submitted("delete")[-1]["DATA"] == [{"DATA_TYPE": "delete_item", "path": "/src/b"}]


def test_another_delete_that_globus_lists_is_not_cancelled(sent: Lab) -> None:
    sent.kill("delete", "delete", effect=False)
    (record,) = sent.store().tasks_in_progress("delete").values()
    other = {"task_id": "11111111-1111-1111-1111-111111111111", "status": "ACTIVE"}
    listed = [{**other, "label": f"{record.label} of another"}, {**other, "label": None}]
    sent.world.faults.add("task_list", status=200, body={"DATA": listed})
    assert sent.delete() == 0
    assert "cancel" not in asked(sent)
    assert files(sent.source) == {}


def test_a_delete_that_was_done_before_the_answer_came_leaves_nothing_to_do(sent: Lab) -> None:
    sent.kill("delete", "delete")
    assert files(sent.source) == {}
    sent.write("a", "a new file of that name")
    sent.world.requests.clear()
    assert sent.delete() == 0
    assert sent.submitted("delete") == []
    assert files(sent.source) == {"a": b"a new file of that name"}
    assert sent.transfer() == 0
    assert sent.entries() == {"/src/a"}
    assert files(sent.destination)["a"] == b"a new file of that name"


def test_a_delete_that_never_arrived_is_remembered_until_its_deadline(sent: Lab) -> None:
    sent.kill("delete", "delete", effect=False)
    ((number, record),) = sent.store().tasks_in_progress("delete").items()
    sent.write("a", "changed")
    assert sent.delete() == 0
    assert files(sent.source) == {"a": b"changed"}
    ids = [each["submission_id"] for each in sent.submitted("delete")]
    assert ids.count(record.submission_id) == 1, "it is never sent again"
    assert sent.store().tasks_in_progress("delete") == {number: record}
    sent.later(record.deadline - time.time() + 2)
    assert sent.delete() == 0
    assert not sent.store().tasks_in_progress("delete")
    ids = [each["submission_id"] for each in sent.submitted("delete")]
    assert ids.count(record.submission_id) == 1


def test_a_delete_that_arrives_late_is_cancelled_by_the_run_that_first_sees_it(sent: Lab) -> None:
    sent.kill("delete", "delete", effect=False)
    document = sent.submitted("delete")[-1]
    assert sent.delete() == 0
    assert files(sent.source) == {}
    sent.write("a", "a new file of that name")
    sent.world.pace = Pace.after_looks(9)
    from globus_auto.sandbox import submissions

    owner = the_delete(sent).owner
    late = sent.world.engine.accept(submissions.read("DELETE", document), owner)
    assert sent.delete() == 0
    assert late.status == "FAILED"
    assert files(sent.source) == {"a": b"a new file of that name"}


def test_transfer_cancels_it_as_well_if_it_comes_first(sent: Lab) -> None:
    sent.world.pace = Pace.after_looks(9)
    sent.kill("delete", "delete")
    left = the_delete(sent)
    sent.write("a", "changed while nobody looked")
    sent.world.pace = Pace.at_once()
    assert sent.transfer() == 0
    assert left.status == "FAILED"
    assert not sent.store().tasks_in_progress("delete")
    assert files(sent.source).keys() == {"a", "b"}
    assert files(sent.destination)["a"] == b"changed while nobody looked"


def drop_answers(lab: Lab) -> None:
    lab.world.faults.add("cancel", times=None, drop="before")


def refuse_list(lab: Lab) -> None:
    lab.world.faults.add("task_list", times=None, status=500, body={})


def refuse_cancel(lab: Lab) -> None:
    body = {"code": "PermissionDenied", "message": "not yours"}
    lab.world.faults.add("cancel", times=None, status=403, body=body)


@pytest.mark.parametrize("harm", [drop_answers, refuse_list, refuse_cancel])
@pytest.mark.parametrize("program", ["transfer", "delete"])
def test_while_it_cannot_be_cancelled_nothing_else_is_done(
    program: str, harm: Callable[[Lab], None], lab: Lab
) -> None:
    lab.send("first")
    assert lab.delete() == 0
    lab.send("a")
    lab.world.pace = Pace.after_looks(99)
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
    lab.world.pace = Pace.at_once()
    assert lab.delete() == 0
    assert files(lab.source).keys() == {"b"}
    assert lab.transfer() == 0
    assert files(lab.destination).keys() == {"first", "a", "b"}


def test_a_delete_whose_cancelling_is_refused_stops_all_until_its_deadline(lab: Lab) -> None:
    lab.send("first")
    assert lab.delete() == 0
    lab.send("a")
    lab.world.stall_next(kind="DELETE")
    refusal = {"code": "PermissionDenied", "message": "planned"}
    lab.world.faults.add("cancel", times=None, status=403, body=refusal)
    assert [lab.delete(), lab.transfer(), lab.delete()] == [1, 1, 1]
    assert len(lab.submitted("delete")) == 2, "first, and a"
    lab.later(15 * 60 + 1)
    assert lab.delete() == 0
    assert files(lab.source) == {}
    assert not lab.store().tasks_in_progress("delete")


def test_a_cancelled_delete_that_does_not_end_stops_the_run(lab: Lab) -> None:
    lab.send("first")
    assert lab.delete() == 0
    lab.send("a")
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


def test_a_delete_that_globus_no_longer_knows_is_forgotten(lab: Lab) -> None:
    lab.send("first")
    assert lab.delete() == 0
    lab.send("a")
    lab.world.stall_next(kind="DELETE")
    lab.world.faults.add("cancel", times=None, drop="before")
    assert lab.delete() == 1
    del lab.world.tasks[the_delete(lab).id]
    lab.world.faults.clear()
    assert lab.delete() == 0
    assert files(lab.source) == {}
    assert not lab.store().tasks_in_progress("delete")


@pytest.mark.parametrize("route", ["delete", "task"])
def test_a_delete_whose_end_nobody_saw_does_not_read_as_a_disk_that_is_gone(
    sent: Lab, route: str
) -> None:
    sent.world.requests.clear()
    sent.kill("delete", route, match=lambda _each: "delete" in asked(sent))
    assert files(sent.source) == {}
    assert (sent.transfer(), sent.transfer()) == (0, 0)
    assert (sent.alerts(), sent.entries()) == ({}, set())


def test_killed_between_two_deletes_the_next_run_knows_what_the_first_has_deleted(
    sent: Lab,
) -> None:
    sent.configure(FILES_PER_TASK=1)
    sent.world.requests.clear()
    sent.kill("delete", "ls", match=lambda _each: "delete" in asked(sent))
    assert files(sent.source).keys() == {"b"}
    sent.world.requests.clear()
    assert sent.transfer() == 0
    assert (sent.entries(), sent.submitted()) == ({"/src/b"}, [])
    assert sent.delete() == 0
    assert (files(sent.source), sent.entries()) == ({}, set())
    assert files(sent.destination).keys() == {"first", "a", "b"}
