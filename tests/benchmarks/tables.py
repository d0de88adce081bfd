"""Tables of what was measured, in Markdown."""

from __future__ import annotations

import itertools
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.benchmarks import latency, size
from tests.benchmarks.calls import Calls
from tests.benchmarks.processes import Costs, Row


def short(number: float) -> str:
    """Return a number as a person would say it: 0.03, 1.5, 320, 10k, 1M."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.3g}{letter}"
    return f"{number:.2g}" if number < 100 else f"{number:.0f}"


def machine() -> str:
    """Return what it was measured on."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    python, load = platform.python_version(), os.getloadavg()[2]
    others = f"at a load of {load:.0f} by this and other programs"
    return f"{model}, {os.cpu_count()} cores, Python {python}, {others}"


def table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    titles = list(head)
    rows = [titles, ["---"] * len(titles), *lines]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def everything(rows: list[Row], calls: list[Calls]) -> str:
    """Return all tables, with the machine."""
    parts = [f"Measured on {machine()}.\n"]
    if sized := [row for row in rows if row.part == "size"]:
        parts += [f"{_peers(sized)}\n", _costs(sized)]
    if deletes := [row for row in rows if row.part == "delete"]:
        head = ["files deleted", "CPU", "peak memory", "written / datastore before"]
        lines = [
            [short(row.size), *_cells(row.costs), f"{row.costs.written / row.datastore:.2f}"]
            for row in deletes
        ]
        parts.append(table(head, lines))
    if calls:
        lines = [
            [each.what, each.formula, str(each.expected), str(each.measured)] for each in calls
        ]
        parts.append(table(["run", "calls", "by the formula", "measured"], lines))
    if rates := [row for row in rows if row.part == "latency"]:
        lines = [
            [row.what, short(row.size), f"{row.latency} ms", f"{row.rate:.1f}"] for row in rates
        ]
        parts.append(table(["listing", "directories", "latency", "directories a second"], lines))
    if checked := list(targets(rows)):
        parts.append(table(["what", "should be", "is"], checked))
    return "\n".join(parts)


def _costs(rows: list[Row]) -> str:
    """Return the table of CPU seconds and memory by size, and both as ratios at the largest."""
    sizes = sorted({row.size for row in rows})
    found = {(row.what, row.size): row.costs for row in rows}
    walk = found[size.WALK, sizes[-1]].cpu
    lines = []
    for what in dict.fromkeys(row.what for row in rows):
        times = f"{found[what, sizes[-1]].cpu / walk:.2f}"
        lines.append([what, *(", ".join(_cells(found[what, each])) for each in sizes), times])
    return table(["run", *(f"{short(each)} files" for each in sizes), "CPU / bare walk"], lines)


def _peers(rows: list[Row]) -> str:
    """Return a sentence on which other tools there are, and which are not."""
    there = {row.what for row in rows}
    versions, missing = [], []
    for program in dict.fromkeys(size.PEERS.values()):
        if not there.isdisjoint(what for what, each in size.PEERS.items() if each == program):
            option = "--version" if program in ("find", "rsync") else "version"
            told = subprocess.check_output([program, option], text=True)
            number = re.search(r"\d+(\.\d+)+", told)
            versions.append(f"{program} {number[0]}" if number else program)
        else:
            missing.append(program)
    left_out = f" Left out, since not installed: {', '.join(missing)}." if missing else ""
    return f"The other tools: {', '.join(versions)}.{left_out}"


def summary(row: Row) -> str:
    """Return what was measured in `row`."""
    rate = f"; {row.rate:.1f} directories a second" if row.rates else ""
    return ", ".join(_cells(row.costs)) + rate


def _cells(costs: Costs) -> list[str]:
    return [f"{costs.cpu:.2f} s", f"{costs.peak:.0f} MiB"]


def targets(rows: list[Row]) -> Iterator[list[str]]:
    """Yield what should be so, and what is, of the largest size that was measured.

    With listing rates comes the same by the latency that the service really had, for it has other
    work to do as well.
    """
    largest = max((row.size for row in rows if row.part == "size"), default=0)
    found = {row.what: row.costs for row in rows if row.part == "size" and row.size == largest}
    if found:
        yield from _of_size(found, largest)
    yield from _of_deletes([row for row in rows if row.part == "delete"])
    listings = {(row.what, row.latency): row for row in rows if row.part == "latency"}
    yield from _of_rates(listings)
    for row in rows:
        budget = listings.get((latency.BUDGETED, row.latency))
        if budget and (row.what, row.size) == (latency.GLOBUS, budget.size):
            times = row.costs.wall / budget.costs.wall
            yield ["time of globus ls --recursive / transfer.py", "≥ 5", f"{times:.2f}"]
    for row in rows:
        if row.part == "start":
            yield [f"CPU, {row.what}, {row.size} files", "< 1 s", f"{row.costs.cpu:.2f} s"]


def _of_size(found: dict[str, Costs], files: int) -> Iterator[list[str]]:
    same, first, kept = (found[what] for what in (size.SAME, size.FIRST, size.KEPT))
    for what, limit, ratio in (
        ("first run / no change", "≤ 2", first.cpu / same.cpu),
        ("no change / bare walk", "≤ 1.35", same.cpu / found[size.WALK].cpu),
        ("delete.py, all kept / no change", "≤ 1.05", kept.cpu / same.cpu),
    ):
        yield [f"CPU, {what}, {short(files)} files", limit, f"{ratio:.2f}"]
    for what, most in ((size.SAME, 100), (size.FIRST, 250), (size.KEPT, 130)):
        peak = f"{found[what].peak:.0f} MiB"
        yield [f"peak memory, {what}, {short(files)} files", f"≤ {most} MiB a million", peak]


def _of_deletes(rows: list[Row]) -> Iterator[list[str]]:
    for fewer, more in itertools.pairwise(rows):
        if more.size == 10 * fewer.size:
            ratio = more.costs.cpu / fewer.costs.cpu
            what = f"CPU, {short(more.size)} / {short(fewer.size)} files deleted"
            yield [what, "≤ 10.5", f"{ratio:.2f}"]
    for row in rows[-1:]:
        written = f"{row.costs.written / row.datastore:.2f}"
        yield [f"written / datastore, {short(row.size)} files deleted", "≤ 3", written]


def _of_rates(listings: dict[tuple[str, int], Row]) -> Iterator[list[str]]:
    budget = listings.get((latency.BUDGETED, 250))
    if budget:
        share = budget.rate / latency.BUDGET
        yield ["listing rate / calls allowed", "≥ 0.95", f"{share:.2f}"]
    for workers in (8, 32):
        row = listings.get((f"{workers} at once", 100))
        if row:
            share, apart = row.rate * 0.1 / workers, row.in_progress / workers
            what = f"listing rate / possible rate, {row.what}"
            yield [what, "≥ 0.9", f"{share:.2f} ({apart:.2f} by the real latency)"]
