"""FREE_PERCENT: verified files stay while the disk has room; then the oldest go."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from globus_auto.sandbox.world import CompletionPolicy
from tests.functional.delete.test_compare import alter, compared
from tests.lab import Lab, another_pair, deleted, files
from tests.mail import Mailbox, counts

DAY = 86_400  # seconds
SIZE = 100  # bytes of a file in these tests
DISK = "GLOBUS_AUTO_DISK"  # the variable that names a real disk


class Disk:
    """A disk of `size` bytes with nothing but the source; `broken` is what statvfs does instead."""

    def __init__(self, lab: Lab, size: int) -> None:
        self.lab, self.size = lab, size
        self.reserved = 0
        self.broken: Any = None

    def statvfs(self, _path: str) -> os.statvfs_result:
        """Return what is used and free at this moment."""
        if isinstance(self.broken, OSError):
            raise self.broken
        if self.broken:
            return os.statvfs_result((1, 1, *self.broken, 0, 0, 0, 0, 255))
        used = sum(len(content) for content in files(self.lab.source).values())
        free = self.size - used
        return os.statvfs_result((1, 1, self.size, free, free - self.reserved, 0, 0, 0, 0, 255))


@pytest.fixture
def disk(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Return the disk of the source, of which 40 % must be free: it has room for 6 files."""
    lab.configure(SRC_LOCAL_DIR=str(lab.source), FREE_PERCENT=40)
    found = Disk(lab, 10 * SIZE)
    monkeypatch.setattr(os, "statvfs", found.statvfs)
    return found


def deliver(lab: Lab, *names: str) -> None:
    """Write files, each older than the one before, and let them be delivered."""
    for age, name in enumerate(names, 1):
        lab.write(name, name.encode().ljust(SIZE, b"."), age=1000 + age * 60)
    assert (lab.transfer(), lab.transfer()) == (0, 0)


def left(lab: Lab) -> str:
    """Return the names of the files at the source."""
    return "".join(sorted(files(lab.source)))


@pytest.mark.usefixtures("disk")
def test_verified_files_stay_while_there_is_room(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their copies are looked at when there is none."""
    names = [f"d/{name}" for name in "abcdef"]
    deliver(lab, *names)
    lab.world.requests.clear()
    lab.advance(9 * DAY)
    capsys.readouterr()
    assert lab.delete("-v") == 0
    assert "Keep /src/d/a: there is room" in capsys.readouterr().err
    assert (files(lab.source).keys(), deleted(lab), lab.alerts()) == ({*names}, [], {})
    assert "/dst/d" not in [each.query.get("path") for each in lab.world.requests]


@pytest.mark.usefixtures("disk")
def test_the_oldest_go_until_there_is_room(lab: Lab) -> None:
    deliver(lab, *"abcdefgh")
    assert lab.delete() == 0
    assert left(lab) == "abcdef"
    assert lab.delete() == 0
    assert (left(lab), lab.alerts()) == ("abcdef", {})


def test_what_is_for_root_is_not_free(lab: Lab, disk: Disk) -> None:
    """The share is that of `df`: 380 of 980 bytes are less than 40 %."""
    disk.reserved = 20
    deliver(lab, *"abcdef")
    assert (lab.delete(), left(lab)) == (0, "abcde")


@pytest.mark.usefixtures("disk")
def test_keep_days_is_the_floor(lab: Lab) -> None:
    lab.configure(KEEP_DAYS=2)
    deliver(lab, *"abcdefgh")
    assert (lab.delete(), left(lab)) == (1, "abcdefgh")
    text = lab.alerts()["room"]
    assert "Only 20.0 % of the disk" in text
    assert "At the source stay: 8 files: transferred less than KEEP_DAYS ago." in text
    lab.advance(2 * DAY)
    assert (lab.delete(), left(lab), lab.alerts()) == (0, "abcdef", {})


@pytest.mark.usefixtures("disk")
def test_also_at_is_asked_before_the_room(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that another pair needs stays, and is an alert, whether there is room or not."""
    other = another_pair(lab)
    other.configure(FREE_PERCENT=0)
    lab.configure(ALSO_AT=[str(other.config)], STALL_HOURS=1)
    deliver(lab, *"abc")
    lab.advance(7200)
    capsys.readouterr()
    assert lab.delete("-v") == 1
    assert "Keep /src/a: another pair of ALSO_AT" in capsys.readouterr().err
    assert lab.alerts().keys() == {"kept"}
    assert (other.transfer(), other.transfer()) == (0, 0)
    deliver(lab, *"defgh")
    assert lab.delete() == 0
    assert (left(lab), lab.alerts()) == ("adefgh", {})


@pytest.mark.usefixtures("disk")
def test_files_kept_for_the_room_are_never_kept_too_long(lab: Lab, mailbox: Mailbox) -> None:
    deliver(lab, *"abc")
    for _ in range(5):
        lab.advance(9 * DAY)
        assert (lab.transfer(), lab.delete()) == (0, 0)
    assert (mailbox.messages, left(lab)) == ([], "abc")


@pytest.mark.usefixtures("disk")
def test_only_what_is_needed_is_compared_first(lab: Lab) -> None:
    """VERIFY_DESTINATION = "checksum": a file that differs does not stand in the way of others."""
    lab.configure(VERIFY_DESTINATION="checksum")
    deliver(lab, *"abcdefgh")
    alter(lab.source / "h")
    assert (lab.delete(), compared(lab), left(lab)) == (0, [["/src/g", "/src/h"]], "abcdefgh")
    assert lab.alerts() == {}, "they may go soon"
    assert lab.delete() == 1
    assert lab.alerts().keys() == {"altered"}
    assert (left(lab), compared(lab)[1:]) == ("abcdefh", [["/src/f"]])
    assert (lab.delete(), left(lab)) == (1, "abcdeh")
    assert lab.alerts().keys() == {"altered"}


def test_a_file_that_may_not_go_does_not_hold_up_younger_ones(lab: Lab, disk: Disk) -> None:
    """Its copy is missing: it is sent again. In the same run the next oldest goes."""
    lab.configure(FILES_PER_TASK=1)
    deliver(lab, *"abcdefgh")
    (lab.destination / "h").unlink()
    assert lab.delete() == 1
    assert lab.alerts().keys() == {"not at the destination"}
    assert left(lab) == "abcdeh"
    assert disk.size == 10 * SIZE


def test_one_batch_after_the_other_frees_less_than_its_size(
    lab: Lab, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk compresses: the run goes on until there is room."""

    def statvfs(_path: str) -> os.statvfs_result:
        used = 550 + sum(len(content) for content in files(lab.source).values()) // 4
        free = disk.size - used
        return os.statvfs_result((1, 1, disk.size, free, free, 0, 0, 0, 0, 255))

    monkeypatch.setattr(os, "statvfs", statvfs)
    deliver(lab, *"abcdefgh")
    assert (lab.delete(), left(lab)) == (0, "ab")
    assert [len(paths) for paths in deleted(lab)] == [2, 1, 1, 1, 1] or len(deleted(lab)) > 1


def test_others_may_make_room_meanwhile(lab: Lab, disk: Disk) -> None:
    """After each task the disk is looked at: the rest stays."""
    lab.configure(FILES_PER_TASK=1)
    deliver(lab, *"abcdefgh")

    def grow(_request: object) -> None:
        disk.size = 100 * SIZE

    lab.world.faults.add_hook("delete", grow)
    assert (lab.delete(), left(lab), len(deleted(lab))) == (0, "abcdefg", 1)
    assert lab.health()["kept"]["files"] == {"there is room, or older files go first": 7}


BROKEN = [
    OSError(5, "Input/output error"),
    (0, 0, 0),
    (10, 2, 3),
    (10, 11, 11),
]


@pytest.mark.parametrize("broken", BROKEN)
def test_nothing_goes_while_the_room_is_unknown(lab: Lab, disk: Disk, broken: Any) -> None:
    """That is neither full nor room."""
    deliver(lab, *"abcdefgh")
    disk.broken = broken
    assert (lab.delete(), left(lab)) == (1, "abcdefgh")
    assert "could not be found out. Until it can be, files stay" in lab.alerts()["room"]
    reason = "how much room there is could not be found out"
    assert lab.health()["kept"]["files"] == {reason: 8}
    disk.broken = None
    assert (lab.delete(), left(lab), lab.alerts()) == (0, "abcdef", {})


def test_the_run_stops_where_the_room_becomes_unknown(lab: Lab, disk: Disk) -> None:
    lab.configure(FILES_PER_TASK=1)
    deliver(lab, *"abcdefgh")
    lab.world.faults.add_hook("delete", lambda _request: setattr(disk, "broken", BROKEN[0]))
    assert (lab.delete(), left(lab)) == (1, "abcdefg")
    assert lab.alerts().keys() == {"room"}


@pytest.mark.usefixtures("disk")
def test_the_room_of_another_disk_does_not_count(lab: Lab, tmp_path: Path) -> None:
    """SRC_LOCAL_DIR is a mount point without its disk."""
    deliver(lab, *"abcdefgh")
    (tmp_path / "empty").mkdir()
    lab.configure(SRC_LOCAL_DIR=str(tmp_path / "empty"))
    assert (lab.delete(), left(lab)) == (1, "abcdefgh")
    assert "have no name in common" in lab.alerts()["endpoint"]


@pytest.mark.usefixtures("disk")
def test_a_growing_backlog_is_one_alert(lab: Lab, mailbox: Mailbox) -> None:
    """It says what is not delivered, is repeated, and is resolved once there is room."""
    lab.configure(EMAIL_REPEAT_HOURS=4)
    deliver(lab, *"ab")
    slow, at_once = CompletionPolicy.after_seconds(14 * 3600), CompletionPolicy.at_once()
    codes = []
    for name in "cdefghi":
        lab.write(name, name.encode().ljust(SIZE, b"."), age=60)
        lab.world.completion = slow
        assert lab.transfer() == 0
        lab.world.completion = at_once
        codes.append(lab.delete())
        lab.advance(3600)
    assert (codes, left(lab)) == ([0] * 6 + [1], "cdefghi")
    assert "7 files (700 bytes): not delivered yet" in lab.alerts()["room"]
    for _ in range(6):
        lab.advance(3600)
        assert lab.delete() == 1
    lab.advance(8 * 3600)
    assert (lab.transfer(), lab.delete(), left(lab)) == (0, 0, "defghi")
    assert [counts(text) for text in mailbox.texts()] == [
        *("1 new", "1 still open", "1 still open", "1 resolved")
    ]


@pytest.mark.usefixtures("disk")
def test_a_dry_run_shows_what_a_real_one_deletes(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(lab, *"abcdefgh")
    capsys.readouterr()
    assert lab.delete("-n", "-v") == 0
    lines = capsys.readouterr().out.splitlines()
    verbs = {line.split()[1]: line.split()[0] for line in lines if line.startswith("  ")}
    assert [name for name in "abcdefgh" if verbs.get(f"/src/{name}") == "delete"] == ["g", "h"]
    assert "6 files: there is room" in "\n".join(lines)
    assert "The sizes are those of the files; a run measures the disk" in "\n".join(lines)
    assert (lab.delete(), left(lab)) == (0, "abcdef")


@pytest.mark.usefixtures("disk")
def test_empty_directories_are_removed_as_before(lab: Lab) -> None:
    (lab.source / "d").mkdir()
    os.utime(lab.source / "d", (1, 1))
    deliver(lab, "a")
    assert (lab.delete(), (lab.source / "d").exists(), left(lab)) == (0, False, "a")


@pytest.mark.skipif(DISK not in os.environ, reason="another test runs it, on a disk of its own")
def test_a_real_disk_gets_room(lab: Lab) -> None:
    """Half of the 4 MiB must be free: of 7 files of half a MiB, 4 may stay."""
    lab.source = Path(os.environ[DISK]) / "source"
    lab.source.mkdir()
    lab.src = lab.world.add_endpoint(lab.source, name="tmpfs", mount="/src")
    lab.configure(SRC_ID=lab.src.id, SRC_LOCAL_DIR=str(lab.source), FREE_PERCENT=50)
    for age, name in enumerate("abcdefg", 1):
        lab.write(name, name.encode() * (512 << 10), age=1000 + age)
    assert (lab.transfer(), lab.delete()) == (0, 0)
    assert left(lab) == "abcd"
    lab.configure(FREE_PERCENT=99)
    assert (lab.delete(), left(lab), lab.alerts()) == (0, "", {})


@pytest.mark.slow
def test_a_run_on_a_real_disk(tmp_path: Path) -> None:
    """A tmpfs of 4 MiB, mounted in a user namespace, where the machine allows that."""
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    mount = f"mount -t tmpfs -o size=4m none {tmp_path}"
    if not shutil.which("unshare") or subprocess.run([*unshare, mount], check=False).returncode:
        pytest.skip("this machine allows no mounts in a user namespace")
    test = f"{__file__}::{test_a_real_disk_gets_room.__name__}"
    run = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", test]
    done = subprocess.run(
        [*unshare, f"{mount} && exec {shlex.join(run)}"],
        env={**os.environ, DISK: str(tmp_path)},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout
    assert list(tmp_path.iterdir()) == [], "the disk was in the namespace only"
