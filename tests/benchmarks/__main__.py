"""Run all benchmarks, or some: `python -m tests.benchmarks`."""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks import deletes, latency, picture, size, start, tables
from tests.benchmarks.processes import ROOT, Row

PARTS = ("start", "latency", "size", "delete")
SIZES = (1_000, 10_000, 100_000, 1_000_000)
LATENCIES = (25, 50, 100, 250)  # milliseconds
FIGURES = re.compile(r"(<!-- figures -->\n).*?(<!-- /figures -->\n)", re.DOTALL)


def main() -> None:
    """Measure, print the tables, draw the picture."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    add = parser.add_argument
    add("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    add("--sizes", type=int, nargs="+", default=SIZES, help="numbers of files, from 100 on")
    add("--latencies", type=int, nargs="+", default=LATENCIES, help="milliseconds")
    add("--times", type=int, default=5, help="how often each run is repeated")
    add("--home", type=Path, help="where trees are made; default: a temporary directory")
    add("--picture", type=Path, default=Path("figures.svg"), help="default: figures.svg")
    add("--publish", action="store_true", help="put tables and picture into README.md")
    options = parser.parse_args()
    if not set(options.parts) <= set(PARTS):
        parser.error(f"PART must be of {', '.join(PARTS)}")
    home = Path(tempfile.mkdtemp(prefix="benchmarks.", dir=options.home))
    rows = []
    try:
        for row in _measured(options, home):
            rows.append(row)
            print(row.part, row.what, row.size, tables.summary(row), flush=True)
    finally:
        shutil.rmtree(home)
    print("", tables.everything(rows), sep="\n")
    if options.publish:
        publish(rows)
    else:
        picture.draw(options.picture, rows)


def publish(rows: list[Row]) -> None:
    """Put tables and picture of `rows` into README.md."""
    picture.draw(ROOT / "tests/benchmarks/figures.svg", rows)
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    made = f"\\1{tables.everything(rows)}\n![Figures](tests/benchmarks/figures.svg)\n\\2"
    readme.write_text(FIGURES.sub(made, text), encoding="utf-8")


def _measured(options: argparse.Namespace, home: Path) -> Iterator[Row]:
    sizes = sorted(options.sizes)
    measures = {
        "start": lambda place: start.measure(place, 2 * options.times),
        "latency": lambda place: latency.measure(place, options.latencies, options.times),
        "size": lambda place: size.measure(place, sizes, options.times),
        "delete": lambda place: deletes.measure(place, sizes[:-1] or sizes),
    }
    for part in options.parts or PARTS:
        place = home / part
        place.mkdir()
        yield from measures[part](place)


if __name__ == "__main__":
    main()
