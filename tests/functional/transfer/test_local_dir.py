"""SRC_LOCAL_DIR: the source is scanned where it is mounted on this machine."""

import os
import shutil

import pytest

from tests.lab import START, Lab, files, put


@pytest.fixture(name="lab")
def lab_with_a_mount(lab: Lab) -> Lab:
    """Return a laboratory whose source is also mounted on this machine."""
    lab.configure(SRC_LOCAL_DIR=str(lab.source))
    return lab


def test_a_mount_is_scanned_instead_of_listing_with_globus(lab: Lab) -> None:
    """Globus lists SRC_DIR alone, once."""
    names = {"a.txt", "d/e/f/b.txt", "ü/ß.txt"}
    lab.given_transferred(*names)
    lab.write("d/e/new.txt")
    assert lab.transfer() == 0
    listings = [request for request in lab.world.requests if request.route == "ls"]
    assert [each.query["path"] for each in listings if lab.src.id in each.path] == ["/src"]
    # These show whether it can be listed, its markers, and whether it ignores case.
    there = [each.query for each in listings if lab.dst.id in each.path]
    marker = next(path.name for path in lab.destination.glob(".globus_auto.*"))
    assert [(each["path"], each.get("limit"), each.get("filter")) for each in there] == [
        ("/dst", "1", None),
        ("/dst", None, "name:~.globus_auto.*"),
        (f"/dst/{marker.upper()}", "1", None),
    ]
    assert files(lab.destination).keys() == names | {"d/e/new.txt"}


def test_a_mount_and_globus_show_equal_fingerprints(lab: Lab) -> None:
    put(lab.source / "a.txt", "data", START - 100.75)
    put(lab.source / "b.txt", "data", -0.75)
    lab.write("d/c.txt")
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    before = lab.datastore_bytes()
    lab.configure(SRC_LOCAL_DIR="")
    assert lab.transfer() == 0
    assert (lab.datastore_bytes(), len(lab.submitted())) == (before, 1)


def test_a_missing_mount_ends_the_run(lab: Lab) -> None:
    lab.given_transferred("a.txt")
    lab.configure(SRC_LOCAL_DIR=str(lab.home / "nowhere"))
    assert lab.transfer() in (1, 2)
    assert lab.submitted() == []
    assert lab.records() == {"/src/a.txt"}


def test_a_source_that_globus_cannot_list_ends_the_run(lab: Lab) -> None:
    lab.given_transferred("a.txt")
    lab.write("b.txt")
    fault = {"status": 403, "body": {"code": "EndpointPermissionDenied", "message": "no"}}
    lab.world.faults.add("ls", match=lambda request: request.query["path"] == "/src", **fault)
    assert lab.transfer() == 1
    assert "/src at the source collection source cannot be listed" in lab.alerts()["endpoint"]
    assert lab.submitted() == []


def test_an_empty_source_sends_nothing(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    assert lab.transfer() == 0
    assert (lab.submitted(), capfd.readouterr().err) == ([], "")


@pytest.mark.parametrize("name", [b"a\nb", b"a\rb", b"not \xff utf-8"])
def test_an_unsendable_name_on_a_mount_is_reported(lab: Lab, name: bytes) -> None:
    lab.write("a.txt")
    with open(os.fsencode(lab.source) + b"/" + name, "w"):
        pass
    assert lab.transfer() == 1
    assert "Globus cannot take the name" in lab.alerts()["unsendable"]
    assert files(lab.destination).keys() == {"a.txt"}
    assert lab.transfer() == 1
    os.unlink(os.fsencode(lab.source) + b"/" + name)
    assert lab.transfer() == 0
    assert lab.alerts() == {}


def test_files_gone_from_a_mount_lose_their_records(lab: Lab) -> None:
    """Excluded directories are not scanned."""
    lab.configure(EXCLUDE=["scratch"])
    lab.given_transferred("a.txt", "d/b.txt", "scratch/c.txt")
    shutil.rmtree(lab.source / "d")
    lab.write("new.txt")
    assert lab.transfer() == 0
    assert lab.records() == {"/src/a.txt", "/src/new.txt"}


def test_an_unreadable_directory_on_a_mount_keeps_its_records(lab: Lab) -> None:
    lab.given_transferred("a.txt", "d/b.txt")
    lab.write("d/new.txt")
    (lab.source / "d").chmod(0)
    with lab.start("transfer", unprivileged=True) as process:
        _, stderr = process.communicate()
    (lab.source / "d").chmod(0o755)
    assert process.returncode == 1
    assert "/src/d cannot be listed. Nothing in it is sent or deleted until it can." in stderr
    assert "Give the user who runs the programs on this machine access to it." in stderr
    assert (lab.records(), lab.submitted()) == ({"/src/a.txt", "/src/d/b.txt"}, [])
