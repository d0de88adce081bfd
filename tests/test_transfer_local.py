"""SRC_LOCAL_DIR: the source looked at where it is mounted on this machine."""

import os
import shutil

import pytest

from tests.conftest import START, Lab, files, put


@pytest.fixture(name="lab")
def lab_with_a_mount(lab: Lab):
    """Give a laboratory whose source is also mounted on this machine."""
    lab.configure(SRC_LOCAL_DIR=str(lab.source))
    return lab


def test_the_mount_is_looked_at_and_globus_is_asked_for_one_listing_only(lab: Lab):
    names = {"a.txt", "d/e/f/b.txt", "ü/ß.txt"}
    lab.sent(*names)
    lab.write("d/e/new.txt")
    assert lab.transfer() == 0
    asked = [request for request in lab.world.requests if request.route == "ls"]
    assert [each.query["path"] for each in asked if lab.src.id in each.path] == ["/src"]
    # Whether it can be listed; the markers there; whether it ignores case.
    there = [each.query for each in asked if lab.dst.id in each.path]
    marker = next(path.name for path in lab.destination.glob(".globus_auto.*"))
    assert [(each["path"], each.get("limit"), each.get("filter")) for each in there] == [
        ("/dst", "1", None),
        ("/dst", None, "name:~.globus_auto.*"),
        (f"/dst/{marker.upper()}", "1", None),
    ]
    assert files(lab.destination).keys() == names | {"d/e/new.txt"}


def test_a_mount_and_globus_see_the_same_versions(lab: Lab):
    put(lab.source / "a.txt", "data", START - 100.75)
    put(lab.source / "b.txt", "data", -0.75)
    lab.write("d/c.txt")
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    before = lab.remembered()
    lab.configure(SRC_LOCAL_DIR="")
    assert lab.transfer() == 0
    assert (lab.remembered(), len(lab.submitted())) == (before, 1)


def test_a_mount_that_goes_away_is_an_alert(lab: Lab):
    lab.sent("a.txt")
    lab.configure(SRC_LOCAL_DIR=str(lab.home / "nowhere"))
    assert lab.transfer() in (1, 2)
    assert lab.submitted() == []
    assert lab.entries() == {"/src/a.txt"}


def test_a_source_directory_that_globus_does_not_list_stops(lab: Lab):
    lab.sent("a.txt")
    lab.write("b.txt")
    fault = {"status": 403, "body": {"code": "EndpointPermissionDenied", "message": "no"}}
    lab.world.faults.add("ls", match=lambda request: request.query["path"] == "/src", **fault)
    assert lab.transfer() == 1
    assert "/src at the source collection source (id" in lab.alerts()["endpoint"]
    assert lab.submitted() == []


def test_an_empty_source_sends_nothing(lab: Lab, capfd):
    assert lab.transfer() == 0
    assert (lab.submitted(), capfd.readouterr().err) == ([], "")


@pytest.mark.parametrize("name", [b"a\nb", b"a\rb", b"not \xff utf-8"])
def test_a_name_that_cannot_go_through_globus_is_reported(lab: Lab, name):
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


def test_what_is_gone_from_the_mount_is_forgotten_and_excluded_names_are_not_looked_at(lab: Lab):
    lab.configure(EXCLUDE=["scratch"])
    lab.sent("a.txt", "d/b.txt", "scratch/c.txt")
    shutil.rmtree(lab.source / "d")
    lab.write("new.txt")
    assert lab.transfer() == 0
    assert lab.entries() == {"/src/a.txt", "/src/new.txt"}


def test_a_directory_that_this_user_may_not_read_is_left_as_it_is(lab: Lab):
    lab.sent("a.txt", "d/b.txt")
    lab.write("d/new.txt")
    (lab.source / "d").chmod(0)
    with lab.start("transfer", powerless=True) as process:
        _, told = process.communicate()
    (lab.source / "d").chmod(0o755)
    assert process.returncode == 1
    assert "/src/d cannot be listed. Nothing in it is sent or deleted until it can." in told
    assert (lab.entries(), lab.submitted()) == ({"/src/a.txt", "/src/d/b.txt"}, [])
