"""After the first run of a day, delete.py lists only directories that may be empty."""

import os
import shutil
import time

import pytest

from tests.lab import Lab, files

DAY = 86_400  # seconds


def listed(lab: Lab) -> list[str]:
    """Return the directories that were listed at the source since the last clearing, sorted."""
    found = [each for each in lab.world.requests if each.route == "ls"]
    return sorted(each.query["path"] for each in found if each.query["path"].startswith("/src"))


@pytest.fixture(params=["through Globus", "mounted"])
def looked(request: pytest.FixtureRequest, lab: Lab) -> Lab:
    """Return a laboratory with many directories, in which delete.py has looked at all today."""
    if request.param == "mounted":
        lab.configure(SRC_LOCAL_DIR=str(lab.source))
    lab.configure(KEEP_DAYS=1)
    lab.given_transferred(*(f"{top}/{n}/file" for top in ("a", "b") for n in range(9)))
    assert lab.delete() == 0
    assert len(files(lab.source)) == 18
    lab.world.requests.clear()
    return lab


def test_directories_that_a_run_empties_go_without_a_listing_of_all(looked: Lab) -> None:
    """The emptied ones and those above them are listed."""
    for n in range(8):
        looked.write(f"a/{n}/file", "changed")
    looked.configure(KEEP_DAYS=0)
    assert looked.delete() == 0
    assert files(looked.source).keys() == {f"a/{n}/file" for n in range(8)}
    assert looked.history("pruned") == ["/src/a/8", "/src/b"]


def test_a_run_without_deletions_lists_one_directory_at_most(looked: Lab) -> None:
    assert looked.delete() == 0
    assert listed(looked) == ["/src"]


def test_the_calls_follow_what_was_emptied(lab: Lab) -> None:
    """Of 60 directories, 3 are emptied: each is listed when it is deleted from, and twice after."""
    lab.configure(DELETE_EMPTY_DIRS=False)
    lab.given_transferred("x/file", "y/file", "z/file")
    for n in range(57):
        lab.write(f"d{n}/file")
    lab.configure(DELETE_EMPTY_DIRS=True, EXCLUDE=["file"])
    assert lab.delete() == 0
    lab.configure(EXCLUDE=[])
    lab.world.requests.clear()
    assert lab.delete() == 0
    assert lab.history("pruned") == ["/src/x", "/src/y", "/src/z"]
    assert len(lab.world.requests) <= 40
    assert not [path for path in listed(lab) if path.startswith("/src/d")]


def test_a_directory_emptied_by_hand_goes_after_the_next_scan(looked: Lab) -> None:
    shutil.rmtree(looked.source / "b" / "3")
    (looked.source / "b" / "3" / "deep").mkdir(parents=True)
    shutil.rmtree(looked.source / "a")
    (looked.source / "a").mkdir()
    assert looked.transfer() == 0
    assert looked.delete() == 0
    assert looked.history("pruned") == ["/src/a", "/src/b/3"]
    looked.world.requests.clear()
    assert looked.delete() == 0
    assert "/src/b" not in listed(looked)


def test_without_a_scan_it_goes_the_next_day(looked: Lab) -> None:
    (looked.source / "new").mkdir()
    assert looked.delete() == 0
    assert (looked.source / "new").is_dir()
    looked.configure(KEEP_DAYS=30)
    looked.advance(DAY)
    assert looked.delete() == 0
    assert looked.history("pruned") == ["/src/new"]


def test_a_directory_that_is_too_young_is_remembered(looked: Lab) -> None:
    looked.configure(SETTLE_SECONDS=100, KEEP_DAYS=30)
    (looked.source / "new").mkdir()
    os.utime(looked.source / "new", (time.time(),) * 2)
    assert looked.transfer() == 0
    assert looked.delete() == 0
    assert (looked.source / "new").is_dir()
    looked.advance(101)
    assert looked.delete() == 0
    assert looked.history("pruned") == ["/src/new"]


def test_a_remembered_directory_with_a_file_stays(looked: Lab) -> None:
    (looked.source / "new").mkdir()
    assert looked.transfer() == 0
    looked.write("new/file", "arrived")
    assert looked.delete() == 0
    assert (looked.source / "new" / "file").exists()
    assert looked.health()["empty"] == []


def test_a_symbolic_link_on_the_way_leads_to_no_deletion(looked: Lab) -> None:
    """It was put in place of a directory after the scan."""
    (looked.source / "new" / "deep").mkdir(parents=True)
    assert looked.transfer() == 0
    outside = looked.home / "outside"
    shutil.move(looked.source / "new", outside)
    (looked.source / "new").symlink_to(outside)
    assert looked.delete() == 0
    assert (outside / "deep").is_dir()
    assert looked.history("pruned") == []


def test_a_directory_below_one_that_is_excluded_meanwhile_stays(looked: Lab) -> None:
    (looked.source / "new.tmp" / "deep").mkdir(parents=True)
    assert looked.transfer() == 0
    looked.configure(EXCLUDE=["*.tmp"])
    assert looked.delete() == 0
    assert (looked.source / "new.tmp" / "deep").is_dir()


def test_nothing_is_remembered_of_directories_that_are_not_to_be_deleted(lab: Lab) -> None:
    lab.configure(DELETE_EMPTY_DIRS=False)
    (lab.source / "new").mkdir()
    os.utime(lab.source / "new", (time.time() - 60,) * 2)
    assert lab.transfer() == 0
    assert lab.health().get("empty") in (None, [])
