"""A listing justifies a deletion for a minute only, however long a run is held up in between."""

import os
import signal
import subprocess
import time
from typing import Any

import pytest

from globus_auto.removing import halved_by_directory, split
from globus_auto.sandbox.world import Pace
from tests.conftest import Lab, files, tree

MINUTE = 60


def deleted(lab: Lab) -> list[list[str]]:
    """Return the paths of each delete that was submitted."""
    return [[item["path"] for item in body["DATA"]] for body in lab.submitted("delete")]


def delay(lab: Lab, route: str, seconds: float, path: str | None = None, times: int = 1) -> None:
    """Let time pass at the next requests of a route."""
    lab.world.faults.hook(
        route,
        lambda _asked: lab.later(seconds),
        times=times,
        match=lambda asked: path in (None, asked.query.get("path")),
    )


def test_nothing_is_deleted_on_an_old_listing(lab: Lab) -> None:
    lab.configure(DELETE_EMPTY_DIRS=False)
    lab.sent("a/1", "b/2", "c/3")

    def suspend(_asked: object) -> None:
        lab.later(MINUTE + 1)
        lab.write("a/1", "changed meanwhile")

    lab.world.faults.hook("submission_id", suspend)
    assert lab.delete() == 0
    assert files(lab.source) == {"a/1": b"changed meanwhile"}
    assert deleted(lab) == [["/src/b/2", "/src/c/3"]]
    listed = [each.query["path"] for each in lab.world.requests if each.route == "ls"]
    assert [listed.count(f"/src/{name}") for name in "abc"] == [2, 2, 2]
    assert not lab.store().tasks_in_progress("delete")


def test_a_listing_a_little_younger_than_a_minute_is_good(lab: Lab) -> None:
    lab.sent("a/1", "b/2")
    delay(lab, "submission_id", MINUTE - 5)
    assert lab.delete() == 0
    assert deleted(lab)[0] == ["/src/a/1", "/src/b/2"]


def test_what_takes_too_long_to_list_is_listed_in_halves(lab: Lab) -> None:
    lab.configure(DELETE_EMPTY_DIRS=False)
    lab.sent("a/1", "b/2", "c/3", "d/4")
    delay(lab, "ls", 2 * MINUTE, "/src/d")
    assert lab.delete() == 0
    assert files(lab.source) == {}
    assert max(map(len, deleted(lab))) <= 2


def test_one_directory_may_take_its_listing_and_a_minute(lab: Lab) -> None:
    lab.configure(DELETE_EMPTY_DIRS=False, DELETE_DEADLINE_MINUTES=7)
    lab.sent("a/1")
    delay(lab, "ls", 100, "/src/a")
    began = time.time()
    assert lab.delete() == 0
    assert files(lab.source) == {}
    (task,) = (each for each in lab.world.tasks.values() if each.order.kind == "DELETE")
    assert task.order.deadline - began <= 7 * MINUTE + 5, "it counts from before the listing"


def test_one_directory_may_not_take_more_than_that(lab: Lab) -> None:
    lab.configure(DELETE_EMPTY_DIRS=False)
    lab.sent("a/1")
    delay(lab, "ls", 100, "/src/a")
    delay(lab, "submission_id", MINUTE + 1)
    assert lab.delete() == 0
    assert (files(lab.source).keys(), deleted(lab)) == ({"a/1"}, [])
    assert "its directory could not be listed in time" in lab.log()
    assert lab.delete() == 0
    assert files(lab.source) == {}


def test_a_directory_that_is_always_too_slow_is_an_alert(lab: Lab) -> None:
    lab.configure(STALL_HOURS=2)
    lab.sent("a/1")
    lab.later(3 * 3600)
    delay(lab, "submission_id", MINUTE + 100)
    assert lab.delete() == 1
    assert "could not be listed in time" in lab.alerts()["kept"]


def test_an_empty_directory_is_not_deleted_on_an_old_listing(lab: Lab) -> None:
    (lab.source / "x").mkdir()
    old = time.time() - MINUTE
    os.utime(lab.source / "x", (old, old))
    delay(lab, "submission_id", MINUTE + 1)
    assert (lab.delete(), deleted(lab)) == (0, [])
    (aside,) = lab.store().quarantined
    name = aside.rpartition("/")[2]
    assert tree(lab.source) == {name: None}
    lab.write(f"{name}/late", "late")
    assert lab.delete() == 0
    assert tree(lab.source) == {"x": None, "x/late": b"late"}


def test_a_delete_of_a_suspended_run_expires_and_the_changed_file_stays(lab: Lab) -> None:
    lab.real_time()
    lab.sent("a")
    lab.world.pace = Pace.after_looks(9)
    started: list[subprocess.Popen[str]] = []

    def suspend(_asked: Any) -> None:
        started[0].send_signal(signal.SIGSTOP)
        lab.later(16 * MINUTE)
        lab.write("a", "changed while it was suspended")
        lab.world.engine.advance()
        started[0].send_signal(signal.SIGCONT)

    lab.world.faults.hook("task", suspend, match=lambda _asked: bool(lab.submitted("delete")))
    started.append(lab.start("delete"))
    with started[0] as process:
        process.communicate()
    assert process.returncode == 1
    (task,) = (each for each in lab.world.tasks.values() if each.order.kind == "DELETE")
    assert (task.status, (task.fatal_error or {})["code"]) == ("FAILED", "EXPIRED")
    assert files(lab.source) == {"a": b"changed while it was suspended"}
    assert lab.entries() == {"/src/a"}


@pytest.mark.parametrize(
    ("paths", "halves"),
    [
        (["/s/a/1"], [["/s/a/1"]]),
        (["/s/a/1", "/s/b/2"], [["/s/a/1"], ["/s/b/2"]]),
        (["/s/a/1", "/s/a/2", "/s/b/3"], [["/s/a/1", "/s/a/2"], ["/s/b/3"]]),
        (["/s/a/1", "/s/b/2", "/s/c/3"], [["/s/a/1"], ["/s/b/2", "/s/c/3"]]),
    ],
)
def test_halves_have_half_of_the_directories_each(
    paths: list[str], halves: list[list[str]]
) -> None:
    assert halved_by_directory(paths) == halves


@pytest.mark.parametrize(
    ("most", "directories", "first"), [(9, 9, 4), (3, 9, 3), (9, 1, 2), (9, 2, 3), (1, 1, 1)]
)
def test_a_group_has_few_files_in_few_directories(most: int, directories: int, first: int) -> None:
    paths = ["/s/a/1", "/s/a/2", "/s/b/3", "/s/c/4"]
    assert split(paths, most, directories) == (paths[:first], paths[first:])
