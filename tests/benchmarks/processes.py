"""What whole processes cost: CPU seconds, memory at the peak, bytes written."""

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
    """What one process, with its children, took: seconds by the clock and of CPU, peak bytes.

    `written` are the bytes that it wrote to files, as the kernel counted them.
    """

    wall: float
    cpu: float
    peak: int
    written: int


class Costs(NamedTuple):
    """What several runs of the same took."""

    runs: list[Cost]

    @property
    def wall(self) -> float:
        """The median of the seconds by the clock."""
        return statistics.median(run.wall for run in self.runs)

    @property
    def cpu(self) -> float:
        """The median of the CPU seconds, in user and system mode."""
        return statistics.median(run.cpu for run in self.runs)

    @property
    def peak(self) -> float:
        """The largest memory, in MiB."""
        return max(run.peak for run in self.runs) / MEBI

    @property
    def written(self) -> int:
        """The most bytes that were written."""
        return max(run.written for run in self.runs)


class Row(NamedTuple):
    """What was measured: `what`, in a `part` of the benchmarks, with `size` files or directories.

    Where there is a `latency` (milliseconds), `rates` are directories listed a second, one a run,
    and `answers` the seconds that the service really took for one, which has other work to do.
    `datastore` is its size in bytes before the run, where files are deleted.
    """

    part: str
    what: str
    size: int
    costs: Costs
    latency: int = 0
    rates: Sequence[float] = ()
    answers: Sequence[float] = ()
    datastore: int = 0

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
        # As for users: compiled code is kept, whatever the shell of a developer says.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=sys.stderr,
    ) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        wall = time.monotonic() - began
        counts = Path(f"/proc/{process.pid}/io").read_text(encoding="utf-8")
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != code:
        raise RuntimeError(f"exit code {process.returncode}, not {code}: {command}")
    written = int(counts.partition("wchar: ")[2].split()[0])
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, written)


def peer(
    name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
) -> dict[str, Callable[[], Cost]]:
    """Return what runs a program from elsewhere by its name; nothing if it is not installed."""
    return {name: lambda: run(command, environment)} if shutil.which(command[0]) else {}


def alternately(kinds: Mapping[str, Callable[[], Cost]], times: int) -> dict[str, Costs]:
    """Run each of `kinds` in turn, `times` times, so that what disturbs one disturbs all."""
    found: dict[str, Costs] = {name: Costs([]) for name in kinds}
    for _ in range(times):
        for name, once in kinds.items():
            found[name].runs.append(once())
    return found
