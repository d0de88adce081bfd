"""A year unattended: which messages are sent while files appear and things go wrong.

Both programs run hourly around each problem and daily otherwise. A problem is one message when it
starts, one a day while it lasts, and one when it ends. Every file is delivered.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from globus_auto.sandbox.engine import PlannedFailure, Task
from globus_auto.sandbox.faults import ROUTE_NAMES
from globus_auto.sandbox.world import CompletionPolicy
from globus_auto.text import sized
from tests.lab import Lab, files, log_in, requires_consent
from tests.mail import Mailbox, counts

HOUR, DAY, WEEK = 3600, 86_400, 604_800
ENDLESS = 10**9  # seconds
SILENT_HOURS = 36


class Year:
    """A laboratory in which both programs run for a year, and all the mail that they sent.

    `pace` is that of the transfers submitted from now on. If `halted`, all tasks in progress are
    suspended. If `pausing`, the instrument writes nothing.
    """

    def __init__(self, lab: Lab, mailbox: Mailbox, capsys: pytest.CaptureFixture[str]) -> None:
        self.lab, self.mailbox, self.capsys = lab, mailbox, capsys
        self.began = time.time()
        self.completion = CompletionPolicy.after_seconds(HOUR / 2)
        self.halted = self.pausing = False
        self.written: dict[str, bytes | str] = {}
        self.read = 0
        self.reported, self.reports = self.began, 0
        self.delivered: set[str] = set()
        self.deleted: set[str] = set()

    @property
    def day(self) -> int:
        """The number of days that have passed."""
        return int(time.time() - self.began) // DAY

    @property
    def in_progress(self) -> list[Task]:
        """The tasks that have not ended."""
        return [task for task in self.lab.world.tasks.values() if task.in_progress]

    def run(self) -> None:
        """Run both programs, and let Globus do its work, within an hour."""
        self.lab.world.completion = self.completion
        self.lab.transfer()
        for task in self.in_progress if self.halted else ():
            task.status = "INACTIVE"
        self.lab.advance(HOUR / 4)
        self.lab.world.completion = CompletionPolicy.at_once()
        self.lab.delete()
        self.lab.advance(HOUR / 2)
        self.lab.world.engine.advance()

    def pass_by(self, times: int, step: float) -> list[str]:
        """Let a file be written and run both programs, `times` times, every `step` seconds.

        Return how many alerts each message has that was sent meanwhile.
        """
        for _ in range(times):
            now = time.time()
            if not self.pausing:
                name = f"day{self.day % 7}/file{len(self.written)}"
                self.written[name] = f"the content of {name}".encode()
                self.lab.write(name, self.written[name])
            self.run()
            if time.time() - self.reported >= WEEK:
                self.report()
            self.lab.clock.move_to(now + step)
        return self.new_counts()

    def report(self) -> None:
        """Check the report since the last one against what is really at both places."""
        now = time.time()
        copies, originals = files(self.lab.destination), files(self.lab.source)
        deleted = self.written.keys() - originals.keys()
        delivered = {
            name
            for name in copies
            if name in deleted or not self.lab.task_of(f"/src/{name}").in_progress
        }
        days = (now - self.reported) / DAY
        self.capsys.readouterr()
        assert self.lab.transfer("--report", f"{days!r}") == 0
        cells = [
            f"{len(names):>9}{sized(sum(len(self.written[name]) for name in names)):>11}"
            for names in (delivered - self.delivered, deleted - self.deleted)
        ]
        page = self.capsys.readouterr().out
        assert f"{'in all':36}{''.join(cells)}" in page.splitlines(), page
        self.delivered, self.deleted = delivered, set(deleted)
        self.reported, self.reports = now, self.reports + 1

    def new_counts(self) -> list[str]:
        """Return how many alerts the messages have that have come since this was asked last."""
        new = self.mailbox.texts()[self.read :]
        self.read += len(new)
        return [counts(text) for text in new]


Trouble = Callable[[Year], AbstractContextManager[None]]


@contextlib.contextmanager
def offline(year: Year, which: str) -> Iterator[None]:
    """Let an endpoint be offline."""
    endpoint = getattr(year.lab, which)
    endpoint.connected = False
    yield
    endpoint.connected = True


@contextlib.contextmanager
def silent(year: Year) -> Iterator[None]:
    """Let all of Globus be unreachable."""
    for route in ROUTE_NAMES.split():
        year.lab.world.faults.add(route, times=None, drop="before")
    yield
    year.lab.world.faults.clear()


@contextlib.contextmanager
def revoked(year: Year) -> Iterator[None]:
    """Revoke the login; a person logs in again at the end."""
    year.lab.world.identity.revoke_refresh_tokens()
    year.lab.world.identity.expire_access_tokens()
    yield
    log_in(year.lab)


@contextlib.contextmanager
def withdrawn(year: Year) -> Iterator[None]:
    """Withdraw the consents; a person gives them again at the end."""
    year.lab.world.identity.revoke_consents()
    yield
    log_in(year.lab)


@contextlib.contextmanager
def planned(year: Year, plan: PlannedFailure) -> Iterator[None]:
    """Let every transfer stall or fail."""
    year.lab.world.planned_failures += [plan] * 1000
    yield
    year.lab.world.planned_failures.clear()
    for task in year.in_progress:
        task.planned_failure, task.completion = None, CompletionPolicy.at_once()


@contextlib.contextmanager
def suspended(year: Year) -> Iterator[None]:
    """Let every transfer be suspended until a person acts."""
    year.halted = True
    yield
    year.halted = False
    for task in year.in_progress:
        task.status, task.completion = "ACTIVE", CompletionPolicy.at_once()


@contextlib.contextmanager
def hanging(year: Year) -> Iterator[None]:
    """Let transfers never start, so that they end at their deadline."""
    year.completion = CompletionPolicy.after_seconds(ENDLESS)
    yield
    year.completion = CompletionPolicy.after_seconds(HOUR / 2)
    for task in year.in_progress:
        task.completion = CompletionPolicy.at_once()


@contextlib.contextmanager
def silent_weekend(year: Year) -> Iterator[None]:
    """Let the instrument write nothing."""
    year.pausing = True
    yield
    year.pausing = False


@contextlib.contextmanager
def interrupted_run(year: Year) -> Iterator[None]:
    """Let a run of the instrument lack its marker; a person makes it at the end."""
    run = f"run{year.day}"
    for name in ("data", "DONE"):
        path = f"{run}/{name}"
        year.written[path] = path.encode()
        year.lab.write(path, path)
        if name == "data":
            yield


def source(year: Year) -> AbstractContextManager[None]:
    return offline(year, "src")


def destination(year: Year) -> AbstractContextManager[None]:
    return offline(year, "dst")


def stalled(year: Year) -> AbstractContextManager[None]:
    return planned(year, PlannedFailure("QUOTA_EXCEEDED", kind="TRANSFER"))


def failing(year: Year) -> AbstractContextManager[None]:
    return planned(year, PlannedFailure("NO_SPACE_LEFT", kind="TRANSFER", fatal=True))


# What goes wrong, for how many hours, with how many hours between runs, and after how many hours it
# can be known.
TROUBLES: list[tuple[Trouble, int, int, int]] = [
    (source, 1, 1, 0),
    (source, 24, 1, 0),
    (source, 168, 1, 0),
    (destination, 1, 1, 0),
    (destination, 24, 1, 0),
    (destination, 168, 6, 0),
    (silent, 1, 1, 0),
    (silent, 24, 1, 0),
    (silent, 168, 6, 0),
    (revoked, 60, 4, 0),
    (withdrawn, 60, 4, 0),
    (suspended, 60, 4, 0),
    (stalled, 80, 1, 1),
    (failing, 30, 1, 1),
    (hanging, 60, 1, 24),
    (silent_weekend, 62, 1, SILENT_HOURS),
    (interrupted_run, 60, 1, 24),
]


@pytest.fixture
def year(
    lab: Lab,
    mailbox: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Year:
    """Return a year in a laboratory in which a person has logged in and given consents."""
    monkeypatch.delenv("GLOBUS_CLIENT_SECRET")
    requires_consent(lab)
    client_id = lab.world.identity.add_native_app()
    lab.configure(CLIENT_ID=client_id, SILENT_HOURS=SILENT_HOURS, READY_MARKERS=["run*/DONE"])
    log_in(lab)
    return Year(lab, mailbox, capsys)


@pytest.mark.slow
def test_a_year_unattended(
    year: Year,
) -> None:
    """Each problem is one message at the start, one a day, one at the end; every file arrives.

    What a person has marked stays at the source all year, without a message.
    """
    marker = year.lab.source / "day3" / "DO_NOT_DELETE"
    marker.mkdir(parents=True)
    for trouble, hours, step, unknown in TROUBLES:
        assert year.pass_by(14, DAY) == []
        assert year.pass_by(2, HOUR) == []
        with trouble(year):
            counts = year.pass_by(hours // step, step * HOUR)
        lasted = ["1 still open"] * ((hours - step - unknown) // 24)
        assert counts == ["1 new", *lasted], (trouble, hours, year.mailbox.texts()[-len(counts) :])
        ended = year.pass_by(4, HOUR)
        assert ended == ["1 resolved"], (trouble, hours, year.mailbox.texts()[-len(ended) :])
    assert year.pass_by(365 - year.day, DAY) == []
    year.run()
    assert year.new_counts() == [], year.mailbox.texts()[-2:]
    assert files(year.lab.destination) == year.written
    marked = {name for name in year.written if name.startswith("day3/")}
    assert files(year.lab.source).keys() == marked
    assert len(marked) > 40
    marker.rmdir()
    year.run()
    year.report()
    assert year.reports >= 40
    assert year.delivered == year.written.keys()
    assert files(year.lab.source) == {}


@pytest.mark.slow
def test_a_year_on_a_disk_that_fills(year: Year, monkeypatch: pytest.MonkeyPatch) -> None:
    """FREE_PERCENT: the newest files stay; a backlog that fills the disk is one message each time.

    Transfers hang for most of a day, four times. Without any other trouble there is no message.
    """
    lab, size = year.lab, 600

    def used() -> int:
        return sum(len(content) for content in files(lab.source).values())

    def statvfs(_path: str) -> os.statvfs_result:
        free = size - used()
        return os.statvfs_result((1, 1, size, free, free, 0, 0, 0, 0, 255))

    monkeypatch.setattr(os, "statvfs", statvfs)
    lab.configure(SRC_LOCAL_DIR=str(lab.source), FREE_PERCENT=50)
    for _ in range(4):
        assert year.pass_by(80, DAY) == []
        assert size / 2 - 60 < used() <= size / 2
        assert files(lab.source).keys() == {*list(year.written)[-len(files(lab.source)) :]}
        with hanging(year):
            assert year.pass_by(18, HOUR) == ["1 new"]
        assert "files (" in lab.alerts()["room"], "what is not delivered"
        assert year.pass_by(4, HOUR) == ["1 resolved"]
    assert year.pass_by(365 - year.day, DAY) == []
    year.run()
    assert files(lab.destination) == year.written
    assert used() <= size / 2
