"""One run of a program at a time, one program at the datastore at a time; how runs are ended."""

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

from globus_auto import locks
from globus_auto.sandbox.world import Pace
from tests.conftest import Lab, files

PROGRAMS = pytest.mark.parametrize("program", ["transfer", "delete"])
OTHER = {"transfer": "delete", "delete": "transfer"}


@contextmanager
def held(lab: Lab, name: str, age: float = 60, text: str | None = None) -> Iterator[None]:
    """Hold a lock as a run does that took it `age` seconds ago."""
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
def test_a_second_start_of_a_program_leaves_at_once_and_only_the_log_knows(
    program: str, text: str | None, lab: Lab, mailbox: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.write("a")
    began = time.time()
    with held(lab, f"{program}.", text=text):
        assert run(lab, program) == 0
    assert time.time() - began < 5
    assert lab.world.requests == []
    assert mailbox.messages == []
    assert capsys.readouterr() == ("", "")
    assert f"Another run (process {'4711' if text is None else 'unknown'}) has been" in lab.log()
    assert run(lab, program) == 0
    assert files(lab.destination).keys() == ({"a"} if program == "transfer" else set())


@PROGRAMS
def test_what_one_run_has_locked_another_cannot_lock(program: str, lab: Lab) -> None:
    lab.write("a")
    with locks.locked(str(lab.state / f"datastore.{program}.lock"), timeout=0):
        assert run(lab, program) == 0
        assert lab.world.requests == []
    with locks.locked(str(lab.state / "datastore.lock"), timeout=0):
        assert run(lab, program) == 1, "it has waited in vain"
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
    assert "process 4711" in mail
    assert run(lab, program) == 0
    assert "RESOLVED" in mailbox.texts()[-1]


@PROGRAMS
def test_a_program_waits_for_the_other_and_works_then(
    program: str, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.send("a")
    lab.write("b")
    asked, began = len(lab.world.requests), time.time()
    with ExitStack() as holding:
        holding.enter_context(held(lab, ""))

        def sleep(seconds: float) -> None:
            lab.later(seconds)
            assert len(lab.world.requests) == asked, "nothing is done before"
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
    assert "process 4711" in mail
    assert run(lab, program) == 0
    assert "RESOLVED" in mailbox.texts()[-1]


def test_a_dry_run_waits_for_nobody(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.send("a")
    lab.write("b")
    began = time.time()
    with held(lab, ""), held(lab, "transfer."), held(lab, "delete."):
        assert (lab.transfer("-n"), lab.delete("-n")) == (0, 0)
    assert time.time() - began < 60
    out = capsys.readouterr().out
    assert "transfer /src/b" in out
    assert "delete /src/a" in out


def test_locks_are_private_name_their_holder_and_end_with_the_run(lab: Lab) -> None:
    before = os.umask(0)
    try:
        lab.send("a")
        assert lab.delete() == 0
    finally:
        os.umask(before)
    for name in ["datastore.lock", "datastore.transfer.lock", "datastore.delete.lock"]:
        path = lab.state / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text().startswith(f"{os.getpid()} ")
    with held(lab, ""), held(lab, "transfer."), held(lab, "delete."):
        pass


def test_a_process_at_work_keeps_a_second_one_out_and_the_other_program_waiting(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.real_time()
    lab.send("a")
    lab.write("b")
    reached, go_on = threading.Event(), threading.Event()

    def hold(_asked: object) -> None:
        reached.set()
        go_on.wait()

    lab.world.faults.hook("ls", hold)
    with lab.start("delete") as process:
        reached.wait()
        assert lab.delete() == 0
        assert f"Another run (process {process.pid})" in lab.log()

        def sleep(seconds: float) -> None:
            go_on.set()
            process.wait()
            lab.later(seconds)

        monkeypatch.setattr(time, "sleep", sleep)
        assert lab.transfer() == 0
        assert process.returncode == 0
        process.communicate()
    assert files(lab.source).keys() == {"b"}
    assert files(lab.destination).keys() == {"a", "b"}


def sends(number: signal.Signals) -> Callable[[object], None]:
    """Return a hook that sends a signal to the program, which is the main thread here."""
    return lambda _asked: signal.pthread_kill(threading.main_thread().ident or 0, number)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt, also where tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@PROGRAMS
@pytest.mark.parametrize("route", ["endpoint", "ls", "task"])
def test_sigterm_ends_a_run_with_an_alert_and_the_next_one_does_the_work(
    program: str, route: str, lab: Lab, mailbox: Any
) -> None:
    lab.send("a")
    lab.write("b")
    before = lab.remembered()
    lab.world.faults.hook(route, sends(signal.SIGTERM))
    assert run(lab, program) == 1
    if route == "task":
        assert lab.remembered() == before
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
    lab.send("a")
    before = lab.remembered()
    lab.world.faults.hook("endpoint", sends(signal.SIGINT))
    lab.world.faults.hook("task", sends(signal.SIGINT))
    assert run(lab, program) == 1
    assert lab.remembered() == before
    assert "Interrupted" in capsys.readouterr().err
    assert mailbox.messages == []
    lab.world.faults.clear()
    assert (run(lab, program), lab.delete()) == (0, 0)
    assert files(lab.source) == {}


def test_a_delete_that_a_signal_cuts_short_is_cancelled_by_the_next_run(lab: Lab) -> None:
    lab.send("first")
    assert lab.delete() == 0
    lab.send("a")
    lab.world.pace = Pace.after_looks(9)
    lab.world.faults.hook(
        "task",
        sends(signal.SIGTERM),
        match=lambda asked: lab.world.tasks[asked.path.rpartition("/")[2]].order.kind == "DELETE",
    )
    assert lab.delete() == 1
    lab.write("a", "changed")
    lab.world.pace = Pace.at_once()
    assert lab.delete() == 0
    assert files(lab.source) == {"a": b"changed"}
    assert not any(task.is_open for task in lab.world.tasks.values())
