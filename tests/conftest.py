"""The fixtures of all tests: the clock, the laboratory and its mail server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine

from globus_auto.sandbox.server import Sandbox
from globus_auto.sandbox.world import World
from tests.lab import START, Lab, log_in
from tests.mail import Mailbox, MailServer


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Set the clock and let it run; time.sleep() advances it at once."""
    with time_machine.travel(START, tick=True) as traveller:
        monkeypatch.setattr(time, "sleep", traveller.shift)
        yield traveller


@pytest.fixture
def lab(tmp_path: Path, clock: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """Yield a laboratory with a service account."""
    world = World()
    with Sandbox(world) as sandbox:
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        laboratory = Lab(tmp_path, world, sandbox, clock)
        monkeypatch.setenv("GLOBUS_CLIENT_SECRET", laboratory.secret)
        yield laboratory


@pytest.fixture
def person(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Return a laboratory in which a person has to log in, with a new file."""
    monkeypatch.delenv("GLOBUS_CLIENT_SECRET")
    lab.configure(CLIENT_ID=lab.world.identity.add_native_app())
    lab.write("a")
    return lab


@pytest.fixture
def logged_in(person: Lab) -> Lab:
    """Return a laboratory in which a person has logged in."""
    log_in(person)
    return person


@pytest.fixture
def mailbox(lab: Lab) -> Iterator[Mailbox]:
    """Start a mail server and send the alerts of the laboratory there."""
    box = Mailbox()
    server = MailServer(box, hostname="127.0.0.1", port=0)
    server.start()
    lab.configure(
        EMAIL_HOST=f"127.0.0.1:{server.port}",
        EMAIL_SENDER="beamline@example.org",
        EMAIL_RECIPIENTS=["staff@example.org"],
    )
    yield box
    server.stop()
