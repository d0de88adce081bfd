"""A file that stays too long is an alert that says why and what to do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Lab, files, put, tree, unmark
from tests.mail import Mailbox, counts

HOUR = 3600
DAY = 24 * HOUR


@pytest.fixture
def stalls(lab: Lab) -> Lab:
    """Return a laboratory in which STALL_HOURS is 5."""
    lab.configure(STALL_HOURS=5)
    return lab


def delete_for_hours(lab: Lab, number: int) -> list[int]:
    """Run delete.py every hour; return its exit codes."""
    codes = []
    for _ in range(number):
        codes.append(lab.delete())
        lab.advance(HOUR)
    return codes


def test_a_quarantine_found_after_a_reset_is_an_alert(lab: Lab) -> None:
    """It names the directory and what is in it; renaming the directory resolves it."""
    (lab.source / "x").mkdir()
    os.utime(lab.source / "x", (1, 1))
    lab.world.faults.add_proxy("delete", 403)
    assert lab.delete() == 1
    (quarantine,) = (
        each for each in lab.source.iterdir() if each.name.startswith(".globus_auto_empty")
    )
    lab.write(f"{quarantine.name}/late", "late")
    (lab.state / "datastore").unlink()
    assert [lab.transfer(), lab.transfer()] == [1, 1]
    assert f"/src/{quarantine.name} was renamed to check" in lab.alerts()["quarantine"]
    assert "It contains late" in lab.alerts()["quarantine"]
    assert files(lab.destination) == {}
    quarantine.rename(lab.source / "x")
    assert [lab.transfer(), lab.transfer(), "quarantine" in lab.alerts()] == [0, 0, False]
    assert files(lab.destination) == {"x/late": b"late"}


def test_a_lasting_not_found_is_mailed_after_ten_minutes(lab: Lab, mailbox: Mailbox) -> None:
    """The listing of its parent has the directory, but Globus does not find it."""
    lab.given_transferred("d/a", "b")
    body = {"code": "ClientError.NotFound", "message": "planned"}
    lab.world.faults.add(
        "ls",
        times=None,
        status=404,
        body=body,
        match=lambda request: request.query["path"] == "/src/d",
    )
    assert (lab.transfer(), mailbox.messages) == (0, [])
    lab.advance(10 * 60 - 30)
    assert (lab.transfer(), mailbox.messages) == (0, [])
    lab.advance(60)
    assert lab.transfer() == 0
    (message,) = mailbox.texts()
    assert "/src/d is in the listing of its parent directory" in message
    lab.world.faults.clear()
    assert lab.transfer() == 0
    assert "RESOLVED" in mailbox.texts()[1]


def vanish(directory: Path) -> Callable[[Any], None]:
    """Return a function that removes a directory."""
    return lambda _request: shutil.rmtree(directory)


def test_directories_that_vanish_during_scans_are_not_mailed(lab: Lab, mailbox: Mailbox) -> None:
    lab.write("b")
    for number in range(3):
        lab.write(f"d{number}/a")
        lab.world.faults.add_hook("ls", vanish(lab.source / f"d{number}"), when="after")
        lab.transfer()
        lab.advance(20 * 60)
    lab.world.faults.clear()
    assert (lab.transfer(), mailbox.messages) == (0, [])


def crowd(lab: Lab) -> None:
    """Let the directory above a file have more names than Globus lists."""
    lab.world.listing_limit = 3
    for number in range(4):
        (lab.source / f"big/{number}").mkdir(exist_ok=True)
    lab.configure(SRC_LOCAL_DIR=str(lab.source), DELETE_EMPTY_DIRS=False)


def test_files_below_a_huge_directory_stay_with_an_alert(stalls: Lab) -> None:
    stalls.given_transferred("big/0/a", "other/b")
    crowd(stalls)
    assert delete_for_hours(stalls, 4) == [0] * 4
    assert files(stalls.source).keys() == {"big/0/a"}
    assert stalls.alerts() == {}
    stalls.advance(2 * HOUR)
    assert stalls.delete() == 1
    assert "/src/big/0/a" in stalls.alerts()["kept"]
    stalls.world.listing_limit = 100
    assert (stalls.delete(), files(stalls.source), stalls.alerts()) == (0, {}, {})


def test_names_differing_in_case_are_an_alert_in_the_end(stalls: Lab) -> None:
    """After STALL_HOURS at the source."""
    stalls.given_transferred("a", "A", "b")
    assert delete_for_hours(stalls, 4) == [0] * 4
    assert files(stalls.source).keys() == {"a", "A"}
    stalls.advance(2 * HOUR)
    assert stalls.delete() == 1
    text = stalls.alerts()["kept"]
    assert "/src/A, /src/a" in text
    assert "Rename all but one" in text
    (stalls.source / "A").rename(stalls.source / "c")
    assert [stalls.transfer(), stalls.transfer(), stalls.delete()] == [0, 0, 0]
    assert (files(stalls.source), stalls.alerts()) == ({}, {})


def shifted_mount(lab: Lab, seconds: float) -> Path:
    """Return a mount of the source whose mtimes differ from those that Globus shows."""
    mount = lab.home / "mount"
    for name, content in files(lab.source).items():
        assert isinstance(content, bytes)
        put(mount / name, content, (lab.source / name).stat().st_mtime + seconds)
    return mount


@pytest.mark.parametrize("verify", [False, True])
def test_a_mount_whose_times_differ_is_an_alert(stalls: Lab, verify: bool) -> None:
    stalls.write("a")
    mount = shifted_mount(stalls, -7200)
    stalls.configure(SRC_LOCAL_DIR=str(mount), DELETE_EMPTY_DIRS=False, VERIFY_DESTINATION=verify)
    for _ in range(9):
        stalls.transfer()
        stalls.delete()
        stalls.advance(HOUR)
    assert files(stalls.source) == {"a": b"data"}
    assert "with the same times, as SRC_DIR." in stalls.alerts()["kept"]


def snapshot_without_a_file(lab: Lab, _mount: Path) -> None:
    lab.write("new")


def snapshot_with_an_old_directory(lab: Lab, mount: Path) -> None:
    lab.write("d/new")
    os.utime(mount / "d", (1, 1))


@pytest.mark.parametrize("behind", [snapshot_without_a_file, snapshot_with_an_old_directory])
def test_a_snapshot_in_place_of_the_mount_is_an_alert(
    lab: Lab, mailbox: Mailbox, behind: Callable[[Lab, Path], None]
) -> None:
    lab.given_transferred("d/a", "b")
    mount = shifted_mount(lab, 0)
    lab.configure(SRC_LOCAL_DIR=str(mount))
    behind(lab, mount)
    assert (lab.transfer(), mailbox.messages) == (0, [])
    lab.advance(HOUR + 60)
    assert lab.transfer() == 0
    (message,) = mailbox.texts()
    assert "does not show what Globus shows in /src" in message
    lab.configure(SRC_LOCAL_DIR=str(lab.source))
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert "RESOLVED" in mailbox.texts()[1]
    assert files(lab.destination) == files(lab.source)


@pytest.mark.parametrize(
    ("program", "change"),
    [
        ("transfer", {"SRC_LOCAL_DIR": ""}),
        ("delete", {"SRC_LOCAL_DIR": ""}),
        ("delete", {"DELETE_EMPTY_DIRS": False}),
    ],
)
def test_a_mount_that_is_no_longer_used_is_no_alert(
    lab: Lab, program: str, change: dict[str, Any]
) -> None:
    lab.given_transferred("d/a", "b")
    mount = shifted_mount(lab, 0)
    lab.configure(SRC_LOCAL_DIR=str(mount), KEEP_DAYS=1)
    snapshot_without_a_file(lab, mount)
    run = getattr(lab, program)
    assert run() == 0
    assert lab.alerts().keys() == {"mount"}
    lab.configure(**change)
    assert run() == 0
    assert lab.alerts() == {}


def empty_by_hand(lab: Lab) -> None:
    """Remove all that is in the source directory."""
    for name in files(lab.source):
        (lab.source / name).unlink()


def test_a_source_emptied_by_hand_is_an_alert_for_stall_hours(
    stalls: Lab, mailbox: Mailbox
) -> None:
    stalls.given_transferred("a", "b")
    empty_by_hand(stalls)
    for _ in range(5):
        assert stalls.transfer() == 1
        assert stalls.records() == {"/src/a", "/src/b"}
        stalls.advance(HOUR)
    assert "is empty, though files were there" in mailbox.texts()[0]
    stalls.advance(HOUR)
    codes = [stalls.transfer() for _ in range(3)]
    assert (codes[1:], stalls.alerts()) == ([0, 0], {})
    assert "RESOLVED" in mailbox.texts()[-1]
    stalls.write("new")
    assert (stalls.transfer(), stalls.records()) == (0, {"/src/new"})
    assert files(stalls.destination).keys() == {"a", "b", "new"}


@pytest.mark.parametrize("exclude", [[], ["*.tmp"]])
def test_both_programs_forget_an_emptied_source(
    stalls: Lab, mailbox: Mailbox, exclude: list[str]
) -> None:
    """It is one alert, which ends, also with files that are excluded now."""
    stalls.given_transferred("a", "d/b", "c.tmp")
    stalls.configure(EXCLUDE=exclude)
    stalls.advance(2 * DAY)
    shutil.rmtree(stalls.source)
    stalls.source.mkdir()
    for _ in range(7):
        stalls.delete()
        stalls.transfer()
        stalls.advance(HOUR)
    assert (stalls.delete(), stalls.alerts(), stalls.records()) == (0, {}, set())
    assert [counts(text) for text in mailbox.texts()] == ["1 new", "1 resolved"]


def test_a_directory_removed_by_hand_is_forgotten_at_once(stalls: Lab) -> None:
    """By transfer.py; delete.py alone reports it only if that lasts."""
    stalls.given_transferred("a", "d/b")
    stalls.advance(2 * DAY)
    shutil.rmtree(stalls.source / "d")
    stalls.configure(KEEP_DAYS=9)
    assert (stalls.transfer(), stalls.records()) == (0, {"/src/a"})


def test_a_source_disk_that_comes_back_lost_no_records(stalls: Lab) -> None:
    stalls.given_transferred("a", "b")
    unmounted = stalls.home / "away"
    stalls.source.rename(unmounted)
    stalls.source.mkdir()
    for _ in range(2):
        assert stalls.transfer() == 1
        stalls.advance(2 * HOUR)
    stalls.source.rmdir()
    unmounted.rename(stalls.source)
    assert (stalls.transfer(), stalls.submitted(), stalls.alerts()) == (0, [], {})
    stalls.advance(2 * DAY)
    stalls.source.rename(unmounted)
    stalls.source.mkdir()
    assert stalls.transfer() == 1
    assert stalls.records() == {"/src/a", "/src/b"}, "STALL_HOURS count from the second time"


def test_a_destination_with_only_the_marker_counts_as_empty(lab: Lab) -> None:
    lab.given_transferred("a", "d/b")
    lab.destination.rename(lab.home / "away")
    lab.destination.mkdir()
    for _ in range(2):
        assert lab.delete() == 1
        assert "missing or empty" in lab.alerts()["destination"]
        assert lab.records() == {"/src/a", "/src/d/b"}
    assert lab.transfer() == 0
    assert (lab.submitted(), tree(lab.destination)) == ([], {})
    unmark(lab.destination)
    lab.destination.rmdir()
    (lab.home / "away").rename(lab.destination)
    assert (lab.delete(), files(lab.source), lab.alerts()) == (0, {}, {})
