"""transfer.py --wait ends with what the next run would report."""

from __future__ import annotations

from tests.lab import Lab, files


def test_each_wait_reports_a_skipped_file(lab: Lab) -> None:
    lab.world.skip_paths("/src/bad")
    for name in ("bad", "good"):
        lab.write(name)
    assert [lab.transfer("--wait") for _ in range(3)] == [1, 1, 1]
    assert files(lab.destination).keys() == {"good"}
    assert "Let Globus read it, or exclude it by EXCLUDE: bad (" in lab.alerts()["skipped"]
    lab.world.skipped_paths.clear()
    assert [lab.transfer("--wait"), lab.transfer(), lab.alerts()] == [0, 0, {}]
    assert files(lab.destination) == files(lab.source)


def test_wait_reports_a_failed_task(lab: Lab) -> None:
    lab.given_transferred("old")
    for _ in range(2):
        lab.world.fail_next()
    lab.write("a")
    assert [lab.transfer("--wait") for _ in range(2)] == [1, 1]
    assert "failed" in lab.alerts()
    assert [lab.transfer("--wait"), lab.alerts()] == [0, {}]
    assert files(lab.destination) == files(lab.source)


def test_wait_reports_files_that_were_not_delivered(lab: Lab) -> None:
    """Even where Globus says that their task succeeded."""
    lab.world.miss_paths("/src/d")
    for name in ("d/a", "b"):
        lab.write(name)
    assert lab.transfer("--wait") == 1
    assert "1 file may not have arrived: /src/d/a" in lab.alerts()["failed"]
    lab.world.missed_paths.clear()
    assert [lab.transfer("--wait"), lab.alerts()] == [0, {}]
    assert files(lab.destination) == files(lab.source)
