"""What verifies a copy at the destination: its size, and a time that its task explains."""

from __future__ import annotations

import time
from typing import Any

import pytest

from globus_auto.choosing import doubt
from globus_auto.datastore import FileRecord, FileVersion, TaskRecord
from tests.conftest import Lab, Mailbox, files, put

HOUR = 3600
BEGIN, END = 1_795_428_000, 1_795_428_100  # of the task
MTIME = BEGIN - 5000


def task(**changes: Any) -> TaskRecord:
    """Return a task that delivered a file."""
    facts: dict[str, Any] = {
        "kind": "transfer",
        "submission_id": "s",
        "label": "l",
        "status": "SUCCEEDED",
        "submitted_at": BEGIN,
        "scanned_at": BEGIN - 1,
        "ended_at": END + 900,  # by this machine's clock, when it was polled
        "requested_at": BEGIN,
        "completed_at": END,
        "source_dir": "/src",
        "destination": "d",
        "destination_dir": "/dst",
    }
    return TaskRecord(**facts | changes)


EQUAL = {"equal": True}
OLDER = "its copy is older than the transfer"
LATER = "its copy was changed after the transfer"
UNKNOWN = "its copy has another time, and the end of its task is not known"


@pytest.mark.parametrize(
    ("found", "of", "reason", "newer_by"),
    [
        (None, {}, "its copy is missing at the destination", 0),
        ((9, MTIME), {}, "its copy has another size: 9 bytes instead of 10", 0),
        ((11, BEGIN + 1), {}, "its copy has another size: 11 bytes instead of 10", 0),
        ((0, MTIME), EQUAL, "its copy has another size: 0 bytes instead of 10", 0),
        # The time of the original.
        ((10, MTIME), {}, None, 0),
        ((10, MTIME), EQUAL, None, 0),
        ((10, MTIME), {"completed_at": None}, None, 0),
        ((10, MTIME), {"requested_at": None}, None, 0),
        # Written by the task, where times are not kept: two seconds of slack at both ends.
        ((10, BEGIN - 3), {}, f"{OLDER}: by 3 seconds", 0),
        ((10, BEGIN - 2), {}, None, 0),
        ((10, BEGIN), {}, None, 0),
        ((10, END), {}, None, 0),
        ((10, END + 2), {}, None, 0),
        ((10, END + 3), {}, f"{LATER}: 3 seconds later", 3),
        ((10, END + HOUR), {}, f"{LATER}: 3600 seconds later", HOUR),
        # An older file that the task had to copy, by its list, but did not: as put back since.
        ((10, MTIME - 1), {}, f"{OLDER}: by 5001 seconds", 0),
        ((10, MTIME + 1), {}, f"{OLDER}: by 4999 seconds", 0),
        ((10, 0), {}, f"{OLDER}: by {BEGIN} seconds", 0),
        # Found equal by the task: any time up to its end.
        ((10, MTIME - 1), EQUAL, None, 0),
        ((10, 0), EQUAL, None, 0),
        ((10, END + 2), EQUAL, None, 0),
        ((10, END + 3), EQUAL, f"{LATER}: 3 seconds later", 3),
        # By this machine's clock only where Globus's is not known.
        ((10, BEGIN - 4), {"requested_at": BEGIN - 4}, None, 0),
        ((10, BEGIN - 2), {"requested_at": None}, None, 0),
        ((10, BEGIN - 3), {"requested_at": None}, f"{OLDER}: by 3 seconds", 0),
        ((10, BEGIN), {"completed_at": None}, UNKNOWN, 0),
        ((10, MTIME - 1), {"completed_at": None, "equal": True}, UNKNOWN, 0),
    ],
)
def test_each_copy_is_verified_or_there_is_a_reason(
    found: tuple[int, int] | None, of: dict[str, Any], reason: str | None, newer_by: int
) -> None:
    answer = FileVersion(*found) if found else None
    doubted = doubt(FileRecord(10, MTIME, 1), task(**of), answer)
    expected = None if reason is None else (reason, newer_by)
    assert (doubted and (str(doubted.why), doubted.newer_by)) == expected


def test_a_copy_that_was_altered_with_equal_size_is_sent_again(lab: Lab) -> None:
    lab.sent("a", "b")
    lab.later(60)
    put(lab.destination / "a", "DATA", time.time())
    lab.later(60)
    assert lab.delete() == 1
    assert "its copy was changed after the transfer" in lab.alerts()["not at the destination"]
    assert files(lab.source).keys() == {"a"}
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert files(lab.source) == {}
    assert files(lab.destination) == {"a": b"data", "b": b"data"}


def test_an_older_copy_that_was_put_back_is_sent_again(lab: Lab) -> None:
    """Somebody restored the destination from a backup of before the last change."""
    lab.sent("a", "b")
    put(lab.destination / "a", "DATA", time.time() - 9999)
    assert lab.delete() == 1
    assert OLDER in lab.alerts()["not at the destination"]
    assert files(lab.source).keys() == {"a"}
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert (files(lab.source), files(lab.destination)["a"]) == ({}, b"data")


def test_a_destination_that_keeps_no_times_verifies_by_when_it_was_written(lab: Lab) -> None:
    lab.dst.keeps_mtimes = False
    lab.sent("first")
    lab.send("a")
    assert lab.delete() == 0
    assert files(lab.source) == {}
    lab.send("b")
    assert lab.transfer() == 0
    lab.later(60)
    put(lab.destination / "b", "another content!", time.time())
    lab.later(60)
    assert lab.delete() == 1
    assert files(lab.source).keys() == {"b"}
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert files(lab.source) == {}


def test_what_was_equal_before_goes_though_no_time_was_kept(lab: Lab) -> None:
    lab.sent("first")
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
        lab.later(pause * HOUR)


@pytest.mark.parametrize(("ahead", "gone"), [(1, True), (72, False)])
def test_a_clock_that_is_ahead_there_is_named_and_little_is_sent_again(
    lab: Lab, mailbox: Mailbox, ahead: int, gone: bool
) -> None:
    """Where times are not kept, its copies look as if they had been changed since."""
    lab.dst.keeps_mtimes = False
    lab.dst.clock = ahead * HOUR
    lab.sent("first")
    lab.write("a")
    run_for_two_days(lab, [0.5, 0.5, 0.5, 0.5, 6, 16, 1, 23])
    assert sends(lab, "/src/a") == (2 if gone else 1), "not before its time has come"
    told = [text for text in mailbox.texts() if "the clock of the destination" in text]
    assert 1 <= len(told) <= 4
    # Once its time has come, Globus finds the copy equal, and that is proof enough.
    assert (files(lab.source) == {}) is gone
    assert ("doubtful" not in lab.alerts()) is gone


def test_a_file_whose_copy_vanishes_each_time_is_sent_once_a_day(lab: Lab) -> None:
    lab.sent("a", "b")
    lab.configure(KEEP_DAYS=0.01)
    for _ in range(6):
        (lab.destination / "a").unlink(missing_ok=True)
        lab.delete()
        lab.transfer()
        lab.later(3 * HOUR)
    assert sends(lab, "/src/a") == 1
    assert "a (its copy is missing at the destination)" in lab.alerts()["doubtful"]
    lab.later(24 * HOUR)
    assert lab.delete() == 1
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    lab.later(HOUR)
    assert lab.delete() == 0
    assert (files(lab.source), lab.alerts()) == ({}, {})


@pytest.mark.parametrize("which", ["src", "dst"])
def test_what_globus_did_not_verify_stays_with_one_alert(
    lab: Lab, mailbox: Mailbox, which: str
) -> None:
    getattr(lab, which).disable_verify = True
    lab.write("a")
    lab.write("b")
    assert [lab.transfer(), lab.transfer(), lab.delete(), lab.transfer()] == [0, 1, 1, 0]
    assert files(lab.source) == files(lab.destination)
    assert len(lab.submitted()) == 1, "it is not sent again"
    (told,) = mailbox.texts()
    assert "Globus did not verify checksums of the files of /src" in told
    getattr(lab, which).disable_verify = False
    lab.send("c")
    assert lab.delete() == 1, "it holds of a and b as before"
    assert files(lab.source).keys() == {"a", "b"}
    (lab.state / "datastore").unlink()
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert (files(lab.source), lab.alerts()) == ({}, {})
    assert "RESOLVED" in mailbox.texts()[-1]


def test_where_asking_for_verification_is_refused_files_stay_with_an_alert(lab: Lab) -> None:
    lab.world.verify_refused = True
    lab.dst.disable_verify = True
    lab.write("a")
    assert lab.transfer() == 1
    assert "disable_verify" in lab.alerts()["refused"]
    assert lab.entries() == set()
    assert files(lab.source).keys() == {"a"}
    lab.dst.disable_verify = False
    lab.later(25 * HOUR)
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert (files(lab.source), lab.alerts()) == ({}, {})


def test_what_globus_did_not_encrypt_is_an_alert_and_has_arrived(lab: Lab) -> None:
    lab.dst.refuses_encryption = True
    lab.write("a")
    assert [lab.transfer(), lab.delete()] == [0, 1]
    assert "Globus did not encrypt a transfer of /src" in lab.alerts()["unencrypted"]
    assert files(lab.source) == {}
    lab.dst.refuses_encryption = False
    lab.write("b")
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert lab.alerts() == {}
