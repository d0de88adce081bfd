"""A datastore of an earlier version is upgraded; one of a later version is not touched."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tests.lab import Lab, files
from tests.mail import Mailbox

DAY = 86_400
# What is new in version 2.
NEW = ("config", "mappings", "generation")
NEW_OF_TASKS = (
    *("requested_at", "completed_at", "verify_checksum", "encrypt_data", "equal", "tries"),
    *("unlisted_since", "error_since", "error_progress", "lost"),
)


def summed(before: bytes) -> bytes:
    """Return `before`, all of a datastore except its sum, with the sum added."""
    return before + f'"sum": "{hashlib.sha256(before).hexdigest()}"}}\n'.encode()


def as_version_1(path: Path) -> bytes:
    """Replace a datastore by what version 1 would have written; return its bytes.

    Remove datastore.health as well, since version 1 had no generations.
    """
    path.with_name("datastore.health").unlink()
    document: dict[str, Any] = json.loads(path.read_bytes())
    for name in (*NEW, "sum"):
        del document[name]
    for task in document["tasks"].values():
        for name in NEW_OF_TASKS:
            task.pop(name, None)
    old = summed(json.dumps(document | {"version": 1}).encode()[:-1] + b",\n ")
    path.write_bytes(old)
    return old


def test_a_newer_version_stops_both_programs(lab: Lab, mailbox: Mailbox) -> None:
    lab.given_transferred("a")
    path = lab.state / "datastore"
    path.write_bytes(path.read_bytes().replace(b'"version": 2', b'"version": 3', 1))
    before = path.read_bytes()
    lab.write("b")
    assert [lab.transfer(), lab.delete(), lab.transfer("--check")] == [3, 3, 3]
    assert (lab.submitted(), path.read_bytes()) == ([], before)
    (message,) = mailbox.texts()
    assert "Upgrade this installation." in message
    assert "delete it" not in message
    assert files(lab.source).keys() == {"a", "b"}


def test_an_upgrade_keeps_deliveries_that_globus_still_shows(lab: Lab) -> None:
    lab.given_transferred("first", "d/a")
    lab.write_and_transfer("b")
    assert lab.transfer() == 0
    path = lab.state / "datastore"
    old = as_version_1(path)
    lab.world.requests.clear()
    assert lab.transfer() == 0
    assert lab.submitted() == []
    assert (lab.state / "datastore.v1").read_bytes() == old
    assert lab.records() == {"/src/first", "/src/d/a", "/src/b"}
    polled = {each.path.rpartition("/")[2] for each in lab.world.requests if each.route == "task"}
    assert polled == lab.world.tasks.keys(), "each is polled once more"
    assert all(task.verify_checksum for task in lab.store().tasks.values())
    assert len(lab.store().mappings) == 1
    lab.world.requests.clear()
    assert lab.delete() == 0
    assert (files(lab.source), lab.alerts()) == ({}, {})


def test_an_upgrade_drops_files_that_globus_does_not_list(lab: Lab) -> None:
    """Version 1 assumed that a successful recursive task had copied every file."""
    lab.write("d/a", "newer")
    lab.write("b")
    lab.world.miss_paths("/src/d")
    assert lab.transfer() == 0
    path = lab.state / "datastore"
    path.write_bytes(path.read_bytes().replace(b'"status":"ACTIVE"', b'"status":"SUCCEEDED"'))
    as_version_1(path)
    assert lab.delete() == 0
    assert files(lab.source) == {"d/a": b"newer"}
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert files(lab.destination) == {"d/a": b"newer", "b": b"data"}
    assert files(lab.source) == {}


def test_an_upgrade_sends_files_of_forgotten_tasks_again(lab: Lab) -> None:
    lab.given_transferred("a")
    as_version_1(lab.state / "datastore")
    lab.world.tasks.clear()
    lab.advance(100 * DAY)
    assert lab.delete() == 0
    assert (files(lab.source).keys(), lab.records()) == ({"a"}, set())
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert [item["source_path"] for item in lab.submitted()[-1]["DATA"]] == ["/src/a"]
    lab.advance(DAY)
    assert lab.delete() == 0
    assert (files(lab.source), lab.alerts()) == ({}, {})


def test_version_1_restored_after_the_upgrade_is_noticed(lab: Lab) -> None:
    lab.given_transferred("a")
    old = as_version_1(lab.state / "datastore")
    assert lab.transfer() == 0
    (lab.state / "datastore").write_bytes(old)
    assert lab.transfer() == 1
    assert "restored from a backup" in lab.alerts()["restored"]


def test_a_dry_run_upgrades_nothing(lab: Lab) -> None:
    lab.given_transferred("a")
    old = as_version_1(lab.state / "datastore")
    assert [lab.transfer("-n"), lab.delete("-n"), lab.transfer("--status")] == [0, 0, 0]
    assert (lab.state / "datastore").read_bytes() == old
    assert not (lab.state / "datastore.v1").exists()
