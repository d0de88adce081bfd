"""Child processes that are killed by SIGKILL or started all at once lose nothing either."""

from __future__ import annotations

import contextlib
import random
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from globus_auto.sandbox.faults import When
from tests.lab import Lab, files, put

KILLS = 100
ROUTES = ["endpoint", "ls", "submission_id", "transfer", "task", "delete", "mkdir", "rename"]


def contents(directory: Path) -> set[bytes | str]:
    """Return the contents of all files below `directory`."""
    return set(files(directory).values())


def change(lab: Lab, chance: random.Random, latest: dict[str, bytes], turn: int) -> None:
    """Create or change some files at the source, each with content of its own."""
    for number in range(chance.randrange(4)):
        name = f"{chance.choice(['', 'run/', 'run/deep/', 'other/'])}{chance.randrange(8)}"
        latest[name] = f"{turn} {number} {name}".encode() * chance.randrange(1, 50)
        put(lab.source / name, latest[name], time.time() - 60 - chance.randrange(1000))


def killed(lab: Lab, program: str, chance: random.Random) -> None:
    """Start a program and kill it, at one of its requests or at some moment."""
    hooked = chance.random() < 0.7
    with lab.start(program, *["--full"] * (program == "transfer" and chance.random() < 0.2)) as it:
        if hooked:
            wanted = [chance.randrange(12)]

            def is_the_one(_request: Any) -> bool:
                wanted[0] -= 1
                return wanted[0] < 0

            for route in ROUTES:
                when: When = chance.choice(["before", "after"])
                lab.world.faults.add_hook(route, lambda _: it.kill(), when=when, match=is_the_one)
        with contextlib.suppress(subprocess.TimeoutExpired):
            it.communicate(timeout=None if hooked else chance.uniform(0.2, 1.2))
        it.kill()
        it.communicate()
    lab.world.faults.clear()


def ended(lab: Lab, program: str) -> int:
    """Run a program as a child process; return its exit code."""
    with lab.start(program) as process:
        process.communicate()
    return process.returncode


@pytest.mark.slow
def test_a_program_killed_at_any_moment_loses_nothing(
    lab: Lab,
) -> None:
    """After each of 100 kills the latest content of every file exists; in the end all arrives."""
    chance = random.Random(20)
    latest: dict[str, bytes] = {}
    lab.real_time()
    for turn in range(KILLS):
        change(lab, chance, latest, turn)
        killed(lab, chance.choice(["transfer", "delete"]), chance)
        there = contents(lab.source) | contents(lab.destination)
        lost = {name for name, content in latest.items() if content not in there}
        assert not lost, f"lost after kill {turn}: {lost}\n{lab.log()}"
        if turn % 20 == 19:
            for program in ("transfer", "transfer", "delete", "delete"):
                assert ended(lab, program) in (0, 1)
            assert not files(lab.source), f"left at the source\n{lab.log()}"
            copies = contents(lab.destination)
            assert all(content in copies for content in latest.values())


def worked_alone(log: str) -> bool:
    """Return whether no two processes of one program ran at once."""
    at_work: dict[str, str] = {}
    for process, verb, program in re.findall(r"Z (\d+) INFO (Began|Ended) (\w+)", log):
        if verb == "Began":
            if program in at_work:
                return False
            at_work[program] = process
        elif at_work.get(program) == process:
            del at_work[program]
    return True


@pytest.mark.slow
def test_twenty_starts_at_once_run_one_at_a_time(
    lab: Lab,
) -> None:
    """However many are started, there is one task, and the file arrives once."""
    chance = random.Random(3)
    lab.real_time()
    lab.write("run/a.h5", b"beam")
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(lab.start(chance.choice(["transfer", "delete"]))) for _ in range(20)
        ]
        outputs = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * 20, outputs
    assert len(lab.submitted("transfer")) == 1
    assert worked_alone(lab.log()), lab.log()
    assert files(lab.destination) == {"run/a.h5": b"beam"}
