"""Records stay encoded by directory; what is read, changed and saved is what a dict would hold."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from globus_auto import records, storage
from globus_auto.datastore import FileRecord, Files
from globus_auto.files import FileVersion
from globus_auto.storage import _chunks
from tests import ROOT

A, B = FileRecord(1, 2, 7), FileRecord(3, 4, 8)
PLACES = st.tuples(st.sampled_from("abcdef"), st.sampled_from("xyz"))
STEPS = st.lists(st.tuples(st.sampled_from(["put", "drop", "get"]), PLACES, st.integers(1, 3)))


@pytest.fixture
def few_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only two directories be open, so that the others are closed again at once."""
    monkeypatch.setattr(records, "OPEN_DIRECTORIES", 2)


@hypothesis_settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(before=st.dictionaries(PLACES, st.integers(1, 3)), steps=STEPS, most=st.integers(1, 4))
def test_it_holds_what_a_dict_would(
    before: dict[tuple[str, str], int], steps: list[tuple[str, tuple[str, str], int]], most: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "OPEN_DIRECTORIES", most)
        plain: dict[str, dict[str, FileRecord]] = {}
        for (directory, name), task in before.items():
            plain.setdefault(directory, {})[name] = FileRecord(0, 0, task)
        files = Files({each: msgspec.json.encode(names) for each, names in plain.items()})
        for what, (directory, name), task in steps:
            names = plain.get(directory, {})
            if what == "put":
                plain.setdefault(directory, names)[name] = FileRecord(1, 1, task)
                files.update(directory, {name: FileRecord(1, 1, task)})
            elif what == "drop":
                names.pop(name, None)
                plain = {each: found for each, found in plain.items() if found}
                files.drop(directory, name)
            else:
                assert files.get(directory, name) == names.get(name)
        assert dict(files.items()) == plain
        assert sorted(files) == sorted(plain)
        for directory, names in plain.items():
            used = {record.task for record in names.values()}
            assert files.tasks(directory) == used
            assert msgspec.json.decode(bytes(files.line(directory))) == {
                name: [record.size, record.mtime, record.task] for name, record in names.items()
            }
            for number in (1, 2, 3):
                assert (directory in dict(files.items({number}))) is (number in used)


def test_a_line_is_saved_as_it_was_until_its_directory_changes(few_open: None) -> None:
    del few_open
    odd = b'{"y" : [3,4,8], "x":[1,2,7]}'  # a file of our own has no such blanks
    files = Files({"/a": odd, "/b": odd, "/c": odd})
    assert [files.get(directory, "x") for directory in files] == [A, A, A]
    files.drop("/b", "missing")
    files.update("/b", {})
    assert [files.line(directory) for directory in files] == [odd] * 3
    files.drop("/a", "x")
    files.update("/c", {"w": B})
    assert files.get("/b", "y") == B, "which closes another directory"
    assert (files.line("/a"), files.line("/b")) == (b'{"y":[3,4,8]}', odd)
    assert files.line("/c") == b'{"w":[3,4,8],"x":[1,2,7],"y":[3,4,8]}'


def test_most_directories_are_closed_but_a_few_large_ones_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sorted paths go to and fro between directories; each would be decoded again and again."""
    monkeypatch.setattr(records, "OPEN_RECORDS", 10)
    files = Files()
    for number in range(20):
        files.update(f"/{number}", {str(name): A for name in range(6)})
    assert list(files._open) == ["/16", "/17", "/18", "/19"]
    assert len(files) == 20
    small = Files()
    for number in range(200):
        small.update(f"/{number}", {"x": A})
    assert len(small._open) <= records.OPEN_DIRECTORIES
    assert all(small.get(f"/{number}", "x") == A for number in range(200))


@pytest.mark.parametrize("version", [1, 2])
def test_each_directory_of_a_golden_file_is_saved_byte_for_byte(
    tmp_path: Path, version: int
) -> None:
    """Only the one that changed differs."""
    path = tmp_path / "datastore"
    data = (ROOT / "tests" / "golden" / f"datastore.v{version}.json").read_bytes()
    path.write_bytes(data)
    store = storage.load(str(path))
    assert store
    lines = re.findall(rb'^  ".*?\}(?=[,}])', data, re.M)
    assert re.findall(rb'^  ".*?\}(?=[,}])', b"".join(_chunks(store)), re.M) == (lines)
    store.drop("/data/em1/2026-09-21/grid_002.mrc")
    saved = re.findall(rb'^  ".*?\}(?=[,}])', b"".join(_chunks(store)), re.M)
    changed = [(old, new) for old, new in zip(lines, saved, strict=True) if old != new]
    assert len(changed) == 1
    assert re.sub(rb',"grid_002.mrc":\[[\d,]+\]', b"", changed[0][0]) == changed[0][1]


VERSIONS = st.dictionaries(
    st.sampled_from(["x", "y]", "y,7]", 'q"]', "ä", "[1,2]"]),
    st.builds(FileVersion, st.integers(0, 2), st.integers(-1, 1)),
    min_size=1,
)


@hypothesis_settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(recorded=VERSIONS, listed=VERSIONS, tasks=st.sampled_from([[7] * 6, [6] * 6, [7, 6] * 3]))
@example({"y,7]": FileVersion(1, 1)}, {"y]": FileVersion(1, 1)}, [7])
def test_records_of_one_task_are_told_from_others_without_decoding(
    recorded: dict[str, FileVersion], listed: dict[str, FileVersion], tasks: list[int]
) -> None:
    """True only if they are equal; False also where a name has a bracket."""
    files = Files()
    numbered = zip(recorded.items(), tasks, strict=False)
    files.update("/d", {name: FileRecord(v.size, v.mtime, task) for (name, v), task in numbered})
    for found in (listed, recorded):
        same = files.read("/d") == {
            name: FileRecord(version.size, version.mtime, 7) for name, version in found.items()
        }
        told = files.are("/d", found, 7)
        assert told == (same and not any("]" in name for name in found))
