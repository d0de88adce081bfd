"""A deletion in many batches saves the datastore once; an interrupted one is found again."""

from pathlib import Path

import pytest

from globus_auto import storage
from tests.lab import Lab, files


@pytest.fixture
def many(lab: Lab) -> Lab:
    """Return a laboratory with four delivered files, each of which is deleted by itself."""
    lab.real_time()
    lab.configure(FILES_PER_TASK=1)
    lab.given_transferred("a", "b", "c", "d")
    return lab


def on_disk(lab: Lab) -> set[str]:
    """Return the names of the records in the datastore's file."""
    store = storage.load(f"{lab.state}/datastore")
    assert store
    return {name for _, names in store.files.items() for name in names}


def test_a_deletion_in_many_batches_saves_the_datastore_once(many: Lab) -> None:
    before = many.store().generation
    assert many.delete() == 0
    assert (files(many.source), len(many.submitted("delete"))) == ({}, 4)
    assert many.store().generation == before + 1
    assert not (many.state / "datastore.delete").exists()


def test_the_datastore_is_saved_every_ten_minutes(many: Lab) -> None:
    before = many.store().generation
    many.world.faults.add_hook("delete", lambda _request: many.advance(400), times=None)
    assert many.delete() == 0
    assert many.store().generation == before + 3


@pytest.mark.parametrize("program", ["transfer", "delete"])
@pytest.mark.parametrize("route", ["submission_id", "ls", "delete"])
def test_what_an_interrupted_run_has_deleted_is_known(many: Lab, route: str, program: str) -> None:
    """It was killed in its third batch; nothing is read as missing, and nothing is told twice."""
    many.kill("delete", route, match=lambda _request: len(many.submitted("delete")) >= 2)
    assert {"a", "b"} <= on_disk(many)
    assert not (many.source / "a").exists()
    assert getattr(many, program)() == 0
    assert not {"a", "b"} & on_disk(many)
    assert not (many.state / "datastore.delete").exists()
    assert (many.transfer(), many.delete()) == (0, 0)
    assert (files(many.source), many.alerts()) == ({}, {})
    assert set(many.history("deleted")) == {f"/src/{name}" for name in "abcd"}


@pytest.mark.parametrize("content", [b'{"since": 1}', b"\xff\n", None])
def test_a_lost_or_damaged_batch_does_no_harm(many: Lab, content: bytes | None) -> None:
    many.kill("delete", "delete", match=lambda _request: len(many.submitted("delete")) >= 2)
    batch: Path = many.state / "datastore.delete"
    assert batch.stat().st_mode & 0o777 == 0o600
    if content is None:
        batch.unlink()
    else:
        batch.write_bytes(content)
    assert [many.transfer(), many.delete()] == [0, 0]
    assert files(many.source) == {}
    # Until that has lasted for a day, the source may also be a disk that is not mounted.
    many.transfer()
    assert many.alerts().keys() <= {"source"}
    many.advance(90_000)
    assert [many.transfer(), many.transfer(), many.alerts()] == [0, 0, {}]


def test_an_id_that_was_cut_off_is_found_by_the_label(many: Lab) -> None:
    many.kill("delete", "task", match=lambda _request: bool(many.submitted("delete")))
    batch = many.state / "datastore.delete"
    batch.write_bytes(batch.read_bytes()[:-3])
    assert (many.delete(), files(many.source), many.alerts()) == (0, {}, {})
