"""One run of each program at a time, and one program at a time at the datastore; signals."""

import fcntl
import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from globus_auto import context, locks
from globus_auto.sandbox.world import CompletionPolicy
from globus_auto.steps import session
from tests.lab import Lab, files

PROGRAMS = pytest.mark.parametrize("program", ["transfer", "delete"])
OTHER = {"transfer": "delete", "delete": "transfer"}


@contextmanager
def held(lab: Lab, name: str, age: float = 60, text: str | None = None) -> Iterator[None]:
    """Hold a lock like a run that took it `age` seconds ago."""
    with open(lab.state / f"datastore.{name}lock", "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(f"4711 {int(time.time() - age)}\n" if text is None else text)
        file.flush()
        yield


def run(lab: Lab, program: str) -> int:
    """Run a program and return its exit code."""
    code: int = getattr(lab, program)()
    return code


@PROGRAMS
@pytest.mark.parametrize("text", [None, ""])
def test_a_second_start_exits_at_once_and_only_logs_it(
    program: str, text: str | None, lab: Lab, mailbox: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """It exits with 0, asks Globus for nothing, prints nothing and mails nothing."""
    lab.write("a")
    began = time.time()
    with held(lab, f"{program}.", text=text):
        assert run(lab, program) == 0
    assert time.time() - began < 5
    assert lab.world.requests == []
    assert mailbox.messages == []
    assert capsys.readouterr() == ("", "")
    assert f"another run (PID {'4711' if text is None else 'unknown'}) has been" in lab.log()
    assert run(lab, program) == 0
    assert files(lab.destination).keys() == ({"a"} if program == "transfer" else set())


@PROGRAMS
def test_a_lock_held_by_one_run_keeps_another_out(program: str, lab: Lab) -> None:
    lab.write("a")
    with locks.locked(str(lab.state / f"datastore.{program}.lock"), timeout=0):
        assert run(lab, program) == 0
        assert lab.world.requests == []
    with locks.locked(str(lab.state / "datastore.lock"), timeout=0):
        assert run(lab, program) == 1, "it waited in vain"
        assert lab.world.requests == []


@PROGRAMS
def test_a_run_older_than_stall_hours_is_an_alert(
    program: str, lab: Lab, mailbox: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.configure(STALL_HOURS=2)
    with held(lab, f"{program}.", age=2 * 3600 - 10):
        assert run(lab, program) == 0
    with held(lab, f"{program}.", age=2 * 3600 + 10):
        assert run(lab, program) == 1
        assert run(lab, program) == 1
        assert run(lab, OTHER[program]) == 0, "the other program goes on"
    assert "4711" in capsys.readouterr().err
    (mail,) = mailbox.texts()
    assert "PID 4711" in mail
    assert run(lab, program) == 0
    assert "RESOLVED" in mailbox.texts()[-1]


@PROGRAMS
def test_a_program_waits_until_the_other_has_ended(
    program: str, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.write_and_transfer("a")
    lab.write("b")
    count, began = len(lab.world.requests), time.time()
    with ExitStack() as holding:
        holding.enter_context(held(lab, ""))

        def sleep(seconds: float) -> None:
            lab.advance(seconds)
            assert len(lab.world.requests) == count, "nothing is done before that"
            if time.time() - began > 1000:
                holding.close()

        monkeypatch.setattr(time, "sleep", sleep)
        assert run(lab, program) == 0
    assert time.time() - began > 1000
    done = files(lab.destination) if program == "transfer" else files(lab.source)
    assert done.keys() == ({"a", "b"} if program == "transfer" else {"b"})


@PROGRAMS
def test_an_hour_of_waiting_in_vain_is_an_alert(program: str, lab: Lab, mailbox: Any) -> None:
    lab.write("a")
    began = time.time()
    with held(lab, ""):
        assert run(lab, program) == 1
    assert 3600 <= time.time() - began < 3700
    assert lab.world.requests == []
    (mail,) = mailbox.texts()
    assert "PID 4711" in mail
    assert run(lab, program) == 0
    assert "RESOLVED" in mailbox.texts()[-1]


@PROGRAMS
def test_a_program_waits_as_long_as_the_other_makes_progress(
    program: str, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five hours of a scan, without an alert."""
    lab.write("a")
    began, lock = time.time(), f"{lab.state}/datastore.lock"
    with ExitStack() as holding:
        holding.enter_context(held(lab, ""))

        def sleep(seconds: float) -> None:
            lab.advance(100 * seconds)
            if time.time() - began > 5 * 3600:
                holding.close()
            elif (time.time() - began) % 3000 < 100:
                locks.show_progress(lock)

        monkeypatch.setattr(time, "sleep", sleep)
        monkeypatch.setattr(context, "LOCK_TIMEOUT", 36)
        assert run(lab, program) == 0
    assert lab.alerts() == {}


def test_a_scan_shows_progress_to_those_who_wait(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "PROGRESS_SECONDS", 0)
    lab.given_transferred("d1/a", "d2/a")
    lock = lab.state / "datastore.lock"
    times: list[int] = []
    lab.world.faults.add_hook(
        "ls", lambda _request: times.append(lock.stat().st_mtime_ns), times=None
    )
    assert lab.transfer() == 0
    assert times[0] < lock.stat().st_mtime_ns


def test_a_dry_run_waits_for_nobody(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.write_and_transfer("a")
    lab.write("b")
    began = time.time()
    with held(lab, ""), held(lab, "transfer."), held(lab, "delete."):
        assert (lab.transfer("-n"), lab.delete("-n")) == (0, 0)
    assert time.time() - began < 60
    out = capsys.readouterr().out
    assert "/src: transfer 1 file" in out
    assert "/src: delete 1 file" in out


def test_locks_are_private_and_end_with_the_run(lab: Lab) -> None:
    """A lock file also has the process ID of the run that holds it."""
    before = os.umask(0)
    try:
        lab.write_and_transfer("a")
        assert lab.delete() == 0
    finally:
        os.umask(before)
    for name in ["datastore.lock", "datastore.transfer.lock", "datastore.delete.lock"]:
        path = lab.state / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text().startswith(f"{os.getpid()} ")
    with held(lab, ""), held(lab, "transfer."), held(lab, "delete."):
        pass


def test_a_running_process_excludes_a_second_one(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second delete.py exits at once; transfer.py waits until the first has ended."""
    lab.real_time()
    lab.write_and_transfer("a")
    lab.write("b")
    reached, go_on = threading.Event(), threading.Event()

    def hold(_request: object) -> None:
        reached.set()
        go_on.wait(60)

    lab.world.faults.add_hook("ls", hold)
    with lab.start("delete") as process:
        reached.wait()
        assert lab.delete() == 0
        assert f"nother run (PID {process.pid})" in lab.log()

        def sleep(seconds: float) -> None:
            go_on.set()
            process.wait()
            lab.advance(seconds)

        monkeypatch.setattr(time, "sleep", sleep)
        assert lab.transfer() == 0
        assert process.returncode == 0
        process.communicate()
    assert files(lab.source).keys() == {"b"}
    assert files(lab.destination).keys() == {"a", "b"}


def sends(number: signal.Signals) -> Callable[[object], None]:
    """Return a hook that sends a signal to the main thread, which runs the program."""
    return lambda _request: signal.pthread_kill(threading.main_thread().ident or 0, number)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt, also where tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@PROGRAMS
@pytest.mark.parametrize("route", ["endpoint", "ls", "task"])
def test_sigterm_ends_a_run_and_the_next_finishes_the_work(
    program: str, route: str, lab: Lab, mailbox: Any
) -> None:
    """An alert says that a signal stopped the run; the next run resolves it."""
    lab.write_and_transfer("a")
    lab.write("b")
    before = lab.datastore_bytes()
    lab.world.faults.add_hook(route, sends(signal.SIGTERM))
    assert run(lab, program) == 1
    if route == "task":
        assert lab.datastore_bytes() == before
    assert files(lab.source).keys() == {"a", "b"}
    (mail,) = mailbox.texts()
    assert f"{program}.py was stopped by a signal" in mail
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert run(lab, program) == 0
    assert "RESOLVED" in mailbox.texts()[-1]
    assert (lab.transfer(), lab.delete()) == (0, 0)
    assert files(lab.source) == {}
    assert files(lab.destination).keys() == {"a", "b"}


@PROGRAMS
@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_a_run_with_exit_1(
    program: str, lab: Lab, mailbox: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.write_and_transfer("a")
    before = lab.datastore_bytes()
    lab.world.faults.add_hook("endpoint", sends(signal.SIGINT))
    lab.world.faults.add_hook("task", sends(signal.SIGINT))
    assert run(lab, program) == 1
    assert lab.datastore_bytes() == before
    assert "Interrupted" in capsys.readouterr().err
    assert mailbox.messages == []
    lab.world.faults.clear()
    assert (run(lab, program), lab.delete()) == (0, 0)
    assert files(lab.source) == {}


def test_the_next_run_cancels_a_delete_task_left_by_sigterm(lab: Lab) -> None:
    """A file that was changed meanwhile stays."""
    lab.write_and_transfer("first")
    assert lab.delete() == 0
    lab.write_and_transfer("a")
    lab.world.completion = CompletionPolicy.after_polls(9)
    lab.world.faults.add_hook(
        "task",
        sends(signal.SIGTERM),
        match=lambda request: (
            lab.world.tasks[request.path.rpartition("/")[2]].submission.kind == "DELETE"
        ),
    )
    assert lab.delete() == 1
    lab.write("a", "changed")
    lab.world.completion = CompletionPolicy.at_once()
    assert lab.delete() == 0
    assert files(lab.source) == {"a": b"changed"}
    assert not any(task.in_progress for task in lab.world.tasks.values())
