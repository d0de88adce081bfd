"""A datastore of the older programs, for Python 2.7, is recognised, whatever wrote it."""

from __future__ import annotations

import dbm.dumb
import pickle
import shelve
from collections.abc import Callable
from pathlib import Path

import pytest

from globus_auto import storage
from globus_auto.errors import DamagedDatastore, OlderDatastore

STATE = {"/data/run1/a.h5": (8012, 1510000000.0)}
# What Python 2.7 itself wrote: cPickle.dump(STATE, file) with each protocol.
PYTHON_2 = [
    b"(dp1\nS'/data/run1/a.h5'\np2\n(I8012\nF1510000000\ntp3\ns.",
    b"}q\x01U\x0f/data/run1/a.h5q\x02(ML\x1fGA\xd6\x801`\x00\x00\x00tq\x03s.",
    b"\x80\x02}q\x01U\x0f/data/run1/a.h5q\x02ML\x1fGA\xd6\x801`\x00\x00\x00\x86q\x03s.",
]
# The beginnings of files that the libraries themselves wrote: there are others to read them with.
BERKELEY = b"\0\0\0\0\x01\0\0\0\0\0\0\0\x61\x15\x06\0\x09\0\0\0\0\x10\0\0"
BTREE = b"\0\0\0\0\x01\0\0\0\0\0\0\0\x00\x05\x31\x62\x09\0\0\0\0\x10\0\0"
GDBM = b"\xcf\x9a\x57\x13\0\x10\0\0\0\x10\0\0\0\0\0\0"
GDBM_BIG_ENDIAN = b"\x13\x57\x9a\xce\0\0\x10\0\0\0\x10\0\0\0\0\0"


def write_shelf(path: Path) -> None:
    """Write a shelf in the form that is usual for the interpreter of the tests."""
    with shelve.open(str(path)) as shelf:
        shelf.update(STATE)


def write_dbm(path: Path) -> None:
    with dbm.dumb.open(str(path), "n") as database:
        database[b"a"] = b"1"


@pytest.mark.parametrize("write", [write_shelf, write_dbm])
def test_a_shelf_is_older_and_all_its_files_are_named(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    write(tmp_path / "datastore")
    written = sorted(map(str, tmp_path.iterdir()))
    with pytest.raises(OlderDatastore) as older:
        storage.load(str(tmp_path / "datastore"))
    assert sorted(older.value.files) == written


@pytest.mark.parametrize(
    ("content", "form"),
    [
        *((pickle.dumps(STATE, protocol), "pickle") for protocol in range(6)),
        *((content, "pickle") for content in PYTHON_2),
        (pickle.dumps({str(number): number for number in range(2000)})[:-100], "pickle"),
        (BERKELEY, "Berkeley DB"),
        (BTREE, "Berkeley DB"),
        (GDBM, "gdbm"),
        (GDBM_BIG_ENDIAN, "gdbm"),
        (b"SQLite format 3\0\x10\0", "SQLite"),
    ],
)
def test_a_file_of_the_older_programs_is_recognised(
    tmp_path: Path, content: bytes, form: str
) -> None:
    path = tmp_path / "datastore"
    path.write_bytes(content)
    with pytest.raises(OlderDatastore) as older:
        storage.load(str(path))
    assert (older.value.form, older.value.files) == (form, [str(path)])
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 64, b'{"version": 2,\n "tasks"', b"hello", b"\x80\x02}q", b"\xff" * 20]
)
def test_what_is_damaged_is_not_called_older(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "datastore"
    path.write_bytes(content)
    with pytest.raises(DamagedDatastore) as damaged:
        storage.load(str(path))
    assert not isinstance(damaged.value, OlderDatastore)


@pytest.mark.parametrize(
    "names", [[], ["datastore.bak"], ["datastore.dir"], ["datastore.old", "datastore.v1"]]
)
def test_other_files_beside_are_no_datastore(tmp_path: Path, names: list[str]) -> None:
    """A user may have kept a copy of an earlier one as datastore.bak."""
    for name in names:
        (tmp_path / name).write_bytes(b"{}")
    assert storage.load(str(tmp_path / "datastore")) is None


@pytest.mark.parametrize("names", [["datastore.db"], ["datastore.dir", "datastore.pag"]])
def test_a_database_of_ndbm_is_older(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_bytes(BERKELEY)
    with pytest.raises(OlderDatastore) as older:
        storage.load(str(tmp_path / "datastore"))
    assert older.value.files == [str(tmp_path / name) for name in names]
