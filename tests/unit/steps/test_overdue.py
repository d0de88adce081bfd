"""When a file last appeared, and which file has been waiting for longest: as pure functions."""

from __future__ import annotations

import pytest

from globus_auto.alerts import Appearance, Waiting
from globus_auto.steps.overdue import (
    is_overdue,
    is_silent,
    last_appearance,
    longest_waiting,
)
from globus_auto.steps.rules import NEVER

HOUR = 3600
THEN, NOW = 1_000_000, 1_000_000 + 100 * HOUR


def seen(at: int = THEN, newest: int = THEN - 60, files: int | None = 5) -> Appearance:
    return Appearance(source_dir="/src", at=at, newest=newest, files=files)


# What was remembered, the newest mtime and the number of files of a scan, and whether a file has
# appeared.
SCANS = [
    (seen(), THEN - 60, 5, False),  # nothing has changed
    (seen(), THEN - 59, 5, True),  # a newer file, or the same one rewritten
    (seen(), THEN - 59, 2, True),  # though others are gone
    (seen(), NOW, 5, True),
    (seen(), THEN - 61, 4, False),  # the newest is gone
    (seen(), None, 0, False),  # all are gone
    (seen(), THEN - 60, 6, True),  # a copy with an old mtime
    (seen(), NEVER + 1, 6, True),
    (seen(files=0), 0, 1, True),
    (seen(files=-3), None, 0, True),  # more were deleted than were seen
    (seen(), THEN - 60, None, False),  # an incomplete scan shows no number,
    (seen(), THEN, None, True),  # but newer files
    (seen(files=None), THEN - 60, 9, False),  # which of them are new is not known
    (seen(files=None), THEN, 9, True),
    (seen(newest=NEVER, files=0), None, 0, False),  # nothing has ever appeared
    (seen(newest=NEVER, files=0), 0, 1, True),
    (None, THEN, 5, True),  # the first scan
    (None, None, None, True),
    (seen(at=NOW + 1), THEN - 60, 5, True),  # the clock was wrong
    (seen(newest=NOW + 1), THEN, 5, True),
]


@pytest.mark.parametrize(("before", "newest", "files", "appeared"), SCANS)
def test_a_file_appears_if_it_is_newer_or_one_more(
    before: Appearance | None, newest: int | None, files: int | None, appeared: bool
) -> None:
    found = last_appearance(before, "/src", NOW, newest, files)
    assert (found.at == NOW) is appeared
    assert (found.source_dir, found.files) == ("/src", files)
    # What was deleted still counts, unless its time was wrong.
    earlier = before.newest if before and before.at <= NOW >= before.newest else NEVER
    assert found.newest == max(earlier, NEVER if newest is None else newest)


def test_another_source_directory_is_a_new_start() -> None:
    found = last_appearance(seen(), "/other", NOW, 0, 1)
    assert found == Appearance(source_dir="/other", at=NOW, newest=0, files=1)


@pytest.mark.parametrize(
    ("hours", "passed", "silent"),
    [
        (0, 10**9, False),
        (24, 24 * HOUR - 1, False),
        (24, 24 * HOUR, True),
        (0.5, HOUR / 2, True),
        (0.5, HOUR / 2 - 1, False),
    ],
)
def test_silence_lasts_for_silent_hours(hours: float, passed: float, silent: bool) -> None:
    assert is_silent(seen(), THEN + int(passed), hours) is silent


def waiting(path: str = "/src/a", mtime: int = 7, since: int = THEN, tries: int = 2) -> Waiting:
    return Waiting(path=path, mtime=mtime, since=since, tries=tries)


@pytest.mark.parametrize(
    ("before", "is_sent", "expected"),
    [
        (None, True, waiting(since=NOW, tries=1)),
        (None, False, waiting(since=NOW, tries=0)),
        (waiting(), True, waiting(tries=3)),
        (waiting(), False, waiting()),  # in progress
        (waiting(mtime=6), True, waiting(since=NOW, tries=1)),  # rewritten
        (waiting(path="/src/b"), True, waiting(since=NOW, tries=1)),
        (waiting(since=NOW + 1), True, waiting(since=NOW, tries=1)),  # the clock was wrong
    ],
)
def test_the_longest_waiting_file_is_remembered(
    before: Waiting | None, is_sent: bool, expected: Waiting
) -> None:
    assert longest_waiting(before, "/src/a", 7, NOW, is_sent=is_sent) == expected


@pytest.mark.parametrize(
    ("tries", "hours", "overdue"), [(2, 99, False), (3, 23, False), (3, 24, True), (9, 30, True)]
)
def test_a_file_is_overdue_after_tries_and_stall_hours(
    tries: int, hours: int, overdue: bool
) -> None:
    """A single transfer may take as long as it makes progress."""
    assert is_overdue(waiting(tries=tries), THEN + hours * HOUR, 24) is overdue
