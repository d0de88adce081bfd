"""A copy is verified by its size, and by an mtime that its task explains."""

from __future__ import annotations

import time

import pytest

from tests.lab import Lab, files, put
from tests.mail import Mailbox

HOUR = 3600
OLDER = "its copy is older than the transfer"


def test_a_copy_that_was_altered_with_equal_size_is_sent_again(lab: Lab) -> None:
    lab.given_transferred("a", "b")
    lab.advance(60)
    put(lab.destination / "a", "DATA", time.time())
    lab.advance(60)
    assert lab.delete() == 1
    assert "its copy was changed after the transfer" in lab.alerts()["not at the destination"]
    assert files(lab.source).keys() == {"a"}
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert files(lab.source) == {}
    assert files(lab.destination) == {"a": b"data", "b": b"data"}


def test_an_older_copy_from_a_backup_is_sent_again(lab: Lab) -> None:
    """Somebody restored the destination from a backup of before the last change."""
    lab.given_transferred("a", "b")
    put(lab.destination / "a", "DATA", time.time() - 9999)
    assert lab.delete() == 1
    assert OLDER in lab.alerts()["not at the destination"]
    assert files(lab.source).keys() == {"a"}
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert (files(lab.source), files(lab.destination)["a"]) == ({}, b"data")


def test_a_copy_written_during_its_task_is_verified(lab: Lab) -> None:
    """A destination that keeps no modification times shows when the copy was written."""
    lab.dst.keeps_mtimes = False
    lab.given_transferred("first")
    lab.write_and_transfer("a")
    assert lab.delete() == 0
    assert files(lab.source) == {}
    lab.write_and_transfer("b")
    assert lab.transfer() == 0
    lab.advance(60)
    put(lab.destination / "b", "another content!", time.time())
    lab.advance(60)
    assert lab.delete() == 1
    assert files(lab.source).keys() == {"b"}
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert files(lab.source) == {}


def test_a_file_that_globus_found_equal_is_deleted(lab: Lab) -> None:
    """The modification time of its copy may be any older one."""
    lab.given_transferred("first")
    lab.write("a", "the same")
    put(lab.destination / "a", "the same", 1)
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert files(lab.source) == {}


def sends(lab: Lab, path: str) -> int:
    """Return how often a file was submitted as an item."""
    return sum(
        item["source_path"] == path for document in lab.submitted() for item in document["DATA"]
    )


def run_for_two_days(lab: Lab, pauses: list[float]) -> None:
    """Run both programs with these pauses, in hours."""
    assert sum(pauses) == 48
    for pause in pauses:
        assert lab.transfer() in (0, 1)
        assert lab.delete() in (0, 1)
        lab.advance(pause * HOUR)


@pytest.mark.parametrize(("ahead", "gone"), [(1, True), (72, False)])
def test_a_destination_clock_that_is_ahead_is_named(
    lab: Lab, mailbox: Mailbox, ahead: int, gone: bool
) -> None:
    """Where times are not kept, copies look changed; a file is sent again once at most."""
    lab.dst.keeps_mtimes = False
    lab.dst.clock = ahead * HOUR
    lab.given_transferred("first")
    lab.write("a")
    run_for_two_days(lab, [0.5, 0.5, 0.5, 0.5, 6, 16, 1, 23])
    assert sends(lab, "/src/a") == (2 if gone else 1), "not before that time"
    messages = [text for text in mailbox.texts() if "the clock of the destination" in text]
    assert 1 <= len(messages) <= 4
    # Once that time has come, Globus finds the copy equal, and that verifies it.
    assert (files(lab.source) == {}) is gone
    assert ("doubtful" not in lab.alerts()) is gone


def test_a_file_whose_copy_vanishes_each_time_is_sent_once_a_day(lab: Lab) -> None:
    lab.given_transferred("a", "b")
    lab.configure(KEEP_DAYS=0.01)
    for _ in range(6):
        (lab.destination / "a").unlink(missing_ok=True)
        lab.delete()
        lab.transfer()
        lab.advance(3 * HOUR)
    assert sends(lab, "/src/a") == 1
    assert "a (its copy is missing at the destination)" in lab.alerts()["doubtful"]
    lab.advance(24 * HOUR)
    assert lab.delete() == 1
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    lab.advance(HOUR)
    assert lab.delete() == 0
    assert (files(lab.source), lab.alerts()) == ({}, {})


def test_doubtful_copies_of_a_file_that_is_gone_are_no_alert(lab: Lab) -> None:
    lab.given_transferred("a", "b")
    lab.configure(KEEP_DAYS=0.01)
    for _ in range(3):
        (lab.destination / "a").unlink(missing_ok=True)
        lab.delete()
        lab.transfer()
        lab.advance(3 * HOUR)
    assert "doubtful" in lab.alerts()
    (lab.source / "a").unlink()
    lab.write("c")
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert "doubtful" not in lab.alerts()


@pytest.mark.parametrize("which", ["src", "dst"])
def test_files_that_globus_did_not_verify_stay_with_one_alert(
    lab: Lab, mailbox: Mailbox, which: str
) -> None:
    getattr(lab, which).disable_verify = True
    lab.write("a")
    lab.write("b")
    assert [lab.transfer(), lab.transfer(), lab.delete(), lab.transfer()] == [0, 1, 1, 0]
    assert files(lab.source) == files(lab.destination)
    assert len(lab.submitted()) == 1, "it is not sent again"
    (message,) = mailbox.texts()
    assert "Globus did not verify checksums after it copied files of /src" in message
    getattr(lab, which).disable_verify = False
    lab.write_and_transfer("c")
    assert lab.delete() == 1, "a and b are still not verified"
    assert files(lab.source).keys() == {"a", "b"}
    (lab.state / "datastore").unlink()
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert (files(lab.source), lab.alerts()) == ({}, {})
    assert "RESOLVED" in mailbox.texts()[-1]


def test_files_stay_where_globus_refuses_to_verify(lab: Lab) -> None:
    """The policy of the collection disables checksums: Globus refuses the task, with an alert."""
    lab.world.rejects_verify = True
    lab.dst.disable_verify = True
    lab.write("a")
    assert lab.transfer() == 1
    assert "disable_verify" in lab.alerts()["refused"]
    assert lab.records() == set()
    assert files(lab.source).keys() == {"a"}
    lab.dst.disable_verify = False
    lab.advance(25 * HOUR)
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert (files(lab.source), lab.alerts()) == ({}, {})


def test_an_unencrypted_transfer_is_delivered_with_an_alert(lab: Lab) -> None:
    lab.dst.refuses_encryption = True
    lab.write("a")
    assert [lab.transfer(), lab.delete()] == [0, 1]
    assert "Globus did not encrypt a transfer of /src" in lab.alerts()["unencrypted"]
    assert files(lab.source) == {}
    lab.dst.refuses_encryption = False
    lab.write("b")
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert lab.alerts() == {}
