"""Digests: which alerts are sent, repeated and resolved, given the alerts of each run."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from globus_auto import alerts, wording
from globus_auto.alerts import Alert, Digest, Findings, OpenAlert

HOUR = 3600


def findings(*raised: Alert, resolved_kinds: tuple[str, ...] = ()) -> Findings:
    """Return the alerts of a run: those fired, and the kinds that it resolves."""
    found = Findings()
    for alert in raised:
        found.fire(alert)
    for kind in resolved_kinds:
        found.resolve(kind)
    return found


def alert(about: str = "/d", **changes: Any) -> Alert:
    return Alert(**{"kind": "unlisted", "about": about, "text": f"{about} is bad", **changes})


def open_alert(about: str = "/d", **changes: Any) -> OpenAlert:
    earlier = {"kind": "unlisted", "about": about, "text": "t", "since": 0, **changes}
    return OpenAlert(**earlier)


class Reader:
    """Somebody who gets the message due after each run; `sent` has the counts of each message."""

    def __init__(self) -> None:
        self.open_alerts: list[OpenAlert] = []
        self.sent: list[tuple[int, int, int]] = []

    def run(self, now: int, found: Findings, *, delivered: bool = True) -> None:
        self.open_alerts = alerts.updated(self.open_alerts, found, now)
        what = alerts.digest(self.open_alerts, now, 24 * HOUR)
        if any(what) and delivered:
            self.sent.append((len(what.new), len(what.again), len(what.resolved)))
            self.open_alerts = alerts.told(self.open_alerts, what, now)


def test_an_alert_is_sent_once_repeated_daily_and_resolved_once() -> None:
    reader = Reader()
    for hour in range(50):
        reader.run(hour * HOUR, findings(alert()))
    assert reader.sent == [(1, 0, 0), (0, 1, 0), (0, 1, 0)]
    for hour in range(50, 99):
        reader.run(hour * HOUR, findings(resolved_kinds=("unlisted",)))
    assert reader.sent[3:] == [(0, 0, 1)]
    assert reader.open_alerts == []


def test_an_unsent_message_stays_due() -> None:
    """When it can be sent, it says what is true then."""
    reader = Reader()
    reader.run(0, findings(alert(), alert("/e")), delivered=False)
    reader.run(1, findings(alert("/e"), alert("/f")), delivered=False)
    reader.run(2, findings(resolved_kinds=("other",)))
    assert reader.sent == [(3, 0, 0)]
    reader.run(3, findings(resolved_kinds=("unlisted",)), delivered=False)
    reader.run(4, findings(), delivered=False)
    reader.run(5, findings(alert("/f")))
    assert reader.sent == [(3, 0, 0), (0, 0, 2)]


def test_an_alert_resolved_before_it_is_due_is_never_sent() -> None:
    reader = Reader()
    reader.run(0, findings(alert(after=HOUR)))
    reader.run(HOUR - 1, findings(resolved_kinds=("unlisted",)))
    reader.run(2 * HOUR, findings(alert(after=HOUR)))
    reader.run(3 * HOUR - 1, findings(alert(after=HOUR)))
    assert reader.sent == []
    reader.run(3 * HOUR, findings(alert(after=HOUR)))
    assert reader.sent == [(1, 0, 0)]


def test_a_note_is_sent_once_and_ends_silently() -> None:
    reader = Reader()
    for day in range(5):
        reader.run(day * 24 * HOUR, findings(alert(once=True)))
    reader.run(5 * 24 * HOUR, findings(resolved_kinds=("unlisted",)))
    assert reader.sent == [(1, 0, 0)]
    assert reader.open_alerts == []


def test_only_what_was_checked_is_resolved() -> None:
    earlier = [open_alert("/d", told_at=0), open_alert("/e", told_at=0)]
    found = Findings()
    found.resolve("unlisted", "/d")
    found.resolve("stalled", "/e")
    found.resolve("unlisted", lambda about: about.startswith("/f"))
    assert [each.over for each in alerts.updated(earlier, found, 1)] == [True, False]


def test_an_alert_fired_in_a_run_is_not_resolved_by_it() -> None:
    found = findings(alert(), resolved_kinds=("unlisted",))
    assert not found.is_resolved(("unlisted", "/d"))
    assert found.is_resolved(("unlisted", "/e"))


def test_the_first_of_two_alerts_of_one_key_stays() -> None:
    """The exit code is the highest of the alerts that stay."""
    found = findings(alert(text="one", code=1), alert(text="two", code=3), alert("/e", code=2))
    assert [each.text for each in found.alerts.values()] == ["one", "/e is bad"]
    assert found.code == 2
    assert findings().code == 0


def test_an_open_alert_has_the_newest_text_and_oldest_age() -> None:
    (kept,) = alerts.updated([open_alert(told_at=5)], findings(alert(text="newer")), 9)
    assert (kept.text, kept.since, kept.told_at) == ("newer", 0, 5)


def test_all_open_alerts_are_repeated_in_one_daily_message() -> None:
    reader = Reader()
    for hour in range(73):
        late = [alert("/e")] if hour >= 12 else []
        reader.run(hour * HOUR, findings(alert(), *late))
    assert reader.sent == [(1, 0, 0), (1, 0, 0), *[(0, 2, 0)] * 3]


def test_an_alert_is_inhibited_by_its_cause() -> None:
    """It is not sent while the cause is open, nor in the run that resolves the cause."""
    reader, effect = Reader(), alert("/e", kind="failed", effect_of=("unlisted",))
    reader.run(0, findings(alert(), effect))
    reader.run(1, findings(effect, resolved_kinds=("unlisted",)))
    assert reader.sent == [(1, 0, 0), (0, 0, 1)]
    reader.run(2, findings(effect))
    assert reader.sent[2:] == [(1, 0, 0)], "it lasts though its cause is resolved"
    reader.run(3, findings(alert(), effect))
    reader.run(3 + 24 * HOUR, findings(alert(), effect))
    assert reader.sent[3:] == [(1, 0, 0), (0, 2, 0)], "it was sent before its cause began"


def test_an_alert_that_is_due_later_is_sent_only_if_it_lasts() -> None:
    reader = Reader()
    reader.run(0, findings(alert(after=HOUR)))
    reader.run(2 * HOUR, findings())
    assert reader.sent == []
    reader.run(3 * HOUR, findings(alert(after=HOUR)))
    assert reader.sent == [(1, 0, 0)]


def test_the_other_program_does_not_resolve_an_own_alert() -> None:
    def of(program: str, *raised: Alert, alone: bool = True) -> Findings:
        found = Findings(program)
        found.resolve("unlisted", own=True)
        found.alone = alone
        for each in raised:
            found.fire(each)
        return found

    earlier = alerts.updated([open_alert(told_at=0)], of("transfer", alert()), 1)
    assert [each.over for each in alerts.updated(earlier, of("delete"), 2)] == [False]
    assert [each.over for each in alerts.updated(earlier, of("transfer"), 2)] == [True]
    earlier = alerts.updated(earlier, of("delete", alert(), alone=False), 3)
    assert [each.over for each in alerts.updated(earlier, of("transfer"), 4)] == [True]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["bad", "resolved", "not checked"]), st.integers(0, 30), st.booleans()
    ),
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
        count = len(reader.sent)
        found = findings(alert()) if what == "bad" else findings(resolved_kinds=("unlisted",))
        reader.run(now, findings() if what == "not checked" else found, delivered=delivered)
        for new, again, resolved in reader.sent[count:]:
            assert new + again + resolved == 1
            if new:
                assert last is None or last[0] == "resolved"
            else:
                assert last is not None
                assert last[0] == "notified", "only what was sent is repeated or resolved"
            assert not again or now - last[1] >= 24 * HOUR
            last = ("resolved" if resolved else "notified"), now


@given(st.text(), st.text(), st.text())
@settings(max_examples=30, deadline=None, database=None, derandomize=True)
def test_no_name_can_add_a_header_or_a_line(about: str, text: str, pair: str) -> None:
    what = Digest([open_alert(about, text=text)], [], [])
    title = alerts.subject(what, "globus_auto", "host", pair)
    assert title.isprintable()
    said = alerts.body(what, "host", pair, "/log")
    assert len(said.splitlines()) == 6
    message = EmailMessage()
    message["Subject"] = title
    message.set_content(said)
    parsed = email.message_from_bytes(bytes(message), policy=email.policy.default)
    assert set(parsed.keys()) == set(message.keys())


def test_subject_and_body_name_host_counts_and_pair() -> None:
    what = Digest(
        [open_alert(), open_alert("/e")],
        [open_alert("/f")],
        [open_alert("/g", text="gone", since=86_400)],
    )
    title = alerts.subject(what, "our beamline", "vesta", "/a -> /b")
    assert title == "our beamline on vesta: 2 new, 1 lasting, 1 resolved (/a -> /b)"
    said = alerts.body(what, "vesta", "/a -> /b", "/home/log")
    assert said == (
        "NEW\n\n* unlisted: t (It began 1970-01-01 00:00 UTC.)\n\n"
        "* unlisted: t (It began 1970-01-01 00:00 UTC.)\n\n"
        "STILL SO\n\n* unlisted: t (It began 1970-01-01 00:00 UTC.)\n\n"
        "RESOLVED, nothing to do\n\n* unlisted: gone (It began 1970-01-02 00:00 UTC.)\n\n"
        "Sent by globus_auto on vesta for /a -> /b.\nMore is in /home/log there.\n"
    )


def test_a_flood_of_alerts_is_a_short_message() -> None:
    """It can be read on a phone."""
    what = Digest([open_alert(f"/{number}") for number in range(5000)], [], [open_alert("/g")])
    assert "5000 new, 1 resolved" in alerts.subject(what, "globus_auto", "vesta", "/a -> /b")
    said = alerts.body(what, "vesta", "/a -> /b", "/home/log")
    assert said.count("* unlisted: t") == 26
    assert "\n\nand 4975 more: transfer.py --status has them all.\n\nRESOLVED" in said


def test_printable_keeps_letters_and_escapes_the_rest() -> None:
    """It keeps the letters of all languages."""
    assert (
        wording.printable("Zoë 数据\n\x1b[31m\udcff\u202e") == "Zoë 数据\\n\\x1b[31m\\udcff\\u202e"
    )
    assert wording.printable("a\nb\r", keep="\n") == "a\nb\\r"
