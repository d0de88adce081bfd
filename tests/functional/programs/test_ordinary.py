"""Ordinary use: a destination that does not exist yet, and a read-only source."""

from __future__ import annotations

from tests.lab import Lab, files
from tests.mail import Mailbox


def test_the_first_transfer_makes_the_destination_directory(lab: Lab, mailbox: Mailbox) -> None:
    lab.configure(DST_DIR="/dst/archive/2026/em1")
    lab.write("a")
    lab.write("d/b")
    assert [lab.delete(), lab.transfer(), lab.delete(), lab.transfer()] == [0, 0, 0, 0]
    assert files(lab.source) == {}
    assert files(lab.destination / "archive/2026/em1").keys() == {"a", "d/b"}
    assert mailbox.messages == []


def test_everything_is_sent_from_a_read_only_source(lab: Lab, mailbox: Mailbox) -> None:
    """Nothing can be deleted there: that is one alert, and delays no transfer."""
    lab.configure(DELETE_EMPTY_DIRS=False, FILES_PER_TASK=2)
    for run in range(3):
        for name in "abc":
            lab.write(f"{run}/{name}")
        assert lab.transfer() == 0
        for _ in range(12):
            lab.world.fail_next("PERMISSION_DENIED", details="read-only", kind="DELETE")
        assert lab.delete() == 1
        lab.world.planned_failures.clear()
        assert len(lab.submitted("delete")) <= 10 * (run + 1)
        lab.advance(3600)
    assert lab.transfer() == 0
    assert len(files(lab.source)) == len(files(lab.destination)) == 9
    (message,) = mailbox.texts()
    assert "Globus did not delete" in message
    assert "PERMISSION_DENIED" in message
    assert "Let the account that Globus uses there write" in " ".join(message.split())
    assert lab.delete() == 0
    assert (files(lab.source), lab.alerts()) == ({}, {})
    assert "RESOLVED" in mailbox.texts()[1]
