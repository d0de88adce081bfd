"""What stays for a reason that should have passed is an alert that says why, and what helps."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Lab, Mailbox, files, put, tree, unmark

HOUR = 3600
DAY = 24 * HOUR


@pytest.fixture
def stalls(lab: Lab) -> Lab:
    """Give a laboratory in which five hours are long."""
    lab.configure(STALL_HOURS=5)
    return lab


def delete_for_hours(lab: Lab, number: int) -> list[int]:
    """Let delete.py run every hour; return its exit codes."""
    codes = []
    for _ in range(number):
        codes.append(lab.delete())
        lab.later(HOUR)
    return codes


def test_what_stands_aside_after_a_reset_is_an_alert_that_names_it(lab: Lab) -> None:
    (lab.source / "x").mkdir()
    os.utime(lab.source / "x", (1, 1))
    lab.world.faults.proxy("delete", 403)
    assert lab.delete() == 1
    (aside,) = (each for each in lab.source.iterdir() if each.name.startswith(".globus_auto_empty"))
    lab.write(f"{aside.name}/late", "late")
    (lab.state / "datastore").unlink()
    assert [lab.transfer(), lab.transfer()] == [1, 1]
    assert f"/src/{aside.name} was moved aside" in lab.alerts()["aside"]
    assert "It has late" in lab.alerts()["aside"]
    assert files(lab.destination) == {}
    aside.rename(lab.source / "x")
    assert [lab.transfer(), lab.transfer(), "aside" in lab.alerts()] == [0, 0, False]
    assert files(lab.destination) == {"x/late": b"late"}


def test_a_directory_that_is_never_found_is_told_after_ten_minutes(
    lab: Lab, mailbox: Mailbox
) -> None:
    lab.sent("d/a", "b")
    body = {"code": "ClientError.NotFound", "message": "planned"}
    lab.world.faults.add(
        "ls", times=None, status=404, body=body, match=lambda asked: asked.query["path"] == "/src/d"
    )
    assert (lab.transfer(), mailbox.messages) == (0, [])
    lab.later(10 * 60 - 30)
    assert (lab.transfer(), mailbox.messages) == (0, [])
    lab.later(60)
    assert lab.transfer() == 0
    (told,) = mailbox.texts()
    assert "/src/d is in the listing of the directory above it" in told
    lab.world.faults.clear()
    assert lab.transfer() == 0
    assert "RESOLVED" in mailbox.texts()[1]


def test_a_directory_that_is_gone_for_a_moment_is_not_told(lab: Lab, mailbox: Mailbox) -> None:
    lab.write("b")
    for number in range(3):
        lab.write(f"d{number}/a")
        path = lab.source / f"d{number}"
        lab.world.faults.hook("ls", lambda _asked, path=path: shutil.rmtree(path), when="after")
        lab.transfer()
        lab.later(20 * 60)
    lab.world.faults.clear()
    assert (lab.transfer(), mailbox.messages) == (0, [])


def crowd(lab: Lab) -> None:
    """Let the directory above a file have more entries than Globus lists."""
    lab.world.listing_limit = 3
    for number in range(4):
        (lab.source / f"big/{number}").mkdir(exist_ok=True)
    lab.configure(SRC_LOCAL_DIR=str(lab.source), DELETE_EMPTY_DIRS=False)


def test_below_too_many_entries_files_stay_with_an_alert(stalls: Lab) -> None:
    stalls.sent("big/0/a", "other/b")
    crowd(stalls)
    assert delete_for_hours(stalls, 4) == [0] * 4
    assert files(stalls.source).keys() == {"big/0/a"}
    assert stalls.alerts() == {}
    stalls.later(2 * HOUR)
    assert stalls.delete() == 1
    assert "/src/big/0/a" in stalls.alerts()["kept"]
    stalls.world.listing_limit = 100
    assert (stalls.delete(), files(stalls.source), stalls.alerts()) == (0, {}, {})


def test_names_alike_stay_with_an_alert_after_stall_hours(stalls: Lab) -> None:
    stalls.sent("a", "A", "b")
    assert delete_for_hours(stalls, 4) == [0] * 4
    assert files(stalls.source).keys() == {"a", "A"}
    stalls.later(2 * HOUR)
    assert stalls.delete() == 1
    told = stalls.alerts()["kept"]
    assert "/src/A, /src/a" in told
    assert "Rename all but one" in told
    (stalls.source / "A").rename(stalls.source / "c")
    assert [stalls.transfer(), stalls.transfer(), stalls.delete()] == [0, 0, 0]
    assert (files(stalls.source), stalls.alerts()) == ({}, {})


def shifted_mount(lab: Lab, seconds: float) -> Path:
    """Give a mount of the source whose times differ from those that Globus shows."""
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
        stalls.later(HOUR)
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
    lab.sent("d/a", "b")
    mount = shifted_mount(lab, 0)
    lab.configure(SRC_LOCAL_DIR=str(mount))
    behind(lab, mount)
    assert (lab.transfer(), mailbox.messages) == (0, [])
    lab.later(HOUR + 60)
    assert lab.transfer() == 0
    (told,) = mailbox.texts()
    assert "does not show what Globus shows in /src" in told
    lab.configure(SRC_LOCAL_DIR=str(lab.source))
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert "RESOLVED" in mailbox.texts()[1]
    assert files(lab.destination) == files(lab.source)


def empty_by_hand(lab: Lab) -> None:
    """Remove all that is in the source directory."""
    for name in files(lab.source):
        (lab.source / name).unlink()


def test_a_source_emptied_by_hand_is_an_alert_for_stall_hours(
    stalls: Lab, mailbox: Mailbox
) -> None:
    stalls.sent("a", "b")
    empty_by_hand(stalls)
    for _ in range(5):
        assert stalls.transfer() == 1
        assert stalls.entries() == {"/src/a", "/src/b"}
        stalls.later(HOUR)
    assert "is empty, though files were there" in mailbox.texts()[0]
    stalls.later(HOUR)
    codes = [stalls.transfer() for _ in range(3)]
    assert (codes[1:], stalls.alerts()) == ([0, 0], {})
    assert "RESOLVED" in mailbox.texts()[-1]
    stalls.write("new")
    assert (stalls.transfer(), stalls.entries()) == (0, {"/src/new"})
    assert files(stalls.destination).keys() == {"a", "b", "new"}


def test_a_source_whose_disk_comes_back_has_forgotten_nothing(stalls: Lab) -> None:
    stalls.sent("a", "b")
    away = stalls.home / "away"
    stalls.source.rename(away)
    stalls.source.mkdir()
    for _ in range(2):
        assert stalls.transfer() == 1
        stalls.later(2 * HOUR)
    stalls.source.rmdir()
    away.rename(stalls.source)
    assert (stalls.transfer(), stalls.submitted(), stalls.alerts()) == (0, [], {})
    stalls.later(2 * DAY)
    stalls.source.rename(away)
    stalls.source.mkdir()
    assert stalls.transfer() == 1
    assert stalls.entries() == {"/src/a", "/src/b"}, "the hours count from the second time"


def test_a_destination_with_nothing_but_the_marker_counts_as_empty(lab: Lab) -> None:
    lab.sent("a", "d/b")
    lab.destination.rename(lab.home / "away")
    lab.destination.mkdir()
    for _ in range(2):
        assert lab.delete() == 1
        assert "missing or empty" in lab.alerts()["destination"]
        assert lab.entries() == {"/src/a", "/src/d/b"}
    assert lab.transfer() == 0
    assert (lab.submitted(), tree(lab.destination)) == ([], {})
    unmark(lab.destination)
    lab.destination.rmdir()
    (lab.home / "away").rename(lab.destination)
    assert (lab.delete(), files(lab.source), lab.alerts()) == (0, {}, {})
