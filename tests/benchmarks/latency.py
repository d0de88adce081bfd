"""Listing rate against latency, through the sandbox; `globus ls --recursive` beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.processes import Costs, Row, peer
from tests.benchmarks.site import PYTHON, Site, grow

BUDGET = 20  # calls a second
ROUNDS = 50  # calls of each worker
FEW, MANY = 40, 400  # directories
BUDGETED, GLOBUS = f"{BUDGET} calls a second allowed", "globus ls --recursive"


def measure(home: Path, latencies: list[int], times: int) -> Iterator[Row]:
    """Yield rows: with the budget at 250 ms, without it at each latency and 8 and 32 workers."""
    source, destination = home / "source", home / "destination"
    for directories in sorted({FEW, MANY, 8 * ROUNDS, 32 * ROUNDS}):
        grow("flat", source / str(directories), directories, 2)
    destination.mkdir()
    budget = ("--latency", "250", "--calls-per-second", str(BUDGET))
    with Site(home / "budget", source, destination, *budget) as site:
        site.configure(SRC_DIR=f"{source}/{MANY}", LIST_CALLS_PER_SECOND=BUDGET)
        yield from _looks(site, BUDGETED, MANY, 250, times)
        yield from _globus(site, MANY, 250)
    for latency in latencies:
        with Site(home / str(latency), source, destination, "--latency", str(latency)) as site:
            for workers in (8, 32):
                number = ROUNDS * workers
                site.configure(
                    SRC_DIR=f"{source}/{number}",
                    LIST_CALLS_PER_SECOND=0,
                    LIST_CONCURRENCY=workers,
                )
                yield from _looks(site, f"{workers} at once", number, latency, times)
            site.configure(SRC_DIR=f"{source}/{FEW}")
            yield from _globus(site, FEW, latency)


def _looks(site: Site, what: str, directories: int, latency: int, times: int) -> Iterator[Row]:
    costs, listings = Costs([]), []
    for _ in range(times):
        costs.runs.append(site.run("transfer", "-n"))
        listings.append(site.listings())
    yield _row(what, directories, costs, latency, listings)


def _row(
    what: str, directories: int, costs: Costs, latency: int, listings: list[tuple[float, float]]
) -> Row:
    rates, answers = zip(*listings, strict=True)
    return Row("latency", what, directories, costs, latency, rates, answers)


def _globus(site: Site, directories: int, latency: int) -> Iterator[Row]:
    """Yield a row of the `globus` client, where that is installed."""
    environment = {
        **site.environment,
        "GLOBUS_CLI_CLIENT_ID": site.settings["CLIENT_ID"],
        "GLOBUS_CLI_CLIENT_SECRET": site.environment["GLOBUS_CLIENT_SECRET"],
    }
    place = f"{site.settings['SRC_ID']}:{site.settings['SRC_DIR']}"
    command = [str(Path(PYTHON).with_name("globus")), "ls", "--recursive", place]
    for what, once in peer(GLOBUS, command, environment).items():
        site.answers.clear()
        costs = Costs([once()])
        yield _row(what, directories, costs, latency, [site.listings()])
