"""delete.py is killed during a quarantine: the next run of either program finishes the work."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from globus_auto.sandbox.world import Pace
from tests.conftest import Lab, tree

ASIDE = ".globus_auto_empty."
NEW = {"x": None, "x/y": None, "x/y/new": b"arrived"}


@pytest.fixture
def bare(lab: Lab) -> Lab:
    """Return a laboratory in real time whose source has one file and an empty tree."""
    lab.real_time()
    lab.write_and_transfer("file")
    (lab.source / "x" / "y").mkdir(parents=True)
    lab.configure(KEEP_DAYS=1)
    return lab


def aside(lab: Lab) -> Path:
    """Return the quarantined directory."""
    (found,) = lab.source.glob(f"{ASIDE}*")
    return found


def arrive(lab: Lab) -> None:
    """Write a file into the quarantined directory."""
    lab.write(f"{aside(lab).name}/y/new", "arrived")


def run(lab: Lab, program: str, code: int = 0) -> dict[str, Any]:
    """Run a program and return what is left at the source, except the file that stays."""
    assert getattr(lab, program)() == code
    found = tree(lab.source)
    assert found.pop("file") == b"the content of file"
    return found


@pytest.fixture
def left(bare: Lab) -> Lab:
    """Return a laboratory with a leftover quarantine, whose delete task was not accepted."""
    (bare.source / "x" / "y").rmdir()
    bare.world.faults.proxy("delete", 403)
    assert bare.delete() == 1
    assert bare.store().asides == {f"/src/{aside(bare).name}": "/src/x"}
    return bare


PROGRAMS = pytest.mark.parametrize("program", ["transfer", "delete"])


@PROGRAMS
def test_a_kill_before_the_rename_leaves_the_directory(bare: Lab, program: str) -> None:
    bare.kill("delete", "rename", effect=False)
    assert list(bare.store().asides.values()) == ["/src/x"]
    assert run(bare, program).keys() == ({"x", "x/y"} if program == "transfer" else set())
    assert bare.store().asides == {}


@PROGRAMS
def test_a_kill_after_the_rename_leaves_no_quarantine(bare: Lab, program: str) -> None:
    """transfer.py restores the directory, delete.py removes it."""
    bare.kill("delete", "rename")
    assert bare.store().asides == {f"/src/{aside(bare).name}": "/src/x"}
    assert run(bare, program).keys() == ({"x", "x/y"} if program == "transfer" else set())
    assert bare.store().asides == {}


def test_after_a_kill_a_flat_quarantine_waits_for_delete(bare: Lab) -> None:
    (bare.source / "x" / "y").rmdir()
    bare.kill("delete", "rename")
    assert run(bare, "transfer").keys() == {aside(bare).name}
    assert run(bare, "delete") == {}
    assert bare.store().asides == {}


@PROGRAMS
def test_after_a_kill_a_quarantine_with_a_file_is_restored(bare: Lab, program: str) -> None:
    bare.kill("delete", "rename")
    arrive(bare)
    assert run(bare, program) == NEW
    assert bare.store().asides == {}


@PROGRAMS
def test_a_kill_at_the_submission_leaves_no_quarantine(bare: Lab, program: str) -> None:
    """transfer.py restores the directory, delete.py removes it."""
    bare.kill("delete", "delete", effect=False)
    assert run(bare, program).keys() == ({"x", "x/y"} if program == "transfer" else set())
    assert bare.store().asides == {}


@PROGRAMS
def test_a_kill_during_the_delete_task_loses_no_file(bare: Lab, program: str) -> None:
    """The next run cancels the task and restores the directory."""
    bare.world.pace = Pace.after_looks(9)
    bare.kill("delete", "delete")
    bare.world.pace = Pace.at_once()
    arrive(bare)
    assert run(bare, program) == NEW
    assert not any(task.is_open for task in bare.world.tasks.values())
    assert bare.store().asides == {}
    assert not bare.store().open_tasks("delete")


@PROGRAMS
def test_a_kill_after_the_delete_task_leaves_no_record(bare: Lab, program: str) -> None:
    bare.kill("delete", "delete")
    assert run(bare, program) == {}
    assert bare.store().asides == {}


@pytest.mark.parametrize("effect", [False, True])
def test_a_kill_during_the_restore_is_made_good(bare: Lab, effect: bool) -> None:
    bare.world.faults.hook("rename", lambda _request: arrive(bare), when="after")
    bare.kill(
        "delete",
        "rename",
        effect=effect,
        match=lambda request: ASIDE in request.body["old_path"],
    )
    assert run(bare, "transfer") == NEW
    assert bare.store().asides == {}


@PROGRAMS
def test_if_the_old_name_is_taken_both_are_kept_and_reported(
    left: Lab, program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arrive(left)
    left.write("x/other", "took the name")
    name = aside(left).name
    both = {f"{name}/y/new": b"arrived", "x/other": b"took the name"}
    assert run(left, program, 1).items() >= both.items()
    assert "its old name has been taken" in capsys.readouterr().err
    assert left.store().asides == {}
    assert left.transfer() == 1
    assert f"/src/{name} was moved aside" in capsys.readouterr().err
    assert tree(left.destination)["x/other"] == b"took the name"
    assert name not in tree(left.destination), "it is still quarantined"
    assert tree(left.source).items() >= both.items()


def refuse(route: str, path: str) -> Callable[[Lab], None]:
    """Return a function that refuses requests for a path; "*" means quarantined directories."""

    def fits(request: Any) -> bool:
        asked_for = request.query.get("path") or request.body["old_path"]
        return ASIDE in asked_for if path == "*" else asked_for == path

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
    assert "cannot be given its name back now" in capsys.readouterr().err
    assert left.store().asides == {f"/src/{aside(left).name}": "/src/x"}
    left.world.faults.clear()
    assert run(left, "transfer") == NEW
    assert left.store().asides == {}
    assert run(left, "transfer") == NEW
    assert tree(left.destination)["x/y/new"] == b"arrived"


def test_a_quarantine_that_somebody_removed_is_forgotten(left: Lab) -> None:
    shutil.rmtree(aside(left))
    assert run(left, "transfer") == {}
    assert left.store().asides == {}


def test_a_recursive_task_leaves_quarantines_out(left: Lab) -> None:
    name = aside(left).name
    left.write("more")
    left.world.faults.hook("submission_id", lambda _request: left.write(f"{name}/late", "late"))
    assert left.transfer("--full") == 0
    assert tree(left.destination).keys() == {"file", "more"}
    assert left.transfer() == 0
    assert tree(left.destination)["x/late"] == b"late"
