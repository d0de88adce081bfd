"""Endpoints that are not ready, and settings that conflict with the datastore."""

import shutil
import uuid
from typing import Any

import pytest

from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, files
from tests.mail import Mailbox

DOWN = [
    pytest.param("src", {"connected": False}, 1, "is not connected to Globus", id="source off"),
    pytest.param("src", {"paused": True}, 1, "is paused", id="source paused"),
    pytest.param("src", {"deleted": True}, 2, "no such collection", id="source deleted"),
    pytest.param("dst", {"connected": False}, 1, "Globus cannot reach", id="destination down"),
    pytest.param("dst", {"deleted": True}, 2, "no such collection", id="destination deleted"),
    pytest.param("dst", {"paused": True}, 1, "cannot be listed", id="destination paused"),
    pytest.param(
        "dst", {"entity_type": "GCSv5_endpoint"}, 2, "holds no files itself", id="no collection"
    ),
]


@pytest.mark.parametrize(("which", "state", "code", "said"), DOWN)
def test_nothing_is_sent_while_an_endpoint_is_not_ready(
    lab: Lab, mailbox: Mailbox, which: str, state: dict[str, Any], code: int, said: str
) -> None:
    """One alert says why."""
    lab.given_transferred("a.txt")
    lab.write("b.txt")
    before, endpoint = lab.datastore_bytes(), getattr(lab, which)
    ready_state = {name: getattr(endpoint, name) for name in state}
    for name, value in state.items():
        setattr(endpoint, name, value)
    assert [lab.transfer(), lab.transfer()] == [code, code]
    assert (lab.datastore_bytes(), lab.submitted()) == (before, [])
    (message,) = mailbox.texts()
    assert said in message
    # Globus itself names one that it does not know by its id.
    assert (f"collection {endpoint.name}" in message) != (endpoint.id in message)
    for name, value in ready_state.items():
        setattr(endpoint, name, value)
    assert lab.transfer() == 0
    assert files(lab.destination).keys() == {"a.txt", "b.txt"}
    assert "RESOLVED" in mailbox.texts()[1]


@pytest.mark.parametrize("setting", ["SRC_ID", "DST_ID"])
def test_an_unknown_endpoint_is_a_wrong_setting(
    lab: Lab, setting: str, capfd: pytest.CaptureFixture[str]
) -> None:
    lab.write("a.txt")
    lab.configure(**{setting: str(uuid.uuid4())})
    assert lab.transfer() == 2
    assert f"Correct {setting}: " in capfd.readouterr().err
    assert lab.submitted() == []


@pytest.mark.parametrize("gcp_connected", [False, None])
def test_a_personal_endpoint_must_say_that_it_is_connected(
    lab: Lab, gcp_connected: bool | None
) -> None:
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
def test_an_answer_that_is_no_endpoint_is_not_ready(lab: Lab, fault: dict[str, Any]) -> None:
    lab.write("a.txt")
    lab.world.faults.add("endpoint", **fault)
    assert lab.transfer() == 1
    assert (lab.submitted(), lab.alerts().keys()) == ([], {"endpoint"})
    assert lab.transfer() == 0
    assert lab.alerts() == {}


def test_a_huge_destination_directory_is_ready(lab: Lab) -> None:
    lab.given_transferred("a.txt", "b.txt")
    lab.world.listing_limit = 1
    lab.configure(SRC_DIR="/src/d", DST_DIR="/dst")
    (lab.state / "datastore").unlink()
    lab.write("d/c.txt")
    assert lab.transfer() == 0
    assert files(lab.destination).keys() == {"a.txt", "b.txt", "c.txt"}


def test_a_guest_collection_is_ready_if_it_can_be_listed(lab: Lab) -> None:
    """The personal endpoint that hosts it must be connected."""
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


def test_another_src_id_than_the_recorded_one_is_refused(
    lab: Lab, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing changes."""
    lab.given_transferred("a.txt")
    before = lab.datastore_bytes()
    other = lab.world.add_endpoint(lab.source, name="other", mount="/src")
    lab.configure(SRC_ID=other.id)
    assert lab.transfer() == 2
    assert "holds the files of" in capfd.readouterr().err
    assert (lab.datastore_bytes(), lab.submitted()) == (before, [])
    lab.configure(SRC_ID=lab.src.id)
    assert lab.transfer() == 0
    assert lab.alerts() == {}


def test_another_source_directory_to_one_destination_is_refused(
    lab: Lab, capfd: pytest.CaptureFixture[str]
) -> None:
    lab.configure(SRC_DIR="/src/one", DST_DIR="/dst/one")
    lab.given_transferred("one/a.txt")
    before = lab.datastore_bytes()
    lab.write("two/a.txt", "another file")
    lab.configure(SRC_DIR="/src/two")
    assert lab.transfer() == 2
    assert "/src/two cannot be sent to /dst/one: /src/one was sent to /dst/one" in (
        capfd.readouterr().err
    )
    assert (lab.datastore_bytes(), lab.submitted()) == (before, [])
    lab.configure(DST_DIR="/dst/two")
    assert lab.transfer() == 0
    assert files(lab.destination) == {"one/a.txt": b"data", "two/a.txt": b"another file"}
    lab.configure(SRC_DIR="/src/one")
    assert lab.transfer() == 2


def test_a_mapping_without_an_accepted_task_can_be_corrected(lab: Lab) -> None:
    lab.configure(SRC_DIR="/src/wrong")
    api_error = {"code": "PermissionDenied", "message": "no", "request_id": "r"}
    lab.world.faults.add("transfer", status=403, body=api_error)
    lab.write("wrong/a.txt")
    lab.write("right/a.txt", "another file")
    assert lab.transfer() == 1
    shutil.rmtree(lab.destination)
    lab.destination.mkdir()
    lab.configure(SRC_DIR="/src/right")
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert files(lab.destination) == {"a.txt": b"another file"}


def test_a_mapping_counts_though_its_only_task_failed(lab: Lab) -> None:
    lab.configure(SRC_DIR="/src/wrong")
    lab.world.fail_next()
    lab.write("wrong/a.txt")
    lab.write("right/a.txt", "another file")
    assert [lab.transfer(), lab.delete()] == [0, 1]
    lab.configure(SRC_DIR="/src/right")
    assert [lab.transfer(), lab.delete()] == [2, 2]
    assert len(lab.submitted()) == 1


def test_records_of_another_source_directory_are_kept(lab: Lab) -> None:
    lab.configure(SRC_DIR="/src/one", DST_DIR="/dst/one")
    lab.given_transferred("one/a.txt", "one/d/b.txt")
    lab.configure(SRC_DIR="/src/two", DST_DIR="/dst/two")
    lab.write("two/c.txt")
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert lab.records() == {"/src/one/a.txt", "/src/one/d/b.txt", "/src/two/c.txt"}


def test_without_a_network_only_one_task_is_polled(lab: Lab) -> None:
    """All stay in progress."""
    lab.given_transferred("old")
    lab.world.completion = CompletionPolicy.after_polls(9)
    lab.write_and_transfer("a")
    lab.write_and_transfer("b")
    first = lab.task_of("/src/a")
    lab.world.requests.clear()
    lab.world.faults.add("task", times=None, drop="before")
    assert lab.transfer() == 1
    paths = {each.path for each in lab.world.requests if each.route == "task"}
    assert [path.rpartition("/")[2] for path in paths] == [first.task_id]
    assert len(lab.store().tasks_in_progress("transfer")) == 2
