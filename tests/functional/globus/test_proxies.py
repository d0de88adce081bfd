"""An answer of a proxy is never taken for one of Globus, and leaves nothing behind."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, files

STATUSES = pytest.mark.parametrize("status", [200, 403, 404, 504])
EFFECT = pytest.mark.parametrize("effect", [False, True], ids=["before", "after"])


def kinds(lab: Lab) -> list[str]:
    """Return the kinds of all tasks at Globus."""
    return [task.submission.kind for task in lab.world.tasks.values()]


def the_delete(lab: Lab) -> Any:
    """Return the only delete task at Globus."""
    (found,) = (task for task in lab.world.tasks.values() if task.submission.kind == "DELETE")
    return found


@pytest.mark.slow
@STATUSES
@EFFECT
def test_a_transfer_whose_answer_is_replaced_is_one_task(
    lab: Lab, status: int, effect: bool
) -> None:
    lab.given_transferred("old")
    lab.write("a")
    lab.world.faults.add_proxy("transfer", status, times=None, after=effect)
    assert lab.transfer() == 1
    assert lab.alerts().keys() == {"service"}
    assert lab.records() == {"/src/old", "/src/a"}
    lab.world.faults.clear()
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert kinds(lab) == ["TRANSFER"] * 2
    assert len({body["submission_id"] for body in lab.submitted()}) == 1
    assert (files(lab.destination), lab.alerts()) == (files(lab.source), {})


@pytest.mark.slow
@STATUSES
@pytest.mark.parametrize("html", [True, False])
def test_a_poll_whose_answer_is_replaced_changes_no_record(
    lab: Lab, status: int, html: bool
) -> None:
    lab.given_transferred("old")
    lab.write("a")
    assert lab.transfer() == 0
    lab.world.faults.add_proxy("task", status, times=None, html=html)
    assert lab.transfer() == 1
    assert lab.alerts().keys() == {"unknown status"}
    assert lab.records() == {"/src/old", "/src/a"}
    assert [task.lost for task in lab.store().tasks.values() if isinstance(task.lost, list)] == []
    lab.world.faults.clear()
    assert (lab.transfer(), len(lab.submitted()), lab.alerts()) == (0, 1, {})


@STATUSES
@pytest.mark.parametrize("route", ["delete", "task"])
def test_a_delete_task_whose_answer_is_replaced_is_cancelled(
    lab: Lab, status: int, route: str
) -> None:
    """The same run cancels it; otherwise it could delete a file that changes later."""
    lab.given_transferred("a")
    lab.world.completion = CompletionPolicy.after_polls(99)
    lab.world.faults.add_proxy(route, status, times=None, after=True)
    assert lab.delete() == 1
    assert the_delete(lab).status == "FAILED", "it was cancelled in the same run"
    assert files(lab.source) == {"a": b"data"}
    lab.write("a", "changed since")
    lab.world.faults.clear()
    lab.world.completion = CompletionPolicy.at_once()
    assert lab.delete() == 0
    assert files(lab.source) == {"a": b"changed since"}
    assert not lab.store().tasks_in_progress("delete")


@STATUSES
def test_a_delete_task_stopped_by_a_proxy_deletes_nothing(lab: Lab, status: int) -> None:
    lab.given_transferred("a")
    lab.world.faults.add_proxy("delete", status, times=None)
    assert lab.delete() == 1
    assert (files(lab.source), kinds(lab)) == ({"a": b"data"}, ["TRANSFER"])
    lab.world.faults.clear()
    assert lab.delete() == 0
    assert files(lab.source) == {}


@pytest.mark.parametrize("status", [200, 404])
def test_a_cancel_whose_answer_is_replaced_does_not_count(lab: Lab, status: int) -> None:
    lab.given_transferred("a")
    lab.world.completion = CompletionPolicy.after_polls(99)
    lab.world.faults.add_proxy("task", status, times=None)
    lab.world.faults.add_proxy("cancel", status, times=None)
    assert lab.delete() == 1
    lab.write("b")
    lab.world.requests.clear()
    assert [lab.delete(), lab.transfer()] == [1, 1]
    assert (lab.submitted("delete"), lab.submitted()) == ([], [])
    assert the_delete(lab).in_progress
    assert len(lab.store().tasks_in_progress("delete")) == 1
    lab.world.faults.clear()
    lab.world.completion = CompletionPolicy.at_once()
    assert lab.delete() == 0
    assert files(lab.source).keys() == {"b"}


@pytest.mark.slow
@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("program", ["transfer", "delete"])
@pytest.mark.parametrize("place", ["/src", "/src/d", "/dst/d"])
def test_a_replaced_listing_is_not_read_as_not_found(
    lab: Lab, status: int, program: str, place: str
) -> None:
    lab.given_transferred("d/a", "b")
    for route in ("ls", "stat"):
        lab.world.faults.add_proxy(
            route, status, times=None, match=lambda request: request.query["path"].startswith(place)
        )
    getattr(lab, program)()
    assert "/src/d/a" in lab.records()
    assert "d/a" in files(lab.source)
    assert lab.submitted() == []
    lab.world.faults.clear()
    assert [lab.transfer(), lab.delete(), lab.alerts()] == [0, 0, {}]
    assert files(lab.source) == {}


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("program", ["transfer", "delete"])
def test_without_the_task_list_nothing_is_submitted(lab: Lab, status: int, program: str) -> None:
    lab.given_transferred("a")
    lab.write("b")
    before = lab.datastore_bytes()
    lab.world.faults.add_proxy("task_list", status, times=None)
    assert getattr(lab, program)() == 1
    assert (lab.submitted(), lab.submitted("delete"), lab.datastore_bytes()) == ([], [], before)


@pytest.mark.parametrize("restored", [False, True], ids=["reset", "restored"])
@pytest.mark.parametrize("program", ["transfer", "delete"])
def test_a_delete_task_without_a_record_is_cancelled(
    lab: Lab, restored: bool, program: str
) -> None:
    lab.given_transferred("a")
    store = lab.state / "datastore"
    shutil.copy(store, lab.home / "backup")
    lab.world.completion = CompletionPolicy.after_polls(99)
    for route in ("task", "cancel"):
        lab.world.faults.add_proxy(route, 404, times=None)
    assert lab.delete() == 1
    assert the_delete(lab).in_progress
    store.unlink()
    if restored:
        shutil.copy(lab.home / "backup", store)
    lab.write("a", "changed since")
    lab.world.faults.clear()
    assert getattr(lab, program)() == 0
    assert the_delete(lab).status == "FAILED"
    assert files(lab.source) == {"a": b"changed since"}
    assert not lab.store().tasks_in_progress("delete")


def test_an_endless_delete_task_is_dropped_after_its_deadline(lab: Lab) -> None:
    lab.given_transferred("a")
    lab.world.stall_next(kind="DELETE")
    lab.world.faults.add("cancel", times=None, status=202, body={"code": "CancelAccepted"})
    assert lab.delete() == 1
    task = the_delete(lab)
    task.deadline += 90 * 86_400
    assert lab.delete() == 1
    assert len(lab.store().tasks_in_progress("delete")) == 1
    lab.advance(16 * 60)
    assert lab.delete() == 1
    assert f"https://app.globus.org/activity/{task.id}" in lab.alerts()["delete failed"]
    assert "no run waits for it" in lab.alerts()["delete failed"]
    assert not lab.store().tasks_in_progress("delete")
    assert [lab.delete(), lab.transfer()] == [0, 0], "it is not begun with again"
    assert lab.alerts() == {}
    assert files(lab.source) == {}


@pytest.mark.parametrize(
    ("route", "status"),
    [("token", 200), ("task_list", 500), ("endpoint", 200), ("ls", 200), ("transfer", 500)],
)
def test_json_that_is_nested_too_deeply_is_no_crash(lab: Lab, route: str, status: int) -> None:
    """Nor does it change anything: the next run goes on."""
    lab.write("a")
    lab.world.faults.add(route, times=None, status=status, body="[" * 100_000 + "]" * 100_000)
    assert lab.transfer() == 1
    assert lab.alerts().keys() <= {"service", "endpoint"}
    lab.world.faults.clear()
    assert lab.transfer() == 0
    assert (files(lab.destination), lab.alerts()) == ({"a": b"data"}, {})
