"""Datastores of each version: the golden files are read, and upgraded as they are saved."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from globus_auto import errors, storage
from globus_auto.alerts.catalog import programs
from globus_auto.datastore import Datastore, FileRecord, Mapping
from globus_auto.errors import NewerDatastore
from tests import ROOT

GOLDEN = ROOT / "tests" / "golden"
DST = "ddb59af0-6d04-11e5-ba46-22000b92c6ec"


def golden(tmp_path: Path, version: int) -> Path:
    """Return the path of a copy of the golden file of that version."""
    return Path(shutil.copy(GOLDEN / f"datastore.v{version}.json", tmp_path / "datastore"))


def load(path: Path) -> Datastore:
    """Return the datastore at `path`, which must exist."""
    found = storage.load(str(path))
    assert found
    return found


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
    assert sum(len(records) for _, records in store.files.items()) == 6
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
