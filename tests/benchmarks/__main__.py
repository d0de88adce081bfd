"""Run all benchmarks, or some: `python -m tests.benchmarks`."""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.benchmarks import calls, deletes, latency, picture, size, start, tables
from tests.benchmarks.processes import ROOT, Row

HERE = ROOT / "tests/benchmarks"
PARTS = ("size", "delete", "calls", "latency", "start")
SIZES = (10_000, 100_000, 1_000_000)
LATENCIES = (25, 50, 100, 250)  # milliseconds
FIGURES = re.compile(r"(<!-- figures -->\n).*?(<!-- /figures -->\n)", re.DOTALL)


def main() -> None:
    """Measure, print the tables, draw the picture."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    add = parser.add_argument
    add("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    add("--sizes", type=int, nargs="+", default=SIZES, help="numbers of files, from 100 on")
    add("--latencies", type=int, nargs="+", default=LATENCIES, help="milliseconds")
    add("--times", type=int, default=3, help="how often each run is repeated: medians count")
    add("--home", type=Path, help="where trees are made; default: a temporary directory")
    add("--picture", type=Path, default=Path("figures.svg"), help="default: figures.svg")
    add("--publish", action="store_true", help="put both into tests/benchmarks")
    options = parser.parse_args()
    if not set(options.parts) <= set(PARTS):
        parser.error(f"PART must be of {', '.join(PARTS)}")
    home = Path(tempfile.mkdtemp(prefix="benchmarks.", dir=options.home))
    rows: list[Row] = []
    counted: list[calls.Calls] = []
    parts = options.parts or PARTS
    try:
        for row in _measured(parts, options, home):
            rows.append(row)
            print(row.part, row.what, row.size, tables.summary(row), flush=True)
        if "calls" in parts:
            counted = list(calls.measure(home / "calls"))
    finally:
        shutil.rmtree(home)
    text = tables.everything(rows, counted)
    print("", text, sep="\n")
    picture.draw(HERE / "figures.svg" if options.publish else options.picture, rows)
    if options.publish:
        readme = HERE / "README.md"
        made = FIGURES.sub(rf"\1{text}\2", readme.read_text(encoding="utf-8"))
        readme.write_text(made, encoding="utf-8")


def _measured(parts: Sequence[str], options: argparse.Namespace, home: Path) -> Iterator[Row]:
    sizes, times = sorted(options.sizes), options.times
    measures: dict[str, Callable[[Path], Iterator[Row]]] = {
        "size": lambda place: size.measure(place, sizes, times),
        "delete": lambda place: deletes.measure(place, sizes, times),
        "calls": lambda _place: iter(()),
        "latency": lambda place: latency.measure(place, options.latencies, times),
        "start": lambda place: start.measure(place, times),
    }
    for part in parts:
        place = home / part
        place.mkdir()
        yield from measures[part](place)


if __name__ == "__main__":
    main()
