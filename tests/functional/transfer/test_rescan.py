"""RESCAN_HOURS: unchanged directories are listed again once in so many hours."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Lab, another_destination, put, tree

LEAVES = ("/src/a", "/src/b/c", "/src/b/d")
NAMES = ("a/1", "a/2", "b/c/1", "b/d/1")
HOUR = 3600


@pytest.fixture
def trusted(lab: Lab) -> Lab:
    """Return a laboratory in which the directories of all files need no listing."""
    lab.configure(RESCAN_HOURS=1e6)
    for name in NAMES:
        lab.write(name, f"the content of {name}", age=HOUR)
    age(lab)
    assert [lab.transfer() for _ in range(3)] == [0, 0, 0]
    assert listed(lab) == ["/src", "/src/b"]
    return lab


def age(lab: Lab, seconds: float = HOUR) -> None:
    """Let all directories have been modified so many seconds ago."""
    for path in (lab.source, *lab.source.rglob("*")):
        if path.is_dir():
            os.utime(path, (time.time() - seconds,) * 2)


def listed(lab: Lab) -> list[str]:
    """Return the directories of the source that the next scan lists, sorted."""
    lab.world.requests.clear()
    assert lab.transfer() == 0
    return scanned(lab)


def scanned(lab: Lab) -> list[str]:
    """Return the directories of the source that were listed, sorted."""
    found = [request.query for request in lab.world.requests if request.route == "ls"]
    return sorted(each["path"] for each in found if each["path"].startswith("/src"))


def test_what_is_in_unchanged_directories_counts_as_seen(trusted: Lab) -> None:
    """Nothing is forgotten, sent, written or reported because of it."""
    scan = trusted.health()["scan"]
    trusted.write("new")
    assert listed(trusted) == ["/src", "/src/b"]
    assert [body["DATA"][0]["source_path"] for body in trusted.submitted()] == ["/src/new"]
    assert trusted.records() == {"/src/new", *(f"/src/{name}" for name in NAMES)}
    assert trusted.transfer() == 0
    (trusted.source / "new").unlink()
    assert trusted.transfer() == 0
    assert {**trusted.health()["scan"], "at": 0} == {**scan, "at": 0}
    assert "and 3 unchanged ones, 4 files" in trusted.log()
    assert trusted.alerts() == {}


@pytest.mark.parametrize(
    ("change", "sent"),
    [
        (lambda path: put(path / "new", "1", 1_000_000), "/src/a/new"),
        (lambda path: (path / "1").rename(path / "0"), "/src/a/0"),
        (lambda path: (path / "1").unlink(), None),
        (lambda path: put(path / "below/new", "1", 1_000_000), "/src/a/below/new"),
    ],
    ids=["new with an old mtime", "renamed", "removed", "new directory"],
)
def test_a_change_of_names_is_seen_at_once(
    trusted: Lab, change: Callable[[Path], Any], sent: str | None
) -> None:
    change(trusted.source / "a")
    assert {"/src/a"} <= set(listed(trusted)) <= {"/src", "/src/a", "/src/a/below", "/src/b"}
    assert [item["source_path"] for body in trusted.submitted() for item in body["DATA"]] == (
        [sent] if sent else []
    )


def test_a_removed_file_is_forgotten_at_once(trusted: Lab) -> None:
    (trusted.source / "a/1").unlink()
    trusted.write("new")
    assert trusted.transfer() == 0
    assert "/src/a/1" not in trusted.records()


@pytest.mark.parametrize(
    "settings",
    [{"EXCLUDE": ["2"]}, {"SETTLE_SECONDS": 5}, {"KEEP_MARKERS": []}, {"DST_ID": ""}],
    ids=lambda settings: next(iter(settings)),
)
def test_an_edited_setting_ends_trust(trusted: Lab, settings: dict[str, Any]) -> None:
    if "DST_ID" in settings:
        another_destination(trusted)
    else:
        trusted.configure(**settings)
    assert set(listed(trusted)) == {"/src", "/src/b", *LEAVES}


@pytest.mark.parametrize(
    "damage",
    [
        Path.unlink,
        lambda path: path.write_bytes(path.read_bytes()[:-9]),
        lambda p: p.write_text(""),
    ],
    ids=["missing", "cut", "empty"],
)
def test_without_the_cache_every_directory_is_listed(
    trusted: Lab, damage: Callable[[Path], Any]
) -> None:
    damage(trusted.state / "datastore.listed")
    assert set(listed(trusted)) == {"/src", "/src/b", *LEAVES}
    assert listed(trusted) == ["/src", "/src/b"]
    assert trusted.alerts() == {}


def test_full_lists_every_directory(trusted: Lab) -> None:
    trusted.world.requests.clear()
    assert trusted.transfer("--full") == 0
    assert set(scanned(trusted)) == {"/src", "/src/b", *LEAVES}


def test_a_dropped_record_ends_trust(trusted: Lab) -> None:
    """A copy is gone: delete.py drops the record, and the file is sent again at once."""
    (trusted.destination / "b/c/1").unlink()
    assert trusted.delete() == 1
    assert "/src/b/c" in listed(trusted)
    assert [body["DATA"][0]["source_path"] for body in trusted.submitted()] == ["/src/b/c/1"]
    assert trusted.transfer() == 0
    assert (trusted.destination / "b/c/1").read_text() == "the content of b/c/1"


def test_delete_lists_whatever_is_trusted(trusted: Lab) -> None:
    """A file that was rewritten in place is not deleted, although its directory is trusted."""
    mtime = (trusted.source / "a").stat().st_mtime
    trusted.write("a/1", "rewritten")
    os.utime(trusted.source / "a", (mtime, mtime))
    assert listed(trusted) == ["/src", "/src/b"]
    trusted.delete()
    assert {**tree(trusted.source)}.get("a/1") == b"rewritten"
    assert "/src/a" in listed(trusted)


@pytest.mark.slow
def test_a_rewrite_in_place_is_noticed_in_time(lab: Lab) -> None:
    lab.configure(RESCAN_HOURS=24)
    for name in NAMES:
        lab.write(name, "before", age=HOUR)
    age(lab)
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    mtime = (lab.source / "a").stat().st_mtime
    lab.write("a/1", "rewritten")
    os.utime(lab.source / "a", (mtime, mtime))
    lab.world.requests.clear()
    for _ in range(48):
        lab.advance(HOUR / 2)
        assert lab.transfer() == 0
    paths = scanned(lab)
    assert {path: paths.count(path) for path in LEAVES} == {
        "/src/a": 2,  # once more for the rewritten file, which was in progress then
        "/src/b/c": 1,
        "/src/b/d": 1,
    }
    assert (lab.destination / "a/1").read_text() == "rewritten"


@pytest.mark.parametrize(
    ("directory", "file", "settle", "trusts"),
    [
        (602, 602, 0, True),
        (590, 5000, 0, False),
        (5000, 590, 0, False),
        (5000, 1602, 1600, True),
        (1590, 5000, 1600, False),
        (5000, -90_000, 0, False),
        (-90_000, 5000, 0, False),
    ],
)
def test_what_was_modified_lately_is_not_trusted(
    lab: Lab, directory: float, file: float, settle: float, trusts: bool
) -> None:
    """Within the same second, or of another clock, a change may not move the mtime."""
    lab.configure(RESCAN_HOURS=1e6, SETTLE_SECONDS=settle)
    lab.write("a/1", age=file)
    age(lab, directory)
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert listed(lab) == (["/src"] if trusts else ["/src", "/src/a"])


@pytest.mark.parametrize("odd", ["symlink", "newline", "failing"])
def test_odd_directories_are_always_listed(trusted: Lab, odd: str) -> None:
    """What is reported about them would be resolved otherwise."""
    path = trusted.source / "a"
    if odd == "symlink":
        (path / "link").symlink_to("1")
    elif odd == "newline":
        put(path / "a\nb", "", 1_000_000)
    else:
        put(path / "new", "", 1_000_000)
        body = {"code": "PermissionDenied", "message": "m", "request_id": "r", "resource": "/"}
        trusted.world.faults.add(
            "ls",
            times=2,
            match=lambda request: request.query["path"] == "/src/a",
            status=403,
            body=body,
        )
    age(trusted, 2 * HOUR)
    codes = [trusted.transfer() for _ in range(2)]
    alerts = set(trusted.alerts())
    assert alerts == {
        {"symlink": "left alone", "newline": "unsendable", "failing": "unlisted"}[odd]
    }
    assert codes == [int(odd != "symlink")] * 2
    trusted.world.requests.clear()
    trusted.transfer()
    assert "/src/a" in scanned(trusted)


def test_on_a_mount_a_restored_mtime_hides_nothing(trusted: Lab) -> None:
    """The ctime moves as well."""
    trusted.configure(SRC_LOCAL_DIR=str(trusted.source))
    assert trusted.transfer() == 0
    path = trusted.source / "a"
    mtime = path.stat().st_mtime_ns
    assert trusted.transfer() == 0
    put(path / "new", "1", 1_000_000)
    os.utime(path, ns=(mtime, mtime))
    assert trusted.transfer() == 0
    assert "/src/a/new" in trusted.records()
    assert trusted.log().count("and 3 unchanged ones") >= 1


def test_a_dry_run_writes_no_cache(trusted: Lab) -> None:
    (trusted.state / "datastore.listed").unlink()
    assert trusted.transfer("-n") == 0
    assert not (trusted.state / "datastore.listed").exists()


@pytest.mark.parametrize(("seconds", "hours", "hint"), [(599, 0, 0), (600, 0, 1), (600, 24, 0)])
def test_a_long_scan_names_the_setting(lab: Lab, seconds: float, hours: float, hint: int) -> None:
    lab.configure(RESCAN_HOURS=hours)
    lab.write("a")
    lab.world.faults.add_hook(
        "ls",
        lambda _request: lab.advance(seconds),
        match=lambda request: request.query["path"] == "/src" and "limit" not in request.query,
    )
    assert lab.transfer() == 0
    assert lab.log().count("RESCAN_HOURS in config.py makes it shorter") == hint


@pytest.mark.slow
def test_a_day_of_scans_needs_calls_for_a_twentieth_of_the_directories(lab: Lab) -> None:
    """All calls count: 50 inner directories and 1,949 leaves, 48 runs."""
    lab.configure(RESCAN_HOURS=24)
    for number in range(1949):
        lab.write(f"inner{number % 50}/leaf{number}/a", age=HOUR)
    age(lab)
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    lab.world.requests.clear()
    for _ in range(48):
        lab.advance(HOUR / 2)
        assert lab.transfer() == 0
    calls = [request for request in lab.world.requests if request.route != "token"]
    assert len(calls) / 48 <= 0.05 * 2000
    assert len(scanned(lab)) >= 48 * 51 + 1949
    assert lab.alerts() == {}
