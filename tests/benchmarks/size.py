"""Cost against size: a tree on a mount, looked at by both programs and by what others use."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.benchmarks.processes import ROOT, Cost, Row, alternately, peer, run
from tests.benchmarks.site import PYTHON, Site, grow

PER_DIRECTORY = 100
WALK = "bare walk: scandir and stat"
SAME, KEPT = "transfer.py, no change", "delete.py, all files kept"
ONE, TENTH = "transfer.py, one file changed", "transfer.py, a tenth changed"
FIRST = "transfer.py, first run"
OURS = (SAME, KEPT, ONE, TENTH, FIRST)
FIND, RSYNC = "find -printf size, mtime, path", "rsync -an"
LSF, CHECK = "rclone lsf -R", "rclone check --size-only"
COPY, RESTIC = "rclone copy --dry-run", "restic backup, no change"
PEERS = {FIND: "find", RSYNC: "rsync", LSF: "rclone", CHECK: "rclone", COPY: "rclone"}
PEERS |= {RESTIC: "restic"}


def measure(home: Path, sizes: list[int], times: int) -> Iterator[Row]:
    """Yield a row for each kind of run and size; trees are made below `home` and removed."""
    for size in sizes:
        source, destination = home / "source", home / "destination"
        for place in (source, destination):
            grow("tree", place, size, PER_DIRECTORY)
        # No task gets done: it is not the service that is measured.
        with Site(home / "site", source, destination, "--task-seconds", "1e9") as site:
            site.configure(SRC_LOCAL_DIR=str(source), KEEP_DAYS=1)
            found = alternately({**_ours(site, size), **_peers(site)}, times)
        yield from (Row("size", what, size, costs) for what, costs in found.items())
        shutil.rmtree(home)
        home.mkdir()


def _ours(site: Site, size: int) -> dict[str, Callable[[], Cost]]:
    walk = [PYTHON, str(ROOT / "tests/benchmarks/walk.py"), str(site.source)]
    return {
        WALK: lambda: run(walk),
        SAME: lambda: _unchanged(site, "transfer"),
        KEPT: lambda: _unchanged(site, "delete"),
        ONE: lambda: _changed(site, 1),
        TENTH: lambda: _changed(site, size // 10),
        FIRST: lambda: _first(site),
    }


def _peers(site: Site) -> dict[str, Callable[[], Cost]]:
    """Return the runs of other tools that are installed, where nothing has changed either."""
    source = str(site.source)
    same = [f"{source}/", f"{site.destination}/"]
    rclone = ["rclone", "--quiet", "--config", ""]
    return {
        **peer(FIND, ["find", source, "-printf", r"%s %T@ %p\n"]),
        **peer(RSYNC, ["rsync", "-a", "--dry-run", *same]),
        **peer(LSF, [*rclone, "lsf", "-R", "--format", "pst", source]),
        # Without --size-only, it would read the contents of all files.
        **peer(CHECK, [*rclone, "check", "--size-only", *same]),
        **peer(COPY, [*rclone, "copy", "--dry-run", *same]),
        **_restic(site),
    }


def _restic(site: Site) -> dict[str, Callable[[], Cost]]:
    """Return the run of restic after a first backup; others have set times back: ctimes differ."""
    home = site.home / "restic"
    settings = {"REPOSITORY": home / "repository", "CACHE_DIR": home / "cache", "PASSWORD": "-"}
    environment = {f"RESTIC_{name}": str(value) for name, value in settings.items()}
    found = peer(RESTIC, ["restic", "backup", "--ignore-ctime", str(site.source)], environment)
    if found:
        run(["restic", "init"], environment)
        found[RESTIC]()
    return found


def _unchanged(site: Site, program: str) -> Cost:
    site.remember()
    return site.run(program)


def _changed(site: Site, number: int) -> Cost:
    """Change the first `number` files, run, and change them back."""
    site.remember()
    before = [(path, os.stat(path).st_mtime_ns) for path in files(site.source, number)]
    for path, mtime in before:
        os.utime(path, ns=(mtime, mtime + 10**9))
    cost = site.run("transfer")
    for path, mtime in before:
        os.utime(path, ns=(mtime, mtime))
    tasks = site.calls("/transfer")
    sent = sum(map(int, re.findall(r"Submitted transfer task \S+: (\d+) file", site.log())))
    if tasks != -(-number // 5000) or sent != number:
        raise RuntimeError(f"{number} files changed, but {tasks} tasks were submitted")
    return cost


def files(directory: Path, number: int) -> list[str]:
    """Return the paths of `number` files below `directory`; raise RuntimeError if it has fewer."""
    paths: list[str] = []
    for where, _, names in os.walk(directory):
        paths += [f"{where}/{name}" for name in names]
        if len(paths) >= number:
            return paths[:number]
    raise RuntimeError(f"{directory} has fewer than {number} files")


def _first(site: Site) -> Cost:
    site.forget()
    return site.run("transfer")
