"""Why a file is kept: the whole table, as functions of plain data."""

import itertools
from typing import Any

import pytest

from globus_auto.datastore import FileRecord, TaskRecord
from globus_auto.files import FileVersion
from globus_auto.steps import rules
from globus_auto.steps.reasons import KeepReason, Reason, Why
from globus_auto.steps.rules import KeepTerms

NOW = 1_795_428_000
DAY = 86_400
FINE: dict[str, Any] = {
    "mtime": NOW - 100,
    "scanned_at": NOW - 50,
    "status": "SUCCEEDED",
    "ended_at": NOW - 40,
    "keep_days": 0,
    "excluded": False,
    "recursive_in_progress": False,
    "collides": False,
    "lost": False,
    "verified": True,
    "also_at": None,
    "room": None,
}
# In the order of precedence.
REASONS: list[tuple[dict[str, Any], KeepReason]] = [
    ({"status": "ACTIVE", "ended_at": None}, KeepReason.IN_PROGRESS),
    ({"recursive_in_progress": True}, KeepReason.IN_PROGRESS),
    ({"lost": True}, KeepReason.LOST_TASK),
    ({"mtime": NOW - 51}, KeepReason.RACY),
    ({"excluded": True}, KeepReason.EXCLUDED),
    ({"keep_days": 1}, KeepReason.KEEP_DAYS),
    ({"collides": True}, KeepReason.COLLISION),
    ({"verified": None}, KeepReason.UNVERIFIED),
    ({"verified": False}, KeepReason.UNVERIFIED),
    ({"also_at": Why(KeepReason.ALSO_AT)}, KeepReason.ALSO_AT),
    ({"room": Why(KeepReason.ROOM)}, KeepReason.ROOM),
]


def reason(**changes: Any) -> Reason | None:
    """Return why a file is kept that would be deleted without these changes."""
    case = FINE | changes
    task = TaskRecord(
        kind="transfer",
        submission_id="s",
        label="l",
        status=case["status"],
        submitted_at=case["scanned_at"],
        scanned_at=case["scanned_at"],
        ended_at=case["ended_at"],
        source_dir="/s",
        destination="d",
        destination_dir="/d",
        verify_checksum=case["verified"],
    )
    names = ("excluded", "recursive_in_progress", "collides", "lost", "also_at", "room")
    given = {name: case[name] for name in names}
    record = FileRecord(10, case["mtime"], 1)
    why = rules.reason_to_keep(record, task, KeepTerms(NOW, case["keep_days"]), **given)
    return why and why.reason


def test_a_file_is_kept_for_the_first_reason_that_applies() -> None:
    """It is deleted only where none applies."""
    assert reason() is None
    for number in range(1, len(REASONS) + 1):
        for combination in itertools.combinations(REASONS, number):
            changes: dict[str, Any] = {}
            for change, _ in combination:
                changes |= change
            assert reason(**changes) is combination[0][1]


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"status": "FAILED"}, False),
        ({"status": "INACTIVE"}, True),
        ({"mtime": NOW - 52}, False),
        ({"mtime": NOW - 51}, True),
        ({"mtime": NOW}, True),
        ({"mtime": NOW - 50 + DAY}, True),
        ({"mtime": NOW - 50 + DAY + 1}, False),
        ({"mtime": -5}, False),
        ({"keep_days": 0, "ended_at": NOW + 500}, False),
        ({"keep_days": 0.5, "ended_at": NOW - DAY // 2}, False),
        ({"keep_days": 0.5, "ended_at": NOW - DAY // 2 + 1}, True),
        ({"keep_days": 2, "ended_at": None}, True),
        ({"keep_days": 2, "ended_at": NOW + 500}, True),
    ],
)
def test_the_bounds_of_the_reasons(changes: dict[str, Any], kept: bool) -> None:
    assert (reason(**changes) is not None) is kept


def test_only_an_equal_fingerprint_at_the_source_is_deleted() -> None:
    versions = [FileVersion(*both) for both in itertools.product((0, 1, 9), (-5, 0, 7))]
    for version, found in itertools.product(versions, [*versions, None]):
        record = FileRecord(version.size, version.mtime, 1)
        assert (rules.reason_at_source(record, found) is None) is (found == version)
