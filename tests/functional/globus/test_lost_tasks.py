"""A transfer that Globus no longer shows may still write: its files are not deleted yet."""

from __future__ import annotations

import pytest

from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, files

HOUR = 3600
HIDDEN = {"code": "ClientError.NotFound", "message": "planned"}


def hide(lab: Lab, status: int) -> None:
    """Let Globus hide the newest task, which is in progress."""
    task = list(lab.world.tasks.values())[-1]
    lab.world.task_list_lag = 90 * 24 * HOUR
    lab.world.faults.add(
        "task",
        times=None,
        status=status,
        body=HIDDEN,
        match=lambda request: task.id in request.path,
    )


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("first", [False, True], ids=["by items", "recursive"])
def test_a_lost_task_keeps_its_files_at_the_source_for_a_day(
    lab: Lab, status: int, first: bool
) -> None:
    if not first:
        lab.given_transferred("old")
        assert lab.delete() == 0
    lab.world.completion = CompletionPolicy.after_polls(999)
    lab.write("a")
    assert lab.transfer() == 0
    hide(lab, status)
    for task in lab.world.tasks.values():
        task.status = "FAILED"  # so that there is no conflict with it
    lab.world.completion = CompletionPolicy.at_once()
    for _ in range(3):
        assert [lab.transfer(), lab.delete()] == [0, 0]
        lab.advance(7 * HOUR)
    assert files(lab.destination)["a"] == b"data"
    assert files(lab.source) == {"a": b"data"}
    assert "may still be writing its copy" in lab.log()
    lab.advance(4 * HOUR)
    assert lab.delete() == 0
    assert files(lab.source) == {}
    assert lab.alerts() == {}


def test_files_of_other_tasks_are_deleted_meanwhile(lab: Lab) -> None:
    lab.given_transferred("old")
    lab.world.completion = CompletionPolicy.after_polls(999)
    lab.write("a")
    assert lab.transfer() == 0
    hide(lab, 404)
    list(lab.world.tasks.values())[-1].status = "FAILED"
    lab.world.completion = CompletionPolicy.at_once()
    assert [lab.transfer(), lab.transfer(), lab.delete()] == [0, 0, 0]
    assert files(lab.source).keys() == {"a"}


def test_a_lost_task_that_reappears_is_waited_for(lab: Lab) -> None:
    lab.given_transferred("old")
    lab.world.completion = CompletionPolicy.after_polls(999)
    lab.write("a")
    assert lab.transfer() == 0
    task = list(lab.world.tasks.values())[-1]
    hide(lab, 404)
    lab.world.faults.add("transfer", status=409, body={"code": "Conflict", "message": "planned"})
    assert lab.transfer() == 0
    lab.world.faults.clear()
    lab.world.task_list_lag = 0
    lab.world.requests.clear()
    assert lab.transfer() == 0
    assert lab.submitted() == [], "it may still write its copies"
    assert [each.task_id for each in lab.store().tasks_in_progress("transfer").values()] == [
        task.id
    ]
    assert lab.delete() == 0
    assert files(lab.source).keys() == {"old", "a"}
    task.polls = 999
    lab.world.completion = CompletionPolicy.at_once()
    assert [lab.transfer(), lab.transfer(), lab.delete()] == [0, 0, 0]
    assert (files(lab.source), files(lab.destination).keys()) == ({}, {"old", "a"})


def test_a_task_in_progress_at_a_reset_overwrites_nothing(lab: Lab) -> None:
    """After the datastore was deleted, a newer file waits until the listed task has ended."""
    lab.world.completion = CompletionPolicy.after_polls(999)
    lab.write("a", "older")
    assert lab.transfer() == 0
    (task,) = lab.world.tasks.values()
    (lab.state / "datastore").unlink()
    lab.write("a", "newer content")
    lab.world.requests.clear()
    assert [lab.transfer(), lab.delete(), lab.transfer()] == [0, 0, 0]
    assert (lab.submitted(), lab.submitted("delete")) == ([], [])
    assert [each.task_id for each in lab.store().tasks_in_progress("transfer").values()] == [
        task.id
    ]
    task.polls = 999
    lab.world.completion = CompletionPolicy.at_once()
    lab.write("a", "newer content", age=30)
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert files(lab.destination) == {"a": b"newer content"}
    assert (lab.delete(), files(lab.source)) == (0, {})
