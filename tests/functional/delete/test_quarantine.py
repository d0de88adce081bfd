"""delete.py is killed during a quarantine: the next run of either program finishes the work."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, tree

QUARANTINE = ".globus_auto_empty."
NEW = {"x": None, "x/y": None, "x/y/new": b"arrived"}


@pytest.fixture
def prunable(lab: Lab) -> Lab:
    """Return a laboratory in real time whose source has one file and an empty tree."""
    lab.real_time()
    lab.write_and_transfer("file")
    (lab.source / "x" / "y").mkdir(parents=True)
    lab.configure(KEEP_DAYS=1)
    return lab


def quarantine(lab: Lab) -> Path:
    """Return the quarantined directory."""
    (found,) = lab.source.glob(f"{QUARANTINE}*")
    return found


def arrive(lab: Lab) -> None:
    """Write a file into the quarantined directory."""
    lab.write(f"{quarantine(lab).name}/y/new", "arrived")


def run(lab: Lab, program: str, code: int = 0) -> dict[str, Any]:
    """Run a program and return what is left at the source, except the file that stays."""
    assert getattr(lab, program)() == code
    found = tree(lab.source)
    assert found.pop("file") == b"the content of file"
    return found


@pytest.fixture
def left(prunable: Lab) -> Lab:
    """Return a laboratory with a leftover quarantine, whose delete task was not accepted."""
    (prunable.source / "x" / "y").rmdir()
    prunable.world.faults.add_proxy("delete", 403)
    assert prunable.delete() == 1
    assert prunable.store().quarantined == {f"/src/{quarantine(prunable).name}": "/src/x"}
    return prunable


PROGRAMS = pytest.mark.parametrize("program", ["transfer", "delete"])


@PROGRAMS
def test_a_kill_before_the_rename_leaves_the_directory(prunable: Lab, program: str) -> None:
    prunable.kill("delete", "rename", effect=False)
    assert list(prunable.store().quarantined.values()) == ["/src/x"]
    assert run(prunable, program).keys() == ({"x", "x/y"} if program == "transfer" else set())
    assert prunable.store().quarantined == {}


@PROGRAMS
def test_a_kill_after_the_rename_leaves_no_quarantine(prunable: Lab, program: str) -> None:
    """transfer.py restores the directory, delete.py removes it."""
    prunable.kill("delete", "rename")
    assert prunable.store().quarantined == {f"/src/{quarantine(prunable).name}": "/src/x"}
    assert run(prunable, program).keys() == ({"x", "x/y"} if program == "transfer" else set())
    assert prunable.store().quarantined == {}


def test_after_a_kill_a_flat_quarantine_waits_for_delete(prunable: Lab) -> None:
    (prunable.source / "x" / "y").rmdir()
    prunable.kill("delete", "rename")
    assert run(prunable, "transfer").keys() == {quarantine(prunable).name}
    assert run(prunable, "delete") == {}
    assert prunable.store().quarantined == {}


@PROGRAMS
def test_after_a_kill_a_quarantine_with_a_file_is_restored(prunable: Lab, program: str) -> None:
    prunable.kill("delete", "rename")
    arrive(prunable)
    assert run(prunable, program) == NEW
    assert prunable.store().quarantined == {}


@PROGRAMS
def test_a_kill_at_the_submission_leaves_no_quarantine(prunable: Lab, program: str) -> None:
    """transfer.py restores the directory, delete.py removes it."""
    prunable.kill("delete", "delete", effect=False)
    assert run(prunable, program).keys() == ({"x", "x/y"} if program == "transfer" else set())
    assert prunable.store().quarantined == {}


@PROGRAMS
def test_a_kill_during_the_delete_task_loses_no_file(prunable: Lab, program: str) -> None:
    """The next run cancels the task and restores the directory."""
    prunable.world.completion = CompletionPolicy.after_polls(9)
    prunable.kill("delete", "delete")
    prunable.world.completion = CompletionPolicy.at_once()
    arrive(prunable)
    assert run(prunable, program) == NEW
    assert not any(task.in_progress for task in prunable.world.tasks.values())
    assert prunable.store().quarantined == {}
    assert not prunable.store().tasks_in_progress("delete")


@PROGRAMS
def test_a_kill_after_the_delete_task_leaves_no_record(prunable: Lab, program: str) -> None:
    prunable.kill("delete", "delete")
    assert run(prunable, program) == {}
    assert prunable.store().quarantined == {}


@pytest.mark.parametrize("effect", [False, True])
def test_a_kill_during_the_restore_is_made_good(prunable: Lab, effect: bool) -> None:
    prunable.world.faults.add_hook("rename", lambda _request: arrive(prunable), when="after")
    prunable.kill(
        "delete",
        "rename",
        effect=effect,
        match=lambda request: QUARANTINE in request.body["old_path"],
    )
    assert run(prunable, "transfer") == NEW
    assert prunable.store().quarantined == {}


@PROGRAMS
def test_if_the_old_name_is_taken_both_are_kept_and_reported(
    left: Lab, program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arrive(left)
    left.write("x/other", "took the name")
    name = quarantine(left).name
    both = {f"{name}/y/new": b"arrived", "x/other": b"took the name"}
    assert run(left, program, 1).items() >= both.items()
    assert "its old name has been taken" in capsys.readouterr().err
    assert left.store().quarantined == {}
    assert left.transfer() == 1
    assert f"/src/{name} was renamed to check" in left.alerts()["quarantine"]
    assert tree(left.destination)["x/other"] == b"took the name"
    assert name not in tree(left.destination), "it is still quarantined"
    assert tree(left.source).items() >= both.items()


def refuse(route: str, path: str) -> Callable[[Lab], None]:
    """Return a function that refuses requests for a path; "*" means quarantined directories."""

    def fits(request: Any) -> bool:
        asked_for = request.query.get("path") or request.body["old_path"]
        return QUARANTINE in asked_for if path == "*" else asked_for == path

    return lambda lab: lab.world.faults.add(route, times=None, status=403, body={}, match=fits)


@pytest.mark.parametrize(
    "harm",
    [refuse("ls", "*"), refuse("ls", "/src"), refuse("rename", "*")],
    ids=["quarantine not listed", "parent not listed", "no rename"],
)
def test_a_quarantine_that_cannot_be_restored_is_tried_again(
    left: Lab, harm: Callable[[Lab], None], capsys: pytest.CaptureFixture[str]
) -> None:
    arrive(left)
    harm(left)
    assert left.transfer() == 1
    assert "cannot get its name back now" in capsys.readouterr().err
    assert left.store().quarantined == {f"/src/{quarantine(left).name}": "/src/x"}
    left.world.faults.clear()
    assert run(left, "transfer") == NEW
    assert left.store().quarantined == {}
    assert run(left, "transfer") == NEW
    assert tree(left.destination)["x/y/new"] == b"arrived"


def test_a_quarantine_that_somebody_removed_is_forgotten(left: Lab) -> None:
    shutil.rmtree(quarantine(left))
    assert run(left, "transfer") == {}
    assert left.store().quarantined == {}


def test_a_recursive_task_leaves_quarantines_out(left: Lab) -> None:
    name = quarantine(left).name
    left.write("more")
    left.world.faults.add_hook("submission_id", lambda _request: left.write(f"{name}/late", "late"))
    assert left.transfer("--full") == 0
    assert tree(left.destination).keys() == {"file", "more"}
    assert left.transfer() == 0
    assert tree(left.destination)["x/late"] == b"late"
