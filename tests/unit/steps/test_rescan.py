"""When a directory that has not changed is due to be listed again."""

import pytest

from globus_auto.steps.rescan import is_due

DAY, START = 86_400, 1_795_428_000


@pytest.mark.parametrize(("hours", "runs"), [(24, 1), (12, 2), (48, 0.5), (1, 24), (0.25, 48)])
def test_each_directory_is_due_once_in_so_many_hours(hours: float, runs: float) -> None:
    """In about equally many scans of each time of the day, one every 30 minutes."""
    scans = [START + 1800 * number for number in range(97)]
    at = {f"/src/d{number}": START for number in range(400)}
    due: list[list[str]] = []
    for now in scans[1:]:
        due.append([path for path in at if is_due(path, at[path], now, hours)])
        at |= dict.fromkeys(due[-1], now)
    total = sum(map(len, due))
    assert total / len(at) == pytest.approx(2 * runs, rel=0.1)
    assert max(map(len, due)) <= 1.5 * total / len(due) + 20


@pytest.mark.parametrize(("listed_at", "due"), [(START, False), (START + 1, True)])
def test_a_time_in_the_future_is_due(listed_at: int, due: bool) -> None:
    """It is of a clock that was wrong."""
    assert is_due("/src/a", listed_at, START, 1e6) is due
