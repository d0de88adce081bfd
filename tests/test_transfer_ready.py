"""Endpoints that are not ready, and settings that do not fit what was sent before."""

import shutil
import uuid

import pytest

from globus_auto.sandbox.world import Pace
from tests.conftest import Lab, files

DOWN = [
    pytest.param("src", {"connected": False}, 1, "is not connected to Globus", id="source off"),
    pytest.param("src", {"paused": True}, 1, "is paused", id="source paused"),
    pytest.param("src", {"deleted": True}, 2, "no such endpoint", id="source deleted"),
    pytest.param("dst", {"connected": False}, 1, "is out of reach", id="destination down"),
    pytest.param("dst", {"deleted": True}, 2, "no such endpoint", id="destination deleted"),
    pytest.param("dst", {"paused": True}, 1, "cannot be listed", id="destination paused"),
    pytest.param(
        "dst", {"entity_type": "GCSv5_endpoint"}, 2, "holds no files itself", id="no collection"
    ),
]


@pytest.mark.parametrize(("which", "state", "code", "said"), DOWN)
def test_an_endpoint_that_is_not_ready_is_an_alert_and_nothing_is_sent(
    lab: Lab, mailbox, which, state, code, said
):
    lab.sent("a.txt")
    lab.write("b.txt")
    before, endpoint = lab.remembered(), getattr(lab, which)
    well = {name: getattr(endpoint, name) for name in state}
    for name, value in state.items():
        setattr(endpoint, name, value)
    assert [lab.transfer(), lab.transfer()] == [code, code]
    assert (lab.remembered(), lab.submitted()) == (before, [])
    (told,) = mailbox.texts()
    assert said in told
    assert endpoint.id in told
    for name, value in well.items():
        setattr(endpoint, name, value)
    assert lab.transfer() == 0
    assert files(lab.destination).keys() == {"a.txt", "b.txt"}
    assert "RESOLVED" in mailbox.texts()[1]


@pytest.mark.parametrize("setting", ["SRC_ID", "DST_ID"])
def test_an_endpoint_that_globus_does_not_know_is_a_mistake_in_the_settings(
    lab: Lab, setting, capfd
):
    lab.write("a.txt")
    lab.configure(**{setting: str(uuid.uuid4())})
    assert lab.transfer() == 2
    assert "Check SRC_ID and DST_ID" in capfd.readouterr().err
    assert lab.submitted() == []


@pytest.mark.parametrize("gcp_connected", [False, None])
def test_a_personal_endpoint_must_say_that_it_is_connected(lab: Lab, gcp_connected):
    lab.write("a.txt")
    body = {
        "id": lab.src.id,
        "entity_type": "GCP_mapped_collection",
        "gcp_connected": gcp_connected,
    }
    lab.world.faults.add("endpoint", status=200, body=body)
    assert lab.transfer() == 1
    assert lab.submitted() == []


@pytest.mark.parametrize("fault", [{"truncate": True}, {"status": 200, "body": {}}])
def test_an_answer_that_is_no_endpoint_is_not_ready(lab: Lab, fault):
    lab.write("a.txt")
    lab.world.faults.add("endpoint", **fault)
    assert lab.transfer() == 1
    assert (lab.submitted(), lab.alerts().keys()) == ([], {"endpoint"})
    assert lab.transfer() == 0
    assert lab.alerts() == {}


def test_a_huge_destination_directory_is_ready(lab: Lab):
    lab.sent("a.txt", "b.txt")
    lab.world.listing_limit = 1
    lab.configure(SRC_DIR="/src/d", DST_DIR="/dst")
    (lab.state / "datastore").unlink()
    lab.write("d/c.txt")
    assert lab.transfer() == 0
    assert files(lab.destination).keys() == {"a.txt", "b.txt", "c.txt"}


def test_a_guest_collection_on_a_personal_endpoint_is_ready_if_it_can_be_listed(lab: Lab):
    guest = lab.world.add_endpoint(
        lab.source, name="guest", mount="/src", entity_type="GCP_guest_collection", host=lab.src
    )
    lab.configure(SRC_ID=guest.id)
    lab.write("a.txt")
    lab.src.connected = False
    assert lab.transfer() == 1
    lab.src.connected = True
    assert lab.transfer() == 0
    assert files(lab.destination).keys() == {"a.txt"}


def test_another_source_than_the_recorded_one_stops_with_nothing_changed(lab: Lab, capfd):
    lab.sent("a.txt")
    before = lab.remembered()
    other = lab.world.add_endpoint(lab.source, name="other", mount="/src")
    lab.configure(SRC_ID=other.id)
    assert lab.transfer() == 2
    assert "knows the files of" in capfd.readouterr().err
    assert (lab.remembered(), lab.submitted()) == (before, [])
    lab.configure(SRC_ID=lab.src.id)
    assert lab.transfer() == 0
    assert lab.alerts() == {}


def test_another_source_directory_to_the_same_destination_stops(lab: Lab, capfd):
    lab.configure(SRC_DIR="/src/one", DST_DIR="/dst/one")
    lab.sent("one/a.txt")
    before = lab.remembered()
    lab.write("two/a.txt", "another file")
    lab.configure(SRC_DIR="/src/two")
    assert lab.transfer() == 2
    assert "/src/two cannot be sent to /dst/one: /src/one was sent to /dst/one" in (
        capfd.readouterr().err
    )
    assert (lab.remembered(), lab.submitted()) == (before, [])
    lab.configure(DST_DIR="/dst/two")
    assert lab.transfer() == 0
    assert files(lab.destination) == {"one/a.txt": b"data", "two/a.txt": b"another file"}
    lab.configure(SRC_DIR="/src/one")
    assert lab.transfer() == 2


def test_a_source_directory_of_which_no_task_was_accepted_can_be_corrected(lab: Lab):
    lab.configure(SRC_DIR="/src/wrong")
    refused = {"code": "PermissionDenied", "message": "no", "request_id": "r"}
    lab.world.faults.add("transfer", status=403, body=refused)
    lab.write("wrong/a.txt")
    lab.write("right/a.txt", "another file")
    assert lab.transfer() == 1
    shutil.rmtree(lab.destination)
    lab.destination.mkdir()
    lab.configure(SRC_DIR="/src/right")
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert files(lab.destination) == {"a.txt": b"another file"}


def test_a_source_directory_counts_though_the_task_that_sent_it_failed(lab: Lab):
    lab.configure(SRC_DIR="/src/wrong")
    lab.world.fail_next()
    lab.write("wrong/a.txt")
    lab.write("right/a.txt", "another file")
    assert [lab.transfer(), lab.delete()] == [0, 1]
    lab.configure(SRC_DIR="/src/right")
    assert [lab.transfer(), lab.delete()] == [2, 2]
    assert len(lab.submitted()) == 1


def test_entries_of_another_source_directory_are_kept(lab: Lab):
    lab.configure(SRC_DIR="/src/one", DST_DIR="/dst/one")
    lab.sent("one/a.txt", "one/d/b.txt")
    lab.configure(SRC_DIR="/src/two", DST_DIR="/dst/two")
    lab.write("two/c.txt")
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert lab.entries() == {"/src/one/a.txt", "/src/one/d/b.txt", "/src/two/c.txt"}


def test_where_the_network_is_down_one_task_is_asked_for_and_all_stay_open(lab: Lab) -> None:
    lab.sent("old")
    lab.world.pace = Pace.after_looks(9)
    lab.send("a")
    lab.send("b")
    first = lab.store().tasks[lab.store().record("/src/a").task]
    lab.world.requests.clear()
    lab.world.faults.add("task", times=None, drop="before")
    assert lab.transfer() == 1
    paths = {each.path for each in lab.world.requests if each.route == "task"}
    assert [path.rpartition("/")[2] for path in paths] == [first.task_id]
    assert len(lab.store().tasks_in_progress("transfer")) == 2
