"""--check, --status and --crontab: what a person asks for, and that asking changes nothing."""

from __future__ import annotations

import fcntl
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Lab, Mailbox, files, tree


def asked(lab: Lab, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    """Run transfer.py with `options`; return its exit code and what it printed."""
    capsys.readouterr()
    code = lab.transfer(*options)
    return code, capsys.readouterr().out


def changes(lab: Lab) -> list[str]:
    """Return the routes of requests that change something."""
    changing = ("transfer", "delete", "mkdir", "rename", "cancel")
    return [request.route for request in lab.world.requests if request.route in changing]


def levels(told: str) -> dict[str, str]:
    """Return the level of each line of a check by what was looked at."""
    return {line[9:].partition(":")[0]: line[:9].strip() for line in told.splitlines()}


def test_check_says_ok_where_all_is_well_and_changes_nothing(
    lab: Lab, mailbox: Mailbox, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.send("a")
    before = lab.remembered(), tree(lab.source), tree(lab.destination), lab.health()
    lab.world.requests.clear()
    code, told = asked(lab, capsys, "--check")
    assert code == 0, told
    assert set(levels(told).values()) == {"ok"}, told
    assert {"settings", "state directory", "datastore", "login", "mail", "clock"} <= {*levels(told)}
    assert not changes(lab)
    assert (lab.remembered(), tree(lab.source), tree(lab.destination), lab.health()) == before
    assert not mailbox.messages


def test_check_with_probe_writes_at_the_destination_and_sends_a_message(
    lab: Lab, mailbox: Mailbox, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = asked(lab, capsys, "--check", "--probe")
    assert code == 0, told
    assert levels(told)["writing there"] == "ok"
    assert changes(lab) == ["mkdir", "delete"]
    assert not tree(lab.destination)
    assert len(mailbox.messages) == 1


def test_check_names_each_trouble_and_the_way_out(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.src.connected = False
    lab.dst.high_assurance = True
    lab.configure(
        EMAIL_HOST="127.0.0.1:1", EMAIL_SENDER="a@example.org", EMAIL_RECIPIENTS=["b@example.org"]
    )
    (lab.state / "datastore").write_bytes(b"{}")
    code, told = asked(lab, capsys, "--check")
    assert code == 3
    found = levels(told)
    assert [found[what] for what in ("mail", "datastore", "source")] == ["problem"] * 3
    assert "start Globus Connect Personal" in told
    assert "high-assurance" in told
    assert (lab.state / "datastore").read_bytes() == b"{}"


def test_check_tells_of_a_login_that_is_refused(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOBUS_CLIENT_SECRET", "wrong")
    code, told = asked(lab, capsys, "--check")
    assert code == 3
    assert levels(told)["login"] == "problem"


def test_check_of_wrong_settings_is_their_sentences(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.configure(SRC_ID="none", KEEP_DAYS=-1)
    assert lab.transfer("--check") == 2
    told = capsys.readouterr().err
    assert "SRC_ID" in told
    assert "KEEP_DAYS" in told


def test_check_tells_of_directories_that_cannot_be_listed(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.source.rmdir()
    body = {"code": "ExternalError.DirListingFailed.PermissionDenied", "message": "no"}
    lab.world.faults.add("ls", status=502, body=body, times=None)
    code, told = asked(lab, capsys, "--check")
    assert code == 1
    assert levels(told)["source directory"] == "problem"


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
    with open(f"{lab.state}/datastore.lock", "a", encoding="ascii") as lock:
        # Another run is at work.
        fcntl.flock(lock, fcntl.LOCK_EX)
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
