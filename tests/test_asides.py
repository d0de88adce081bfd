"""delete.py killed while a directory stands aside: the next run of either program finishes it."""

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
    """Give a laboratory in real time whose source has one file and an empty directory."""
    lab.real_time()
    lab.send("file")
    (lab.source / "x" / "y").mkdir(parents=True)
    lab.configure(KEEP_DAYS=1)
    return lab


def aside(lab: Lab) -> Path:
    """Return the directory that stands aside."""
    (found,) = lab.source.glob(f"{ASIDE}*")
    return found


def arrive(lab: Lab) -> None:
    """Write a file into what stands aside."""
    lab.write(f"{aside(lab).name}/y/new", "arrived")


def run(lab: Lab, program: str, code: int = 0) -> dict[str, Any]:
    """Run a program and return what is at the source then, but for the file that stays."""
    assert getattr(lab, program)() == code
    found = tree(lab.source)
    assert found.pop("file") == b"the content of file"
    return found


@pytest.fixture
def left(bare: Lab) -> Lab:
    """Give one where a directory was left aside, since its delete did not come through."""
    (bare.source / "x" / "y").rmdir()
    bare.world.faults.proxy("delete", 403)
    assert bare.delete() == 1
    assert bare.store().quarantined == {f"/src/{aside(bare).name}": "/src/x"}
    return bare


PROGRAMS = pytest.mark.parametrize("program", ["transfer", "delete"])


@PROGRAMS
def test_killed_before_the_rename_it_stays_an_ordinary_directory(bare: Lab, program: str) -> None:
    bare.kill("delete", "rename", effect=False)
    assert list(bare.store().quarantined.values()) == ["/src/x"]
    assert run(bare, program).keys() == ({"x", "x/y"} if program == "transfer" else set())
    assert bare.store().quarantined == {}


@PROGRAMS
def test_killed_after_the_rename_it_is_put_back_or_removed(bare: Lab, program: str) -> None:
    bare.kill("delete", "rename")
    assert bare.store().quarantined == {f"/src/{aside(bare).name}": "/src/x"}
    assert run(bare, program).keys() == ({"x", "x/y"} if program == "transfer" else set())
    assert bare.store().quarantined == {}


def test_killed_after_the_rename_what_is_flat_waits_for_delete(bare: Lab) -> None:
    (bare.source / "x" / "y").rmdir()
    bare.kill("delete", "rename")
    assert run(bare, "transfer").keys() == {aside(bare).name}
    assert run(bare, "delete") == {}
    assert bare.store().quarantined == {}


@PROGRAMS
def test_killed_after_the_rename_a_file_that_arrives_is_put_back(bare: Lab, program: str) -> None:
    bare.kill("delete", "rename")
    arrive(bare)
    assert run(bare, program) == NEW
    assert bare.store().quarantined == {}


@PROGRAMS
def test_killed_before_the_delete_arrives_it_is_put_back_or_removed(
    bare: Lab, program: str
) -> None:
    bare.kill("delete", "delete", effect=False)
    assert run(bare, program).keys() == ({"x", "x/y"} if program == "transfer" else set())
    assert bare.store().quarantined == {}


@PROGRAMS
def test_killed_while_its_delete_waits_that_is_cancelled_and_the_file_put_back(
    bare: Lab, program: str
) -> None:
    bare.world.pace = Pace.after_looks(9)
    bare.kill("delete", "delete")
    bare.world.pace = Pace.at_once()
    arrive(bare)
    assert run(bare, program) == NEW
    assert not any(task.is_open for task in bare.world.tasks.values())
    assert bare.store().quarantined == {}
    assert not bare.store().tasks_in_progress("delete")


@PROGRAMS
def test_killed_after_the_delete_it_is_forgotten(bare: Lab, program: str) -> None:
    bare.kill("delete", "delete")
    assert run(bare, program) == {}
    assert bare.store().quarantined == {}


@pytest.mark.parametrize("effect", [False, True])
def test_killed_while_it_is_put_back_the_next_run_does_so(bare: Lab, effect: bool) -> None:
    bare.world.faults.hook("rename", lambda _asked: arrive(bare), when="after")
    bare.kill(
        "delete",
        "rename",
        effect=effect,
        match=lambda asked: ASIDE in asked.body["old_path"],
    )
    assert run(bare, "transfer") == NEW
    assert bare.store().quarantined == {}


@PROGRAMS
def test_if_the_old_name_is_taken_both_are_kept_and_told(
    left: Lab, program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arrive(left)
    left.write("x/other", "took the name")
    name = aside(left).name
    both = {f"{name}/y/new": b"arrived", "x/other": b"took the name"}
    assert run(left, program, 1).items() >= both.items()
    assert "its old name has been taken" in capsys.readouterr().err
    assert left.store().quarantined == {}
    assert left.transfer() == 1
    assert f"/src/{name} was moved aside" in capsys.readouterr().err
    assert tree(left.destination)["x/other"] == b"took the name"
    assert name not in tree(left.destination), "it has no name of its own yet"
    assert tree(left.source).items() >= both.items()


def refuse(route: str, path: str) -> Callable[[Lab], None]:
    """Return what lets requests for a path below the source be refused; "*" stands for asides."""

    def fits(asked: Any) -> bool:
        asked_for = asked.query.get("path") or asked.body["old_path"]
        return ASIDE in asked_for if path == "*" else asked_for == path

    return lambda lab: lab.world.faults.add(route, times=None, status=403, body={}, match=fits)


@pytest.mark.parametrize(
    "harm",
    [refuse("ls", "*"), refuse("ls", "/src"), refuse("rename", "*")],
    ids=["the aside is not listed", "its parent is not listed", "no rename"],
)
def test_what_cannot_be_put_back_now_is_put_back_later(
    left: Lab, harm: Callable[[Lab], None], capsys: pytest.CaptureFixture[str]
) -> None:
    arrive(left)
    harm(left)
    assert left.transfer() == 1
    assert "cannot be given its name back now" in capsys.readouterr().err
    assert left.store().quarantined == {f"/src/{aside(left).name}": "/src/x"}
    left.world.faults.clear()
    assert run(left, "transfer") == NEW
    assert left.store().quarantined == {}
    assert run(left, "transfer") == NEW
    assert tree(left.destination)["x/y/new"] == b"arrived"


def test_what_someone_else_removed_meanwhile_is_forgotten(left: Lab) -> None:
    shutil.rmtree(aside(left))
    assert run(left, "transfer") == {}
    assert left.store().quarantined == {}


def test_a_full_task_does_not_take_along_what_stands_aside(left: Lab) -> None:
    name = aside(left).name
    left.write("more")
    left.world.faults.hook("submission_id", lambda _asked: left.write(f"{name}/late", "late"))
    assert left.transfer("--full") == 0
    assert tree(left.destination).keys() == {"file", "more"}
    assert left.transfer() == 0
    assert tree(left.destination)["x/late"] == b"late"
