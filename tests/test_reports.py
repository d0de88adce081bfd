"""--check, --status and --crontab: what a person asks for, and that asking changes nothing."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Lab, another_run, asked, changes, files


def test_status_shows_what_waits_is_under_way_is_proven_and_is_kept(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.send("sent", "excluded.tmp")
    lab.configure(EXCLUDE=["*.tmp"])
    lab.world.stall_next()
    lab.write("under way", b"12345")
    assert lab.transfer() == 0
    lab.write("waiting", b"123", age=900)
    before = lab.remembered()
    lab.world.requests.clear()
    with another_run(lab):
        _, told = asked(lab, capsys, "--status", "--json")
        _, table = asked(lab, capsys, "--status")
    found = json.loads(told)
    assert found["waiting"]["files"] == 1
    assert found["waiting"]["bytes"] == 3
    assert found["waiting"]["oldest"]["path"] == "/src/waiting"
    assert [task["status"] for task in found["under_way"]] == ["PERMISSION_DENIED"]
    assert found["proven"] == 1
    assert found["kept"] == {"its task is open": 1, "it is excluded": 1}
    assert set(found["last_good"]) == {"transfer"}
    assert not changes(lab)
    assert lab.remembered() == before
    assert "/src/waiting" in table.replace("\n", "")
    assert "app.globus.org/activity" in table


def test_status_tells_of_open_alerts(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.write("br\neak")
    assert lab.transfer() == 1
    _, told = asked(lab, capsys, "--status", "--json")
    assert [alert["kind"] for alert in json.loads(told)["alerts"]] == ["unsendable"]


def test_crontab_prints_lines_that_run_both_programs(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = asked(lab, capsys, "--crontab")
    assert code == 0
    lines = [line.split(" ", 5) for line in told.splitlines()]
    assert [Path(shlex.split(line[5])[1]).name for line in lines] == ["transfer.py", "delete.py"]
    assert lines[0][0] != lines[1][0], "they are staggered"
    lab.write("a")
    lab.real_time()
    for *_, command in (lines[0], lines[0], lines[1]):
        subprocess.run(["/bin/sh", "-c", command], check=True, cwd="/")
    assert files(lab.destination) == {"a": b"data"}
    assert not files(lab.source)
    assert sys.executable in told
