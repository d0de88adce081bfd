"""Digests: what is told once, repeated rarely, resolved once, by the findings of runs alone."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from globus_auto import alerts, wording
from globus_auto.alerts import Alert, Alerts, Digest, OpenAlert

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
    return Alert(**{"kind": "unlisted", "about": about, "text": f"{about} is bad", **changes})


def standing(about: str = "/d", **changes: Any) -> OpenAlert:
    known = {"kind": "unlisted", "about": about, "text": "t", "since": 0, **changes}
    return OpenAlert(**known)


class Reader:
    """Someone who is told what is due after each run; `told` is what, as counts."""

    def __init__(self) -> None:
        self.standing: list[OpenAlert] = []
        self.told: list[tuple[int, int, int]] = []

    def run(self, now: int, found: Alerts, *, delivered: bool = True) -> None:
        self.standing = alerts.update_open_alerts(self.standing, found, now)
        what = alerts.make_digest(self.standing, now, 24 * HOUR)
        if any(what) and delivered:
            self.told.append((len(what.new), len(what.again), len(what.resolved)))
            self.standing = alerts.mark_notified(self.standing, what, now)


def test_what_lasts_is_told_once_repeated_after_a_day_and_resolved_once() -> None:
    reader = Reader()
    for hour in range(50):
        reader.run(hour * HOUR, findings(alert()))
    assert reader.told == [(1, 0, 0), (0, 1, 0), (0, 1, 0)]
    for hour in range(50, 99):
        reader.run(hour * HOUR, findings(well=("unlisted",)))
    assert reader.told[3:] == [(0, 0, 1)]
    assert reader.standing == []


def test_what_could_not_be_delivered_stays_due_and_is_told_as_it_is_then() -> None:
    reader = Reader()
    reader.run(0, findings(alert(), alert("/e")), delivered=False)
    reader.run(1, findings(alert("/e"), alert("/f")), delivered=False)
    reader.run(2, findings(well=("other",)))
    assert reader.told == [(3, 0, 0)]
    reader.run(3, findings(well=("unlisted",)), delivered=False)
    reader.run(4, findings(), delivered=False)
    reader.run(5, findings(alert("/f")))
    assert reader.told == [(3, 0, 0), (0, 0, 2)]


def test_what_was_well_again_before_anybody_was_told_is_never_told() -> None:
    reader = Reader()
    reader.run(0, findings(alert(after=HOUR)))
    reader.run(HOUR - 1, findings(well=("unlisted",)))
    reader.run(2 * HOUR, findings(alert(after=HOUR)))
    reader.run(3 * HOUR - 1, findings(alert(after=HOUR)))
    assert reader.told == []
    reader.run(3 * HOUR, findings(alert(after=HOUR)))
    assert reader.told == [(1, 0, 0)]


def test_a_note_is_told_once_never_repeated_and_gone_without_a_word() -> None:
    reader = Reader()
    for day in range(5):
        reader.run(day * 24 * HOUR, findings(alert(once=True)))
    reader.run(5 * 24 * HOUR, findings(well=("unlisted",)))
    assert reader.told == [(1, 0, 0)]
    assert reader.standing == []


def test_only_what_was_looked_at_is_resolved() -> None:
    known = [standing("/d", told_at=0), standing("/e", told_at=0)]
    found = Alerts()
    found.resolve("unlisted", "/d")
    found.resolve("stalled", "/e")
    found.resolve("unlisted", lambda about: about.startswith("/f"))
    assert [each.over for each in alerts.update_open_alerts(known, found, 1)] == [True, False]


def test_what_is_found_wrong_is_not_well_even_where_the_run_calls_it_so() -> None:
    found = findings(alert(), well=("unlisted",))
    assert not found.is_resolved(("unlisted", "/d"))
    assert found.is_resolved(("unlisted", "/e"))


def test_the_first_of_two_alerts_of_one_key_stays_and_the_exit_code_is_the_highest() -> None:
    found = findings(alert(text="one", code=1), alert(text="two", code=3), alert("/e", code=2))
    assert [each.text for each in found.alerts.values()] == ["one", "/e is bad"]
    assert found.code == 2
    assert findings().code == 0


def test_the_text_of_a_standing_alert_is_the_newest_and_its_age_the_oldest() -> None:
    (kept,) = alerts.update_open_alerts([standing(told_at=5)], findings(alert(text="newer")), 9)
    assert (kept.text, kept.since, kept.told_at) == ("newer", 0, 5)


def test_all_that_stands_is_told_again_in_one_message_a_day() -> None:
    reader = Reader()
    for hour in range(73):
        late = [alert("/e")] if hour >= 12 else []
        reader.run(hour * HOUR, findings(alert(), *late))
    assert reader.told == [(1, 0, 0), (1, 0, 0), *[(0, 2, 0)] * 3]


def test_an_effect_is_not_told_beside_its_cause_or_in_the_run_that_ends_that() -> None:
    reader, effect = Reader(), alert("/e", kind="failed", effect_of=("unlisted",))
    reader.run(0, findings(alert(), effect))
    reader.run(1, findings(effect, well=("unlisted",)))
    assert reader.told == [(1, 0, 0), (0, 0, 1)]
    reader.run(2, findings(effect))
    assert reader.told[2:] == [(1, 0, 0)], "it lasts though its cause is over"
    reader.run(3, findings(alert(), effect))
    reader.run(3 + 24 * HOUR, findings(alert(), effect))
    assert reader.told[3:] == [(1, 0, 0), (0, 2, 0)], "it was told before its cause came"


def test_what_has_patience_is_told_only_if_it_is_still_found_then() -> None:
    reader = Reader()
    reader.run(0, findings(alert(after=HOUR)))
    reader.run(2 * HOUR, findings())
    assert reader.told == []
    reader.run(3 * HOUR, findings(alert(after=HOUR)))
    assert reader.told == [(1, 0, 0)]


def test_what_only_one_program_can_see_the_other_does_not_resolve() -> None:
    def of(program: str, *raised: Alert, alone: bool = True) -> Alerts:
        found = Alerts(program)
        found.resolve("unlisted", own=True)
        found.alone = alone
        for each in raised:
            found.fire(each)
        return found

    known = alerts.update_open_alerts([standing(told_at=0)], of("transfer", alert()), 1)
    assert [each.over for each in alerts.update_open_alerts(known, of("delete"), 2)] == [False]
    assert [each.over for each in alerts.update_open_alerts(known, of("transfer"), 2)] == [True]
    known = alerts.update_open_alerts(known, of("delete", alert(), alone=False), 3)
    assert [each.over for each in alerts.update_open_alerts(known, of("transfer"), 4)] == [True]


EVENTS = st.lists(
    st.tuples(st.sampled_from(["bad", "well", "not looked at"]), st.integers(0, 30), st.booleans()),
    max_size=30,
)


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(EVENTS)
def test_told_and_resolved_take_turns_whatever_happens(
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
        [standing(), standing("/e")], [standing("/f")], [standing("/g", text="gone", since=86_400)]
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


def test_a_flood_of_alerts_is_a_message_that_can_be_read_on_a_phone() -> None:
    what = Digest([standing(f"/{number}") for number in range(5000)], [], [standing("/g")])
    assert "5000 new, 1 resolved" in alerts.subject(what, "globus_auto", "vesta", "/a -> /b")
    said = alerts.body(what, "vesta", "/a -> /b", "/home/log")
    assert said.count("* unlisted: t") == 26
    assert "\n\nand 4975 more: transfer.py --status has them all.\n\nRESOLVED" in said


def test_readable_leaves_letters_of_all_tongues_and_escapes_the_rest() -> None:
    assert (
        wording.printable("Zoë 数据\n\x1b[31m\udcff\u202e") == "Zoë 数据\\n\\x1b[31m\\udcff\\u202e"
    )
    assert wording.printable("a\nb\r", keep="\n") == "a\nb\\r"
