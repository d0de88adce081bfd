"""delete.py removes empty directories, and never what arrives in one meanwhile."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from globus_auto.sandbox.world import Pace
from tests.conftest import Lab, files, tree

ASIDE = ".globus_auto_empty."


def make(lab: Lab, *names: str, age: float = 60) -> None:
    """Make directories at the source, last modified `age` seconds ago."""
    for name in names:
        (lab.source / name).mkdir(parents=True, exist_ok=True)
    made = sorted(path for path in lab.source.rglob("*") if path.is_dir())
    for path in made:
        moment = time.time() - age
        os.utime(path, (moment, moment))


def renames(lab: Lab) -> list[str]:
    """Return the old paths of the renames that were asked for."""
    return [each.body["old_path"] for each in lab.world.requests if each.route == "rename"]


def asides(lab: Lab) -> list[Path]:
    """Return the directories at the source that stand aside."""
    return sorted(lab.source.rglob(f"{ASIDE}*"))


def in_aside(lab: Lab, name: str, content: str) -> Callable[[Any], None]:
    """Return a hook that writes a file into each directory that stands aside."""

    def write(_asked: object) -> None:
        for aside in asides(lab):
            lab.write(str((aside / name).relative_to(lab.source)), content)

    return write


def test_empty_directories_go_topmost_first_whether_transferred_or_not(lab: Lab) -> None:
    lab.send("run/a", "kept/b")
    make(lab, "never/sent/deep", "never/sent/too", "kept/empty", "[odd] *name")
    lab.write("kept/b", "changed")
    assert lab.delete() == 0
    assert tree(lab.source) == {"kept": None, "kept/b": b"changed"}
    top = ["/src/[odd] *name", "/src/kept/empty", "/src/never", "/src/run"]
    assert sorted(renames(lab)) == top
    assert files(lab.destination).keys() == {"run/a", "kept/b"}
    assert lab.store().quarantined == {}
    assert "Removed the empty directory /src/never" in lab.log()
    document = lab.submitted("delete")[-1]
    assert (document["recursive"], document["interpret_globs"]) == (True, False)
    assert all(
        item["path"].startswith((f"/src/{ASIDE}", "/src/kept/")) for item in document["DATA"]
    )


def test_the_source_directory_itself_stays(lab: Lab) -> None:
    make(lab, "a/b")
    assert lab.delete() == 0
    assert tree(lab.source) == {}
    assert lab.source.is_dir()
    assert lab.delete() == 0
    assert renames(lab) == ["/src/a"]


def test_empty_directories_stay_if_the_settings_say_so(lab: Lab) -> None:
    lab.configure(DELETE_EMPTY_DIRS=False)
    lab.send("run/a")
    make(lab, "empty/deep")
    assert lab.delete() == 0
    assert tree(lab.source).keys() == {"run", "empty", "empty/deep"}
    assert renames(lab) == []


def symlink(lab: Lab) -> None:
    (lab.source / "x/y/link").symlink_to("/nowhere")


def excluded(lab: Lab) -> None:
    lab.configure(EXCLUDE=["*.tmp"])
    lab.write("x/y/a.tmp")


def excluded_directory(lab: Lab) -> None:
    lab.configure(EXCLUDE=["*.tmp"])
    make(lab, "x/y/dir.tmp")


def unsendable(lab: Lab) -> None:
    lab.write("x/y/line\nbreak")


def pipe(lab: Lab) -> None:
    os.mkfifo(lab.source / "x/y/pipe")


def unlisted(lab: Lab) -> None:
    refusal = {"status": 403, "body": {"code": "PermissionDenied"}}
    lab.world.faults.add(
        "ls", times=None, match=lambda asked: asked.query["path"] == "/src/x/y", **refusal
    )


def half_listed(lab: Lab) -> None:
    listing = {"DATA_TYPE": "file_list", "DATA": [], "total": 3, "length": 0}
    lab.world.faults.add(
        "ls",
        times=None,
        match=lambda asked: asked.query["path"] == "/src/x/y",
        status=200,
        body=listing,
    )


def young(lab: Lab) -> None:
    lab.configure(SETTLE_SECONDS=3600)
    make(lab, age=4000)
    os.utime(lab.source / "x/y", (time.time() - 3500,) * 2)


@pytest.mark.parametrize(
    "fill",
    [symlink, excluded, excluded_directory, unsendable, pipe, unlisted, half_listed, young],
)
def test_a_directory_is_not_empty_that_holds_anything_but_quiet_directories(
    fill: Callable[[Lab], None], lab: Lab
) -> None:
    make(lab, "x/y", "x/z/empty", "other")
    fill(lab)
    before = tree(lab.source / "x" / "y")
    lab.delete()
    assert tree(lab.source).keys() == {"x", "x/y", *(f"x/y/{name}" for name in before)}
    assert sorted(renames(lab)) == ["/src/other", "/src/x/z"]


def test_directories_stay_while_a_full_task_is_under_way(lab: Lab) -> None:
    lab.world.pace = Pace.after_looks(2)
    lab.send("run/a")
    make(lab, "empty")
    assert lab.delete() == 0
    assert tree(lab.source).keys() == {"run", "run/a", "empty"}
    assert renames(lab) == []


def test_a_file_that_arrives_before_the_rename_survives_under_its_name(lab: Lab) -> None:
    make(lab, "x/y", "z")
    lab.world.faults.hook(
        "rename",
        lambda _asked: lab.write("x/y/new", "just arrived"),
        match=lambda asked: asked.body["old_path"] == "/src/x",
    )
    assert lab.delete() == 0
    assert tree(lab.source) == {"x": None, "x/y": None, "x/y/new": b"just arrived"}
    assert lab.store().quarantined == {}


def test_a_file_that_arrives_in_what_stands_aside_survives_under_its_name(lab: Lab) -> None:
    make(lab, "x/y")
    lab.world.faults.hook("rename", in_aside(lab, "y/new", "just arrived"), when="after")
    assert lab.delete() == 0
    assert tree(lab.source) == {"x": None, "x/y": None, "x/y/new": b"just arrived"}
    assert lab.transfer() == 0
    assert files(lab.destination) == {"x/y/new": b"just arrived"}


def test_a_file_that_arrives_under_the_old_name_meanwhile_survives(lab: Lab) -> None:
    make(lab, "x/y")
    lab.world.faults.hook("rename", lambda _asked: lab.write("x/y/new", "new"), when="after")
    assert lab.delete() == 0
    assert tree(lab.source) == {"x": None, "x/y": None, "x/y/new": b"new"}
    assert lab.store().quarantined == {}


def test_where_the_old_name_is_taken_both_are_kept_and_told(lab: Lab, mailbox: Any) -> None:
    make(lab, "x")

    def arrive(_asked: object) -> None:
        in_aside(lab, "one", "in the moved directory")(None)
        lab.write("x/two", "under the old name")

    lab.world.faults.hook("rename", arrive, when="after")
    assert lab.delete() == 1
    assert lab.store().quarantined == {}
    (aside,) = asides(lab)
    assert files(lab.source) == {
        f"{aside.name}/one": b"in the moved directory",
        "x/two": b"under the old name",
    }
    lab.later(90_000)
    assert lab.delete() == 0
    (mail,) = mailbox.texts()
    assert "its old name has been taken" in mail
    assert "Nothing in it is lost, sent or deleted." in mail
    assert lab.transfer() == 1
    assert f"{aside.name} was moved aside" in lab.alerts()["aside"]
    assert files(lab.destination) == {"x/two": b"under the old name"}
    aside.rename(lab.source / "moved by hand")
    assert [lab.transfer(), lab.transfer(), lab.alerts()] == [0, 0, {}]
    assert files(lab.destination).items() >= files(lab.source).items()
    lab.later(60)
    assert lab.delete() == 0
    assert tree(lab.source) == {}


def test_a_symlink_takes_the_old_name_as_well(lab: Lab) -> None:
    make(lab, "x")

    def arrive(_asked: object) -> None:
        in_aside(lab, "one", "in the moved directory")(None)
        (lab.source / "x").symlink_to("nowhere")

    lab.world.faults.hook("rename", arrive, when="after")
    assert lab.delete() == 1
    assert lab.store().quarantined == {}
    (aside,) = asides(lab)
    assert tree(lab.source)[f"{aside.name}/one"] == b"in the moved directory"
    assert lab.delete() == 0


def test_a_directory_that_cannot_be_renamed_stays(lab: Lab) -> None:
    make(lab, "x/y", "z")
    lab.world.faults.add(
        "rename",
        times=None,
        status=403,
        body={"code": "PermissionDenied"},
        match=lambda asked: asked.body["old_path"] == "/src/x",
    )
    assert lab.delete() == 0
    assert tree(lab.source).keys() == {"x", "x/y"}
    assert lab.store().quarantined == {}


def test_a_rename_whose_answer_is_lost_does_no_harm(lab: Lab) -> None:
    make(lab, "x/y", "z")
    lab.world.faults.add("rename", drop="after")
    assert lab.delete() == 0
    assert tree(lab.source) == {}


def test_where_the_endpoint_cannot_rename_directories_stay_and_that_is_said_once(
    lab: Lab, mailbox: Any
) -> None:
    lab.src.rename_supported = False
    lab.write("file")
    assert lab.delete() == 0
    assert mailbox.messages == [], "no directory is empty"
    make(lab, "x/y")
    for _ in range(2):
        assert lab.delete() == 0
        lab.later(90_000)
    assert tree(lab.source).keys() == {"file", "x", "x/y"}
    assert renames(lab) == []
    (mail,) = mailbox.texts()
    assert "cannot rename" in mail


PLANS = pytest.mark.parametrize("plan", ["fail_next", "stall_next"])


@PLANS
def test_a_delete_of_directories_that_fails_is_tried_in_halves(plan: str, lab: Lab) -> None:
    make(lab, "flat", "x/y")
    getattr(lab.world, plan)(kind="DELETE")
    assert lab.delete() == 1
    assert not any(task.is_open for task in lab.world.tasks.values())
    assert [len(each["DATA"]) for each in lab.submitted("delete")] == [2, 1, 1]
    assert (tree(lab.source), lab.store().quarantined) == ({}, {})
    assert lab.alerts().keys() == {"delete failed"}


@PLANS
def test_a_directory_that_cannot_be_deleted_gets_its_name_back(plan: str, lab: Lab) -> None:
    make(lab, "flat", "x/y", "z")
    for _ in range(3):
        getattr(lab.world, plan)(kind="DELETE")
    assert lab.delete() == 1
    assert not any(task.is_open for task in lab.world.tasks.values())
    left = tree(lab.source)
    assert len([name for name in left if "/" not in name]) == 1, "the others go"
    assert (asides(lab), lab.store().quarantined) == ([], {})
    lab.world.requests.clear()
    assert (lab.delete(), renames(lab), tree(lab.source)) == (0, [], left)
    assert lab.alerts().keys() == {"delete failed"}, "it is tried once a day"
    lab.later(90_000)
    assert (lab.delete(), tree(lab.source)) == (0, {})


def leave_aside(lab: Lab) -> Path:
    """Let delete.py leave its empty directory aside, and return it."""
    lab.world.faults.proxy("delete", 403)
    assert lab.delete() == 1
    (aside,) = asides(lab)
    return aside


def test_a_file_that_arrives_in_what_was_left_aside_is_put_back(lab: Lab) -> None:
    make(lab, "flat")
    aside = leave_aside(lab)
    assert lab.store().quarantined == {f"/src/{aside.name}": "/src/flat"}
    lab.write(f"{aside.name}/new", "a late writer")
    assert lab.delete() == 0
    assert tree(lab.source) == {"flat": None, "flat/new": b"a late writer"}


def test_what_was_left_aside_goes_although_nothing_else_is_empty(lab: Lab) -> None:
    make(lab, "flat")
    lab.write("data")
    leave_aside(lab)
    assert lab.delete() == 0
    assert tree(lab.source) == {"data": b"data"}
    assert lab.store().quarantined == {}


def test_what_was_left_aside_goes_together_with_what_is_empty_now(lab: Lab) -> None:
    make(lab, "x")
    leave_aside(lab)
    make(lab, "y")
    assert lab.delete() == 0
    assert tree(lab.source) == {}


def test_a_dry_run_names_no_directory_that_a_run_would_leave(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    make(lab, "x/y")
    assert lab.delete("-n") == 0
    assert "remove /src/x" in capsys.readouterr().out
    lab.src.rename_supported = False
    assert lab.delete("-n") == 0
    assert "remove /src/x" not in capsys.readouterr().out
    lab.src.rename_supported = True
    lab.world.pace = Pace.after_looks(9)
    lab.send("run/a")
    assert lab.delete("-n") == 0
    assert "remove /src/x" not in capsys.readouterr().out
    assert tree(lab.source).keys() == {"x", "x/y", "run", "run/a"}
