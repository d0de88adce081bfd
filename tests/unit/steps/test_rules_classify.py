"""Which files are transferred, deferred or skipped, and why: the whole table, without a disk."""

import itertools
from typing import Any

import pytest

from globus_auto.datastore import FileRecord, TaskRecord
from globus_auto.files import FileVersion
from globus_auto.steps.reasons import Decision, TransferReason, Verdict
from globus_auto.steps.rules import (
    FUTURE_SECONDS,
    ScanTerms,
    classify,
    is_future_mtime,
    is_racy,
    is_stable,
    safe_until,
)

TRANSFER, DEFER, SKIP = Verdict.TRANSFER, Verdict.DEFER, Verdict.SKIP
NOW = 1_795_428_000
OLD = NOW - 1000  # an mtime; the scan of the record's task began 100 seconds later
SETTLE = 600
KNOWN = FileRecord(10, OLD, 1)
HERE = ("/src", "", "/dst")  # the mapping of each task here
ELSEWHERE = ("/src", "", "/elsewhere")


def task(status: Any = "SUCCEEDED", scanned_at: int = OLD + 100) -> TaskRecord:
    return TaskRecord(
        kind="transfer",
        submission_id="",
        status=status,
        label="",
        submitted_at=scanned_at,
        scanned_at=scanned_at,
        source_dir="/src",
        destination="",
        destination_dir="/dst",
    )


def classified(
    size: int = 10,
    mtime: int = OLD,
    *,
    of: TaskRecord | None = None,
    entry: FileRecord | None = KNOWN,
    began: int = NOW,
    **terms: Any,
) -> Decision:
    settle = terms.pop("settle", 0)
    return classify(
        FileVersion(size, mtime),
        entry,
        (of or task()) if entry else None,
        ScanTerms(began, settle, **terms),
    )


@pytest.mark.parametrize(
    ("changes", "verdict", "reason"),
    [
        ({"entry": None}, TRANSFER, "new"),
        ({}, SKIP, ""),
        ({"of": task("ACTIVE")}, SKIP, ""),
        ({"of": task("FAILED")}, SKIP, ""),
        ({"size": 11}, TRANSFER, "changed: 10 bytes before, 11 now"),
        ({"size": 0}, TRANSFER, "changed: 10 bytes before, 0 now"),
        ({"mtime": OLD + 5}, TRANSFER, "changed: modified 5 seconds later"),
        ({"mtime": OLD - 5}, TRANSFER, "changed: modified 5 seconds earlier"),
        ({"size": 11, "of": task("ACTIVE")}, DEFER, "its last transfer is in progress"),
        ({"size": 11, "of": task("INACTIVE")}, DEFER, "its last transfer is in progress"),
        ({"size": 11, "of": task("FAILED")}, TRANSFER, "changed"),
        # --full for another mapping than that of the task, or for the same.
        ({"pair": ELSEWHERE}, TRANSFER, "transferred elsewhere before"),
        ({"pair": ELSEWHERE, "of": task("ACTIVE")}, SKIP, ""),
        ({"pair": ELSEWHERE, "size": 11}, TRANSFER, "changed"),
        ({"entry": None, "pair": ELSEWHERE}, TRANSFER, "new"),
        ({"pair": HERE}, SKIP, ""),
        ({"pair": HERE, "size": 11}, TRANSFER, "changed"),
        ({"entry": None, "recursive_in_progress": True}, DEFER, "its last transfer is in progress"),
        ({"size": 11, "recursive_in_progress": True}, DEFER, "its last transfer is in progress"),
        ({"recursive_in_progress": True}, SKIP, ""),
        # Stable for SETTLE_SECONDS, to the second.
        ({"entry": None, "settle": SETTLE}, TRANSFER, "new"),
        ({"entry": None, "settle": SETTLE, "mtime": NOW - SETTLE}, TRANSFER, "new"),
        (
            {"entry": None, "settle": SETTLE, "mtime": NOW - SETTLE + 1},
            DEFER,
            "new, but modified too recently: 599 seconds ago",
        ),
        ({"settle": SETTLE, "mtime": NOW - 1}, DEFER, "modified 999 seconds later, but"),
        ({"pair": ELSEWHERE, "settle": SETTLE}, TRANSFER, "--full asks for everything"),
        ({"pair": ELSEWHERE, "settle": 2 * (NOW - OLD)}, DEFER, "--full asks for everything, but"),
        ({"settle": 2 * (NOW - OLD)}, SKIP, ""),
        ({"entry": None, "settle": SETTLE, "mtime": NOW + 5}, DEFER, "new, but"),
        ({"entry": None, "mtime": NOW + 5}, TRANSFER, "new"),
        ({"entry": None, "settle": SETTLE, "mtime": NOW + FUTURE_SECONDS + 1}, TRANSFER, "new"),
    ],
)
def test_each_file_is_transferred_deferred_or_skipped(
    changes: dict[str, Any], verdict: Verdict, reason: str
) -> None:
    decision = classified(**changes)
    assert (decision.verdict, reason in str(decision)) == (verdict, True)


@pytest.mark.parametrize(
    ("age_at_the_scan", "racy"), [(-5, True), (0, True), (1, True), (2, False), (3, False)]
)
def test_a_record_is_racy_if_modified_within_2_s_of_the_scan(
    age_at_the_scan: int, racy: bool
) -> None:
    assert is_racy(FileRecord(10, OLD, 1), task(scanned_at=OLD + age_at_the_scan)) is racy


@pytest.mark.parametrize(
    ("later", "verdict"), [(0, SKIP), (2, SKIP), (3, TRANSFER), (100, TRANSFER)]
)
def test_a_racy_file_is_sent_again_by_a_later_scan(later: int, verdict: Verdict) -> None:
    """One that begins more than two seconds after the file was modified."""
    decision = classified(of=task(scanned_at=OLD), began=OLD + later)
    reasons = (TransferReason.RACY,) if verdict is TRANSFER else ()
    assert decision.verdict is verdict
    assert tuple(why.reason for why in decision.reasons) == reasons


def test_a_racy_file_is_deferred_while_its_task_is_active() -> None:
    assert classified(of=task("ACTIVE", scanned_at=OLD)).verdict is DEFER


def test_an_mtime_over_a_day_ahead_is_a_future_mtime() -> None:
    """It does not show when the file was written: the file is neither racy nor too young."""
    ahead = OLD + FUTURE_SECONDS
    assert not is_future_mtime(ahead, OLD)
    assert is_future_mtime(ahead + 1, OLD)
    assert is_racy(FileRecord(10, ahead, 1), task(scanned_at=OLD))
    assert not is_racy(FileRecord(10, ahead + 1, 1), task(scanned_at=OLD))
    assert not is_stable(ahead, OLD, 1)
    assert is_stable(ahead + 1, OLD, 1)


def test_no_combination_overlooks_or_invents_a_change() -> None:
    """Check that SKIP is decided exactly where nothing changed, and nothing in progress is sent."""
    count = 0
    for size, mtime, status, listed, settle, under_way, pair in itertools.product(
        (10, 11),
        (OLD - 1, OLD, OLD + 1, NOW, NOW + 3, NOW + 2 * FUTURE_SECONDS),
        ("ACTIVE", "INACTIVE", "SUCCEEDED", "FAILED"),
        (OLD - 1, OLD + 1, OLD + 2, NOW),
        (0, 1, SETTLE),
        (False, True),
        (None, HERE, ELSEWHERE),
    ):
        of = task(status, listed)
        verdict, why = classified(
            size, mtime, of=of, settle=settle, recursive_in_progress=under_way, pair=pair
        )
        same = (size, mtime) == (10, OLD)
        asked_for = pair == ELSEWHERE and not of.in_progress
        assert (verdict is SKIP) == (same and not asked_for and listed >= OLD + 2), why
        assert (verdict is TRANSFER) <= (not under_way and not of.in_progress), why
        count += 1
    assert count == 2 * 6 * 4 * 4 * 3 * 2 * 3


def test_older_files_of_ended_tasks_cannot_be_racy() -> None:
    """Only tasks of the mapping count; this short cut decides about nearly all files of a scan."""
    tasks = {1: task(), 2: task("ACTIVE"), 3: task("FAILED", OLD)}
    assert safe_until(tasks) == {1: OLD + 98, 3: OLD - 2}
    assert safe_until(tasks, HERE) == {1: OLD + 98, 3: OLD - 2}
    assert safe_until(tasks, ELSEWHERE) == {}
