"""A file that is sent again and again without a delivery is an alert after STALL_HOURS."""

from __future__ import annotations

import pytest

from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab

HOUR = 3600


def lose(lab: Lab, *, listed: bool = True) -> None:
    """Lose what the last task copied; Globus lists another size, or forgets the task."""
    task = list(lab.world.tasks.values())[-1]
    for each in task.successes:
        each["size"] += 1
        (lab.destination / each["source_path"].removeprefix("/src/")).unlink()
    if not listed:
        del lab.world.tasks[task.id]


def run_hourly(lab: Lab, hours: int, *, listed: bool = True) -> list[int]:
    """Run transfer.py every hour, and lose what it sends; return its exit codes."""
    codes = []
    for _ in range(hours):
        codes.append(lab.transfer())
        lose(lab, listed=listed)
        lab.advance(HOUR)
    return codes


@pytest.mark.parametrize("listed", [True, False])
def test_a_file_that_is_never_delivered_is_an_alert(lab: Lab, listed: bool) -> None:
    """No task fails, and no other alert says why; it is resolved once the file is delivered."""
    lab.configure(STALL_HOURS=4)
    lab.given_transferred("first")
    lab.write("a")
    assert set(run_hourly(lab, 4, listed=listed)) == {0}
    assert lab.alerts() == {}
    assert lab.transfer() == 1
    assert lab.alerts().keys() == {"undelivered"}
    assert "/src/a was sent 4 times since " in lab.alerts()["undelivered"]
    assert (lab.transfer(), lab.alerts()) == (0, {})


def test_a_file_that_was_gone_from_the_source_is_no_alert(lab: Lab) -> None:
    lab.configure(STALL_HOURS=4)
    lab.given_transferred("first")
    lab.write("a")
    run_hourly(lab, 4)
    assert lab.transfer() == 1
    lose(lab)
    (lab.source / "a").unlink()
    assert (lab.transfer(), lab.alerts()) == (0, {})


def test_a_file_that_changes_all_the_time_is_no_alert(lab: Lab) -> None:
    """Each of its versions is another one."""
    lab.configure(STALL_HOURS=4)
    lab.given_transferred("first")
    for number in range(6):
        lab.write("a", f"line {number}")
        run_hourly(lab, 1)
    assert lab.alerts() == {}


def test_a_long_transfer_is_no_alert_at_its_end(lab: Lab) -> None:
    """What it did not deliver is sent once more first."""
    lab.configure(STALL_HOURS=4)
    lab.given_transferred("first")
    lab.world.completion = CompletionPolicy.after_seconds(6 * HOUR)
    lab.write("a")
    for _ in range(6):
        lab.transfer()
        lab.advance(HOUR)
    lab.world.completion = CompletionPolicy.at_once()
    lab.transfer()
    assert "undelivered" not in lab.alerts()


def test_a_failure_that_has_an_alert_is_no_second_one(lab: Lab) -> None:
    lab.configure(STALL_HOURS=4)
    lab.given_transferred("first")
    lab.write("a")
    for _ in range(6):
        lab.world.fail_next()
        lab.transfer()
        lab.advance(HOUR)
    assert lab.alerts().keys() == {"failed"}
