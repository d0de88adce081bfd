"""delete.py: everything is sent and stands whole at the destination, and goes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.processes import Costs, Row
from tests.benchmarks.site import Site, grow
from tests.benchmarks.size import PER_DIRECTORY


def measure(home: Path, sizes: list[int]) -> Iterator[Row]:
    """Yield a row for each size, and for source directories looked at on a mount or not."""
    for size in sizes:
        for mounted in (True, False):
            source, destination = home / "source", home / "destination"
            for place in (source, destination):
                grow("tree", place, size, PER_DIRECTORY)
            with Site(home / "site", source, destination) as site:
                site.configure(
                    SRC_LOCAL_DIR=str(source) if mounted else "", LIST_CALLS_PER_SECOND=0
                )
                site.remember()
                cost = site.run("delete")
                if any(files for _, _, files in os.walk(source)):
                    raise RuntimeError("delete.py has left files at the source")
            what = f"delete.py, {'on a mount' if mounted else 'through Globus'}"
            yield Row("delete", what, size, Costs([cost]))
            shutil.rmtree(home)
            home.mkdir()
