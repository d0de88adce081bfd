"""A datastore of an earlier version is upgraded; one of a later version is not touched."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from globus_auto import errors, storage
from globus_auto.alerts.catalog import programs
from globus_auto.datastore import Datastore, FileRecord, Mapping
from globus_auto.errors import NewerDatastore
from tests import ROOT
from tests.lab import Lab, files
from tests.mail import Mailbox

GOLDEN = ROOT / "tests" / "golden"
DAY = 86_400
DST = "ddb59af0-6d04-11e5-ba46-22000b92c6ec"
SUM = b'"sum"'
# What is new in version 2.
NEW = ("config", "mappings", "generation")
NEW_OF_TASKS = (
    *("requested_at", "completed_at", "verify_checksum", "encrypt_data", "equal", "tries"),
    *("unlisted_since", "error_since", "error_progress", "lost"),
)


def golden(tmp_path: Path, version: int) -> Path:
    """Return the path of a copy of the golden file of that version."""
    return Path(shutil.copy(GOLDEN / f"datastore.v{version}.json", tmp_path / "datastore"))


def load(path: Path) -> Datastore:
    """Return the datastore at `path`, which must exist."""
    found = storage.load(str(path))
    assert found
    return found


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


def test_version_1_is_upgraded_when_it_is_first_saved(tmp_path: Path) -> None:
    path = golden(tmp_path, 1)
    before = path.read_bytes()
    store = load(path)
    assert path.read_bytes() == before, "loading writes nothing"
    assert (store.version, store.upgraded, store.changed) == (2, True, True)
    assert {number: task.status for number, task in store.tasks.items()} == {
        **dict.fromkeys((1, 2, 3, 4, 5), "ACTIVE"),
        7: "ACTIVE",  # even of a failed task, the deliveries are requested again
    }
    assert store.mappings == [
        mapping("/data/em1", "/archive/em1", 1_790_002_704),
        mapping("/data/old", "/archive/old", 1_790_006_304),
    ]
    assert store.quarantined == {
        "/data/em1/.globus_auto_empty.3f9a1c0b7d22": "/data/em1/2026-09-20"
    }
    assert sum(map(len, store.files.values())) == 6
    assert store.record('/data/em1/2026-09-21/Übersicht "α".txt') == FileRecord(
        312, 1_790_000_300, 2
    )
    assert store.tasks[5].deletes == ["/data/em1/2026-09-21/grid_001.mrc"]
    assert storage.save(str(path), store) is True
    assert (tmp_path / "datastore.v1").read_bytes() == before, "the old one stays"
    assert (tmp_path / "datastore.v1").stat().st_mode & 0o7777 == 0o600
    assert load(path) == store
    assert path.read_bytes().startswith(b'{"version": 2,')
    assert storage.save(str(path), load(path)) is False
    store.drop("/data/em1/log.txt")
    storage.save(str(path), store)
    assert (tmp_path / "datastore.v1").read_bytes() == before, "and is written once"


def mapping(source: str, destination: str, newest: int) -> Mapping:
    """Return a mapping to the destination of the golden files."""
    return Mapping(source_dir=source, destination=DST, destination_dir=destination, newest=newest)


def test_version_2_is_read_and_written_as_it_was(tmp_path: Path) -> None:
    path = golden(tmp_path, 2)
    before = path.read_bytes()
    store = load(path)
    assert (store.version, store.generation, store.upgraded) == (2, 42, False)
    assert (store.config, len(store.mappings)) == ("/home/em1/globus_auto/em1.py", 2)
    assert (store.tasks[6].equal, store.tasks[2].verify_checksum) == (True, False)
    assert store.tasks[8].lost == ["/data/em1/log.txt"]
    assert store.tasks[1].lost is msgspec.UNSET
    assert storage.save(str(path), store) is False
    assert path.read_bytes() == before
    store.sum = ""
    store.generation -= 1
    assert storage.save(str(path), store) is True
    assert path.read_bytes() == before, "to the byte"
    assert [each.name for each in tmp_path.iterdir()] == ["datastore"]


@pytest.mark.parametrize("version", [1, 2])
def test_a_golden_file_that_was_altered_is_damaged(tmp_path: Path, version: int) -> None:
    path = golden(tmp_path, version)
    path.write_bytes(path.read_bytes().replace(b"67108864", b"67108865", 1))
    with pytest.raises(errors.DamagedDatastore, match="checksum mismatch"):
        storage.load(str(path))


@pytest.mark.parametrize("version", [3, 10])
def test_the_advice_for_a_newer_version_is_to_upgrade(tmp_path: Path, version: int) -> None:
    """It never says to delete the datastore."""
    path = golden(tmp_path, 2)
    path.write_bytes(b'{"version": %d,\n "future": {}}' % version)
    with pytest.raises(NewerDatastore) as caught:
        storage.load(str(path))
    assert caught.value.version == version
    text = programs.datastore_newer(caught.value.path, version, storage.VERSION).text
    assert f"written by a newer globus_auto: its version is {version}" in text
    assert "Upgrade this installation." in text
    assert "elete it" not in text


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
