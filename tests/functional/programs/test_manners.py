"""Manners of a cron job: how the programs start and end, and what they print, log and mail."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import globus_auto
from globus_auto import delete, transfer
from tests import PACKAGE
from tests.lab import Lab, files
from tests.mail import Mailbox
from tests.processes import no_file_above

PROGRAMS = {"transfer": transfer.main, "delete": delete.main}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_can_be_started_in_every_way(lab: Lab, program: str) -> None:
    lab.real_time()
    script, module = f"{program}.py", f"globus_auto.{program}"
    command = Path(sys.executable).with_name(f"globus-auto-{program}")
    ways: list[tuple[list[str], Path]] = [
        ([sys.executable, str(PACKAGE / script)], lab.home),
        ([sys.executable, script], PACKAGE),
        ([sys.executable, "-m", module], lab.home),
        ([str(command)], lab.home),
    ]
    options = ["--config", str(lab.config)]
    started = [
        subprocess.Popen(
            [*way, *options], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for way, place in ways
        if Path(way[0]).exists()
    ]
    assert len(started) >= 3
    for process in started:
        said, _ = process.communicate()
        assert (process.returncode, said) == (0, b"")


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_fits_80_columns_and_version_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], program: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as left:
        PROGRAMS[program](["--help"])
    assert left.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 80
    examples = lines[lines.index("examples:") + 1 :]
    assert len(examples) >= 2
    for example in examples:
        command, _, meaning = example.strip().partition("  ")
        assert meaning.strip()
        assert command.startswith(f"{program}.py")
        for option in re.findall(r" (--?[a-z]+)", command):
            assert any(re.match(rf"  (-\w, )?{option}\b", line) for line in lines), option
    with pytest.raises(SystemExit) as left:
        PROGRAMS[program](["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"{program}.py {globus_auto.__version__}\n"


@pytest.mark.parametrize("option", ["--version", "--help"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_help_and_version_need_no_settings(program: str, option: str) -> None:
    with pytest.raises(SystemExit) as left:
        PROGRAMS[program](["--config", "/there is no such file", option])
    assert left.value.code == 0


def test_a_good_run_says_nothing_and_logs_each_decision(
    lab: Lab, mailbox: Mailbox, capfd: pytest.CaptureFixture[str]
) -> None:
    lab.write("d/a")
    assert (lab.transfer(), lab.delete()) == (0, 0)
    assert capfd.readouterr() == ("", "")
    assert mailbox.messages == []
    lines = lab.log().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}Z \d+ [A-Z]+ \S", x) for x in lines)
    assert ": 1 file, 4 bytes, as one recursive task; https://app.globus.org/" in lab.log()
    assert not [line for line in lines if "/src/d/a" in line]
    assert (lab.history("delivered"), lab.history("deleted")) == (["/src/d/a"], ["/src/d/a"])


@pytest.mark.parametrize("program", PROGRAMS)
def test_verbose_shows_on_stderr_what_the_log_has(
    lab: Lab, capfd: pytest.CaptureFixture[str], program: str
) -> None:
    lab.given_transferred("a")
    lab.write("b")
    capfd.readouterr()
    assert PROGRAMS[program](["--config", str(lab.config), "-v"]) == 0
    said = capfd.readouterr()
    assert said.out == ""
    shown = {"transfer": "Send /src/b (4 bytes): new", "delete": "Deleted /src/a (4 bytes)"}
    assert shown[program] in said.err
    assert f"Ended {program} with exit code 0" in said.err


def test_cron_mails_an_alert_once_and_as_a_reminder(
    lab: Lab, capfd: pytest.CaptureFixture[str]
) -> None:
    """Between them both programs are silent, and the exit code and the log show that it is open."""
    lab.given_transferred("a")
    lab.src.connected = False
    assert lab.transfer() == 1
    assert capfd.readouterr().err.startswith("endpoint: The source collection source is not")
    for hours in (0.5, 12, 11):
        lab.advance(hours * 3600)
        assert (lab.transfer(), lab.delete()) == (1, 1)
        assert capfd.readouterr() == ("", "")
    assert lab.log().count(" INFO endpoint: The source collection source is not connected") == 6
    lab.advance(1800)
    assert (lab.delete(), lab.transfer()) == (1, 1)
    assert capfd.readouterr().err.count("is not connected") == 1
    lab.src.connected = True
    assert lab.transfer() == 0
    lab.src.connected = False
    assert (lab.transfer(), lab.transfer("-n")) == (1, 1)
    assert capfd.readouterr().err.count("is not connected") == 2, "a person wants to know now"


def test_links_are_logged_once(lab: Lab) -> None:
    (lab.source / "link").symlink_to("a")
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert lab.log().count("left alone: Not sent from /src: link (symlink).") == 1
    (lab.source / "more").symlink_to("a")
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert lab.log().count("left alone: ") == 2


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_log_has_task_link_files_and_bytes(lab: Lab, program: str) -> None:
    lab.given_transferred("old", "d/a")
    lab.write("b")
    assert PROGRAMS[program](["--config", str(lab.config)]) == 0
    said = {"transfer": "1 file, 4 bytes", "delete": "2 files, 8 bytes"}[program]
    line = next(each for each in lab.log().splitlines() if f": {said}; " in each)
    task = re.search(rf" Submitted {program} task (\S+): ", line)
    assert task and task[1] in lab.world.tasks
    assert line.endswith(f": {said}; https://app.globus.org/activity/{task[1]}")


def damage(lab: Lab) -> None:
    (lab.state / "datastore").write_bytes(b"")


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    ("arrange", "code"),
    [
        (lambda _lab: None, 0),
        (lambda lab: setattr(lab.src, "connected", False), 1),
        (lambda lab: lab.world.faults.add("endpoint", times=None, status=503), 1),
        (lambda lab: setattr(lab.src, "deleted", True), 2),
        (lambda lab: lab.configure(DST_ID="00000000-0000-4000-8000-000000000000"), 2),
        (lambda lab: lab.configure(SRC_ID=lab.dst.id, DST_ID=lab.src.id), 2),
        (lambda lab: lab.configure(CLIENT_ID="00000000-0000-4000-8000-000000000000"), 3),
        (damage, 3),
    ],
)
def test_the_exit_code_shows_who_has_to_act(
    lab: Lab, mailbox: Mailbox, program: str, arrange: Callable[[Lab], Any], code: int
) -> None:
    lab.given_transferred("a")
    arrange(lab)
    assert getattr(lab, program)() == code
    assert len(mailbox.messages) == (1 if code else 0), "every exit but 0 raises an alert"
    assert f"Ended {program} with exit code {code}" in lab.log()


def test_after_sigterm_the_next_run_finishes_the_work(lab: Lab) -> None:
    """The process says in one line that a signal stopped it."""
    lab.real_time()
    lab.write("a")
    listed, answer = threading.Event(), threading.Event()

    def hold(_request: Any) -> None:
        listed.set()
        answer.wait(30)

    lab.world.faults.add_hook("ls", hold)
    with lab.start("transfer") as process:
        assert listed.wait(30)
        process.terminate()
        _, said = process.communicate()
        answer.set()
    assert process.returncode == 1
    assert said == (
        "stopped: transfer.py was stopped by a signal. Nothing is lost: the next run finishes its"
        " work.\n"
    )
    assert lab.transfer() == 0
    assert files(lab.destination) == {"a": b"data"}


@pytest.mark.parametrize("umask", [0, 0o077])
def test_all_files_are_private_whatever_the_umask(lab: Lab, mailbox: Mailbox, umask: int) -> None:
    assert mailbox.messages == []
    before = os.umask(umask)
    try:
        lab.write("a")
        assert (lab.transfer(), lab.delete()) == (0, 0)
        lab.src.connected = False
        assert (lab.transfer(), lab.delete()) == (1, 1)
    finally:
        os.umask(before)
    kept = lab.state / "history"
    assert kept.stat().st_mode & 0o7777 == 0o700
    (month,) = kept.iterdir()
    month.rename(lab.state / "month")
    kept.rmdir()
    written = {path.name: path.stat().st_mode & 0o7777 for path in lab.state.iterdir()}
    assert set(written) == {
        "datastore",
        "datastore.health",
        "datastore.health.lock",
        "datastore.lock",
        "datastore.delete.lock",
        "datastore.transfer.lock",
        "globus_auto.log",
        "month",
        "refresh_token",
        "refresh_token.lock",
    }
    assert set(written.values()) == {0o600}


def test_the_log_is_rotated_and_old_ones_are_dropped(lab: Lab) -> None:
    log = lab.state / "globus_auto.log"
    for number in range(7):
        with log.open("ab") as file:
            file.truncate(10_000_000)
        lab.write(f"file{number}")
        assert lab.transfer() == 0
    logs = sorted(path.name for path in lab.state.glob("globus_auto.log*"))
    assert logs == ["globus_auto.log", *(f"globus_auto.log.{number}" for number in range(1, 6))]
    assert ": 1 file, 4 bytes; https://app.globus.org/" in lab.log()
    assert log.stat().st_mode & 0o7777 == 0o600


def test_a_log_that_cannot_grow_is_reported_once(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """The transfer goes on, with exit code 0."""
    lab.write("a")
    log = lab.state / "globus_auto.log"
    with log.open("ab") as file:
        file.truncate(2_000_000)
    with no_file_above(1_000_000):
        assert lab.transfer() == 0
    assert capsys.readouterr().err == f"Cannot write {log}: [Errno 27] File too large\n"
    assert files(lab.destination) == {"a": b"data"}


def test_an_unwritable_log_is_one_line_and_an_alert(
    lab: Lab, mailbox: Mailbox, capfd: pytest.CaptureFixture[str]
) -> None:
    lab.write("a")
    (lab.state / "globus_auto.log").mkdir()
    assert lab.transfer() == 1
    said = capfd.readouterr().err
    assert said == (
        f"state: transfer.py cannot read or write {lab.state}/globus_auto.log, and stopped."
        " Nothing is lost: the next run tries again. Check the room on its disk, and its"
        " permissions. Reason: Is a directory.\n"
    )
    assert len(mailbox.messages) == 1
    assert files(lab.destination) == {}


ABSURD: list[Any] = [[], {}, "text", 5, None, [{"code": []}], {"access_token": 5}]


@pytest.mark.slow
@pytest.mark.parametrize("body", ABSURD, ids=repr)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_an_absurd_answer_of_globus_auth_is_one_line(
    lab: Lab, mailbox: Mailbox, capfd: pytest.CaptureFixture[str], body: Any, status: int
) -> None:
    """It is an alert, not a crash with a traceback."""
    lab.world.faults.add("token", times=None, status=status, body=body)
    code = lab.transfer()
    assert code == {200: 1, 400: 3, 500: 1}[status]
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    message = mailbox.read(0).get_content()
    assert "Traceback" not in said.err + message + lab.log()
    if status == 200:
        assert "Error: Globus Auth sent no whole token." in said.err
    lab.world.faults.clear()
    assert lab.transfer() == 0
    assert "RESOLVED" in mailbox.read(1).get_content()


def test_a_reader_that_leaves_ends_a_program_quietly(lab: Lab) -> None:
    """As in `transfer.py --status | head -1`."""
    lab.write("a")
    commands = [("transfer", "--status"), ("transfer", "--check"), ("transfer", "-n")]
    started = [lab.start(*command) for command in commands]
    for process in started:
        assert process.stdout
        process.stdout.close()
    for process in started:
        with process:
            assert process.stderr
            assert process.stderr.read() == ""
        assert process.returncode == 0


@pytest.mark.parametrize("option", [[], ["--check"], ["-n"]])
@pytest.mark.parametrize(
    ("line", "code", "sentence"),
    [
        (
            "raise SystemExit(7)",
            2,
            "settings: {config} cannot be read: SystemExit: 7. Nothing is sent or",
        ),
        (
            "import sys; sys.exit()",
            2,
            "settings: {config} cannot be read: SystemExit. Nothing is sent or",
        ),
        ("raise KeyboardInterrupt", 1, "Interrupted; what was begun is finished by the next run"),
    ],
)
def test_a_config_that_exits_is_one_line(
    lab: Lab,
    capsys: pytest.CaptureFixture[str],
    option: list[str],
    line: str,
    code: int,
    sentence: str,
) -> None:
    lab.config.write_text(f"{line}\n", encoding="utf-8")
    assert lab.transfer(*option) == code
    said = capsys.readouterr().err
    assert said.startswith(sentence.format(config=lab.config)) or (option, said) == (
        ["--check"],
        "",
    )
    assert said.count("\n") <= 1
