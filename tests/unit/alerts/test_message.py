"""The subject and the text of a message about alerts."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from globus_auto.alerts import message as message_module
from globus_auto.alerts.model import Digest, OpenAlert
from tests.unit.alerts.samples import open_alert

HOUR = 3600


@given(st.text(), st.text(), st.text())
@settings(max_examples=30, deadline=None, database=None, derandomize=True)
def test_no_name_can_add_a_header_or_a_line(about: str, text: str, pair: str) -> None:
    what = Digest([open_alert(about, text=text)], [], [])
    title = message_module.subject(what, "globus_auto", "host", pair)
    assert title.isprintable()
    said = message_module.body(what, 0, "Sent by globus_auto.")
    assert len(said.splitlines()) == 5
    message = EmailMessage()
    message["Subject"] = title
    message.set_content(said)
    parsed = email.message_from_bytes(bytes(message), policy=email.policy.default)
    assert set(parsed.keys()) == set(message.keys())


LOGIN: dict[str, Any] = {"kind": "login", "title": "login expired", "code": 3}


@pytest.mark.parametrize(
    ("new", "still_open", "resolved", "said"),
    [
        ([open_alert(title="bad")], [], [], "PROBLEM: bad"),
        ([open_alert()], [], [], "PROBLEM: unlisted"),
        (
            [open_alert(title="bad"), open_alert(**LOGIN)],
            [],
            [],
            "ACTION NEEDED: login expired and 1 more",
        ),
        (
            [open_alert(title="bad")],
            [open_alert(**LOGIN)],
            [],
            "ACTION NEEDED: login expired and 1 more",
        ),
        ([], [open_alert(title="bad")], [open_alert("/e", resolved=True)], "STILL OPEN: bad"),
        ([open_alert(title="new")], [open_alert(title="old")], [], "PROBLEM: new and 1 more"),
        ([], [], [open_alert(**LOGIN, resolved=True)] * 3, "RESOLVED: login expired and 2 more"),
    ],
)
def test_the_subject_names_the_worst_first(
    new: list[OpenAlert], still_open: list[OpenAlert], resolved: list[OpenAlert], said: str
) -> None:
    title = message_module.subject(
        Digest(new, still_open, resolved), "our beamline", "em1", "a -> b"
    )
    assert title == f"[our beamline em1] {said} (a -> b)"


def test_the_body_says_what_is_new_still_open_and_works_again() -> None:
    gone = open_alert("/g", title="bad", recovery="/g works.", since=86_400, resolved=True)
    earlier = open_alert("/h", text="It is bad.", recovery=None, since=86_400, resolved=True)
    what = Digest([open_alert(), open_alert("/e")], [open_alert("/f")], [gone, earlier])
    assert message_module.body(what, 86_400 + 3 * HOUR, "Sent by globus_auto.") == (
        "NEW\n\n* unlisted: t (Open since 1970-01-01 00:00 UTC.)\n\n"
        "* unlisted: t (Open since 1970-01-01 00:00 UTC.)\n\n"
        "STILL OPEN\n\n* unlisted: t (Open since 1970-01-01 00:00 UTC.)\n\n"
        "RESOLVED\n\n* unlisted: /g works. (Was open for 3 hours: bad.)\n\n"
        "* unlisted: This is resolved: It is bad. (Was open for 3 hours: unlisted.)\n\n"
        "Sent by globus_auto.\n"
    )


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (20, "less than a minute"),
        (60, "1 minute"),
        (89 * 60, "89 minutes"),
        (90 * 60, "2 hours"),
        (47 * HOUR, "47 hours"),
        (60 * HOUR, "2 days"),
    ],
)
def test_a_duration_has_the_unit_that_a_person_would_choose(seconds: int, said: str) -> None:
    assert message_module.duration(seconds) == said


def test_a_flood_of_alerts_is_a_short_message() -> None:
    """It can be read on a phone."""
    gone = open_alert("/g", recovery="fine", resolved=True)
    what = Digest([open_alert(f"/{number}") for number in range(5000)], [], [gone])
    assert "unlisted and 4999 more (" in message_module.subject(
        what, "globus_auto", "em1", "a -> b"
    )
    said = message_module.body(what, 0, "Sent by globus_auto.")
    assert said.count("* unlisted: ") == 26
    assert "\n\nand 4975 more: transfer.py --status shows all open alerts.\n\nRESOLVED" in said
