"""delete.py: everything is sent, is whole at the destination, and goes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.processes import Costs, Row
from tests.benchmarks.site import Site, grow
from tests.benchmarks.size import PER_DIRECTORY

DELETED = "delete.py, all files deleted"


def measure(home: Path, sizes: list[int], times: int) -> Iterator[Row]:
    """Yield a row for each size."""
    for size in sizes:
        source, destination = home / "source", home / "destination"
        grow("tree", destination, size, PER_DIRECTORY)
        source.mkdir()
        costs = Costs([])
        with Site(home / "site", source, destination) as site:
            site.configure(SRC_LOCAL_DIR=str(source), LIST_CALLS_PER_SECOND=0)
            for _ in range(times):
                # delete.py has removed the directories as well.
                source.rmdir()
                grow("tree", source, size, PER_DIRECTORY)
                site.remember()
                datastore = (site.home / "datastore").stat().st_size
                costs.runs.append(site.run("delete"))
                if any(names for _, _, names in os.walk(source)):
                    raise RuntimeError("delete.py has left files at the source")
        yield Row("delete", DELETED, size, costs, datastore=datastore)
        shutil.rmtree(home)
        home.mkdir()
