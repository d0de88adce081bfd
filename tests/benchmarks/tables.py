"""Tables of what was measured, in Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.benchmarks import latency, size, start
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


def everything(rows: list[Row]) -> str:
    """Return all tables of `rows`, with the machine."""
    parts = [f"Measured on {machine()}.\n"]
    sized = [row for row in rows if row.part in ("size", "delete")]
    if sized:
        sizes = sorted({row.size for row in sized})
        kinds = list(dict.fromkeys(row.what for row in sized))
        cells = {(row.what, row.size): _cell(row.costs) for row in sized}
        lines = [[kind, *(cells.get((kind, each), "") for each in sizes)] for kind in kinds]
        parts.append(table(["files", *map(short, sizes)], lines))
    rates = [row for row in rows if row.part == "latency"]
    if rates:
        lines = [
            [row.what, short(row.size), f"{row.latency} ms", f"{row.rate:.1f}"] for row in rates
        ]
        parts.append(table(["listing", "directories", "latency", "directories a second"], lines))
    checked = list(ratios(rows))
    if checked:
        parts.append(table(["what", "should be", "is", "apart from other load"], checked))
    return "\n".join(parts)


def summary(row: Row) -> str:
    """Return what was measured in `row`."""
    rate = f"; {row.rate:.1f} directories a second" if row.rates else ""
    return _cell(row.costs) + rate


def _cell(costs: Costs) -> str:
    """Return seconds, their spread, seconds of processor, memory."""
    spread = f" ({costs.spread})" if len(costs.runs) > 1 else ""
    memory = f", {costs.peak:.0f} MiB" if costs.peak else ""
    return f"{costs.wall:.2f} s{spread}, CPU {costs.cpu:.2f} s{memory}"


def ratios(rows: list[Row]) -> Iterator[list[str]]:
    """Yield what should be so, and what is, of the largest size that was measured.

    Last comes the same of the seconds of processor instead of those by the clock, and of the
    latency that the service really had, for other programs may be at work.
    """
    largest = max((row.size for row in rows if row.part == "size"), default=0)
    found = {row.what: row.costs for row in rows if row.part == "size" and row.size == largest}
    if found:
        yield from _of_size(found, largest)
    listings = {(row.what, row.latency): row for row in rows if row.part == "latency"}
    yield from _of_rates(listings)
    for row in rows:
        budget = listings.get((latency.BUDGETED, row.latency))
        if budget and (row.what, row.size) == (latency.GLOBUS, budget.size):
            times = row.costs.wall / budget.costs.wall
            yield ["globus ls, recursive / transfer.py", "≥ 5", f"{times:.2f}", ""]
    for row in rows:
        if row.part == "start":
            limit = "< 0.15 s" if row.what == start.VERSION else "< 1 s"
            what = f"{row.what}, {row.size} files" if row.size else row.what
            yield [what, limit, f"{row.costs.wall:.2f} s", f"{row.costs.cpu:.2f} s"]


def _of_size(found: dict[str, Costs], files: int) -> Iterator[list[str]]:
    same, one, tenth, save = (found[what] for what in (size.SAME, size.ONE, size.TENTH, size.SAVE))

    def against(what: str, limit: str, other: Costs, less: Costs | None = None) -> list[str]:
        """Compare a run, without the save that it makes, to another."""
        wall, cpu = (less.wall, less.cpu) if less else (0.0, 0.0)
        run = one if less else same
        walls, cpus = (run.wall - wall) / other.wall, (run.cpu - cpu) / other.cpu
        return [f"{what}, {short(files)} files", limit, f"{walls:.2f}", f"{cpus:.2f}"]

    yield against("no change / scandir and stat", "≤ 1.6", found[size.WALK])
    if size.RSYNC in found:
        yield against("no change / rsync", "< 1", found[size.RSYNC])
    yield ["no change, memory", "< 300 MiB", f"{same.peak:.0f} MiB", ""]
    yield against("(one file changed - a save) / no change", "≤ 1.2", same, save)
    yield ["a save", "< 0.5 s", f"{save.wall:.2f} s", f"{save.cpu:.2f} s"]
    more = f"{tenth.wall - same.wall:.1f} s", f"{tenth.cpu - same.cpu:.1f} s"
    yield [f"{short(files / 10)} intents and their submissions", "≤ 10 s", *more]
    yield ["the same, memory", "< 400 MiB", f"{tenth.peak:.0f} MiB", ""]


def _of_rates(listings: dict[tuple[str, int], Row]) -> Iterator[list[str]]:
    budget = listings.get((latency.BUDGETED, 250))
    if budget:
        share = budget.rate / latency.BUDGET
        yield ["listing rate / calls allowed", "≥ 0.95", f"{share:.2f}", ""]
    for workers in (8, 32):
        row = listings.get((f"{workers} at once", 100))
        if row:
            share, apart = row.rate * 0.1 / workers, row.in_progress / workers
            what = f"listing rate / possible rate, {row.what}"
            yield [what, "≥ 0.9", f"{share:.2f}", f"{apart:.2f}"]
