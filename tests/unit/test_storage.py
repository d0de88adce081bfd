"""The datastore loads exactly what was saved, or is damaged; it is never read as empty."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from globus_auto import storage
from globus_auto.datastore import Datastore, FileRecord, Files, Mapping, TaskRecord
from globus_auto.errors import DamagedDatastore, NewerDatastore
from tests.lab import untouched
from tests.processes import no_file_above

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers(-(2**62), 2**62)
TASKS = st.builds(
    TaskRecord,
    kind=st.sampled_from(["transfer", "delete"]),
    submission_id=TEXT,
    task_id=st.none() | TEXT,
    status=st.sampled_from(["ACTIVE", "INACTIVE", "SUCCEEDED", "FAILED"]),
    label=TEXT,
    submitted_at=NUMBERS,
    scanned_at=NUMBERS,
    ended_at=st.none() | NUMBERS,
    recursive=st.booleans(),
    exclude=st.lists(TEXT, max_size=3),
    source_dir=TEXT,
    destination=TEXT,
    destination_dir=TEXT,
    deadline=st.none() | NUMBERS,
    deletes=st.just(msgspec.UNSET) | st.lists(TEXT, max_size=3),
    lost=st.just(msgspec.UNSET) | st.lists(TEXT, max_size=3),
    requested_at=st.none() | NUMBERS,
    completed_at=st.none() | NUMBERS,
    verify_checksum=st.none() | st.booleans(),
    encrypt_data=st.none() | st.booleans(),
    equal=st.booleans(),
    tries=st.integers(0, 9),
    unlisted_since=st.none() | NUMBERS,
    error_since=st.none() | NUMBERS,
    error_progress=st.none() | NUMBERS,
)
MAPPINGS = st.builds(
    Mapping, source_dir=TEXT, destination=TEXT, destination_dir=TEXT, newest=NUMBERS
)


def files_of(directories: dict[str, dict[str, FileRecord]]) -> Files:
    """Return file records by directory and name as a datastore holds them."""
    files = Files()
    for directory, records in directories.items():
        files.update(directory, records)
    return files


@st.composite
def stores(draw: Any) -> Datastore:
    """Draw a datastore whose file records refer to its tasks."""
    tasks = draw(st.dictionaries(st.integers(1, 10**9), TASKS, min_size=1, max_size=4))
    entries = st.builds(FileRecord, NUMBERS, NUMBERS, st.sampled_from(sorted(tasks)))
    names = st.dictionaries(TEXT, entries, min_size=1, max_size=4)
    return Datastore(
        source=draw(TEXT),
        generation=draw(st.integers(0, 2**62)),
        config=draw(TEXT),
        mappings=draw(st.lists(MAPPINGS, max_size=3)),
        tasks=tasks,
        quarantined=draw(st.dictionaries(TEXT, TEXT, max_size=2)),
        files=files_of(draw(st.dictionaries(TEXT, names, max_size=4))),
    )


@hypothesis_settings(
    max_examples=40,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(store=stores())
def test_what_is_saved_is_what_is_loaded(tmp_path: Path, store: Datastore) -> None:
    path = str(tmp_path / "datastore")
    storage.save(path, store)
    assert storage.load(path) == store


def example(directories: int = 2) -> Datastore:
    """Return a datastore with three files in each of its directories."""
    task = TaskRecord(
        kind="transfer",
        submission_id="s",
        label="l",
        submitted_at=3,
        scanned_at=2,
        source_dir="/d",
        destination="x",
        destination_dir="/e",
    )
    store = Datastore(source="the source", tasks={7: task})
    for number in range(directories):
        for name in ("a", 'b "quoted"', "ä\n"):
            store.put(f"/d/{number}/{name}", FileRecord(1, 2, 7))
    return store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a saved datastore."""
    storage.save(str(tmp_path / "datastore"), example())
    return tmp_path / "datastore"


def test_without_a_file_there_is_no_datastore(tmp_path: Path) -> None:
    assert storage.load(str(tmp_path / "datastore")) is None


def test_each_directory_is_one_line_and_the_sum_comes_last(path: Path) -> None:
    """The sum is the SHA-256 of all that comes before it."""
    data = path.read_bytes()
    lines = data.decode().splitlines()
    assert lines[0] == '{"version": 2,'
    assert lines[7] == '  "/d/0": {"a":[1,2,7],"b \\"quoted\\"":[1,2,7],"ä\\n":[1,2,7]},'
    assert lines[8].startswith('  "/d/1": {')
    assert lines[9] == ' "generation": 1,'
    before, key, value = data.partition(b'"sum"')
    assert key + value == f'"sum": "{hashlib.sha256(before).hexdigest()}"}}\n'.encode()


def test_an_unchanged_datastore_is_not_written(path: Path) -> None:
    before = untouched(path)
    store = storage.load(str(path))
    assert store
    assert storage.save(str(path), store) is False
    assert (untouched(path), store.generation) == (before, 1)
    store.drop("/d/0/a")
    assert storage.save(str(path), store) is True
    assert storage.load(str(path)) == store
    assert store.generation == 2, "raised at each save"
    assert untouched(path)[0] != before[0], "replaced, not overwritten"


@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
def test_only_its_owner_can_read_it_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        storage.save(str(tmp_path / "datastore"), example())
    finally:
        os.umask(before)
    assert (tmp_path / "datastore").stat().st_mode & 0o7777 == 0o600


def loads_as_damaged_or_equal(path: Path, data: bytes) -> bool:
    """Write `data` and load it; return whether it is damaged."""
    path.write_bytes(data)
    try:
        store = storage.load(str(path))
    except NewerDatastore as error:
        # A digit of its version was altered: that is refused too, with another message.
        assert data.startswith((b'{"version": 3,', b'{"version": 22')), data[:20]
        assert str(path) in str(error)
        return True
    except DamagedDatastore as error:
        assert f"{path} is damaged" in str(error)
        return True
    assert store
    assert store.files == example().files
    return False


def test_a_datastore_cut_at_any_length_is_damaged(path: Path) -> None:
    data = path.read_bytes()
    damaged = [loads_as_damaged_or_equal(path, data[:length]) for length in range(len(data))]
    assert damaged == [True] * (len(data) - 1) + [False], "only the last newline may be missing"


def test_any_altered_added_or_missing_byte_is_damage(path: Path) -> None:
    data = path.read_bytes()
    for place in range(len(data) - 1):
        for byte in (data[place] ^ 1, 0):
            if byte != data[place]:
                changed = data[:place] + bytes([byte]) + data[place + 1 :]
                assert loads_as_damaged_or_equal(path, changed)
        assert loads_as_damaged_or_equal(path, data[:place] + b" " + data[place:])
        assert loads_as_damaged_or_equal(path, data[:place] + data[place + 1 :])
    assert loads_as_damaged_or_equal(path, data + data)


def test_a_large_datastore_with_some_byte_altered_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "datastore"
    storage.save(str(path), example(2000))
    data = path.read_bytes()
    chance = random.Random(1)
    for place in chance.sample(range(len(data) - 1), 100):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(DamagedDatastore):
            storage.load(str(path))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"version": 2', b'"version": 0', "version"),
        (b'"version": 2', b'"version": "2"', "version"),
        (b'"version": 2', b'"novelty": 2', "novelty"),
        (b'"mappings": []', b'"mappings": {}', "mappings"),
        (b'"generation": 1', b'"generation": "1"', "generation"),
        (b'"config": ""', b'"config": null', "config"),
        (b'"equal":false', b'"equal":0', "equal"),
        (b'"source": "the source"', b'"source": null', "source"),
        (b' "source": "the source",\n', b"", "source"),
        (b'"kind":"transfer"', b'"kind":"copy"', "kind"),
        (b'"status":"ACTIVE"', b'"status":"DONE"', "status"),
        (b'"label":"l"', b'"label":"l","colour":1', "colour"),
        (b'"listed_at":2', b'"listed_at":2.5', "listed_at"),
        (b'"7":', b'"seven":', "tasks"),
        (b'"7":', b'"8":', "missing tasks {7}"),
        (b"[1,2,7]", b"[1,2,7,0]", "length 3"),
        (b"[1,2,7]", b"[1,2]", "length 3"),
        (b"[1,2,7]", b'["1",2,7]', "files"),
        (b"[1,2,7]", b"null", "files"),
        (b'"asides": {}', b'"asides": []', "asides"),
        (b'"/d/0": ', b'"/d/0" ', "JSON"),
        (b'"/d/0": ', b'"\xff": ', ""),
    ],
)
def test_an_unknown_shape_is_damage_though_the_sum_matches(
    path: Path, old: bytes, new: bytes, reason: str
) -> None:
    before = path.read_bytes().partition(b'"sum"')[0]
    assert old in before
    before = before.replace(old, new, 1)
    path.write_bytes(before + f'"sum": "{hashlib.sha256(before).hexdigest()}"}}\n'.encode())
    with pytest.raises(DamagedDatastore) as caught:
        storage.load(str(path))
    assert reason in str(caught.value)


def test_a_failed_save_leaves_the_old_file(path: Path) -> None:
    """The temporary file that it leaves does no harm to the next save."""
    before = path.read_bytes()
    larger = example(100)
    with no_file_above(1000), pytest.raises(OSError, match="File too large"):
        storage.save(str(path), larger)
    assert path.read_bytes() == before
    storage.save(str(path), larger)
    assert storage.load(str(path)) == larger
    assert [each.name for each in path.parent.iterdir()] == ["datastore"]


def test_saving_leaves_no_file_open(path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    for number in range(3):
        storage.save(str(path), example(number))
    assert os.listdir("/proc/self/fd") == before
