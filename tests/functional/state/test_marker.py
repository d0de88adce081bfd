"""The marker in DST_DIR shows that source and destination are distinct directories."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from globus_auto.files import MARKER
from tests.lab import Lab, deleted, files, marks, tree
from tests.mail import Mailbox

REFUSED = {"code": "ExternalError.MkdirFailed.PermissionDenied", "message": "m", "request_id": "r"}


def same(lab: Lab, below: str = "") -> None:
    """Make the destination another name of the source, or of a directory in it."""
    again = lab.world.add_endpoint(
        lab.source, name="again", entity_type="GCSv5_mapped_collection", mount="/again"
    )
    lab.configure(DST_ID=again.id, DST_DIR=f"/again{below}")


def markers(directory: Path) -> list[str]:
    """Return the names of the markers in a directory."""
    return sorted(path.name for path in directory.iterdir() if MARKER.fullmatch(path.name))


def made(lab: Lab) -> list[str]:
    """Return the paths of the requests to make a marker."""
    return [each.body["path"] for each in lab.world.requests if each.route == "mkdir"]


@pytest.mark.parametrize("mounted", [False, True])
@pytest.mark.parametrize("verify", [True, False])
def test_one_directory_under_two_names_stops_both_programs(
    verify: bool, mounted: bool, lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.configure(SRC_LOCAL_DIR=str(lab.source) if mounted else "")
    lab.given_transferred("a", "run/b")
    same(lab)
    lab.configure(VERIFY_DESTINATION=verify, EXCLUDE=[".*"])
    lab.write("c")
    before = tree(lab.source)
    assert [lab.transfer(), lab.delete(), lab.transfer(), lab.delete()] == [2, 2, 2, 2]
    assert "under another name" in capsys.readouterr().err
    assert (lab.submitted(), deleted(lab)) == ([], [])
    assert tree(lab.source) == before
    assert len(markers(lab.source)) == 1
    lab.configure(DST_ID=lab.dst.id, DST_DIR="/dst")
    assert lab.transfer() == 2, "the message says what to remove"
    (lab.source / markers(lab.source)[0]).rmdir()
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert lab.alerts() == {}


def test_one_directory_under_two_names_stops_the_first_run(lab: Lab) -> None:
    same(lab)
    lab.write("a")
    assert lab.transfer() == 2
    assert lab.submitted() == []


def test_delete_alone_finds_one_directory_under_two_names(lab: Lab) -> None:
    """The transfer made the directory, and delete.py is the first to see it."""
    lab.configure(SRC_DIR="/src/new", DST_DIR="/dst/new")
    lab.write("new/a")
    assert lab.transfer() == 0
    assert made(lab) == []
    lab.dst.root = lab.src.root
    assert lab.delete() == 2
    assert deleted(lab) == []
    assert files(lab.source).keys() == {"new/a"}


@pytest.mark.parametrize("mounted", [False, True])
def test_a_destination_inside_the_source_is_noticed(lab: Lab, mounted: bool) -> None:
    lab.configure(SRC_LOCAL_DIR=str(lab.source) if mounted else "", EXCLUDE=["*.d", ".*"])
    lab.write("a")
    (lab.source / "copy").mkdir()
    same(lab, "/copy")
    assert [lab.transfer(), lab.delete()] == [2, 2]
    assert lab.submitted() == []
    assert files(lab.source).keys() == {"a"}


def test_a_marker_in_the_source_stops_both_programs(lab: Lab) -> None:
    """It may come from a backup; somebody removes it, and both go on."""
    lab.write_and_transfer("a")
    assert lab.transfer() == 0
    (name,) = markers(lab.destination)
    (lab.source / "restored" / name).mkdir(parents=True)
    assert [lab.transfer(), lab.delete()] == [2, 2]
    assert f"/src/restored/{name} at the source is an empty" in lab.alerts()["unfit settings"]
    (lab.source / "restored" / name).rmdir()
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert (files(lab.source), lab.alerts()) == ({}, {})


def test_the_marker_is_made_once_and_stays(lab: Lab) -> None:
    """It is made as soon as DST_DIR exists."""
    lab.configure(DST_DIR="/dst/copy")
    lab.write("a")
    assert lab.transfer() == 0
    assert made(lab) == [], "Globus makes DST_DIR"
    assert lab.transfer() == 0
    (name,) = markers(lab.destination / "copy")
    assert made(lab) == [f"/dst/copy/{name}"]
    assert [lab.delete(), lab.transfer(), lab.delete()] == [0, 0, 0]
    lab.write_and_transfer("b")
    assert lab.delete() == 0
    assert files(lab.source) == {}
    assert markers(lab.destination / "copy") == [name]
    assert made(lab) == [f"/dst/copy/{name}"]


def test_delete_makes_the_marker_if_it_runs_first(lab: Lab) -> None:
    lab.configure(DST_DIR="/dst/copy")
    lab.write_and_transfer("a")
    assert lab.delete() == 0
    assert files(lab.source) == {}
    assert len(markers(lab.destination / "copy")) == 1


@pytest.mark.parametrize("program", ["transfer", "delete"])
def test_a_dry_run_makes_no_marker(lab: Lab, program: str) -> None:
    lab.write("a")
    assert getattr(lab, program)("-n") == 0
    assert made(lab) == []


def test_reserved_names_are_never_sent_or_pruned(lab: Lab) -> None:
    other = ".globus_auto.0123456789ab"
    lab.write(f"{other}/inside")
    (lab.source / "d" / other).mkdir(parents=True)
    (lab.source / "e" / ".globus_auto_old").mkdir(parents=True)
    (lab.source / "f" / ".globus_auto_empty.0123456789ab").mkdir(parents=True)
    lab.write(".globus_auto.notes")
    lab.write("a")
    before = tree(lab.source)
    assert [lab.transfer(), lab.transfer(), lab.transfer("--full"), lab.transfer()] == [0] * 4
    assert files(lab.destination).keys() == {"a"}
    assert lab.records() == {"/src/a"}
    assert lab.delete() == 0
    assert tree(lab.source) == {name: what for name, what in before.items() if name != "a"}
    assert (lab.source / "d" / other).is_dir()


def test_the_marker_of_another_source_is_refused(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message has both remedies: another DST_DIR, or removing that marker."""
    lab.given_transferred("a")
    other = lab.destination / ".globus_auto.0123456789ab"
    other.mkdir()
    lab.write("b")
    assert [lab.transfer(), lab.delete()] == [2, 2]
    stderr = capsys.readouterr().err
    assert "Set another DST_DIR; or, if nothing else writes there, remove" in stderr
    assert "/dst/.globus_auto.0123456789ab" in stderr
    assert (lab.submitted(), deleted(lab)) == ([], [])
    lab.src.connected = False
    assert lab.transfer() == 1
    assert "unfit settings" in lab.alerts(), "the destination was not checked"
    lab.src.connected = True
    other.rmdir()
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert files(lab.destination).keys() == {"a", "b"}
    assert lab.alerts().keys() == {"unfit settings"}, "delete.py saw it last"
    assert (lab.delete(), lab.alerts()) == (0, {})


def test_the_marker_keeps_a_second_source_out(lab: Lab, tmp_path: Path) -> None:
    """Two installations share nothing but the destination."""
    lab.given_transferred("a")
    (tmp_path / "elsewhere").mkdir()
    second = lab.world.add_endpoint(tmp_path / "elsewhere", name="second", mount="/src")
    (tmp_path / "elsewhere" / "a").write_text("another file")
    (lab.home / "second").mkdir()
    lab.configure(SRC_ID=second.id, CODE_PATH=f"{lab.home}/second/")
    assert [lab.transfer(), lab.delete()] == [2, 2]
    assert files(lab.destination) == {"a": b"data"}


def test_without_a_marker_files_are_sent_but_not_deleted(lab: Lab, mailbox: Mailbox) -> None:
    lab.world.faults.add("mkdir", times=None, status=502, body=REFUSED)
    lab.write_and_transfer("a")
    assert lab.transfer() == 0
    assert files(lab.destination).keys() == {"a"}
    assert "No directory can be made in /dst" in lab.alerts()["marker"]
    assert mailbox.messages == [], "it is a note"
    assert [lab.delete(), lab.delete()] == [1, 1]
    (message,) = mailbox.texts()
    assert "No directory can be made in /dst" in message
    assert "Nothing was deleted. Let Globus make directories there." in message
    assert deleted(lab) == []
    lab.world.faults.clear()
    assert lab.delete() == 0
    assert files(lab.source) == {}
    assert "RESOLVED" in mailbox.texts()[1]
    assert lab.alerts() == {}


def test_an_answer_that_confirms_no_marker_does_not_count(lab: Lab) -> None:
    lab.write_and_transfer("a")
    shutil.rmtree(lab.destination / markers(lab.destination)[0])
    lab.world.faults.add("mkdir", status=200, body={})
    assert lab.delete() == 1
    assert (tree(lab.source).keys(), deleted(lab)) == ({"a"}, [])
    assert lab.delete() == 0
    assert tree(lab.source) == {}


@pytest.mark.parametrize(
    ("status", "body", "code", "kinds"),
    [(401, {"code": "AuthenticationFailed"}, 3, {"login"}), (403, {}, 1, {"endpoint", "marker"})],
)
def test_the_reason_for_a_missing_marker_is_reported(
    lab: Lab, status: int, body: dict[str, str], code: int, kinds: set[str]
) -> None:
    lab.write_and_transfer("a")
    shutil.rmtree(lab.destination / markers(lab.destination)[0])
    lab.world.faults.add("mkdir", times=None, status=status, body=body)
    assert lab.delete() == code
    assert lab.alerts().keys() == kinds
    assert files(lab.source).keys() == {"a"}


def test_a_lost_answer_about_the_marker_does_no_harm(lab: Lab) -> None:
    lab.world.faults.add("mkdir", drop="after")
    lab.write_and_transfer("a")
    assert lab.delete() == 0
    assert (files(lab.source), lab.alerts()) == ({}, {})
    assert len(markers(lab.destination)) == 1


def test_a_marker_is_made_and_found_in_a_huge_directory(lab: Lab) -> None:
    lab.given_transferred("a", "b")
    shutil.rmtree(lab.destination / markers(lab.destination)[0])
    lab.world.listing_limit = 1
    lab.configure(SRC_DIR="/src/d", DST_DIR="/dst")
    (lab.state / "datastore").unlink()
    lab.write("d/c")
    assert [lab.transfer(), lab.transfer(), lab.delete()] == [0, 0, 0]
    assert (files(lab.source / "d"), lab.alerts()) == ({}, {})
    assert len(markers(lab.destination)) == 1


def test_a_filter_that_is_not_honoured_does_no_harm(lab: Lab) -> None:
    """Then the answer has all of DST_DIR, with names that begin like that of the marker."""
    lab.given_transferred("a")
    (name,) = markers(lab.destination)
    lab.write("b")
    at = {"last_modified": "2026-01-02 03:04:05+00:00"}
    listed = [
        {"name": "a", "type": "file", "size": 4, **at},
        {"name": ".globus_auto.0123456789ab.old", "type": "dir", **at},
        {"name": ".globus_auto.0123456789ab", "type": "file", "size": 0, **at},
        {"name": name, "type": "dir", **at},
    ]
    lab.world.faults.add(
        "ls",
        match=lambda request: "filter" in request.query,
        times=None,
        status=200,
        body={"DATA": listed, "total": len(listed)},
    )
    assert [lab.transfer(), lab.transfer(), lab.delete()] == [0, 0, 0]
    assert (files(lab.source), made(lab)) == ({}, [])
    listed.append({"name": ".globus_auto.ba9876543210", "type": "dir", **at})
    lab.write("c")
    assert lab.transfer() == 2


def test_each_directory_that_files_were_sent_to_has_its_marker(lab: Lab) -> None:
    """DST_DIR was changed before any run could make a marker in the first one."""
    lab.configure(DST_DIR="/dst/a")
    lab.write_and_transfer("a")
    lab.configure(DST_DIR="/dst/z")
    lab.write_and_transfer("b")
    assert made(lab) == []
    assert lab.delete() == 0
    assert files(lab.source) == {}
    assert [path.rpartition("/")[0] for path in made(lab)] == ["/dst/z", "/dst/a"]
    assert markers(lab.destination / "a") == markers(lab.destination / "z")


def test_an_earlier_destination_that_is_the_source_is_noticed(lab: Lab) -> None:
    lab.write("a")
    inside = lab.world.add_endpoint(lab.home, name="inside", mount="/home")
    lab.configure(DST_ID=inside.id, DST_DIR="/home/copy")
    assert lab.transfer() == 0
    shutil.rmtree(lab.home / "copy")
    (lab.home / "copy").symlink_to(lab.source)
    lab.configure(DST_ID=lab.dst.id, DST_DIR="/dst")
    assert lab.delete() == 2
    assert files(lab.source).keys() == {"a"}
    assert deleted(lab) == []


def test_an_earlier_destination_without_a_marker_keeps_files(lab: Lab) -> None:
    """Files that were sent there stay at the source, and so do all others."""
    lab.configure(DST_DIR="/dst/a")
    lab.write_and_transfer("a")
    lab.configure(DST_DIR="/dst/z")
    lab.given_transferred("b")
    lab.world.faults.add(
        "mkdir",
        times=None,
        status=502,
        body=REFUSED,
        match=lambda request: marks(request) and request.body["path"].startswith("/dst/a/"),
    )
    assert lab.delete() == 1
    assert "/dst/a at" in lab.alerts()["endpoint"]
    assert files(lab.source).keys() == {"a", "b"}
    lab.world.faults.clear()
    assert lab.delete() == 0
    assert files(lab.source) == {}


def test_nothing_is_deleted_if_dst_dir_is_missing(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.configure(VERIFY_DESTINATION=False, DST_DIR="/dst/copy")
    lab.write_and_transfer("a")
    shutil.rmtree(lab.destination / "copy")
    assert lab.delete() == 1
    assert "Nothing was deleted" in capsys.readouterr().err
    assert files(lab.source).keys() == {"a"}
    assert deleted(lab) == []


@pytest.mark.parametrize("body", [{}, {"code": "PermissionDenied", "message": "no"}])
def test_nothing_is_deleted_if_the_source_cannot_be_listed(body: dict[str, str], lab: Lab) -> None:
    """Then nothing shows that the source has no marker."""
    lab.write_and_transfer("a")
    lab.world.faults.add(
        "ls", times=None, status=403, body=body, match=lambda each: each.query["path"] == "/src"
    )
    lab.world.faults.add("stat", times=None, status=403, body=body)
    lab.delete()
    assert files(lab.source).keys() == {"a"}
    assert deleted(lab) == []
