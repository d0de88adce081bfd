"""A listing justifies a deletion for one minute only, however long the run is suspended."""

import os
import signal
import subprocess
import time
from typing import Any

from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, files, tree

MINUTE = 60


def deleted(lab: Lab) -> list[list[str]]:
    """Return the paths of each submitted delete task."""
    return [[item["path"] for item in body["DATA"]] for body in lab.submitted("delete")]


def delay(lab: Lab, route: str, seconds: float, path: str | None = None, times: int = 1) -> None:
    """Let time pass at the next requests of a route."""
    lab.world.faults.add_hook(
        route,
        lambda _request: lab.advance(seconds),
        times=times,
        match=lambda request: path in (None, request.query.get("path")),
    )


def test_nothing_is_deleted_on_an_old_listing(lab: Lab) -> None:
    lab.configure(DELETE_EMPTY_DIRS=False)
    lab.given_transferred("a/1", "b/2", "c/3")

    def suspend(_request: object) -> None:
        lab.advance(MINUTE + 1)
        lab.write("a/1", "changed meanwhile")

    lab.world.faults.add_hook("submission_id", suspend)
    assert lab.delete() == 0
    assert files(lab.source) == {"a/1": b"changed meanwhile"}
    assert deleted(lab) == [["/src/b/2", "/src/c/3"]]
    listed = [each.query["path"] for each in lab.world.requests if each.route == "ls"]
    assert [listed.count(f"/src/{name}") for name in "abc"] == [2, 2, 2]
    assert not lab.store().tasks_in_progress("delete")


def test_a_listing_of_less_than_a_minute_ago_is_used(lab: Lab) -> None:
    lab.given_transferred("a/1", "b/2")
    delay(lab, "submission_id", MINUTE - 5)
    assert lab.delete() == 0
    assert deleted(lab)[0] == ["/src/a/1", "/src/b/2"]


def test_directories_that_list_slowly_are_listed_in_halves(lab: Lab) -> None:
    lab.configure(DELETE_EMPTY_DIRS=False)
    lab.given_transferred("a/1", "b/2", "c/3", "d/4")
    delay(lab, "ls", 2 * MINUTE, "/src/d")
    assert lab.delete() == 0
    assert files(lab.source) == {}
    assert max(map(len, deleted(lab))) <= 2


def test_one_directory_may_take_its_listing_and_a_minute(lab: Lab) -> None:
    lab.configure(DELETE_EMPTY_DIRS=False, DELETE_DEADLINE_MINUTES=7)
    lab.given_transferred("a/1")
    delay(lab, "ls", 100, "/src/a")
    began = time.time()
    assert lab.delete() == 0
    assert files(lab.source) == {}
    (task,) = (each for each in lab.world.tasks.values() if each.submission.kind == "DELETE")
    assert task.submission.deadline
    assert task.submission.deadline - began <= 7 * MINUTE + 5, "counted from before the listing"


def test_one_directory_may_take_no_longer(lab: Lab) -> None:
    lab.configure(DELETE_EMPTY_DIRS=False)
    lab.given_transferred("a/1")
    delay(lab, "ls", 100, "/src/a")
    delay(lab, "submission_id", MINUTE + 1)
    assert lab.delete() == 0
    assert (files(lab.source).keys(), deleted(lab)) == ({"a/1"}, [])
    assert "its directory could not be listed in time" in lab.log()
    assert lab.delete() == 0
    assert files(lab.source) == {}


def test_a_directory_that_is_always_too_slow_is_an_alert(lab: Lab) -> None:
    lab.configure(STALL_HOURS=2)
    lab.given_transferred("a/1")
    lab.advance(3 * 3600)
    delay(lab, "submission_id", MINUTE + 100)
    assert lab.delete() == 1
    assert "could not be listed in time" in lab.alerts()["kept"]


def test_an_empty_directory_is_not_deleted_on_an_old_listing(lab: Lab) -> None:
    (lab.source / "x").mkdir()
    old = time.time() - MINUTE
    os.utime(lab.source / "x", (old, old))
    delay(lab, "submission_id", MINUTE + 1)
    assert (lab.delete(), deleted(lab)) == (0, [])
    (quarantine,) = lab.store().quarantined
    name = quarantine.rpartition("/")[2]
    assert tree(lab.source) == {name: None}
    lab.write(f"{name}/late", "late")
    assert lab.delete() == 0
    assert tree(lab.source) == {"x": None, "x/late": b"late"}


def test_the_delete_task_of_a_suspended_run_expires(lab: Lab) -> None:
    """A file that was changed meanwhile stays."""
    lab.real_time()
    lab.given_transferred("a")
    lab.world.completion = CompletionPolicy.after_polls(9)
    started: list[subprocess.Popen[str]] = []

    def suspend(_request: Any) -> None:
        started[0].send_signal(signal.SIGSTOP)
        lab.advance(16 * MINUTE)
        lab.write("a", "changed while it was suspended")
        lab.world.engine.advance()
        started[0].send_signal(signal.SIGCONT)

    lab.world.faults.add_hook("task", suspend, match=lambda _request: bool(lab.submitted("delete")))
    started.append(lab.start("delete"))
    with started[0] as process:
        process.communicate()
    assert process.returncode == 1
    (task,) = (each for each in lab.world.tasks.values() if each.submission.kind == "DELETE")
    assert (task.status, (task.fatal_error or {})["code"]) == ("FAILED", "EXPIRED")
    assert files(lab.source) == {"a": b"changed while it was suspended"}
    assert lab.records() == {"/src/a"}
