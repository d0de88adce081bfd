"""What a start costs: a run with ten files that are all known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.processes import Row, alternately
from tests.benchmarks.site import Site, grow

TEN = "no change"


def measure(home: Path, times: int) -> Iterator[Row]:
    """Yield the row."""
    source, destination = home / "source", home / "destination"
    grow("tree", source, 10, 10)
    destination.mkdir()
    with Site(home / "site", source, destination) as site:
        site.remember()
        for what, costs in alternately({TEN: lambda: site.run("transfer")}, times).items():
            yield Row("start", what, 10, costs)
