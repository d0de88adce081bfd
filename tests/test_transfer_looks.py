"""Looking at the source: what cannot be seen or sent, what is odd, what is too young to trust."""

import os
import socket

import pytest

from tests.conftest import START, Lab, files, put, tree

DAY = 86_400


def sent_paths(lab):
    """Return the source paths of all items submitted so far."""
    return [item["source_path"] for document in lab.submitted() for item in document["DATA"]]


def listing_of(*paths):
    """Return what tells that a request lists one of these directories at the source."""
    return lambda request: request.query["path"] in paths and "limit" not in request.query


def refusal(code, message="planned"):
    """Return the body of an answer that refuses something."""
    return {"code": code, "message": message, "request_id": "r123"}


HOLES = [
    pytest.param(
        {"status": 403, "body": refusal("EndpointPermissionDenied")}, "r123", id="forbidden"
    ),
    pytest.param(
        {"status": 502, "body": refusal("ExternalError.DirListingFailed.SizeLimit")},
        "SizeLimit",
        id="too large",
    ),
    pytest.param(
        {"status": 502, "body": refusal("EndpointError"), "times": None}, "502", id="server error"
    ),
    pytest.param({"truncate": True, "times": None}, "no whole listing", id="half an answer"),
    pytest.param({"status": 200, "body": {"DATA": []}}, "no whole listing", id="no total"),
    pytest.param(
        {"status": 200, "body": {"DATA": [], "total": 2}}, "listed 0 of 2 entries", id="short"
    ),
    pytest.param(
        {"status": 200, "body": {"DATA": [{"name": "a", "type": "file"}], "total": 1}},
        "no size or time",
        id="no size",
    ),
    pytest.param(
        {"status": 200, "body": {"DATA": [{"name": "../x", "type": "dir"}], "total": 1}},
        "impossible name",
        id="a name that leads out",
    ),
]


@pytest.mark.parametrize(("fault", "said"), HOLES)
def test_a_directory_that_cannot_be_listed_is_reported_and_left_as_it_is(lab: Lab, fault, said):
    lab.sent("a.txt", "d/b.txt", "d/e/c.txt", "gone.txt")
    before = lab.entries()
    (lab.source / "d/b.txt").unlink()
    (lab.source / "gone.txt").unlink()
    lab.write("d/new.txt")
    lab.write("new.txt")
    lab.world.faults.add("ls", match=listing_of("/src/d"), **fault)
    assert lab.transfer() == 1
    assert sent_paths(lab) == ["/src/new.txt"]
    assert lab.entries() == before - {"/src/gone.txt"} | {"/src/new.txt"}
    assert "/src/d cannot be listed" in lab.alerts()["unlisted"]
    assert said in lab.alerts()["unlisted"]
    lab.world.faults.clear()
    assert lab.transfer() == 0
    assert lab.alerts() == {}
    assert sent_paths(lab) == ["/src/new.txt", "/src/d/new.txt"]
    assert "/src/d/b.txt" not in lab.entries()


def test_a_directory_that_is_just_gone_forgets_nothing_and_is_told_if_it_lasts(
    lab: Lab, mailbox, capfd
):
    lab.sent("a.txt", "d/b.txt", "d/e/c.txt")
    before = lab.entries()
    lab.write("new.txt")
    lab.world.faults.add(
        "ls",
        match=listing_of("/src/d"),
        status=404,
        times=3,
        body=refusal("ClientError.NotFound"),
    )
    assert lab.transfer() == 0
    assert lab.entries() == before | {"/src/new.txt"}
    lab.later(590)
    assert lab.transfer() == 0
    assert (capfd.readouterr().err, mailbox.messages) == ("", [])
    lab.later(20)
    assert lab.transfer() == 0
    (told,) = mailbox.texts()
    assert "/src/d is in the listing of its parent directory, but Globus says" in told
    assert lab.entries() == before | {"/src/new.txt"}
    assert lab.transfer() == 0
    assert "RESOLVED" in mailbox.texts()[1]
    assert lab.alerts() == {}


@pytest.mark.parametrize("dropped", ["before", "after"])
def test_an_answer_lost_once_is_asked_for_again(lab: Lab, dropped):
    lab.sent("d/a.txt")
    lab.write("d/b.txt")
    lab.world.faults.add("ls", match=listing_of("/src/d"), drop=dropped)
    assert lab.transfer() == 0
    assert sent_paths(lab) == ["/src/d/b.txt"]


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 404, "body": refusal("EndpointDeleted")},
        {"status": 502, "body": refusal("ExternalError.DirListingFailed.GCDisconnected")},
        {"status": 429, "body": refusal("TooManyRequests")},
        {"drop": "before"},
    ],
)
def test_an_endpoint_that_goes_away_during_the_look_ends_the_run_and_concludes_nothing(lab, fault):
    lab.sent("a.txt", "d/b.txt")
    before = lab.remembered()
    (lab.source / "a.txt").unlink()
    lab.write("new.txt")
    lab.world.faults.add("ls", times=None, match=listing_of("/src/d"), **fault)
    assert lab.transfer() in (1, 2)
    assert (lab.remembered(), lab.submitted()) == (before, [])
    lab.world.faults.clear()
    assert lab.transfer() == 0
    assert lab.alerts() == {}


def test_being_told_to_ask_less_often_makes_the_look_rest(lab: Lab):
    lab.sent("d/a.txt")
    lab.write("d/b.txt")
    lab.world.faults.add(
        "ls", match=listing_of("/src/d"), times=3, status=429, body=refusal("TooManyRequests")
    )
    assert lab.transfer() == 0
    assert sent_paths(lab) == ["/src/d/b.txt"]


def test_an_empty_source_where_files_were_forgets_nothing_and_is_an_alert(lab: Lab):
    lab.sent("a.txt", "d/b.txt")
    before = lab.remembered()
    lab.source.rename(lab.home / "unmounted")
    lab.source.mkdir()
    assert lab.transfer() == 1
    assert "SRC_DIR /src is empty, though files were there before" in lab.alerts()["source"]
    assert (lab.remembered(), lab.submitted()) == (before, [])
    lab.source.rmdir()
    (lab.home / "unmounted").rename(lab.source)
    assert lab.transfer() == 0
    assert (lab.alerts(), lab.submitted()) == ({}, [])


@pytest.mark.parametrize("mounted", [False, True])
@pytest.mark.parametrize("names", [["d/a"], ["a", "b"], ["d/a", "d/b", "c"]])
def test_files_removed_by_hand_do_not_read_as_a_disk_that_is_gone(lab: Lab, names, mounted):
    lab.configure(SRC_LOCAL_DIR=str(lab.source) if mounted else "")
    lab.sent(*names)
    (lab.source / names[0]).unlink()
    assert (lab.transfer(), lab.delete(), lab.transfer()) == (0, 0, 0)
    assert (tree(lab.source), lab.alerts(), lab.entries()) == ({}, {}, set())


def test_a_disk_that_is_gone_while_files_are_deleted_forgets_nothing(lab: Lab):
    lab.sent("a.txt", "b.txt")
    lab.source.rename(lab.home / "its disk")
    lab.source.mkdir()
    assert lab.delete() == 0
    assert lab.entries() == {"/src/a.txt", "/src/b.txt"}


def test_a_missing_source_directory_is_an_alert_and_concludes_nothing(lab: Lab):
    lab.sent("d/a.txt")
    before = lab.remembered()
    lab.configure(SRC_DIR="/src/nowhere", DST_DIR="/dst/nowhere")
    assert lab.transfer() == 1
    assert "SRC_DIR /src/nowhere cannot be listed" in lab.alerts()["source"]
    assert (lab.remembered(), lab.submitted()) == (before, [])


def test_symlinks_pipes_and_sockets_are_left_alone_and_named_once(
    lab: Lab, mailbox, capfd, monkeypatch
):
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
    told = lab.alerts()["left alone"]
    for name in ("link (symlink)", "dangling (symlink)", "pipe (pipe)", "socket (other)"):
        assert name in told
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", [b"a\nb", b"a\rb", b"not \xff utf-8"])
def test_a_name_that_cannot_go_through_globus_is_reported_and_left_alone(lab: Lab, name):
    lab.sent("a.txt")
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


def test_odd_things_that_are_excluded_are_not_spoken_of(lab: Lab, capfd):
    lab.configure(EXCLUDE=["Icon?", "*.lnk", "*.tmp"])
    (lab.source / "Icon\r").touch()
    (lab.source / "a.lnk").symlink_to("a.txt")
    put(lab.source / "a.tmp", "data", START + 40 * DAY)
    lab.write("a.txt")
    assert lab.transfer() == 0
    assert files(lab.destination).keys() == {"a.txt"}
    assert (capfd.readouterr().err, lab.alerts()) == ("", {})


def test_the_first_run_goes_file_by_file_around_a_name_that_cannot_be_sent(lab: Lab):
    lab.write("a.txt")
    (lab.source / "a\nb").touch()
    assert lab.transfer() == 1
    assert sent_paths(lab) == ["/src/a.txt"]


def test_a_file_written_twice_within_a_second_is_sent_again(lab: Lab):
    lab.write("old")
    lab.sent("older")
    put(lab.source / "a.txt", "first ", START)
    assert lab.transfer() == 0
    put(lab.source / "a.txt", "second"[:6], START)  # neither size nor time tells
    assert (lab.destination / "a.txt").read_text() == "first "
    assert lab.transfer() == 0
    assert len(lab.submitted()) == 1  # too soon to tell
    lab.later(3)
    assert [lab.transfer() for _ in range(3)] == [0, 0, 0]
    assert len(lab.submitted()) == 2
    assert (lab.destination / "a.txt").read_text() == "second"


def test_a_time_a_little_ahead_is_sent_and_again_once_it_has_passed(lab: Lab):
    lab.sent("old")
    put(lab.source / "a.txt", "data", START + 3600)
    assert [lab.transfer() for _ in range(3)] == [0, 0, 0]
    assert len(lab.submitted()) == 1
    lab.later(3700)
    assert [lab.transfer() for _ in range(3)] == [0, 0, 0]
    assert len(lab.submitted()) == 2
    assert lab.alerts() == {}


def test_a_time_far_ahead_is_a_label_sent_at_once_and_warned_of_once(lab: Lab, mailbox):
    lab.configure(SETTLE_SECONDS=600)
    lab.write("older", age=1000)
    assert lab.transfer() == 0
    put(lab.source / "a.txt", "data", START + 40 * DAY)
    assert [lab.transfer() for _ in range(3)] == [0, 0, 0]
    assert sent_paths(lab)[1:] == ["/src/a.txt"]
    assert (lab.destination / "a.txt").stat().st_mtime == START + 40 * DAY
    lab.later(2 * DAY)
    assert lab.transfer() == 0
    assert mailbox.messages == [], "it is a note"
    told = lab.alerts()["future"]
    assert "1 file in /src is more than a day in the future: a.txt." in told


def test_a_very_old_time_is_as_good_as_any(lab: Lab):
    lab.sent("old")
    put(lab.source / "a.txt", "data", 0)
    put(lab.source / "b.txt", "data", -100_000)
    assert [lab.transfer() for _ in range(2)] == [0, 0]
    assert sent_paths(lab) == ["/src/b.txt", "/src/a.txt"], "oldest first"


def test_whether_an_endpoint_can_rename_may_be_left_open(lab: Lab):
    lab.write("d/a.txt")
    document = {"name": "a.txt", "type": "file", "size": 4, "last_modified": "2026-01-02 00:00:00"}
    listing = {"DATA": [document], "total": 1, "rename_supported": None}
    lab.world.faults.add("ls", match=listing_of("/src/d"), status=200, body=listing)
    assert lab.transfer() == 0
    assert lab.entries() == {"/src/d/a.txt"}
