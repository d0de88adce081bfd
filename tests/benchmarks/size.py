"""Cost against size: a tree on a mount, looked at by transfer.py and by what others use."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.benchmarks.processes import ROOT, Cost, Row, alternately, peer, run
from tests.benchmarks.site import PYTHON, Site, grow

PER_DIRECTORY = 100
WALK, RSYNC, RCLONE = "scandir and stat", "rsync -an", "rclone lsf -R"
SAME, ONE, TENTH, FIRST = "no change", "one file changed", "a tenth changed", "first run"
SAVE = "save"


def measure(home: Path, sizes: list[int], times: int) -> Iterator[Row]:
    """Yield a row for each kind of run and size; trees are made below `home` and removed."""
    for size in sizes:
        source, destination = home / "source", home / "destination"
        for place in (source, destination):
            grow("tree", place, size, PER_DIRECTORY)
        # No task gets done: it is not the service that is measured.
        with Site(home / "site", source, destination, "--task-seconds", "1e9") as site:
            site.configure(SRC_LOCAL_DIR=str(source))
            found = alternately(_kinds(site), times)
            found |= alternately(_seldom(site, size), max(1, times // 3))
            save = alternately({SAVE: lambda: _save(site)}, times)
        yield from (Row("size", what, size, costs) for what, costs in (found | save).items())
        shutil.rmtree(home)
        home.mkdir()


def _kinds(site: Site) -> dict[str, Callable[[], Cost]]:
    """Return what is run many times, alternately."""
    source = str(site.source)
    walk = [PYTHON, str(ROOT / "tests/benchmarks/walk.py"), source]
    kinds = {
        WALK: lambda: run(walk),
        SAME: lambda: _unchanged(site),
        ONE: lambda: _changed(site, 1),
    }
    same = [f"{source}/", f"{site.destination}/"]
    rclone = ["rclone", "--config", "", "lsf", "-R", "--format", "pst", source]
    kinds |= peer(RSYNC, ["rsync", "-a", "--dry-run", *same])
    kinds |= peer(RCLONE, rclone)
    return kinds


def _seldom(site: Site, size: int) -> dict[str, Callable[[], Cost]]:
    """Return what takes long."""
    return {TENTH: lambda: _changed(site, size // 10), FIRST: lambda: _first(site)}


def _unchanged(site: Site) -> Cost:
    site.remember()
    return site.run("transfer")


def _changed(site: Site, number: int) -> Cost:
    """Change the first `number` files, run, and change them back."""
    site.remember()
    before = [(path, os.stat(path).st_mtime_ns) for path in _files(site.source, number)]
    for path, mtime in before:
        os.utime(path, ns=(mtime, mtime + 10**9))
    cost = site.run("transfer")
    for path, mtime in before:
        os.utime(path, ns=(mtime, mtime))
    tasks = site.calls("/transfer")
    sent = sum(map(int, re.findall(r"Submitted transfer task \S+: (\d+) file", site.log())))
    if tasks != -(-number // 5000) or sent != number:
        raise RuntimeError(f"{number} files changed, but {tasks} tasks were submitted")
    return _without_service(site, cost)


def _files(directory: Path, number: int) -> list[str]:
    paths: list[str] = []
    for where, _, names in os.walk(directory):
        paths += [f"{where}/{name}" for name in names]
        if len(paths) >= number:
            return paths[:number]
    raise RuntimeError(f"{directory} has fewer than {number} files")


def _first(site: Site) -> Cost:
    site.forget()
    return _without_service(site, site.run("transfer"))


def _without_service(site: Site, cost: Cost) -> Cost:
    """Return `cost` without the time that the service took to answer."""
    return cost._replace(wall=cost.wall - sum(seconds for _, _, seconds in site.answers))


def _save(site: Site) -> Cost:
    """Return what a save costs; its memory is not looked at."""
    site.remember()
    grow("save", site.home / "datastore")
    wall, cpu = (site.home / "datastore.cost").read_text(encoding="utf-8").split()
    return Cost(float(wall), float(cpu), 0)
