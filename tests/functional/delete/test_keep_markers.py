"""KEEP_MARKERS: what a user marks stays at the source, and so does all below."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Lab, deleted, files, too_large, tree

MARKED = "a name that KEEP_MARKERS matches keeps it"


def file(path: Path) -> None:
    path.touch()


def directory(path: Path) -> None:
    path.mkdir()


def link(path: Path) -> None:
    path.symlink_to("nowhere")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def unsendable(path: Path) -> None:
    path.with_name(f"{path.name}\n").touch()


@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize("make", [file, directory, link, pipe, unsendable])
def test_a_marked_directory_stays_with_all_below(
    lab: Lab, make: Callable[[Path], None], local: bool
) -> None:
    """Its empty directories stay as well; all goes when the marker has been removed."""
    if local:
        lab.configure(SRC_LOCAL_DIR=str(lab.source))
    lab.given_transferred("a", "run/b", "run/deep/er/c", "run2/d")
    (lab.source / "run" / "empty" / "too").mkdir(parents=True)
    marker = lab.source / "run" / "do_not_Delete.txt"
    make(marker)
    lab.delete()
    kept = {"run", "run/b", "run/deep", "run/deep/er", "run/deep/er/c", "run/empty"}
    kept |= {"run/empty/too"}
    assert {name for name in tree(lab.source) if "elete" not in name} == kept
    assert "kept" not in lab.alerts()
    left = [path for path in (lab.source / "run").iterdir() if "elete" in path.name]
    assert len(left) == 1
    left[0].rmdir() if make is directory else left[0].unlink()
    lab.delete()
    assert tree(lab.source) == {}


def test_a_marker_in_src_dir_pauses_all_deletion(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rest of a run needs no listing once the marker is seen, and no alert ever comes."""
    lab.given_transferred("a", *(f"run{number}/deep/b" for number in range(60)))
    (lab.source / "empty").mkdir()
    (lab.source / "DO_NOT_DELETE").mkdir()
    before = tree(lab.source)
    for _ in range(3):
        assert lab.delete() == 0
        lab.advance(100_000)
        assert lab.transfer() == 0
    assert tree(lab.source) == before
    assert deleted(lab) == []
    assert lab.alerts() == {}
    capsys.readouterr()
    lab.world.requests.clear()
    assert lab.delete("-n", "-v") == 0
    shown = capsys.readouterr().out
    assert f"keep /src/run7/deep/b: {MARKED}" in shown
    assert f"61 files: {MARKED}" in shown
    assert "remove: 0 empty directories" in shown
    listed = [each.query["path"] for each in lab.world.requests if each.route == "ls"]
    # Verified there is "/dst/run59/deep"; to the deletion, 50 directories are enough.
    assert sum(path.rstrip("/") == "/src/run9/deep" for path in listed) == 1


def test_a_marker_adds_no_listing_to_a_deletion(lab: Lab) -> None:
    def listings(markers: list[str]) -> int:
        lab.configure(KEEP_MARKERS=markers)
        lab.given_transferred("a", "run/b", "run/deep/er/c")
        assert lab.delete() == 0
        assert files(lab.source) == {}
        return sum(request.route == "ls" for request in lab.world.requests)

    listings([])
    assert listings([]) == listings(["DO_NOT_DELETE*"])


def test_a_marker_made_while_copies_are_verified_counts(lab: Lab) -> None:
    """It is looked for in the listings just before the deletion."""
    lab.given_transferred("run/deep/a", "b")

    def mark(_request: Any) -> None:
        (lab.source / "run" / "DO_NOT_DELETE").touch()

    lab.world.faults.add_hook(
        "ls", mark, when="after", match=lambda request: request.query["path"] == "/dst/run/deep"
    )
    assert lab.delete() == 0
    assert files(lab.source).keys() == {"run/deep/a", "run/DO_NOT_DELETE"}


def test_of_a_huge_directory_only_markers_above_count(lab: Lab) -> None:
    lab.given_transferred("run/huge/a", "huge/b", "huge/DO_NOT_DELETE")
    (lab.source / "run" / "DO_NOT_DELETE").touch()
    for path in ("/src/run/huge", "/src/huge"):
        too_large(lab, path)
    lab.delete()
    assert files(lab.source).keys() == {"run/huge/a", "run/DO_NOT_DELETE"}


def test_an_excluded_marker_counts_and_another_pattern_does_not(lab: Lab) -> None:
    lab.configure(EXCLUDE=["*.keep"], KEEP_MARKERS=["*.KEEP"])
    lab.given_transferred("run/a", "run2/a", "run2/DO_NOT_DELETE")
    lab.write("run/x.keep")
    (lab.source / "run" / "empty").mkdir()
    assert lab.delete() == 0
    assert tree(lab.source).keys() == {"run", "run/a", "run/x.keep", "run/empty"}


def test_the_marker_itself_is_sent_and_stays(lab: Lab) -> None:
    lab.given_transferred("run/DO_NOT_DELETE", "run/a")
    assert lab.delete() == 0
    assert files(lab.source).keys() == {"run/DO_NOT_DELETE", "run/a"}
    assert files(lab.destination) == files(lab.source)


@pytest.mark.parametrize("where", ["inside", "above"])
def test_a_directory_marked_in_quarantine_gets_its_name_back(lab: Lab, where: str) -> None:
    (lab.source / "run" / "empty").mkdir(parents=True)
    lab.write("run/a")

    def mark(_request: Any) -> None:
        (quarantine,) = (lab.source / "run").glob(".globus_auto_empty.*")
        ((quarantine if where == "inside" else quarantine.parent) / "DO_NOT_DELETE").mkdir()

    if where == "inside":
        lab.world.faults.add_hook("rename", mark, when="after")
        assert lab.delete() == 0
        assert lab.delete() == 0
    else:
        lab.kill("delete", "rename")
        mark(None)
        assert lab.delete() == 0
    assert "run/empty" in tree(lab.source)
    assert list((lab.source / "run").glob(".globus_auto_empty.*")) == []
    assert lab.store().quarantined == {}


def test_on_a_mount_a_marker_made_after_the_scan_counts(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.configure(SRC_LOCAL_DIR=str(lab.source))
    (lab.source / "one").mkdir()
    (lab.source / "two").mkdir()
    remove = os.rmdir

    def marking(path: str) -> None:
        """Remove a directory; before that, somebody marks the other one."""
        if path.endswith("/one"):
            (lab.source / "two" / "DO_NOT_DELETE").mkdir()
        remove(path)

    monkeypatch.setattr(os, "rmdir", marking)
    assert lab.delete() == 0
    assert tree(lab.source).keys() == {"two", "two/DO_NOT_DELETE"}


def test_what_a_marker_keeps_is_never_kept_too_long(lab: Lab) -> None:
    """Even if it has changed, and transfer.py does not run; an unmarked file is."""
    lab.given_transferred("run/DO_NOT_DELETE", "run/a", "b")
    lab.write("run/a", "changed")
    lab.write("b", "changed")
    lab.advance(100_000)
    assert lab.delete() == 1
    assert "1 file was sent more than 24 h ago" in lab.alerts()["kept"]
    assert "/src/b" in lab.alerts()["kept"]
    assert files(lab.source).keys() == {"run/DO_NOT_DELETE", "run/a", "b"}
