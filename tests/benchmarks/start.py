"""What a start costs: the version, and a run with ten files that are all known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.processes import Row, alternately, run
from tests.benchmarks.site import PYTHON, Site, grow

VERSION, TEN = "--version", "no change"


def measure(home: Path, times: int) -> Iterator[Row]:
    """Yield the rows."""
    source, destination = home / "source", home / "destination"
    grow("tree", source, 10, 10)
    destination.mkdir()
    with Site(home / "site", source, destination) as site:
        site.remember()
        kinds = {
            VERSION: lambda: run([PYTHON, "-m", "globus_auto.transfer", "--version"]),
            TEN: lambda: site.run("transfer"),
        }
        for what, costs in alternately(kinds, times).items():
            yield Row("start", what, 10 if what == TEN else 0, costs)
