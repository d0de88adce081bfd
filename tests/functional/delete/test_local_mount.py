"""SRC_LOCAL_DIR: the mount shows what Globus shows, and delete.py uses it."""

import logging
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from globus_auto import config_file, local, walk
from globus_auto.files import FileVersion
from globus_auto.globus import auth
from globus_auto.walk import DirectoryListing
from tests.lab import Lab, files, put, tree

DAY = 86_400  # seconds
NAMES = [
    "a",
    "ü/ß",
    "e\u0301",
    "[x]*?",
    "back\\slash",
    " lead",
    "-rf",
    ".hidden/deep/er/b",
    "日/本",
]


@pytest.fixture
def mounted(lab: Lab) -> Lab:
    """Return a laboratory whose source is also mounted on this machine."""
    lab.configure(SRC_LOCAL_DIR=str(lab.source))
    return lab


def fill(lab: Lab) -> None:
    """Make every kind of file, link and directory at the source, with odd names and times."""
    for number, name in enumerate(NAMES):
        lab.write(name, b"x" * number, age=number * 1000.75)
    put(lab.source / "old", "written before 1970", -1.5)
    put(lab.source / "future", "", 4_000_000_000.9)
    (lab.source / "empty" / "deep").mkdir(parents=True)
    os.utime(lab.source / "empty", (1000.9, 1000.9))
    for link, target in [
        ("to file", "a"),
        ("to dir", "empty"),
        ("nowhere", "/no/such"),
        ("up", "."),
    ]:
        (lab.source / link).symlink_to(target)
    os.mkfifo(lab.source / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        before = os.getcwd()
        os.chdir(lab.source)
        listener.bind("socket")
        os.chdir(before)
    for unsendable in [b"line\nbreak", b"return\r", b"not \xff utf-8"]:
        Path(os.fsdecode(os.fsencode(lab.source / "empty") + b"/" + unsendable)).touch()
    os.mkdir(os.fsencode(lab.source) + b"/dir \xfe")


def scan(lister: Any) -> dict[str, Any]:
    """Scan the source and return its listings; of unsendable names only their number."""
    found = {}
    for outcome in walk.walk(lister, ["/src"], lambda _name: True):
        assert isinstance(outcome, DirectoryListing)
        found[outcome.path] = outcome._replace(unsendable=[""] * len(outcome.unsendable))
    return found


def test_a_mount_and_globus_give_equal_listings(lab: Lab) -> None:
    """Of every kind of file, link and directory, with odd names and times."""
    fill(lab)
    connection = auth.connect(config_file.read_settings(str(lab.config)), interactive=False)
    remote = scan(lambda: connection.lister(lab.src.id))
    connection.close()
    here = scan(lambda: local.local_lister(str(lab.source), "/src"))
    assert here == remote
    assert here["/src"].directories["empty"] == int(os.stat(lab.source / "empty").st_mtime)
    assert here["/src"].others == {
        **dict.fromkeys(["to file", "to dir", "nowhere", "up"], "symlink"),
        "pipe": "pipe",
        "socket": "other",
    }
    assert len(here["/src/empty"].unsendable) == 3
    assert len(here["/src"].unsendable) == 1
    assert here["/src"].files["old"] == FileVersion(19, -2)


def test_only_empty_directories_are_removed_on_the_mount(
    mounted: Lab,
) -> None:
    """Files are verified and deleted through Globus."""
    mounted.write_and_transfer("a", "run/b", "changed")
    (mounted.source / "empty" / "deep").mkdir(parents=True)
    mounted.write("changed", "changed since")
    assert mounted.delete() == 0
    assert tree(mounted.source) == {"changed": b"changed since"}
    assert not [each for each in mounted.world.requests if each.route == "rename"]
    assert mounted.history("pruned") == ["/src/empty", "/src/run"]


def test_on_a_mount_only_empty_trees_are_pruned(mounted: Lab) -> None:
    fill(mounted)
    assert mounted.transfer() == 1
    for name in NAMES:
        mounted.write(name, "changed", age=10)
    before = tree(mounted.source)
    (mounted.source / "empty" / "deep" / "er").mkdir()
    (mounted.source / "x" / "y").mkdir(parents=True)
    assert mounted.delete() == 0
    gone = {"empty/deep", "old", "future", os.fsdecode(b"dir \xfe")}
    assert tree(mounted.source).keys() >= before.keys() - gone
    assert tree(mounted.source).keys() <= before.keys()


def test_a_directory_that_this_user_may_not_remove_is_an_alert(mounted: Lab) -> None:
    """It is tried once a day."""
    mounted.real_time()
    mounted.write("run/new")
    (mounted.source / "run" / "empty").mkdir()
    os.utime(mounted.source / "run" / "empty", (0, 0))
    (mounted.source / "run").chmod(0o555)
    with mounted.start("delete", unprivileged=True) as process:
        assert process.wait() == 1
    assert "/src/run/empty: Permission denied." in mounted.alerts()["delete failed"]
    (mounted.source / "run").chmod(0o755)
    mounted.real_time()
    assert mounted.delete() == 0
    assert (mounted.source / "run" / "empty").exists()
    assert mounted.alerts().keys() == {"delete failed"}
    mounted.advance(DAY)
    assert (mounted.delete(), mounted.alerts()) == (0, {})
    assert tree(mounted.source) == {"run": None, "run/new": b"data"}


def test_on_a_mount_a_new_file_in_an_empty_directory_survives(mounted: Lab) -> None:
    """It arrives when Globus has listed SRC_DIR."""
    (mounted.source / "x" / "y").mkdir(parents=True)
    mounted.world.faults.add_hook(
        "ls",
        lambda _request: mounted.write("x/y/new", "arrived"),
        when="after",
        match=lambda request: request.query["path"] == "/src",
    )
    assert mounted.delete() == 0
    assert files(mounted.source) == {"x/y/new": b"arrived"}


def test_on_a_mount_a_file_that_arrives_after_the_scan_survives(mounted: Lab) -> None:
    for name in ("x", "y"):
        (mounted.source / name).mkdir()

    class Writer(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() == "Removed the empty directory /src/x":
                mounted.write("y/new", "arrived")

    writer = Writer()
    logging.getLogger("globus_auto").addHandler(writer)
    assert mounted.delete("-v") == 0
    logging.getLogger("globus_auto").removeHandler(writer)
    assert tree(mounted.source) == {"y": None, "y/new": b"arrived"}


def test_a_quarantine_from_before_the_mount_is_removed_too(lab: Lab) -> None:
    (lab.source / "x").mkdir()
    lab.write("stays")
    lab.world.faults.add("delete", status=503, times=None)
    assert lab.delete() == 1
    assert len(lab.store().quarantined) == 1
    lab.world.faults.clear()
    lab.configure(SRC_LOCAL_DIR=str(lab.source))
    assert lab.delete() == 0
    assert tree(lab.source).keys() == {"stays"}
    lab.transfer()
    assert lab.store().quarantined == {}


def test_a_source_with_only_an_unsendable_name_is_recognised(
    mounted: Lab,
) -> None:
    """The mount is not taken for another directory: only the name is an alert."""
    (mounted.source / "line\nbreak").touch()
    assert mounted.transfer() == 1
    assert mounted.alerts().keys() == {"unsendable"}


def missing(lab: Lab) -> str:
    return str(lab.home / "nowhere")


def empty(lab: Lab) -> str:
    (lab.home / "mnt").mkdir()
    return str(lab.home / "mnt")


def another(lab: Lab) -> str:
    put(lab.home / "mnt" / "other", "of another disk", 1)
    (lab.home / "mnt" / "bare").mkdir()
    return str(lab.home / "mnt")


@pytest.mark.parametrize("mount", [missing, empty, another])
@pytest.mark.parametrize("program", ["transfer", "delete"])
def test_a_mount_that_is_not_the_source_changes_nothing(
    program: str, mount: Any, lab: Lab, mailbox: Any
) -> None:
    lab.configure(KEEP_DAYS=1)
    lab.write_and_transfer("a", "run/b")
    assert lab.transfer() == 0
    (lab.source / "empty").mkdir()
    place = mount(lab)
    lab.configure(SRC_LOCAL_DIR=place)
    before = tree(lab.source), tree(lab.home / "mnt"), lab.datastore_bytes()
    assert getattr(lab, program)() == 1
    assert (tree(lab.source), tree(lab.home / "mnt"), lab.datastore_bytes()) == before
    (mail,) = mailbox.texts()
    assert f"SRC_LOCAL_DIR {place}" in mail
    assert lab.records() == {"/src/a", "/src/run/b"}
    lab.configure(SRC_LOCAL_DIR=str(lab.source))
    assert getattr(lab, program)() == 0
    assert "RESOLVED" in mailbox.texts()[-1]
