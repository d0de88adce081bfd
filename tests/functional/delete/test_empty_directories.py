"""delete.py prunes empty directories, and never loses a file that arrives in one meanwhile."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, files, tree, untouched

QUARANTINE = ".globus_auto_empty."


def make(lab: Lab, *names: str, age: float = 60) -> None:
    """Make directories at the source, last modified `age` seconds ago."""
    for name in names:
        (lab.source / name).mkdir(parents=True, exist_ok=True)
    made = sorted(path for path in lab.source.rglob("*") if path.is_dir())
    for path in made:
        moment = time.time() - age
        os.utime(path, (moment, moment))


def renames(lab: Lab) -> list[str]:
    """Return the old paths of the requested renames."""
    return [each.body["old_path"] for each in lab.world.requests if each.route == "rename"]


def quarantined(lab: Lab) -> list[Path]:
    """Return the quarantined directories at the source."""
    return sorted(lab.source.rglob(f"{QUARANTINE}*"))


def in_quarantine(lab: Lab, name: str, content: str) -> Callable[[Any], None]:
    """Return a hook that writes a file into each quarantined directory."""

    def write(_request: object) -> None:
        for quarantine in quarantined(lab):
            lab.write(str((quarantine / name).relative_to(lab.source)), content)

    return write


def test_empty_trees_are_pruned_as_a_whole(lab: Lab) -> None:
    """Whether they were transferred or not."""
    lab.write_and_transfer("run/a", "kept/b")
    make(lab, "never/sent/deep", "never/sent/too", "kept/empty", "[odd] *name")
    lab.write("kept/b", "changed")
    assert lab.delete() == 0
    assert tree(lab.source) == {"kept": None, "kept/b": b"changed"}
    top = ["/src/[odd] *name", "/src/kept/empty", "/src/never", "/src/run"]
    assert sorted(renames(lab)) == top
    assert files(lab.destination).keys() == {"run/a", "kept/b"}
    assert lab.store().quarantined == {}
    assert lab.history("pruned") == top
    document = lab.submitted("delete")[-1]
    assert (document["recursive"], document["interpret_globs"]) == (True, False)
    assert all(
        item["path"].startswith((f"/src/{QUARANTINE}", "/src/kept/")) for item in document["DATA"]
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
    lab.write_and_transfer("run/a")
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
    api_error = {"status": 403, "body": {"code": "PermissionDenied"}}
    lab.world.faults.add(
        "ls", times=None, match=lambda request: request.query["path"] == "/src/x/y", **api_error
    )


def half_listed(lab: Lab) -> None:
    listing = {"DATA_TYPE": "file_list", "DATA": [], "total": 3, "length": 0}
    lab.world.faults.add(
        "ls",
        times=None,
        match=lambda request: request.query["path"] == "/src/x/y",
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
def test_a_directory_with_any_content_is_not_empty(fill: Callable[[Lab], None], lab: Lab) -> None:
    """Links, excluded names, and unlisted or young directories count as content."""
    make(lab, "x/y", "x/z/empty", "other")
    fill(lab)
    before = tree(lab.source / "x" / "y")
    lab.delete()
    assert tree(lab.source).keys() == {"x", "x/y", *(f"x/y/{name}" for name in before)}
    assert sorted(renames(lab)) == ["/src/other", "/src/x/z"]


def test_directories_stay_during_a_recursive_task(lab: Lab) -> None:
    lab.world.completion = CompletionPolicy.after_polls(2)
    lab.write_and_transfer("run/a")
    make(lab, "empty")
    assert lab.delete() == 0
    assert tree(lab.source).keys() == {"run", "run/a", "empty"}
    assert renames(lab) == []


def test_a_file_that_arrives_before_the_rename_survives(lab: Lab) -> None:
    make(lab, "x/y", "z")
    lab.world.faults.add_hook(
        "rename",
        lambda _request: lab.write("x/y/new", "just arrived"),
        match=lambda request: request.body["old_path"] == "/src/x",
    )
    assert lab.delete() == 0
    assert tree(lab.source) == {"x": None, "x/y": None, "x/y/new": b"just arrived"}
    assert lab.store().quarantined == {}


def test_a_file_that_arrives_in_a_quarantine_survives(lab: Lab) -> None:
    """The directory gets its name back, and the file is transferred."""
    make(lab, "x/y")
    lab.world.faults.add_hook("rename", in_quarantine(lab, "y/new", "just arrived"), when="after")
    assert lab.delete() == 0
    assert tree(lab.source) == {"x": None, "x/y": None, "x/y/new": b"just arrived"}
    assert lab.transfer() == 0
    assert files(lab.destination) == {"x/y/new": b"just arrived"}


def test_a_file_that_arrives_under_the_old_name_survives(lab: Lab) -> None:
    make(lab, "x/y")
    lab.world.faults.add_hook("rename", lambda _request: lab.write("x/y/new", "new"), when="after")
    assert lab.delete() == 0
    assert tree(lab.source) == {"x": None, "x/y": None, "x/y/new": b"new"}
    assert lab.store().quarantined == {}


def test_a_taken_old_name_keeps_both_and_is_reported(lab: Lab, mailbox: Any) -> None:
    make(lab, "x")

    def arrive(_request: object) -> None:
        in_quarantine(lab, "one", "in the moved directory")(None)
        lab.write("x/two", "under the old name")

    lab.world.faults.add_hook("rename", arrive, when="after")
    assert lab.delete() == 1
    assert lab.store().quarantined == {}
    (quarantine,) = quarantined(lab)
    assert files(lab.source) == {
        f"{quarantine.name}/one": b"in the moved directory",
        "x/two": b"under the old name",
    }
    lab.advance(90_000)
    assert lab.delete() == 0
    mail, again = mailbox.texts()
    assert "its old name has been taken since" in mail
    assert "Nothing in it is lost, sent or deleted." in mail
    assert "STILL OPEN" in again, "delete.py cannot see that it is over"
    assert lab.transfer() == 1
    assert f"{quarantine.name} was renamed to check" in lab.alerts()["quarantine"]
    assert files(lab.destination) == {"x/two": b"under the old name"}
    quarantine.rename(lab.source / "moved by hand")
    assert [lab.transfer(), lab.transfer(), lab.alerts()] == [0, 0, {}]
    assert files(lab.destination).items() >= files(lab.source).items()
    lab.advance(60)
    assert lab.delete() == 0
    assert tree(lab.source) == {}


def test_a_symlink_can_take_the_old_name_too(lab: Lab) -> None:
    make(lab, "x")

    def arrive(_request: object) -> None:
        in_quarantine(lab, "one", "in the moved directory")(None)
        (lab.source / "x").symlink_to("nowhere")

    lab.world.faults.add_hook("rename", arrive, when="after")
    assert lab.delete() == 1
    assert lab.store().quarantined == {}
    (quarantine,) = quarantined(lab)
    assert tree(lab.source)[f"{quarantine.name}/one"] == b"in the moved directory"
    assert lab.delete() == 0


def test_a_directory_that_cannot_be_renamed_is_tried_daily(lab: Lab) -> None:
    """Until then it costs nothing: no request, and no write of the datastore."""
    make(lab, "x/y", "z")
    lab.world.faults.add(
        "rename",
        times=None,
        status=403,
        body={"code": "PermissionDenied"},
        match=lambda request: request.body["old_path"] == "/src/x",
    )
    assert lab.delete() == 1
    assert tree(lab.source).keys() == {"x", "x/y"}
    assert lab.store().quarantined == {}
    assert "Code: PermissionDenied (HTTP 403)" in lab.alerts()["delete failed"]
    before = untouched(lab.state / "datastore")
    lab.world.requests.clear()
    assert (lab.delete(), renames(lab)) == (0, [])
    assert untouched(lab.state / "datastore") == before
    assert lab.alerts().keys() == {"delete failed"}
    lab.world.faults.clear()
    lab.advance(90_000)
    assert (lab.delete(), tree(lab.source), lab.alerts()) == (0, {}, {})


def test_a_rename_whose_answer_is_lost_does_no_harm(lab: Lab) -> None:
    make(lab, "x/y", "z")
    lab.world.faults.add("rename", drop="after")
    assert lab.delete() == 0
    assert tree(lab.source) == {}


def test_without_rename_support_directories_stay(lab: Lab, mailbox: Any) -> None:
    """One message says so."""
    lab.src.rename_supported = False
    lab.write("file")
    assert lab.delete() == 0
    assert mailbox.messages == [], "no directory is empty"
    make(lab, "x/y")
    for _ in range(2):
        assert lab.delete() == 0
        lab.advance(90_000)
    assert tree(lab.source).keys() == {"file", "x", "x/y"}
    assert renames(lab) == []
    assert "cannot rename" in lab.alerts()["rename"]
    assert mailbox.messages == [], "it is a note"
    lab.src.rename_supported = True
    assert (lab.delete(), lab.alerts()) == (0, {})


PLANS = pytest.mark.parametrize("plan", ["fail_next", "stall_next"])


@PLANS
def test_a_failed_deletion_of_directories_is_tried_in_halves(plan: str, lab: Lab) -> None:
    make(lab, "flat", "x/y")
    getattr(lab.world, plan)(kind="DELETE")
    assert lab.delete() == 1
    assert not any(task.in_progress for task in lab.world.tasks.values())
    assert [len(each["DATA"]) for each in lab.submitted("delete")] == [2, 1, 1]
    assert (tree(lab.source), lab.store().quarantined) == ({}, {})
    assert lab.alerts().keys() == {"delete failed"}


@PLANS
def test_a_directory_that_cannot_be_deleted_gets_its_name_back(plan: str, lab: Lab) -> None:
    make(lab, "flat", "x/y", "z")
    for _ in range(3):
        getattr(lab.world, plan)(kind="DELETE")
    assert lab.delete() == 1
    assert not any(task.in_progress for task in lab.world.tasks.values())
    left = tree(lab.source)
    assert len([name for name in left if "/" not in name]) == 1, "the others are pruned"
    assert (quarantined(lab), lab.store().quarantined) == ([], {})
    lab.world.requests.clear()
    assert (lab.delete(), renames(lab), tree(lab.source)) == (0, [], left)
    assert lab.alerts().keys() == {"delete failed"}, "it is tried once a day"
    lab.advance(90_000)
    assert (lab.delete(), tree(lab.source)) == (0, {})


def leave_quarantine(lab: Lab) -> Path:
    """Let delete.py leave its empty directory quarantined; return the directory."""
    lab.world.faults.add_proxy("delete", 403)
    assert lab.delete() == 1
    (quarantine,) = quarantined(lab)
    return quarantine


def test_a_leftover_quarantine_with_a_file_is_restored(lab: Lab) -> None:
    make(lab, "flat")
    quarantine = leave_quarantine(lab)
    assert lab.store().quarantined == {f"/src/{quarantine.name}": "/src/flat"}
    lab.write(f"{quarantine.name}/new", "a late writer")
    assert lab.delete() == 0
    assert tree(lab.source) == {"flat": None, "flat/new": b"a late writer"}


def test_a_leftover_quarantine_is_removed_on_its_own(lab: Lab) -> None:
    make(lab, "flat")
    lab.write("data")
    leave_quarantine(lab)
    assert lab.delete() == 0
    assert tree(lab.source) == {"data": b"data"}
    assert lab.store().quarantined == {}


def test_a_leftover_quarantine_goes_with_other_empty_trees(lab: Lab) -> None:
    make(lab, "x")
    leave_quarantine(lab)
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
    lab.world.completion = CompletionPolicy.after_polls(9)
    lab.write_and_transfer("run/a")
    assert lab.delete("-n") == 0
    assert "remove /src/x" not in capsys.readouterr().out
    assert tree(lab.source).keys() == {"x", "x/y", "run", "run/a"}
