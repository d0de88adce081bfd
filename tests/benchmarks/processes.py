"""What whole processes cost: seconds, seconds of processor, memory at the peak."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
MEBI = 1024 * 1024


class Cost(NamedTuple):
    """What one process, with its children, took: seconds by clock and processor, peak bytes."""

    wall: float
    cpu: float
    peak: int


class Costs(NamedTuple):
    """What several runs of the same took."""

    runs: list[Cost]

    @property
    def wall(self) -> float:
        """The median of the seconds by the clock."""
        return statistics.median(run.wall for run in self.runs)

    @property
    def cpu(self) -> float:
        """The median of the seconds of processor, in user and system mode."""
        return statistics.median(run.cpu for run in self.runs)

    @property
    def peak(self) -> float:
        """The largest memory, in MiB."""
        return max(run.peak for run in self.runs) / MEBI

    @property
    def spread(self) -> str:
        """The least and the most seconds by the clock."""
        walls = [run.wall for run in self.runs]
        return f"{min(walls):.2f}–{max(walls):.2f}"


class Row(NamedTuple):
    """What was measured: `what`, in a `part` of the benchmarks, with `size` files or directories.

    Where there is a `latency` (milliseconds), `rates` are directories listed a second, one a run,
    and `answers` the seconds that the service really took for one, which has other work to do.
    """

    part: str
    what: str
    size: int
    costs: Costs
    latency: int = 0
    rates: Sequence[float] = ()
    answers: Sequence[float] = ()

    @property
    def rate(self) -> float:
        """The median of the rates."""
        return statistics.median(self.rates)

    @property
    def in_progress(self) -> float:
        """How many listings were in progress at a time."""
        pairs = zip(self.rates, self.answers, strict=True)
        return statistics.median(rate * answer for rate, answer in pairs)


def run(
    command: Sequence[str], environment: Mapping[str, str] | None = None, code: int = 0
) -> Cost:
    """Run a command to its end and return what it cost; it must exit with `code`.

    This process must stay small: to the system, a child begins with the peak of its parent.
    """
    began = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=sys.stderr,
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != code:
        raise RuntimeError(f"exit code {process.returncode}, not {code}: {command}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def peer(
    name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
) -> dict[str, Callable[[], Cost]]:
    """Return what runs a program from elsewhere by its name; nothing, and say so, without it."""
    if shutil.which(command[0]) is None:
        print(f"Skipped {name}: it is not installed.", file=sys.stderr)
        return {}
    return {name: lambda: run(command, environment)}


def alternately(kinds: Mapping[str, Callable[[], Cost]], times: int) -> dict[str, Costs]:
    """Run each of `kinds` in turn, `times` times, so that what disturbs one disturbs all."""
    found: dict[str, Costs] = {name: Costs([]) for name in kinds}
    for _ in range(times):
        for name, once in kinds.items():
            found[name].runs.append(once())
    return found
