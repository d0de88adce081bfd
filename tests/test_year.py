"""A year unattended: who is told what, and how often, while files appear and things go wrong.

Both programs run hourly around troubles and daily elsewhere. Of each trouble there is one message
when it starts, one a day while it lasts, one when it ends, and no other; and every file arrives.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from globus_auto.sandbox.engine import Plan, Task
from globus_auto.sandbox.faults import ROUTE_NAMES
from globus_auto.sandbox.world import Pace
from tests.conftest import Lab, Mailbox, files, log_in, requires_consent

HOUR, DAY = 3600, 86_400
ENDLESS = 10**9  # seconds


class Year:
    """Two programs at work for a year in a laboratory, and all the mail that they sent.

    `pace` is that of the transfers that are submitted from now on; `halted` says that all that
    are under way are suspended.
    """

    def __init__(self, lab: Lab, mailbox: Mailbox) -> None:
        self.lab, self.mailbox = lab, mailbox
        self.began = time.time()
        self.pace = Pace.by_time(HOUR / 2)
        self.halted = False
        self.written: dict[str, bytes | str] = {}
        self.read = 0

    @property
    def day(self) -> int:
        """The number of days that have passed."""
        return int(time.time() - self.began) // DAY

    @property
    def under_way(self) -> list[Task]:
        """The tasks that have not ended."""
        return [task for task in self.lab.world.tasks.values() if task.is_open]

    def run(self) -> None:
        """Let both programs run, and Globus do its work, within an hour."""
        self.lab.world.pace = self.pace
        self.lab.transfer()
        for task in self.recursive_in_progress if self.halted else ():
            task.status = "INACTIVE"
        self.lab.later(HOUR / 4)
        self.lab.world.pace = Pace.at_once()
        self.lab.delete()
        self.lab.later(HOUR / 2)
        self.lab.world.engine.advance()

    def pass_by(self, times: int, step: float) -> list[str]:
        """Let a file appear and both programs run, `times`, every `step` seconds.

        Return what the subject of each message that was sent meanwhile counts.
        """
        for _ in range(times):
            now = time.time()
            name = f"day{self.day % 7}/file{len(self.written)}"
            self.written[name] = f"the content of {name}".encode()
            self.lab.write(name, self.written[name])
            self.run()
            self.lab.clock.move_to(now + step)
        return self.told()

    def told(self) -> list[str]:
        """Return what the subjects of messages count that have come since this was asked last."""
        new = [self.mailbox.read(number) for number in range(self.read, len(self.mailbox.messages))]
        self.read += len(new)
        counts = [re.search(r": (.*) \(/src -> /dst\)$", message["Subject"]) for message in new]
        return [found[1] for found in counts if found]


Trouble = Callable[[Year], AbstractContextManager[None]]


@contextlib.contextmanager
def away(year: Year, which: str) -> Iterator[None]:
    """Let an endpoint be out of reach."""
    endpoint = getattr(year.lab, which)
    endpoint.connected = False
    yield
    endpoint.connected = True


@contextlib.contextmanager
def silent(year: Year) -> Iterator[None]:
    """Let nothing of Globus be reached."""
    for route in ROUTE_NAMES.split():
        year.lab.world.faults.add(route, times=None, drop="before")
    yield
    year.lab.world.faults.clear()


@contextlib.contextmanager
def revoked(year: Year) -> Iterator[None]:
    """Let the login be revoked, until a person logs in again."""
    year.lab.world.identity.revoke_refresh_tokens()
    year.lab.world.identity.expire_access_tokens()
    yield
    log_in(year.lab)


@contextlib.contextmanager
def withdrawn(year: Year) -> Iterator[None]:
    """Let a consent be withdrawn, until a person gives it again."""
    year.lab.world.identity.withdraw_consents()
    yield
    log_in(year.lab)


@contextlib.contextmanager
def planned(year: Year, plan: Plan) -> Iterator[None]:
    """Let every transfer stall or fail."""
    year.lab.world.plans += [plan] * 1000
    yield
    year.lab.world.plans.clear()
    for task in year.recursive_in_progress:
        task.plan, task.pace = None, Pace.at_once()


@contextlib.contextmanager
def suspended(year: Year) -> Iterator[None]:
    """Let every transfer be suspended, until a person acts."""
    year.halted = True
    yield
    year.halted = False
    for task in year.recursive_in_progress:
        task.status, task.pace = "ACTIVE", Pace.at_once()


@contextlib.contextmanager
def hanging(year: Year) -> Iterator[None]:
    """Let transfers never come to their turn, so that they end by their deadline."""
    year.pace = Pace.by_time(ENDLESS)
    yield
    year.pace = Pace.by_time(HOUR / 2)
    for task in year.recursive_in_progress:
        task.pace = Pace.at_once()


def source(year: Year) -> AbstractContextManager[None]:
    return away(year, "src")


def destination(year: Year) -> AbstractContextManager[None]:
    return away(year, "dst")


def stalled(year: Year) -> AbstractContextManager[None]:
    return planned(year, Plan("QUOTA_EXCEEDED", kind="TRANSFER"))


def failing(year: Year) -> AbstractContextManager[None]:
    return planned(year, Plan("NO_SPACE_LEFT", kind="TRANSFER", fatal=True))


# What goes wrong, for how many hours, how many are from run to run, and how many pass before it can
# be known.
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
]


@pytest.fixture
def year(lab: Lab, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> Year:
    """Give a pair of directories at work, which a person has logged in and consented for."""
    monkeypatch.delenv("GLOBUS_CLIENT_SECRET")
    requires_consent(lab)
    lab.configure(CLIENT_ID=lab.world.identity.add_native_app())
    log_in(lab)
    return Year(lab, mailbox)


@pytest.mark.slow
def test_in_a_year_each_trouble_is_told_once_daily_and_when_it_ends_and_every_file_arrives(
    year: Year,
) -> None:
    for trouble, hours, step, unknown in TROUBLES:
        assert year.pass_by(14, DAY) == []
        assert year.pass_by(2, HOUR) == []
        with trouble(year):
            told = year.pass_by(hours // step, step * HOUR)
        lasted = ["1 lasting"] * ((hours - step - unknown) // 24)
        assert told == ["1 new", *lasted], (trouble, hours, year.mailbox.texts()[-len(told) :])
        ended = year.pass_by(4, HOUR)
        assert ended == ["1 resolved"], (trouble, hours, year.mailbox.texts()[-len(ended) :])
    assert year.pass_by(365 - year.day, DAY) == []
    year.run()
    assert year.told() == [], year.mailbox.texts()[-2:]
    assert files(year.lab.destination) == year.written
    assert files(year.lab.source) == {}
