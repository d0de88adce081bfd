"""How much room a disk has, and which files are the oldest, as functions of plain data."""

import math
import os
import random
from typing import Any

import pytest

from globus_auto import datastore
from globus_auto.datastore import FileRecord
from globus_auto.steps import room
from globus_auto.steps.reasons import KeepReason
from globus_auto.steps.room import Oldest, Space
from globus_auto.steps.session import KeepLog
from globus_auto.steps.units import Units


def found(blocks: int, bfree: int, bavail: int, frsize: int = 10) -> os.statvfs_result:
    """Return what statvfs finds."""
    return os.statvfs_result((4096, frsize, blocks, bfree, bavail, 9, 9, 9, 0, 255))


@pytest.mark.parametrize(
    ("status", "space"),
    [
        (found(100, 40, 40), Space(1000, 400)),
        (found(100, 40, 35), Space(950, 350)),  # the rest is for root
        (found(100, 5, 0), Space(950, 0)),
        (found(100, 0, 0), Space(1000, 0)),
        (found(100, 100, 100), Space(1000, 1000)),
        (found(100, 40, 40, 4096), Space(409_600, 163_840)),
        (found(0, 0, 0), None),  # some network file systems
        (found(100, 40, 50), None),
        (found(100, 101, 101), None),
        (found(100, 100, 0), None),
        (found(100, -1, -1), None),
        (found(100, 40, 1 << 63), None),
    ],
)
def test_what_may_be_used_and_is_free(status: os.statvfs_result, space: Space | None) -> None:
    if space:
        assert room.space_of(status) == space
    else:
        with pytest.raises(ValueError, match="impossible"):
            room.space_of(status)


@pytest.mark.parametrize(
    ("free", "percent", "shortage"),
    [
        (200, 20, 0),
        (199, 20, 1),
        (201, 20, 0),
        (0, 20, 200),
        (0, 99, 990),
        (1000, 99, 0),
        (0, 0.05, 1),
        (500, 50.05, 1),
        (0, 0, 0),
    ],
)
def test_how_much_must_become_free(free: int, percent: float, shortage: int) -> None:
    assert Space(1000, free).shortage(percent) == shortage


@pytest.mark.parametrize(
    ("sizes", "shortage", "files", "number"),
    [
        ([5, 5, 5], 10, 1, 2),
        ([5, 5, 5], 11, 1, 3),
        ([5, 5, 5], 16, 1, 3),
        ([5, 5, 5], 1, 1, 1),
        ([5, 5, 5], 1, 2, 2),
        ([0, 0, 5, 5], 1, 1, 3),
        ([5, 5], 1, 9, 2),
        ([5, 5], 0, 0, 0),
        ([], 7, 1, 0),
    ],
)
def test_how_many_files_are_enough(
    sizes: list[int], shortage: float, files: int, number: int
) -> None:
    assert room.enough((FileRecord(size, 0, 1) for size in sizes), shortage, files) == number


NO_UNITS = Units([], "/src")


def kept_log() -> KeepLog:
    """Return a log of kept files with their paths."""
    return KeepLog(datastore.Datastore(source="s"), 0, listed=True)


@pytest.mark.parametrize("seed", range(20))
def test_the_oldest_are_found_in_any_order(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Just as if all were sorted at once; each other file stays, and is counted once."""
    monkeypatch.setattr(room, "AT_LEAST", 5)
    chance = random.Random(seed)
    records = {f"/src/{n}": FileRecord(chance.randrange(9), n % 40, 1) for n in range(200)}
    order = chance.sample(sorted(records), len(records))
    last = set(chance.sample(order, chance.choice([0, 3, 150])))
    shortage, files, kept = chance.choice([1, 40, 500, 5000]), chance.choice([1, 7]), kept_log()
    oldest = Oldest(shortage, files, kept, NO_UNITS, last)
    for path in order:
        age = (records[path].mtime, "")
        if age > oldest.latest:
            kept.add(path, oldest.why)
        else:
            oldest.add(path, records[path], age)
    by_age = sorted(records, key=lambda path: (path in last, records[path].mtime, path))
    number = room.enough((records[path] for path in by_age), shortage, files)
    got = list(oldest.found())
    assert got == by_age[:number]
    assert sorted([*got, *(path for path, _ in kept.paths)]) == sorted(records)
    assert kept.counts == ({KeepReason.ROOM: 200 - number} if number < 200 else {})


@pytest.mark.parametrize("seed", range(20))
def test_units_are_found_whole(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is as old as its youngest file, and some are of one age; other files go one by one."""
    monkeypatch.setattr(room, "AT_LEAST", 5)
    chance, units = random.Random(seed), Units(["unit*/done"], "/src")
    records = {f"/src/{n}": FileRecord(1, chance.randrange(9), 1) for n in range(20)}
    records |= {f"/src/unit{n % 12}/{n}": FileRecord(1, chance.randrange(9), 1) for n in range(100)}
    of = {path: units.of_file(path) or "" for path in records}
    ages = {
        path: (max(records[each].mtime for each in records if of[each] == unit), unit)
        if unit
        else (records[path].mtime, "")
        for path, unit in of.items()
    }
    kept = kept_log()
    oldest = Oldest(chance.choice([1, 10, 40]), 1, kept, units)
    for path in chance.sample(sorted(records), len(records)):
        if ages[path] <= oldest.latest:
            oldest.add(path, records[path], ages[path])
    found = oldest.found()
    by_age = sorted(records, key=lambda path: (ages[path], path))
    assert list(found) == by_age[: len(found)]
    assert {of[path] for path in found if of[path]}.isdisjoint(
        of[path] for path in records if path not in found
    )


@pytest.mark.parametrize(
    ("shortage", "reason"),
    [(0, KeepReason.ROOM), (None, KeepReason.ROOM_UNKNOWN), (1, None), (math.inf, None)],
)
def test_files_stay_where_there_is_room_or_nobody_knows(shortage: Any, reason: Any) -> None:
    oldest = Oldest(shortage, 1, kept_log(), NO_UNITS)
    assert (oldest.latest == (-math.inf, "")) is (reason is not None)
    assert oldest.why.reason is (reason or KeepReason.ROOM)
    assert oldest.takes_all is (shortage == math.inf)


def test_only_paths_are_held_of_the_files_that_are_needed() -> None:
    """Of a million files, memory is needed for the oldest only."""
    oldest = Oldest(10, 1, kept_log(), NO_UNITS)
    for number in range(10_000):
        record = FileRecord(1, 10_000 - number, 1)
        if (record.mtime, "") <= oldest.latest:
            oldest.add(f"/src/{number}", record, (record.mtime, ""))
        assert len(oldest._added) <= room.AT_LEAST
    assert len(oldest.found()) == 10
