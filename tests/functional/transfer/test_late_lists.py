"""Lists of what a task did may come late or never; errors of tasks may pass or last."""

from __future__ import annotations

import re
import time

import pytest

from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, files, put

HOUR = 3600


@pytest.mark.parametrize("first", [True, False], ids=["recursive", "by items"])
def test_lists_that_come_late_are_waited_for(lab: Lab, first: bool) -> None:
    if not first:
        lab.given_transferred("old")
    lab.world.lists_delay = 600
    for name in ("a", "b"):
        lab.write(name)
    lab.world.skip_paths("/src/b")
    assert [lab.transfer(), lab.transfer(), lab.delete()] == [0, 0, 0]
    assert (len(lab.submitted()), lab.alerts()) == (1, {})
    assert len(lab.store().tasks_in_progress("transfer")) == 1
    lab.world.skipped_paths.clear()
    lab.advance(600)
    lab.world.requests.clear()
    assert lab.transfer() == 1
    assert [item["source_path"] for item in lab.submitted()[-1]["DATA"]] == ["/src/b"]
    lab.advance(600)
    assert [lab.transfer(), lab.alerts()] == [0, {}]
    assert files(lab.destination).items() >= files(lab.source).items()
    assert files(lab.source).keys() == {"a", "b"}


def test_lists_that_never_come_are_given_up_after_an_hour(lab: Lab) -> None:
    lab.given_transferred("old")
    lab.world.lists_delay = 90 * 24 * HOUR
    lab.write("a")
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    lab.advance(HOUR - 60)
    assert (lab.transfer(), lab.alerts(), len(lab.submitted())) == (0, {}, 1)
    lab.advance(120)
    assert (lab.transfer(), len(lab.submitted())) == (1, 2)
    assert "Globus does not list what a transfer of /src has sent" in lab.alerts()["failed"]
    for _ in range(6):
        lab.advance(HOUR / 2)
        assert lab.transfer() == 0
    assert len(lab.submitted()) == 2, "the second was found equal, and has no lists"
    assert lab.alerts() == {}
    assert (lab.delete(), files(lab.source)) == (0, {})


def test_empty_lists_are_not_requested(lab: Lab) -> None:
    lab.given_transferred("old")
    lab.write("a")
    put(lab.destination / "a", b"data", time.time() - 3600)
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    routes = {request.route for request in lab.world.requests}
    assert routes.isdisjoint({"skipped_errors", "successful_transfers"})
    assert lab.store().tasks[lab.store().record("/src/a").task].equal  # type: ignore[union-attr]
    assert (lab.delete(), files(lab.source)) == (0, {})


def stalled(lab: Lab, code: str = "PERMISSION_DENIED") -> None:
    """Submit a task that meets an error."""
    lab.given_transferred("old")
    lab.world.stall_next(code)
    lab.write("a")
    assert lab.transfer() == 0


def test_an_error_that_passes_is_no_alert(lab: Lab) -> None:
    stalled(lab)
    assert lab.transfer() == 0
    for task in lab.world.tasks.values():
        task.planned_failure = None
    assert [lab.transfer(), lab.alerts()] == [0, {}]
    assert files(lab.destination) == files(lab.source)


def test_an_error_with_progress_is_no_alert_until_stall_hours(lab: Lab) -> None:
    lab.configure(STALL_HOURS=3)
    stalled(lab)
    task = list(lab.world.tasks.values())[-1]
    for _ in range(4):
        assert (lab.transfer(), lab.alerts()) == (0, {})
        task.bytes_transferred += 1
        lab.advance(HOUR - 300)
    lab.advance(HOUR)
    assert lab.transfer() == 1
    assert lab.alerts().keys() == {"stalled"}


def test_an_error_without_progress_is_an_alert_in_the_second_run(lab: Lab) -> None:
    stalled(lab)
    assert [lab.transfer(), lab.transfer()] == [0, 1]
    assert lab.alerts().keys() == {"stalled"}


@pytest.mark.parametrize("code", ["QUOTA_EXCEEDED", "NO_SPACE_LEFT"])
def test_a_full_destination_is_an_alert_at_once(lab: Lab, code: str) -> None:
    stalled(lab, code)
    assert lab.transfer() == 1
    assert code in lab.alerts()["stalled"]


def test_the_log_counts_as_sent_only_what_was_accepted(lab: Lab) -> None:
    lab.given_transferred("old")
    lab.configure(FILES_PER_TASK=2)
    for name in "abc":
        lab.write(name)
    lab.world.faults.add("transfer", status=409, body={"code": "Conflict", "message": "planned"})
    assert lab.transfer() == 0
    before = re.findall(r"Submitted transfer task \S+: (\S+ files?)", lab.log())
    assert before == ["1 file", "1 file"]
    lab.world.completion = CompletionPolicy.at_once()
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    submitted = re.findall(r"Submitted transfer task (\S+): (\S+ files?), (.*); (.*)", lab.log())
    task, *said = submitted[-1]
    assert said == ["2 files", "8 bytes", f"https://app.globus.org/activity/{task}"]
