"""The times at which cron starts the programs for a pair."""

from __future__ import annotations

import pytest

from globus_auto.report.crontab import schedule


def minutes(times: str) -> set[int]:
    """Return the minutes of the five fields of a crontab line."""
    return {int(minute) for minute in times.split(maxsplit=1)[0].split(",")}


@pytest.mark.parametrize("seed", [f"pair{number}" for number in range(50)])
def test_no_two_lines_of_a_pair_share_a_minute(seed: str) -> None:
    """A deletion comes a quarter of an hour after each transfer, or before it."""
    lines = list(schedule(seed))
    started = [minute for line in lines for minute in minutes(line[0])]
    assert len(set(started)) == len(started) == 5
    assert set(started) <= set(range(60))
    first, second = sorted(minutes(lines[0][0]))
    (deletion,) = minutes(lines[1][0])
    assert (second - first, abs(deletion - first) % 30) == (30, 15)


def test_all_pairs_together_start_over_the_whole_hour() -> None:
    pairs = [list(schedule(f"pair{number}")) for number in range(300)]
    assert {min(minutes(pair[0][0])) for pair in pairs} == set(range(30))
    nights = {tuple(pair[2][0].split()[1:]) for pair in pairs}
    assert nights == {(str(hour), "*", "*", day) for hour in range(5) for day in "06"}
    assert {pair[3][0].partition(" ")[2] for pair in pairs} == {"7 * * 1"}
