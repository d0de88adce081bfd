"""Listings of a source that is mounted on this machine."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from globus_auto import local, walk
from globus_auto.files import FileVersion
from globus_auto.walk import DirectoryListing
from tests.lab import put


def test_files_that_come_and_go_do_not_break_a_listing(
    tmp_path: Path,
) -> None:
    stays = put(tmp_path / "stays", "", 1)
    ended = threading.Event()

    def come_and_go() -> None:
        while not ended.is_set():
            for number in range(50):
                (tmp_path / f"passing{number}").touch()
            for number in range(50):
                (tmp_path / f"passing{number}").unlink()

    with ThreadPoolExecutor() as pool:
        pool.submit(come_and_go)
        try:
            for _ in range(500):
                (found,) = walk.walk(lambda: local.local_lister(str(tmp_path), "/src"), ["/src"])
                assert isinstance(found, DirectoryListing)
                assert found.files[stays.name] == FileVersion(0, 1)
        finally:
            ended.set()


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="nothing is mounted there")
def test_file_systems_mounted_below_are_scanned_too() -> None:
    outcomes = walk.walk(lambda: local.local_lister("/dev", "/src"), ["/src"], "shm".__eq__)
    top, below = outcomes
    assert isinstance(top, DirectoryListing)
    assert "shm" in top.directories
    assert top.others["null"] == "chr"
    assert isinstance(below, DirectoryListing)
    assert below.path == "/src/shm"


def test_a_directory_loop_is_not_entered(
    tmp_path: Path,
) -> None:
    """A bind mount can show a directory below itself."""
    # Only root can make a bind mount, which has this effect.
    above = os.stat(tmp_path)
    (tmp_path / "other").mkdir()
    found = DirectoryListing("/src/below", {}, {}, {}, [])
    for name, path in [("again", tmp_path), ("other", tmp_path / "other")]:
        local._sort_in(found, name, os.lstat(path), frozenset({(above.st_dev, above.st_ino)}))
    assert (found.others, [*found.directories]) == ({"again": "loop"}, ["other"])


def test_a_listing_without_fingerprints_differs_in_nothing_else(tmp_path: Path) -> None:
    put(tmp_path / "file", "content", 1)
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "line\nbreak").touch()
    with local.local_lister(str(tmp_path), "/src") as list_one:
        whole = list_one("/src")
    with local.local_lister(str(tmp_path), "/src", fingerprints=False) as list_one:
        names = list_one("/src")
    assert isinstance(whole, DirectoryListing)
    assert whole.files == {"file": FileVersion(7, 1)}
    assert names == whole._replace(files={"file": local.NO_FINGERPRINT})


@pytest.mark.parametrize(
    ("seconds", "worked", "threads"),
    [(1, 1, 1), (1, 0.3, 1), (1, 0.25, 4), (1, 0.1, 10), (1, 0.01, 16), (1, 0, 16), (9, 0.9, 10)],
)
def test_threads_follow_the_share_of_waiting(seconds: float, worked: float, threads: int) -> None:
    assert local.useful_threads(seconds, worked) == threads
