"""Calls to Globus: by a formula, and as the sandbox counts them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.site import Site, grow
from tests.benchmarks.size import files

DIRECTORIES, PER_DIRECTORY = 200, 10
CHANGED, FILES_PER_TASK = 500, 100
TASKS = CHANGED // FILES_PER_TASK
BATCHES = DIRECTORIES * PER_DIRECTORY // FILES_PER_TASK
LISTED = DIRECTORIES + 1
OLD = 1_600_000_000  # seconds since 1970 UTC
MOUNT, GLOBUS = "on a mount", "through Globus"


class Calls(NamedTuple):
    """A kind of run: its calls by a `formula`, the `expected` number, and the `measured` one."""

    what: str
    formula: str
    expected: int
    measured: int


def measure(home: Path) -> Iterator[Calls]:
    """Yield each kind of run; README.md has the letters of the formulas."""
    source, destination = home / "source", home / "destination"
    for place in (source, destination):
        grow("flat", place, DIRECTORIES, PER_DIRECTORY)
    settings = {"KEEP_DAYS": 1, "FILES_PER_TASK": FILES_PER_TASK, "LIST_CALLS_PER_SECOND": 0}

    def calls(program: str, what: str, formula: str, expected: int) -> Calls:
        site.run(program)
        return Calls(f"{program}.py, {what}", formula, expected, len(site.answers))

    with Site(home / "endless", source, destination, "--task-seconds", "1e9") as site:
        site.configure(**settings)
        site.remember()
        site.run("transfer")  # it logs in, and makes the marker
        yield calls("transfer", f"no change, {GLOBUS}", "5 + d", 5 + LISTED)
        yield calls("delete", f"all kept, first of a day, {GLOBUS}", "5 + d", 5 + LISTED)
        yield calls("delete", "all kept, later", "6", 6)
        site.configure(SRC_LOCAL_DIR=str(source))
        yield calls("transfer", f"no change, {MOUNT}", "6", 6)
        yield calls("delete", f"all kept, {MOUNT}", "6", 6)
        change(source)
        yield calls("transfer", f"files changed, {MOUNT}", "6 + 2t", 6 + 2 * TASKS)
        yield calls("transfer", f"tasks in progress, {MOUNT}", "6 + t", 6 + TASKS)
    with Site(home / "prompt", source, destination, "--task-seconds", "0") as site:
        site.configure(**settings, SRC_LOCAL_DIR=str(source))
        site.remember()
        site.run("transfer")
        change(source)
        site.run("transfer")
        yield calls("transfer", f"tasks ended, {MOUNT}", "6 + 2t", 6 + 2 * TASKS)
        site.configure(KEEP_DAYS=0)
        deleted = 5 + 2 * LISTED + 4 * BATCHES
        yield calls("delete", f"all deleted, {MOUNT}", "5 + 2d + 4b", deleted)


def change(source: Path) -> None:
    """Change CHANGED files."""
    for path in files(source, CHANGED):
        with open(path, "ab") as file:
            file.write(b"more")
        os.utime(path, (OLD, OLD))
