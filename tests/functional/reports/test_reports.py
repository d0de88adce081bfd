"""--status, --crontab and dry runs: what they print, and that they change nothing."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from globus_auto.report.status import status_document
from globus_auto.sandbox.world import CompletionPolicy
from tests import PACKAGE, ROOT
from tests.lab import Lab, another_run, changes, files, log_in, run_transfer, tree

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_status_shows_the_state_of_all_files(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that wait, are in progress, are verified or are kept; nothing changes."""
    lab.write_and_transfer("sent", "excluded.tmp")
    lab.configure(EXCLUDE=["*.tmp"])
    lab.world.stall_next()
    lab.write("in progress", b"12345")
    assert lab.transfer() == 0
    lab.write("waiting", b"123", age=900)
    lab.world.requests.clear()
    with another_run(lab):
        before = tree(lab.home)
        _, output = run_transfer(lab, capsys, "--status", "--json")
        _, table = run_transfer(lab, capsys, "--status")
    found = json.loads(output)
    assert found["waiting"]["files"] == 1
    assert found["waiting"]["bytes"] == 3
    assert found["waiting"]["oldest"]["path"] == "/src/waiting"
    assert [task["status"] for task in found["under_way"]] == ["PERMISSION_DENIED"]
    assert found["proven"] == 1
    assert found["kept"] == {"its transfer is in progress": 1, "it is excluded": 1}
    assert set(found["last_good"]) == {"transfer"}
    assert not changes(lab)
    assert tree(lab.home) == before
    assert found["delivered"] == {"files": 2, "bytes": 46}
    assert "\ndelivered   2 files, 46 bytes, still at the source\n" in table
    assert "\nto transfer 1 file, 3 bytes\n            the oldest is /src/waiting, mod" in table
    assert f"\n            {found['under_way'][0]['link']}\n" in table
    assert table.startswith("source      source:/src\ndestination destination:/dst\n")


def test_status_shows_open_alerts(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.write("br\neak")
    assert lab.transfer() == 1
    _, output = run_transfer(lab, capsys, "--status", "--json")
    assert [alert["kind"] for alert in json.loads(output)["alerts"]] == ["unsendable"]


def test_status_as_json_has_the_documented_shape(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.world.completion = CompletionPolicy.after_polls(9)
    lab.write("a", b"12345")
    assert lab.transfer() == 0
    lab.write("b", age=5)
    code, output = run_transfer(lab, capsys, "--status", "--json")
    found = json.loads(output)
    (task,) = found["under_way"]
    assert task.pop("link") == f"https://app.globus.org/activity/{task['task_id']}"
    assert isinstance(task.pop("since"), int)
    names = {"task_id", "status", "files", "files_done", "bytes", "bytes_per_second"}
    assert {*task} == names | {"bytes_total", "seconds_left"}
    assert task["bytes_total"] == 5
    assert (task["status"], task["files_done"], task["bytes"]) == ("OK", 0, 0)
    del found["under_way"]
    since = found["last_good"].pop("transfer")
    modified = found["waiting"]["oldest"].pop("modified")
    assert since - modified <= 5
    assert (code, found) == (
        0,
        {
            "source": f"{lab.src.id}:/src",
            "destination": f"{lab.dst.id}:/dst",
            "login": f"service account {lab.client_id}@clients.auth.globus.org",
            "waiting": {"files": 1, "bytes": 4, "oldest": {"path": "/src/b"}},
            "running": [],
            "delivered": {"files": 0, "bytes": 0},
            "proven": 0,
            "kept": {"its transfer is in progress": 1},
            "last_good": {},
            "alerts": [],
            "troubles": [],
        },
    )
    for key in (*found, "under_way", "last_good"):
        assert f'"{key}":' in (status_document.__doc__ or ""), key
        assert f"`{key}`" in README, key


def test_status_shows_what_it_can_if_globus_is_unreachable(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.given_transferred("a")
    lab.dst.connected = False
    assert lab.transfer() == 1
    lab.world.faults.add("endpoint", times=None, drop="before")
    code, output = run_transfer(lab, capsys, "--status", "--json")
    found = json.loads(output)
    assert code == 1
    assert [found[what] for what in ("waiting", "proven", "kept")] == [None] * 3
    assert [each["kind"] for each in found["alerts"]] == ["endpoint"]
    assert [each["kind"] for each in found["troubles"]] == ["service"]
    code, table = run_transfer(lab, capsys, "--status")
    assert code == 1
    assert table.count("unknown now; see the messages above") == 3
    assert "\nlast good   transfer.py: 2026-" in table
    assert "\nalert       endpoint, open since 2026-" in table


def test_status_shows_tasks_of_unknown_status(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """One that cannot be polled, and one that is not yet accepted."""
    lab.given_transferred("old")
    lab.world.stall_next()
    lab.write("a")
    assert lab.transfer() == 0
    lab.write("b")
    lab.world.faults.add("transfer", times=None, status=503)
    assert lab.transfer() == 1
    lab.world.faults.clear()
    lab.world.faults.add("task", times=None, status=200, body={})
    code, table = run_transfer(lab, capsys, "--status")
    assert code == 1
    assert "not yet accepted" in table
    assert table.count("\nin progress ") == 2


def test_status_reports_a_damaged_datastore_or_no_login(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GLOBUS_CLIENT_SECRET")
    lab.configure(CLIENT_ID=lab.world.identity.add_native_app())
    code, output = run_transfer(lab, capsys, "--status", "--json")
    assert (code, json.loads(output)["troubles"][0]["kind"]) == (3, "login")
    log_in(lab)
    (lab.state / "datastore").write_bytes(b"{}")
    code, output = run_transfer(lab, capsys, "--status", "--json")
    assert (code, json.loads(output)["troubles"][0]["kind"]) == (3, "datastore")


def test_an_interrupted_status_ends_without_a_traceback(lab: Lab) -> None:
    lab.real_time()
    lab.world.faults.add_hook("endpoint", lambda _request: started[0].send_signal(signal.SIGINT))
    started = [lab.start("transfer", "--status")]
    with started[0] as process:
        _, stderr = process.communicate()
    assert (process.returncode, stderr) == (1, "")


def test_a_dry_run_prints_reason_and_size_of_every_group(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.configure(EXCLUDE=["*.tmp"], SETTLE_SECONDS=30)
    lab.given_transferred("a", "x/b", "same")
    lab.write("a", b"x" * 2_500_000)
    lab.write("x/b", age=40)
    lab.write("c", b"x" * 1200)
    lab.write("d", age=3)
    lab.write("e.tmp")
    code, output = run_transfer(lab, capsys, "-n")
    assert code == 0
    assert output.splitlines() == [
        "transfer: 3 files, 2.5 MB",
        "  2 files, 2.5 MB: changed",
        "  1 file, 1.2 kB: new",
        "defer: 1 file, 4 bytes",
        "  1 file, 4 bytes: new, but modified too recently",
        "skip: 1 file: unchanged",
        "skip: 1 file: excluded",
        "/src: transfer 2 files, 2.5 MB; defer 1 file, 4 bytes",
        "/src/x: transfer 1 file, 4 bytes",
    ]
    code, output = run_transfer(lab, capsys, "-n", "-v")
    assert code == 0
    assert [line for line in output.splitlines() if line.startswith("  ")][3:] == [
        "  transfer /src/a (2.5 MB): changed: 4 bytes before, 2500000 now",
        "  transfer /src/c (1.2 kB): new",
        "  defer /src/d (4 bytes): new, but modified too recently: 3 seconds ago",
        "  transfer /src/x/b (4 bytes): changed: modified 20 seconds later",
    ]


def commands(output: str) -> list[list[str]]:
    """Return the lines of a crontab, each as its five times and its command."""
    return [line.split(" ", 5) for line in output.splitlines() if line[0].isdigit()]


def test_crontab_prints_lines_that_run_both_programs(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.configure(EMAIL_SENDER="a@b", EMAIL_RECIPIENTS=["b@example.org", "c@example.org"])
    code, output = run_transfer(lab, capsys, "--crontab")
    assert code == 0
    assert output.splitlines()[:2] == [
        "# globus_auto: /src to /dst",
        "MAILTO=b@example.org,c@example.org",
    ]
    lines = commands(output)
    assert len(lines) == len(output.splitlines()) - 2
    words = [shlex.split(line[5]) for line in lines]
    assert [(Path(word[1]).name, *word[2:-2]) for word in words] == [
        ("transfer.py",),
        ("delete.py",),
        ("transfer.py", "--full"),
        ("transfer.py", "--report"),
    ]
    lab.write("a")
    lab.real_time()
    for line in (lines[0], lines[0], lines[1], lines[2], lines[3]):
        done = subprocess.run(
            ["/bin/sh", "-c", line[5].replace(r"\%", "%")],
            check=True,
            cwd="/",
            capture_output=True,
            text=True,
        )
        assert bool(done.stdout) == ("--report" in line[5]), "cron mails what a program prints"
    assert files(lab.destination) == {"a": b"data"}
    assert not files(lab.source)
    assert sys.executable in output


def test_crontab_without_recipients_leaves_mailto_to_you(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_transfer(lab, capsys, "--crontab")[1].splitlines()[1] == "#MAILTO=you@example.org"


def test_crontab_escapes_percent_signs(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.config = lab.config.rename(lab.home / "50 %.py")
    code, output = run_transfer(lab, capsys, "--crontab")
    assert code == 0
    assert output.count(f"--config '{lab.home}/50 \\%.py'") == 4
    assert "%" not in output.replace("\\%", "")


def test_crontab_starts_each_pair_at_times_of_its_own(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same ones each time."""
    once = run_transfer(lab, capsys, "--crontab")[1]
    assert run_transfer(lab, capsys, "--crontab")[1] == once
    minutes = set()
    for number in range(10):
        lab.config = lab.config.rename(lab.home / f"pair{number}.py")
        minutes.add(commands(run_transfer(lab, capsys, "--crontab")[1])[0][0])
    assert len(minutes) > 5


def test_crontab_without_config_prints_no_options(lab: Lab) -> None:
    code = lab.home / "with space" / "globus_auto"
    shutil.copytree(PACKAGE, code, ignore=shutil.ignore_patterns("__pycache__", "sandbox"))
    home = {"CODE_PATH": f"{code}/", "PYTHON_PATH": "/bin/sh"}
    lines = [f"{name} = {value!r}\n" for name, value in {**lab.settings, **home}.items()]
    (code / "config.py").write_text("".join(lines), encoding="utf-8")
    command = [sys.executable, str(code / "transfer.py"), "--crontab"]
    output = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/").stdout
    assert [line[5] for line in commands(output)] == [
        f"/bin/sh '{code}/transfer.py'",
        f"/bin/sh '{code}/delete.py'",
        f"/bin/sh '{code}/transfer.py' --full",
        f"/bin/sh '{code}/transfer.py' --report",
    ]


def test_crontab_warns_of_a_secret_in_the_environment(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cron does not have it."""
    assert lab.transfer("--crontab") == 0
    assert "Set CLIENT_SECRET_FILE instead" in capsys.readouterr().err
