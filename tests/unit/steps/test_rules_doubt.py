"""A copy is verified by its size, and by an mtime that its task explains: the whole table."""

from __future__ import annotations

from typing import Any

import pytest

from globus_auto.datastore import FileRecord, TaskRecord
from globus_auto.files import FileVersion
from globus_auto.steps.rules import doubt

HOUR = 3600
BEGIN, END = 1_795_428_000, 1_795_428_100  # of the task
MTIME = BEGIN - 5000


def task(**changes: Any) -> TaskRecord:
    """Return a task that delivered a file."""
    facts: dict[str, Any] = {
        "kind": "transfer",
        "submission_id": "s",
        "label": "l",
        "status": "SUCCEEDED",
        "submitted_at": BEGIN,
        "scanned_at": BEGIN - 1,
        "ended_at": END + 900,  # by the clock of this machine, at the poll
        "requested_at": BEGIN,
        "completed_at": END,
        "source_dir": "/src",
        "destination": "d",
        "destination_dir": "/dst",
    }
    return TaskRecord(**facts | changes)


EQUAL = {"equal": True}
OLDER = "its copy is older than the transfer"
LATER = "its copy was changed after the transfer"
UNKNOWN = "its copy has another time, and the end of its task is not known"


@pytest.mark.parametrize(
    ("found", "of", "reason", "newer_by"),
    [
        (None, {}, "its copy is missing at the destination", 0),
        ((9, MTIME), {}, "its copy has another size: 9 bytes instead of 10", 0),
        ((11, BEGIN + 1), {}, "its copy has another size: 11 bytes instead of 10", 0),
        ((0, MTIME), EQUAL, "its copy has another size: 0 bytes instead of 10", 0),
        # The mtime of the original.
        ((10, MTIME), {}, None, 0),
        ((10, MTIME), EQUAL, None, 0),
        ((10, MTIME), {"completed_at": None}, None, 0),
        ((10, MTIME), {"requested_at": None}, None, 0),
        # Written by the task, where mtimes are not kept: two seconds of slack at both ends.
        ((10, BEGIN - 3), {}, f"{OLDER}: by 3 seconds", 0),
        ((10, BEGIN - 2), {}, None, 0),
        ((10, BEGIN), {}, None, 0),
        ((10, END), {}, None, 0),
        ((10, END + 2), {}, None, 0),
        ((10, END + 3), {}, f"{LATER}: 3 seconds later", 3),
        ((10, END + HOUR), {}, f"{LATER}: 3600 seconds later", HOUR),
        # An older copy though the task lists the file as copied: somebody restored it since.
        ((10, MTIME - 1), {}, f"{OLDER}: by 5001 seconds", 0),
        ((10, MTIME + 1), {}, f"{OLDER}: by 4999 seconds", 0),
        ((10, 0), {}, f"{OLDER}: by {BEGIN} seconds", 0),
        # Found equal by the task: any mtime up to its end.
        ((10, MTIME - 1), EQUAL, None, 0),
        ((10, 0), EQUAL, None, 0),
        ((10, END + 2), EQUAL, None, 0),
        ((10, END + 3), EQUAL, f"{LATER}: 3 seconds later", 3),
        # By the clock of this machine only if the time at Globus is unknown.
        ((10, BEGIN - 4), {"requested_at": BEGIN - 4}, None, 0),
        ((10, BEGIN - 2), {"requested_at": None}, None, 0),
        ((10, BEGIN - 3), {"requested_at": None}, f"{OLDER}: by 3 seconds", 0),
        ((10, BEGIN), {"completed_at": None}, UNKNOWN, 0),
        ((10, MTIME - 1), {"completed_at": None, "equal": True}, UNKNOWN, 0),
    ],
)
def test_each_copy_is_verified_or_there_is_a_reason(
    found: tuple[int, int] | None, of: dict[str, Any], reason: str | None, newer_by: int
) -> None:
    answer = FileVersion(*found) if found else None
    doubted = doubt(FileRecord(10, MTIME, 1), task(**of), answer)
    expected = None if reason is None else (reason, newer_by)
    assert (doubted and (str(doubted.why), doubted.newer_by)) == expected
