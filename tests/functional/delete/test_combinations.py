"""What several settings decide together: which files go, and which stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.functional.delete.test_compare import alter, compared
from tests.functional.delete.test_room import SIZE, Disk, disk  # noqa: F401 - a fixture
from tests.lab import Lab, another_pair, files

# Two units, the older one first, and a file that is younger than both: 6 of 10 files fit.
NAMES = ["one/a", "one/b", "one/done", "two/c", "two/d", "two/done", "note"]
ONE, TWO, NOTE = set(NAMES[:3]), set(NAMES[3:6]), {"note"}
UNITS = {"READY_MARKERS": ["*/done"]}
ROOM = {"FREE_PERCENT": 40}


def nothing(_lab: Lab) -> None:
    """Nothing else happens."""


def mark_one(lab: Lab) -> None:
    lab.write("one/DO_NOT_DELETE", "")


def mark_below_one(lab: Lab) -> None:
    lab.write("one/sub/x", "")
    lab.write("one/sub/DO_NOT_DELETE", "")


def mark_all(lab: Lab) -> None:
    lab.write("DO_NOT_DELETE", "")


def new_in_one(lab: Lab) -> None:
    lab.write("one/new", "")


def altered_in_one(lab: Lab) -> None:
    alter(lab.source / "one" / "b")


def other_pair(lab: Lab, **settings: Any) -> Lab:
    other = another_pair(lab)
    other.configure(FREE_PERCENT=0, KEEP_DAYS=0, VERIFY_DESTINATION=True, **settings)
    lab.configure(ALSO_AT=[str(other.config)])
    return other


def other_has_all(lab: Lab) -> None:
    other = other_pair(lab)
    assert (other.transfer(), other.transfer()) == (0, 0)


def other_lacks_one(lab: Lab) -> None:
    other = other_pair(lab)
    assert (other.transfer(), other.transfer()) == (0, 0)
    (other.destination / "one" / "a").unlink()


def other_excludes_one(lab: Lab) -> None:
    other = other_pair(lab, EXCLUDE=["one"])
    assert (other.transfer(), other.transfer()) == (0, 0)


# Settings, what happens before delete.py runs three times, and which files are gone then.
TABLE: list[tuple[dict[str, Any], Callable[[Lab], None], set[str]]] = [
    (UNITS, nothing, ONE | TWO | NOTE),
    # A KEEP marker keeps what is below it, and its unit the marker.
    (UNITS, mark_one, TWO | NOTE),
    (UNITS, mark_below_one, {"one/a", "one/b"} | TWO | NOTE),
    (UNITS, mark_all, set()),
    ({**UNITS, "KEEP_MARKERS": []}, mark_one, TWO | NOTE),
    # There is room when one file is gone; a unit goes as a whole all the same.
    (ROOM, nothing, {"one/a"}),
    ({**ROOM, **UNITS}, nothing, ONE),
    ({**ROOM, **UNITS}, new_in_one, TWO),
    ({**ROOM, **UNITS}, mark_one, TWO),
    ({**ROOM, "KEEP_DAYS": 2}, nothing, set()),
    ({**ROOM, **UNITS, "KEEP_DAYS": 2}, other_has_all, set()),
    # All destinations must have all of a unit.
    (UNITS, other_lacks_one, TWO | NOTE),
    ({**ROOM, **UNITS}, other_lacks_one, TWO),
    ({**ROOM, **UNITS}, other_has_all, ONE),
    ({**ROOM, **UNITS}, other_excludes_one, ONE),
    ({}, other_lacks_one, {"one/b", "one/done"} | TWO | NOTE),
    # What is compared is what may go now.
    ({**UNITS, "VERIFY_DESTINATION": "checksum"}, altered_in_one, TWO | NOTE),
    ({**ROOM, **UNITS, "VERIFY_DESTINATION": "checksum"}, nothing, ONE),
    ({**ROOM, **UNITS, "VERIFY_DESTINATION": "checksum"}, altered_in_one, TWO),
    ({**ROOM, "VERIFY_DESTINATION": "checksum"}, nothing, {"one/a"}),
    ({**ROOM, **UNITS, "VERIFY_DESTINATION": False}, nothing, ONE),
]


@pytest.mark.parametrize(("settings", "happens", "gone"), TABLE)
def test_which_files_go(
    lab: Lab,
    disk: Disk,  # noqa: F811
    settings: dict[str, Any],
    happens: Callable[[Lab], None],
    gone: set[str],
) -> None:
    lab.configure(FREE_PERCENT=0)
    lab.configure(**settings)
    for age, name in enumerate(reversed(NAMES), 1):
        lab.write(name, name.encode().ljust(SIZE, b"."), age=1000 + age * 60)
    assert (lab.transfer(), lab.transfer()) == (0, 0)
    happens(lab)
    planned = settings.get("VERIFY_DESTINATION") != "checksum"
    for _ in range(3):
        lab.delete()
    assert {*NAMES} - files(lab.source).keys() == gone
    assert disk.size
    assert {path.removeprefix("/src/") for paths in compared(lab) for path in paths} >= (
        set() if planned else gone
    )
