"""Scans of the source: directories that cannot be listed, odd names and types, odd mtimes."""

import os
import socket
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.lab import START, Lab, files, put, tree
from tests.mail import Mailbox

DAY = 86_400


def sent_paths(lab: Lab) -> list[str]:
    """Return the source paths of all submitted items."""
    return [item["source_path"] for document in lab.submitted() for item in document["DATA"]]


def listing_of(*paths: str) -> Callable[[Any], bool]:
    """Return a function that matches full listings of these directories."""
    return lambda request: request.query["path"] in paths and "limit" not in request.query


def api_error(code: str, message: str = "planned") -> dict[str, str]:
    """Return the body of an error of Globus."""
    return {"code": code, "message": message, "request_id": "r123"}


HOLES = [
    pytest.param(
        {"status": 403, "body": api_error("EndpointPermissionDenied")}, "r123", id="forbidden"
    ),
    pytest.param(
        {"status": 502, "body": api_error("ExternalError.DirListingFailed.SizeLimit")},
        "SizeLimit",
        id="too large",
    ),
    pytest.param(
        {"status": 502, "body": api_error("EndpointError"), "times": None}, "502", id="server error"
    ),
    pytest.param({"truncate": True, "times": None}, "no whole listing", id="half an answer"),
    pytest.param({"status": 200, "body": {"DATA": []}}, "no whole listing", id="no total"),
    pytest.param(
        {"status": 200, "body": {"DATA": [], "total": 2}}, "listed 0 of 2 entries", id="short"
    ),
    pytest.param(
        {"status": 200, "body": {"DATA": [{"name": "../x", "type": "dir"}], "total": 1}},
        "impossible name",
        id="a name that leads out",
    ),
]


@pytest.mark.parametrize(("fault", "said"), HOLES)
def test_a_directory_that_cannot_be_listed_keeps_its_records(
    lab: Lab, fault: dict[str, Any], said: str
) -> None:
    """An alert names it, and nothing below it is transferred."""
    lab.given_transferred("a.txt", "d/b.txt", "d/e/c.txt", "gone.txt")
    before = lab.records()
    (lab.source / "d/b.txt").unlink()
    (lab.source / "gone.txt").unlink()
    lab.write("d/new.txt")
    lab.write("new.txt")
    lab.world.faults.add("ls", match=listing_of("/src/d"), **fault)
    assert lab.transfer() == 1
    assert sent_paths(lab) == ["/src/new.txt"]
    assert lab.records() == before - {"/src/gone.txt"} | {"/src/new.txt"}
    assert "/src/d cannot be listed" in lab.alerts()["unlisted"]
    assert said in lab.alerts()["unlisted"]
    lab.world.faults.clear()
    assert lab.transfer() == 0
    assert lab.alerts() == {}
    assert sent_paths(lab) == ["/src/new.txt", "/src/d/new.txt"]
    assert "/src/d/b.txt" not in lab.records()


def test_a_directory_that_is_not_found_keeps_its_records(
    lab: Lab, mailbox: Mailbox, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is mailed only if that lasts for ten minutes."""
    lab.given_transferred("a.txt", "d/b.txt", "d/e/c.txt")
    before = lab.records()
    lab.write("new.txt")
    lab.world.faults.add(
        "ls",
        match=listing_of("/src/d"),
        status=404,
        times=3,
        body=api_error("ClientError.NotFound"),
    )
    assert lab.transfer() == 0
    assert lab.records() == before | {"/src/new.txt"}
    lab.advance(590)
    assert lab.transfer() == 0
    assert (capfd.readouterr().err, mailbox.messages) == ("", [])
    lab.advance(20)
    assert lab.transfer() == 0
    (message,) = mailbox.texts()
    assert "/src/d is in the listing of its parent directory, but Globus says" in message
    assert lab.records() == before | {"/src/new.txt"}
    assert lab.transfer() == 0
    assert "RESOLVED" in mailbox.texts()[1]
    assert lab.alerts() == {}


@pytest.mark.parametrize("dropped", ["before", "after"])
def test_a_lost_listing_is_requested_again(lab: Lab, dropped: str) -> None:
    lab.given_transferred("d/a.txt")
    lab.write("d/b.txt")
    lab.world.faults.add("ls", match=listing_of("/src/d"), drop=dropped)
    assert lab.transfer() == 0
    assert sent_paths(lab) == ["/src/d/b.txt"]


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 404, "body": api_error("EndpointDeleted")},
        {"status": 502, "body": api_error("ExternalError.DirListingFailed.GCDisconnected")},
        {"status": 429, "body": api_error("TooManyRequests")},
        {"drop": "before"},
    ],
)
def test_an_endpoint_lost_during_the_scan_ends_the_run(lab: Lab, fault: dict[str, Any]) -> None:
    """No record changes, and nothing is submitted."""
    lab.given_transferred("a.txt", "d/b.txt")
    before = lab.datastore_bytes()
    (lab.source / "a.txt").unlink()
    lab.write("new.txt")
    lab.world.faults.add("ls", times=None, match=listing_of("/src/d"), **fault)
    assert lab.transfer() in (1, 2)
    assert (lab.datastore_bytes(), lab.submitted()) == (before, [])
    lab.world.faults.clear()
    assert lab.transfer() == 0
    assert lab.alerts() == {}


def test_a_429_makes_the_scan_back_off(lab: Lab) -> None:
    lab.given_transferred("d/a.txt")
    lab.write("d/b.txt")
    lab.world.faults.add(
        "ls", match=listing_of("/src/d"), times=3, status=429, body=api_error("TooManyRequests")
    )
    assert lab.transfer() == 0
    assert sent_paths(lab) == ["/src/d/b.txt"]


def test_a_suddenly_empty_source_drops_no_records(lab: Lab) -> None:
    """Its disk may not be mounted: that is an alert."""
    lab.given_transferred("a.txt", "d/b.txt")
    before = lab.datastore_bytes()
    lab.source.rename(lab.home / "unmounted")
    lab.source.mkdir()
    assert lab.transfer() == 1
    assert "SRC_DIR /src is empty, though files were there before" in lab.alerts()["source"]
    assert (lab.datastore_bytes(), lab.submitted()) == (before, [])
    lab.source.rmdir()
    (lab.home / "unmounted").rename(lab.source)
    assert lab.transfer() == 0
    assert (lab.alerts(), lab.submitted()) == ({}, [])


@pytest.mark.parametrize("mounted", [False, True])
@pytest.mark.parametrize("names", [["d/a"], ["a", "b"], ["d/a", "d/b", "c"]])
def test_files_removed_by_hand_are_not_a_missing_disk(
    lab: Lab, names: list[str], mounted: bool
) -> None:
    lab.configure(SRC_LOCAL_DIR=str(lab.source) if mounted else "")
    lab.given_transferred(*names)
    (lab.source / names[0]).unlink()
    assert (lab.transfer(), lab.delete(), lab.transfer()) == (0, 0, 0)
    assert (tree(lab.source), lab.alerts(), lab.records()) == ({}, {}, set())


def test_a_missing_disk_during_a_deletion_drops_no_records(lab: Lab) -> None:
    lab.given_transferred("a.txt", "b.txt")
    lab.source.rename(lab.home / "its disk")
    lab.source.mkdir()
    assert lab.delete() == 0
    assert lab.records() == {"/src/a.txt", "/src/b.txt"}


def test_a_missing_source_directory_is_an_alert(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """No record changes, and nothing is submitted. Where both are missing, the ids may be wrong."""
    lab.given_transferred("d/a.txt")
    before = lab.datastore_bytes()
    lab.configure(SRC_DIR="/src/nowhere", DST_DIR="/dst/nowhere")
    assert lab.transfer() == 1
    assert "SRC_DIR /src/nowhere cannot be listed" in lab.alerts()["source"]
    assert "whether SRC_ID and DST_ID are swapped" in lab.alerts()["source"]
    assert (lab.datastore_bytes(), lab.submitted()) == (before, [])
    assert lab.transfer("--check") == 1
    assert "whether SRC_ID and DST_ID are swapped" in capsys.readouterr().out
    (lab.destination / "nowhere").mkdir()
    assert lab.transfer() == 1
    assert "swapped" not in lab.alerts()["source"]


def test_symlinks_pipes_and_sockets_are_named_once(
    lab: Lab, mailbox: Mailbox, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are not transferred."""
    lab.write("d/a.txt")
    (lab.source / "d/link").symlink_to("a.txt")
    (lab.source / "d/dangling").symlink_to("nowhere")
    (lab.source / "d/linked").symlink_to(".")
    os.mkfifo(lab.source / "d/pipe")
    monkeypatch.chdir(lab.source / "d")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    lab.write("b.txt")
    assert [lab.transfer() for _ in range(3)] == [0, 0, 0]
    assert files(lab.destination).keys() == {"b.txt", "d/a.txt"}
    assert mailbox.messages == [], "it is a note"
    message = lab.alerts()["left alone"]
    for name in ("link (symlink)", "dangling (symlink)", "pipe (pipe)", "socket (other)"):
        assert name in message
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", [b"a\nb", b"a\rb", b"not \xff utf-8"])
def test_an_unsendable_name_is_reported_and_left_alone(lab: Lab, name: bytes) -> None:
    lab.given_transferred("a.txt")
    odd = os.fsencode(lab.source / "d") + b"/" + name
    lab.write("d/b.txt")
    with open(odd, "w"):
        os.utime(odd, (START, START))
    assert lab.transfer() == 1
    assert sent_paths(lab) == ["/src/d/b.txt"]
    assert "Globus cannot take the name" in lab.alerts()["unsendable"]
    assert os.path.exists(odd)
    os.rename(odd, lab.source / "d/renamed")
    assert lab.transfer() == 0
    assert lab.alerts() == {}


def test_excluded_oddities_are_not_reported(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    lab.configure(EXCLUDE=["Icon?", "*.lnk", "*.tmp"])
    (lab.source / "Icon\r").touch()
    (lab.source / "a.lnk").symlink_to("a.txt")
    put(lab.source / "a.tmp", "data", START + 40 * DAY)
    lab.write("a.txt")
    assert lab.transfer() == 0
    assert files(lab.destination).keys() == {"a.txt"}
    assert (capfd.readouterr().err, lab.alerts()) == ("", {})


def test_the_first_run_sends_items_if_a_name_is_unsendable(lab: Lab) -> None:
    lab.write("a.txt")
    (lab.source / "a\nb").touch()
    assert lab.transfer() == 1
    assert sent_paths(lab) == ["/src/a.txt"]


@pytest.mark.parametrize("path", ["a.txt", "alone/a.txt"])
def test_a_file_written_twice_within_a_second_is_sent_again(lab: Lab, path: str) -> None:
    """A directory in which all files were sent by one task is not looked at file by file."""
    lab.write("old")
    lab.given_transferred("older")
    put(lab.source / path, "first ", START)
    assert lab.transfer() == 0
    put(lab.source / path, "second"[:6], START)  # size and mtime are equal
    assert (lab.destination / path).read_text() == "first "
    assert lab.transfer() == 0
    assert len(lab.submitted()) == 1  # too early to be sure
    lab.advance(3)
    assert [lab.transfer() for _ in range(3)] == [0, 0, 0]
    assert len(lab.submitted()) == 2
    assert (lab.destination / path).read_text() == "second"


def test_an_mtime_slightly_ahead_is_sent_again_once_past(lab: Lab) -> None:
    lab.given_transferred("old")
    put(lab.source / "a.txt", "data", START + 3600)
    assert [lab.transfer() for _ in range(3)] == [0, 0, 0]
    assert len(lab.submitted()) == 1
    lab.advance(3700)
    assert [lab.transfer() for _ in range(3)] == [0, 0, 0]
    assert len(lab.submitted()) == 2
    assert lab.alerts() == {}


def test_a_future_mtime_is_sent_at_once_and_mailed_once(lab: Lab, mailbox: Mailbox) -> None:
    lab.configure(SETTLE_SECONDS=600)
    lab.write("older", age=1000)
    assert lab.transfer() == 0
    put(lab.source / "a.txt", "data", START + 40 * DAY)
    assert [lab.transfer() for _ in range(3)] == [0, 0, 0]
    assert sent_paths(lab)[1:] == ["/src/a.txt"]
    assert (lab.destination / "a.txt").stat().st_mtime == START + 40 * DAY
    lab.advance(2 * DAY)
    assert lab.transfer() == 0
    assert mailbox.messages == [], "it is a note"
    message = lab.alerts()["future"]
    assert "1 file in /src is more than a day in the future: a.txt." in message


def test_a_very_old_mtime_is_ordinary(lab: Lab) -> None:
    lab.given_transferred("old")
    put(lab.source / "a.txt", "data", 0)
    put(lab.source / "b.txt", "data", -100_000)
    assert [lab.transfer() for _ in range(2)] == [0, 0]
    assert sent_paths(lab) == ["/src/b.txt", "/src/a.txt"], "oldest first"


IMPOSSIBLE = ["0000-01-01 00:00:00+00:00", "12345-01-01 00:00:00+00:00", "soon", 12345, None]


def impossible_time(lab: Lab, moment: object, root: str, directory: Path) -> None:
    """Let Globus list `directory` at `root` as it is, with this `moment` as the mtime of a.txt."""
    entries = [
        {
            "name": path.name,
            "type": "file",
            "size": path.stat().st_size,
            "last_modified": moment
            if path.name == "a.txt"
            else datetime.fromtimestamp(int(path.stat().st_mtime), timezone.utc).isoformat(" "),
        }
        for path in directory.iterdir()
        if path.is_file()
    ]
    body = {"DATA": entries, "total": len(entries)}
    lab.world.faults.add("ls", match=listing_of(root), status=200, body=body, times=None)


@pytest.mark.parametrize("moment", IMPOSSIBLE)
def test_an_impossible_time_concerns_only_its_file(lab: Lab, moment: object) -> None:
    """It is reported and left alone, with its record, by both programs; all others go on."""
    lab.given_transferred("a.txt", "b.txt")
    lab.write("new.txt")
    impossible_time(lab, moment, "/src", lab.source)
    assert lab.transfer() == 1
    assert sent_paths(lab) == ["/src/new.txt"]
    assert lab.alerts().keys() == {"unsendable"}
    assert f"1 file in /src: a.txt (size 4, modified {moment})." in lab.alerts()["unsendable"]
    assert lab.delete() == 0
    assert files(lab.source).keys() == {"a.txt"}
    assert lab.records() == {"/src/a.txt"}
    lab.world.faults.clear()
    assert (lab.transfer(), lab.alerts(), sent_paths(lab)) == (0, {}, ["/src/new.txt"])
    assert (lab.delete(), files(lab.source)) == (0, {})


def test_a_copy_with_an_impossible_time_is_not_missing(lab: Lab) -> None:
    lab.given_transferred("a.txt", "b.txt")
    impossible_time(lab, "soon", "/dst", lab.destination)
    assert lab.delete() == 1
    assert (files(lab.source).keys(), lab.records()) == ({"a.txt"}, {"/src/a.txt"})
    assert "time of /dst/a.txt: size 4, modified soon." in lab.alerts()["destination"]


def test_rename_support_may_be_unknown(lab: Lab) -> None:
    lab.write("d/a.txt")
    document = {"name": "a.txt", "type": "file", "size": 4, "last_modified": "2026-01-02 00:00:00"}
    listing = {"DATA": [document], "total": 1, "rename_supported": None}
    lab.world.faults.add("ls", match=listing_of("/src/d"), status=200, body=listing)
    assert lab.transfer() == 0
    assert lab.records() == {"/src/d/a.txt"}
