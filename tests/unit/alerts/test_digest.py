"""Digests: what is told once, repeated rarely, resolved once, by the findings of runs alone."""

from __future__ import annotations

import email
import email.policy
import json
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from globus_auto import text as text_module
from globus_auto.alerts import message as message_module
from globus_auto.alerts import state
from globus_auto.alerts.model import Alert, Alerts, Digest, OpenAlert

HOUR = 3600


def findings(*raised: Alert, well: tuple[str, ...] = ()) -> Alerts:
    """Return what a run has found: alerts, and kinds of which all is well."""
    found = Alerts()
    for alert in raised:
        found.fire(alert)
    for kind in well:
        found.resolve(kind)
    return found


def alert(about: str = "/d", **changes: Any) -> Alert:
    known = {"kind": "unlisted", "about": about, "title": "bad", "text": f"{about} is bad"}
    return Alert(**{**known, "recovery": f"{about} is good again", **changes})


def standing(about: str = "/d", **changes: Any) -> OpenAlert:
    known = {"kind": "unlisted", "about": about, "text": "t", "since": 0, **changes}
    return OpenAlert(**known)


class Reader:
    """Someone who is told what is due after each run; `told` is what, as counts."""

    def __init__(self) -> None:
        self.standing: list[OpenAlert] = []
        self.told: list[tuple[int, int, int]] = []

    def run(self, now: int, found: Alerts, *, delivered: bool = True) -> None:
        self.standing = state.update_open_alerts(self.standing, found, now)
        what = state.make_digest(self.standing, found, now, 24 * HOUR)
        if any(what) and delivered:
            self.told.append((len(what.new), len(what.still_open), len(what.resolved)))
            self.standing = state.mark_notified(self.standing, what, now)


def test_an_alert_is_sent_once_repeated_daily_and_resolved_once() -> None:
    reader = Reader()
    for hour in range(50):
        reader.run(hour * HOUR, findings(alert()))
    assert reader.told == [(1, 0, 0), (0, 1, 0), (0, 1, 0)]
    for hour in range(50, 99):
        reader.run(hour * HOUR, findings(well=("unlisted",)))
    assert reader.told[3:] == [(0, 0, 1)]
    assert reader.standing == []


def test_an_unsent_message_stays_due() -> None:
    """When it can be sent, it says what is true then."""
    reader = Reader()
    reader.run(0, findings(alert(), alert("/e")), delivered=False)
    reader.run(1, findings(alert("/e"), alert("/f")), delivered=False)
    reader.run(2, findings(well=("other",)))
    assert reader.told == [(3, 0, 0)]
    reader.run(3, findings(well=("unlisted",)), delivered=False)
    reader.run(4, findings(), delivered=False)
    reader.run(5, findings(alert("/f")))
    assert reader.told == [(3, 0, 0), (0, 0, 2)]


def test_an_alert_resolved_before_it_is_due_is_never_sent() -> None:
    reader = Reader()
    reader.run(0, findings(alert(for_seconds=HOUR)))
    reader.run(HOUR - 1, findings(well=("unlisted",)))
    reader.run(2 * HOUR, findings(alert(for_seconds=HOUR)))
    reader.run(3 * HOUR - 1, findings(alert(for_seconds=HOUR)))
    assert reader.told == []
    reader.run(3 * HOUR, findings(alert(for_seconds=HOUR)))
    assert reader.told == [(1, 0, 0)]


def test_a_note_rides_along_once_and_is_gone_without_a_word() -> None:
    reader, note = Reader(), alert("/note", severity="note")
    reader.run(0, findings(note))
    assert reader.told == [], "it causes no message"
    reader.run(HOUR, findings(note, alert()))
    assert reader.told == [(2, 0, 0)]
    assert [each.severity for each in reader.standing] == ["note", "alert"]
    for day in range(1, 4):
        reader.run(HOUR + day * 24 * HOUR, findings(note, alert()))
    assert reader.told == [(2, 0, 0), *[(0, 1, 0)] * 3]
    reader.run(4 * 24 * HOUR, findings(alert(), well=("unlisted",)))
    assert [each.about for each in reader.standing] == ["/d"]
    assert len(reader.told) == 4


def test_a_note_is_resolved_without_a_message() -> None:
    reader = Reader()
    reader.run(0, findings(alert(recovery="")))
    reader.run(HOUR, findings(well=("unlisted",)))
    assert (reader.told, reader.standing) == ([(1, 0, 0)], [])


def test_the_health_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    known = {"kind": "rename", "about": "/d", "text": "t", "since": 5, "seen_at": 6}
    known |= {"by": "delete", "told_at": 7, "after": 8.0, "once": True, "over": False}
    path = tmp_path / "health"
    path.write_text(json.dumps({"alerts": [known, {**known, "once": False, "over": True}]}))
    note, alert = state.read_state(str(path)).alerts
    assert (note.severity, note.notified_at, note.for_seconds, note.by) == ("note", 7, 8, "delete")
    assert (alert.severity, alert.resolved, note.resolved) == ("alert", True, False)


def test_only_what_was_checked_is_resolved() -> None:
    known = [standing("/d", notified_at=0), standing("/e", notified_at=0)]
    found = Alerts()
    found.resolve("unlisted", "/d")
    found.resolve("stalled", "/e")
    found.resolve("unlisted", lambda about: about.startswith("/f"))
    assert [each.resolved for each in state.update_open_alerts(known, found, 1)] == [True, False]


def test_an_alert_fired_in_a_run_is_not_resolved_by_it() -> None:
    found = findings(alert(), well=("unlisted",))
    assert not found.is_resolved(("unlisted", "/d"))
    assert found.is_resolved(("unlisted", "/e"))


def test_the_first_of_two_alerts_of_one_key_stays() -> None:
    """The exit code is the highest of the alerts that stay."""
    found = findings(alert(text="one", code=1), alert(text="two", code=3), alert("/e", code=2))
    assert [each.text for each in found.fired.values()] == ["one", "/e is bad"]
    assert found.code == 2
    assert findings().code == 0


def test_an_open_alert_has_the_newest_text_and_oldest_age() -> None:
    (kept,) = state.update_open_alerts([standing(notified_at=5)], findings(alert(text="newer")), 9)
    assert (kept.text, kept.since, kept.notified_at) == ("newer", 0, 5)


def test_all_open_alerts_are_repeated_in_one_daily_message() -> None:
    reader = Reader()
    for hour in range(73):
        late = [alert("/e")] if hour >= 12 else []
        reader.run(hour * HOUR, findings(alert(), *late))
    assert reader.told == [(1, 0, 0), (1, 0, 0), *[(0, 2, 0)] * 3]


def test_an_alert_is_inhibited_by_its_cause() -> None:
    """It is not sent while the cause is open, nor in the run that resolves the cause."""
    reader, effect = Reader(), alert("/e", kind="failed", inhibited_by=("unlisted",))
    reader.run(0, findings(alert(), effect))
    reader.run(1, findings(effect, well=("unlisted",)))
    assert reader.told == [(1, 0, 0), (0, 0, 1)]
    reader.run(2, findings(effect))
    assert reader.told[2:] == [(1, 0, 0)], "it lasts though its cause is over"
    reader.run(3, findings(alert(), effect))
    reader.run(3 + 24 * HOUR, findings(alert(), effect))
    assert reader.told[3:] == [(1, 0, 0), (0, 2, 0)], "it was told before its cause came"


def test_an_alert_that_is_due_later_is_sent_only_if_it_lasts() -> None:
    reader = Reader()
    reader.run(0, findings(alert(for_seconds=HOUR)))
    reader.run(2 * HOUR, findings())
    assert reader.told == []
    reader.run(3 * HOUR, findings(alert(for_seconds=HOUR)))
    assert reader.told == [(1, 0, 0)]


def of(program: str, *raised: Alert) -> Alerts:
    """Return what a run of `program` has found, which found all else that is unlisted well."""
    found = Alerts(program)
    found.resolve("unlisted")
    for each in raised:
        found.fire(each)
    return found


def test_the_program_that_saw_an_alert_last_resolves_it() -> None:
    known = state.update_open_alerts([standing(notified_at=0)], of("transfer", alert()), 1)
    assert [each.resolved for each in state.update_open_alerts(known, of("delete"), 2)] == [False]
    assert [each.resolved for each in state.update_open_alerts(known, of("transfer"), 2)] == [True]
    known = state.update_open_alerts(known, of("delete", alert()), 3)
    assert [each.resolved for each in state.update_open_alerts(known, of("transfer"), 4)] == [False]
    assert [each.resolved for each in state.update_open_alerts(known, of("delete"), 4)] == [True]


def test_no_program_reminds_of_what_it_found_resolved() -> None:
    reader = Reader()
    reader.run(0, of("delete", alert()))
    reader.run(24 * HOUR, of("transfer"))
    assert reader.told == [(1, 0, 0)]
    reader.run(25 * HOUR, of("delete", alert()))
    assert reader.told == [(1, 0, 0), (0, 1, 0)]


def test_either_program_resolves_a_shared_alert() -> None:
    known = state.update_open_alerts(
        [standing(notified_at=0)], of("transfer", alert(shared=True)), 1
    )
    assert [each.resolved for each in state.update_open_alerts(known, of("delete"), 2)] == [True]
    earlier = [standing(notified_at=0, by="")]
    assert [each.resolved for each in state.update_open_alerts(earlier, of("delete"), 2)] == [True]


EVENTS = st.lists(
    st.tuples(st.sampled_from(["bad", "well", "not looked at"]), st.integers(0, 30), st.booleans()),
    max_size=30,
)


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(EVENTS)
def test_notified_and_resolved_always_alternate(
    events: list[tuple[str, int, bool]],
) -> None:
    reader, now, last = Reader(), 0, None
    for what, hours, delivered in events:
        now += hours * HOUR
        count = len(reader.told)
        found = findings(alert()) if what == "bad" else findings(well=("unlisted",))
        reader.run(now, findings() if what == "not looked at" else found, delivered=delivered)
        for new, again, resolved in reader.told[count:]:
            assert new + again + resolved == 1
            if new:
                assert last is None or last[0] == "resolved"
            else:
                assert last is not None
                assert last[0] == "told", "repeated or resolved is only what was told"
            assert not again or now - last[1] >= 24 * HOUR
            last = ("resolved" if resolved else "told"), now


@given(st.text(), st.text(), st.text())
@settings(max_examples=30, deadline=None, database=None, derandomize=True)
def test_no_name_can_add_a_header_or_a_line(about: str, text: str, pair: str) -> None:
    what = Digest([standing(about, text=text)], [], [])
    title = message_module.subject(what, "globus_auto", "host", pair)
    assert title.isprintable()
    said = message_module.body(what, 0, "Sent by globus_auto.")
    assert len(said.splitlines()) == 5
    message = EmailMessage()
    message["Subject"] = title
    message.set_content(said)
    parsed = email.message_from_bytes(bytes(message), policy=email.policy.default)
    assert set(parsed.keys()) == set(message.keys())


LOGIN = {"kind": "login", "title": "login expired", "code": 3}


@pytest.mark.parametrize(
    ("new", "still_open", "resolved", "said"),
    [
        ([standing(title="bad")], [], [], "PROBLEM: bad"),
        ([standing()], [], [], "PROBLEM: unlisted"),
        (
            [standing(title="bad"), standing(**LOGIN)],
            [],
            [],
            "ACTION NEEDED: login expired and 1 more",
        ),
        (
            [standing(title="bad")],
            [standing(**LOGIN)],
            [],
            "ACTION NEEDED: login expired and 1 more",
        ),
        ([], [standing(title="bad")], [standing("/e", resolved=True)], "STILL OPEN: bad"),
        ([standing(title="new")], [standing(title="old")], [], "PROBLEM: new and 1 more"),
        ([], [], [standing(**LOGIN, resolved=True)] * 3, "RESOLVED: login expired and 2 more"),
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
    gone = standing("/g", title="bad", recovery="/g works.", since=86_400, resolved=True)
    earlier = standing("/h", text="It is bad.", recovery=None, since=86_400, resolved=True)
    what = Digest([standing(), standing("/e")], [standing("/f")], [gone, earlier])
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
    gone = standing("/g", recovery="fine", resolved=True)
    what = Digest([standing(f"/{number}") for number in range(5000)], [], [gone])
    assert "unlisted and 4999 more (" in message_module.subject(
        what, "globus_auto", "em1", "a -> b"
    )
    said = message_module.body(what, 0, "Sent by globus_auto.")
    assert said.count("* unlisted: ") == 26
    assert "\n\nand 4975 more: transfer.py --status shows all open alerts.\n\nRESOLVED" in said


def test_printable_keeps_letters_and_escapes_the_rest() -> None:
    """It keeps the letters of all languages."""
    assert (
        text_module.printable("Zoë 数据\n\x1b[31m\udcff\u202e")
        == "Zoë 数据\\n\\x1b[31m\\udcff\\u202e"
    )
    assert text_module.printable("a\nb\r", keep="\n") == "a\nb\\r"
