"""--report: one plain page about the last days, offline; cron mails it."""

from __future__ import annotations

import calendar
import functools
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from globus_auto import history
from globus_auto.alerts import AlertState, read_state
from globus_auto.context import RunContext
from globus_auto.files import below
from globus_auto.history import Fact
from globus_auto.text import counted, moment, printable, sized

DAY = 86_400  # seconds
ROWS = 25  # directories with a row of their own
NAME = 36  # characters of the name of a directory


@dataclass
class Total:
    """Files and bytes that were delivered and deleted."""

    files: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)

    def add(self, event: str, files: int, size: int) -> None:
        """Add `files` of `size` bytes in all."""
        self.files[event] += files
        self.bytes[event] += size


class Slowest(NamedTuple):
    """The delivery with the most `seconds` between the mtime of a file and the end of its task."""

    seconds: int
    fact: Fact


def report(context: RunContext) -> int:
    """Print what was delivered and deleted in the last days, and how things stand."""
    settings, days = context.settings, context.options.report
    health = read_state(context.health_path)
    start = context.started - days * DAY
    print(printable(f"globus_auto report: {settings.src_dir} -> {settings.dst_dir}"))
    print(f"From {moment(start)} to {moment(context.started)} ({days:g} days)")
    print()
    totals: dict[str, Total] = {}
    slowest = None
    for fact in history.unique(_facts(context, start)):
        total = totals.setdefault(_top(fact.path, settings.src_dir), Total())
        total.add(fact.event, 1, fact.size or 0)
        took = _seconds(fact.at) - (fact.mtime or 0)
        if fact.event == "delivered" and (slowest is None or took > slowest.seconds):
            slowest = Slowest(took, fact)
    for line in (*_table(totals), "", *_situation(health, slowest)):
        print(line)
    return 0


def _facts(context: RunContext, start: float) -> Iterator[Fact]:
    """Yield the deliveries and deletions since `start` (seconds UTC)."""
    since, until = history.moment(start), history.moment(context.started)
    for line in history.lines(context.settings.history_path, since=since[:7]):
        fact = history.parsed(line)
        if fact and fact.event in ("delivered", "deleted") and since < fact.at <= until:
            yield fact


def _top(path: str, root: str) -> str:
    """Return the first-level directory of a file, "." for a file in SRC_DIR itself."""
    if not below(path, root):
        return "(another SRC_DIR)"
    directory, slash, _ = path[len(root) :].lstrip("/").partition("/")
    return directory if slash else "."


@functools.lru_cache(maxsize=1000)
def _seconds(at: str) -> int:
    """Return a time of the history in seconds since 1970 UTC."""
    return calendar.timegm(time.strptime(at, "%Y-%m-%dT%H:%M:%SZ"))


def _table(totals: dict[str, Total]) -> Iterator[str]:
    """Yield the lines of the table, the largest delivery first."""
    yield f"{'':{NAME}}{'delivered':>20}{'deleted':>20}"
    yield f"{'directory':{NAME}}" + 2 * f"{'files':>9}{'size':>11}"
    names = sorted(totals, key=lambda name: (-totals[name].bytes["delivered"], name))
    rest, everything = Total(), Total()
    for number, name in enumerate(names):
        for event in ("delivered", "deleted"):
            files, size = totals[name].files[event], totals[name].bytes[event]
            everything.add(event, files, size)
            if number >= ROWS:
                rest.add(event, files, size)
        if number < ROWS:
            yield _row(name, totals[name])
    if len(names) > ROWS:
        yield _row(counted(len(names) - ROWS, "other directory", "other directories"), rest)
    yield _row("in all", everything)


def _row(name: str, total: Total) -> str:
    name = printable(name)
    if len(name) > NAME - 1:
        name = f"{name[: NAME - 4]}..."
    cells = "".join(
        f"{total.files[event]:>9}{sized(total.bytes[event]):>11}"
        for event in ("delivered", "deleted")
    )
    return f"{name:{NAME}}{cells}"


def _situation(health: AlertState, slowest: Slowest | None) -> Iterator[str]:
    """Yield lines about how things stand now."""
    if slowest:
        took, fact = slowest
        yield printable(
            f"Slowest delivery: {took / 3600:.1f} h after its modification: {fact.path}"
        )
    scan = health.scan
    if scan:
        yield (
            f"Last complete scan, {moment(scan.at)}: {counted(scan.files, 'file')},"
            f" {sized(scan.bytes)}; not delivered: {counted(scan.undelivered, 'file')},"
            f" {sized(scan.undelivered_bytes)}"
        )
    if scan and scan.oldest is not None:
        yield printable(f"Oldest of these: {scan.oldest_path}, modified {moment(scan.oldest)}")
    if health.kept:
        yield f"Kept by the last run of delete.py, {moment(health.kept.at)}:"
        for reason, number in health.kept.files.items():
            yield f"  {counted(number, 'file')}: {reason}"
        if not health.kept.files:
            yield "  no file"
    open_alerts = [each for each in health.alerts if not each.resolved]
    yield "Open alerts:" if open_alerts else "Open alerts: none"
    for alert in open_alerts:
        yield printable(f"  since {moment(alert.since)}: {alert.text}")
    for program in ("transfer", "delete"):
        since = health.last_good.get(program)
        yield f"Last good run of {program}.py: {moment(since) if since else 'never'}"
