"""READY_MARKERS: nothing of a unit is deleted before all of it may go, and its markers go last."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, deleted, files, put

DAY = 86_400  # seconds


@pytest.fixture
def unit(lab: Lab) -> Lab:
    """Return a laboratory with a unit that is delivered."""
    lab.configure(READY_MARKERS=["*/done"])
    lab.given_transferred("one/a", "one/deep/b", "one/done")
    return lab


def kept(lab: Lab, capsys: pytest.CaptureFixture[str], code: int = 0) -> dict[str, str]:
    """Run delete.py -v; return the reasons to keep files, by name."""
    capsys.readouterr()
    assert lab.delete("-v") == code
    lines = capsys.readouterr().err.splitlines()
    found = [line[len("Keep /src/") :] for line in lines if line.startswith("Keep /src/")]
    return dict(line.split(": ", 1) for line in found)


def test_a_unit_goes_whole_and_its_markers_last(unit: Lab) -> None:
    assert unit.delete() == 0
    assert files(unit.source) == {}
    assert deleted(unit) == [["/src/one/a", "/src/one/deep/b"], ["/src/one/done"]]


def test_an_empty_directory_in_a_unit_goes_with_the_unit(lab: Lab) -> None:
    """Many instruments make all directories of a run before they fill them."""
    lab.configure(READY_MARKERS=["*/done"], KEEP_DAYS=1)
    for name in ("one", "two"):
        (lab.source / name / "data" / "L001").mkdir(parents=True)
    (lab.source / "plain" / "empty").mkdir(parents=True)
    lab.write("one/a", age=2 * DAY)
    lab.advance(DAY)
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert sorted(path.name for path in lab.source.iterdir()) == ["one"]
    assert (lab.source / "one" / "data" / "L001").is_dir()
    lab.write("one/done", age=DAY)
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    lab.advance(2 * DAY)
    assert lab.delete() == 0
    assert list(lab.source.iterdir()) == []


def test_empty_directories_go_when_only_what_stays_for_good_is_left(lab: Lab) -> None:
    lab.configure(READY_MARKERS=["*/done"], EXCLUDE=["thumbs"])
    lab.given_transferred("one/done", "one/data/x", "one/kept/y")
    lab.write("one/thumbs/t")
    lab.write("one/kept/DO_NOT_DELETE")
    (lab.source / "one" / "empty" / "deep").mkdir(parents=True)
    lab.advance(DAY)
    assert [lab.transfer(), lab.transfer(), lab.delete()] == [0, 0, 0]
    lab.advance(DAY)
    assert lab.delete() == 0
    assert sorted(path.name for path in (lab.source / "one").iterdir()) == [
        "done",
        "kept",
        "thumbs",
    ]


def test_a_unit_of_several_batches_goes_whole_and_its_markers_last(unit: Lab) -> None:
    unit.configure(FILES_PER_TASK=1)
    assert unit.delete() == 0
    assert files(unit.source) == {}
    assert deleted(unit) == [["/src/one/a"], ["/src/one/deep/b"], ["/src/one/done"]]


def test_deletion_needs_no_marker(unit: Lab) -> None:
    (unit.source / "one" / "done").unlink()
    assert unit.delete() == 0
    assert files(unit.source) == {}


def a_new_file(lab: Lab) -> None:
    lab.write("one/deep/new")


def a_new_file_elsewhere_in_it(lab: Lab) -> None:
    lab.write("one/other/new")


def a_changed_file(lab: Lab) -> None:
    lab.write("one/a", "changed")


def an_unsendable_name(lab: Lab) -> None:
    put(lab.source / os.fsdecode(b"one/deep/\xff"), "x", 0)


def a_copy_that_is_missing(lab: Lab) -> None:
    (lab.destination / "one" / "deep" / "b").unlink()


def a_file_in_progress(lab: Lab) -> None:
    lab.write("one/a", "changed")
    lab.world.completion = CompletionPolicy.after_polls(99)
    assert lab.transfer() == 0
    lab.world.completion = CompletionPolicy.at_once()


@pytest.mark.parametrize(
    "happens",
    [
        a_new_file,
        a_new_file_elsewhere_in_it,
        a_changed_file,
        an_unsendable_name,
        a_copy_that_is_missing,
        a_file_in_progress,
    ],
)
def test_nothing_of_a_unit_goes_while_a_file_in_it_may_not(
    unit: Lab, happens: Callable[[Lab], None]
) -> None:
    unit.given_transferred("note", "two/c", "two/done")
    happens(unit)
    unit.delete()
    assert not {"note", "two/c", "two/done"} & files(unit.source).keys()
    assert files(unit.source).keys() >= {"one/a", "one/deep/b", "one/done"}


def test_a_directory_that_cannot_be_listed_keeps_its_unit(
    unit: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    (unit.source / "one" / "locked").mkdir()
    unit.world.faults.add(
        "ls",
        times=None,
        status=403,
        body={"code": "PermissionDenied", "message": "planned"},
        match=lambda request: request.query["path"] == "/src/one/locked",
    )
    why = "its unit may not go as a whole yet: /src/one/locked cannot be listed"
    assert kept(unit, capsys) == dict.fromkeys(["one/a", "one/deep/b", "one/done"], why)


def test_excluded_files_links_and_marked_ones_hold_up_nothing(unit: Lab) -> None:
    unit.configure(EXCLUDE=["*.tmp"])
    unit.given_transferred("one/keep/c")
    unit.write("one/x.tmp")
    unit.write("one/keep/new")
    unit.write("one/keep/DO_NOT_DELETE")
    (unit.source / "one" / "link").symlink_to("a")
    unit.delete()
    left = {"one/x.tmp", "one/keep/c", "one/keep/new", "one/keep/DO_NOT_DELETE", "one/link"}
    assert files(unit.source).keys() - {"one/link"} == left - {"one/link"} | {"one/done"}


def test_a_marker_stays_while_another_file_of_its_unit_does(
    unit: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """It changes after the unit was seen whole."""
    seen: list[object] = []

    def change(request: object) -> None:
        seen.append(request)
        if len(seen) == 2:
            unit.write("one/deep/b", "changed just now", age=0)

    unit.world.faults.add_hook(
        "ls", change, times=None, match=lambda request: request.query["path"] == "/src/one/deep"
    )
    found = kept(unit, capsys)
    assert found.get("one/done") == "its unit may not go as a whole yet: /src/one/deep/b"
    assert found["one/deep/b"].startswith("it has changed")
    assert files(unit.source).keys() == {"one/deep/b", "one/done"}


def test_a_file_that_arrives_during_the_deletion_keeps_the_markers(unit: Lab) -> None:
    unit.world.faults.add_hook("delete", lambda _: unit.write("one/deep/late"), when="after")
    assert unit.delete() == 0
    assert files(unit.source).keys() == {"one/deep/late", "one/done"}
    assert (unit.transfer(), unit.transfer(), unit.delete()) == (0, 0, 0)
    assert (files(unit.source), unit.alerts()) == ({}, {})


def test_a_unit_is_compared_as_a_whole(unit: Lab) -> None:
    """VERIFY_DESTINATION = "checksum": it may need several comparisons."""
    unit.configure(VERIFY_DESTINATION="checksum", FILES_PER_TASK=2)
    for _ in range(2):
        assert unit.delete() == 0
        assert len(files(unit.source)) == 3
    assert unit.delete() == 0
    assert files(unit.source) == {}


def test_keep_days_keep_a_unit_as_a_whole(unit: Lab) -> None:
    unit.configure(KEEP_DAYS=1)
    unit.advance(20 * 3600)
    unit.given_transferred("one/later", "note")
    unit.advance(10 * 3600)
    assert unit.delete() == 0
    assert files(unit.source).keys() == {"one/a", "one/deep/b", "one/done", "one/later", "note"}
    unit.advance(DAY)
    assert unit.delete() == 0
    assert files(unit.source) == {}


def test_a_dry_run_shows_what_a_real_one_deletes(
    unit: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    unit.given_transferred("two/c", "two/done")
    unit.write("one/deep/new")
    capsys.readouterr()
    assert unit.delete("-n", "-v") == 0
    shown = capsys.readouterr().out
    assert "delete: 2 files" in shown
    assert "delete /src/two/done" in shown
    assert "keep /src/one/done: its unit may not go as a whole yet: /src/one/deep/new" in shown
