"""Alerts are sent once, repeated rarely and resolved once, by what runs find alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from globus_auto.alerts import due, state
from globus_auto.alerts.model import Alert, Alerts, OpenAlert
from tests.unit.alerts.samples import alert, findings, open_alert

HOUR = 3600


class Reader:
    """Someone who is notified of what is due after each run; `notified` is what, as counts."""

    def __init__(self) -> None:
        self.state = state.AlertState()
        self.notified: list[tuple[int, int, int]] = []

    @property
    def open(self) -> list[OpenAlert]:
        return self.state.alerts

    def run(self, now: int, found: Alerts, *, delivered: bool = True) -> None:
        what = self.state.update(found, now, 24 * HOUR)
        if any(what) and delivered:
            self.notified.append((len(what.new), len(what.still_open), len(what.resolved)))
            self.state.mark_sent(what, now, 24 * HOUR)


def test_an_alert_is_sent_once_repeated_daily_and_resolved_once() -> None:
    reader = Reader()
    for hour in range(50):
        reader.run(hour * HOUR, findings(alert()))
    assert reader.notified == [(1, 0, 0), (0, 1, 0), (0, 1, 0)]
    for hour in range(50, 99):
        reader.run(hour * HOUR, findings(well=("unlisted",)))
    assert reader.notified[3:] == [(0, 0, 1)]
    assert reader.open == []


def test_an_alert_that_comes_and_goes_is_not_sent_each_time() -> None:
    """The first recovery is sent at once; after a second failure, it must stay well for a day."""
    reader = Reader()
    for hour in range(50):
        reader.run(hour * HOUR, findings(*([] if hour % 2 else [alert()]), well=("unlisted",)))
    assert reader.notified == [(1, 0, 0), (0, 0, 1), (1, 0, 0), (0, 1, 0)]
    for hour in range(50, 73):
        reader.run(hour * HOUR, findings(well=("unlisted",)))
    assert len(reader.notified) == 4, "no reminder of what is well"
    assert len(reader.open) == 1
    reader.run(73 * HOUR, findings(well=("unlisted",)))
    assert reader.notified[4:] == [(0, 0, 1)]
    assert reader.open == []
    reader.run(98 * HOUR, findings(alert()))
    reader.run(99 * HOUR, findings(well=("unlisted",)))
    assert reader.notified[5:] == [(1, 0, 0), (0, 0, 1)], "a day later it is a new problem"


def test_a_clock_that_was_wrong_once_silences_nothing() -> None:
    reader = Reader()
    reader.run(1000 * HOUR, findings(alert(), alert("/e", for_seconds=HOUR)))
    reader.run(HOUR, findings(alert(), alert("/e", for_seconds=HOUR)))
    reader.run(25 * HOUR, findings(alert(), alert("/e", for_seconds=HOUR)))
    assert reader.notified == [(1, 0, 0), (1, 1, 0)]


def test_a_file_that_cannot_be_replaced_is_overwritten(tmp_path: Path) -> None:
    """As on a full disk: nothing new can be written there."""
    path = tmp_path / "health"
    with state.open_state(str(path)) as health:
        health.generation = 1
    size, inode = path.stat().st_size, path.stat().st_ino
    (tmp_path / "health.new").mkdir()
    with state.open_state(str(path)) as health:
        health.alerts = [open_alert(text="t" * 300) for _ in range(8)]
    assert (path.stat().st_size, path.stat().st_ino) == (size, inode)
    after = state.read_state(str(path))
    assert (after.generation, len(after.alerts)) == (1, 8)
    with pytest.raises(OSError), state.open_state(str(path)) as health:
        health.undeleted = ["/d" * 100] * 100
    assert state.read_state(str(path)) == after, "it has no room for more"


def test_an_unsent_message_stays_due() -> None:
    """When it can be sent, it says what is true then."""
    reader = Reader()
    reader.run(0, findings(alert(), alert("/e")), delivered=False)
    reader.run(1, findings(alert("/e"), alert("/f")), delivered=False)
    reader.run(2, findings(well=("stalled",)))
    assert reader.notified == [(3, 0, 0)]
    reader.run(3, findings(well=("unlisted",)), delivered=False)
    reader.run(4, findings(), delivered=False)
    reader.run(5, findings(alert("/f")))
    assert reader.notified == [(3, 0, 0), (0, 0, 2)]


def test_an_alert_resolved_before_it_is_due_is_never_sent() -> None:
    reader = Reader()
    reader.run(0, findings(alert(for_seconds=HOUR)))
    reader.run(HOUR - 1, findings(well=("unlisted",)))
    reader.run(2 * HOUR, findings(alert(for_seconds=HOUR)))
    reader.run(3 * HOUR - 1, findings(alert(for_seconds=HOUR)))
    assert reader.notified == []
    reader.run(3 * HOUR, findings(alert(for_seconds=HOUR)))
    assert reader.notified == [(1, 0, 0)]


def test_a_note_rides_along_once_and_is_gone_without_a_word() -> None:
    reader, note = Reader(), alert("/note", severity="note")
    reader.run(0, findings(note))
    assert reader.notified == [], "it causes no message"
    reader.run(HOUR, findings(note, alert()))
    assert reader.notified == [(2, 0, 0)]
    assert [each.severity for each in reader.open] == ["note", "alert"]
    for day in range(1, 4):
        reader.run(HOUR + day * 24 * HOUR, findings(note, alert()))
    assert reader.notified == [(2, 0, 0), *[(0, 1, 0)] * 3]
    reader.run(4 * 24 * HOUR, findings(alert(), well=("unlisted",)))
    assert [each.about for each in reader.open] == ["/d"]
    assert len(reader.notified) == 4


def test_a_note_is_resolved_without_a_message() -> None:
    reader = Reader()
    reader.run(0, findings(alert(recovery="")))
    reader.run(HOUR, findings(well=("unlisted",)))
    assert (reader.notified, reader.open) == ([(1, 0, 0)], [])


def test_the_health_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    known = {"kind": "rename", "about": "/d", "text": "t", "since": 5, "seen_at": 6}
    known |= {"by": "delete", "told_at": 7, "after": 8.0, "once": True, "over": False}
    path = tmp_path / "health"
    path.write_text(json.dumps({"alerts": [known, {**known, "once": False, "over": True}]}))
    note, alert = state.read_state(str(path)).alerts
    assert (note.severity, note.notified_at, note.for_seconds, note.by) == ("note", 7, 8, "delete")
    assert (alert.severity, alert.resolved, note.resolved) == ("alert", True, False)


def test_only_what_was_checked_is_resolved() -> None:
    known = [open_alert("/d", notified_at=0), open_alert("/e", notified_at=0)]
    found = Alerts()
    found.resolve("unlisted", "/d")
    found.resolve("stalled", "/e")
    found.resolve("unlisted", lambda about: about.startswith("/f"))
    assert [each.resolved for each in due.update_open_alerts(known, found, 1)] == [True, False]


def test_an_open_alert_has_the_newest_text_and_oldest_age() -> None:
    (kept,) = due.update_open_alerts([open_alert(notified_at=5)], findings(alert(text="newer")), 9)
    assert (kept.text, kept.since, kept.notified_at) == ("newer", 0, 5)


def test_all_open_alerts_are_repeated_in_one_daily_message() -> None:
    reader = Reader()
    for hour in range(73):
        late = [alert("/e")] if hour >= 12 else []
        reader.run(hour * HOUR, findings(alert(), *late))
    assert reader.notified == [(1, 0, 0), (1, 0, 0), *[(0, 2, 0)] * 3]


def test_an_alert_is_inhibited_by_its_cause() -> None:
    """It is not sent while the cause is open, nor in the run that resolves the cause."""
    reader, effect = Reader(), alert("/e", kind="failed", inhibited_by=("unlisted",))
    reader.run(0, findings(alert(), effect))
    reader.run(1, findings(effect, well=("unlisted",)))
    assert reader.notified == [(1, 0, 0), (0, 0, 1)]
    reader.run(2, findings(effect))
    assert reader.notified[2:] == [(1, 0, 0)], "it lasts though its cause is over"
    reader.run(3, findings(alert(), effect))
    reader.run(3 + 24 * HOUR, findings(alert(), effect))
    assert reader.notified[3:] == [(1, 0, 0), (0, 2, 0)], "it was told before its cause came"


def test_an_alert_that_is_due_later_is_sent_only_if_it_lasts() -> None:
    reader = Reader()
    reader.run(0, findings(alert(for_seconds=HOUR)))
    reader.run(2 * HOUR, findings())
    assert reader.notified == []
    reader.run(3 * HOUR, findings(alert(for_seconds=HOUR)))
    assert reader.notified == [(1, 0, 0)]


def of(program: str, *raised: Alert) -> Alerts:
    """Return what a run of `program` has found, which found all else that is unlisted well."""
    found = Alerts(program)
    found.resolve("unlisted")
    for each in raised:
        found.fire(each)
    return found


def test_the_program_that_saw_an_alert_last_resolves_it() -> None:
    known = due.update_open_alerts([open_alert(notified_at=0)], of("transfer", alert()), 1)
    assert [each.resolved for each in due.update_open_alerts(known, of("delete"), 2)] == [False]
    assert [each.resolved for each in due.update_open_alerts(known, of("transfer"), 2)] == [True]
    known = due.update_open_alerts(known, of("delete", alert()), 3)
    assert [each.resolved for each in due.update_open_alerts(known, of("transfer"), 4)] == [False]
    assert [each.resolved for each in due.update_open_alerts(known, of("delete"), 4)] == [True]


def test_no_program_reminds_of_what_it_found_resolved() -> None:
    reader = Reader()
    reader.run(0, of("delete", alert()))
    reader.run(24 * HOUR, of("transfer"))
    assert reader.notified == [(1, 0, 0)]
    reader.run(25 * HOUR, of("delete", alert()))
    assert reader.notified == [(1, 0, 0), (0, 1, 0)]


def test_either_program_resolves_a_shared_alert() -> None:
    known = due.update_open_alerts(
        [open_alert(notified_at=0)], of("transfer", alert(shared=True)), 1
    )
    assert [each.resolved for each in due.update_open_alerts(known, of("delete"), 2)] == [True]
    earlier = [open_alert(notified_at=0, by="")]
    assert [each.resolved for each in due.update_open_alerts(earlier, of("delete"), 2)] == [True]


EVENTS = st.lists(
    st.tuples(st.sampled_from(["bad", "well", "not looked at"]), st.integers(0, 30), st.booleans()),
    max_size=30,
)


@settings(max_examples=60, deadline=None, database=None, derandomize=True)
@given(EVENTS)
def test_notified_and_resolved_always_alternate(
    events: list[tuple[str, int, bool]],
) -> None:
    reader, now = Reader(), 0
    last: tuple[str, int] | None = None
    for what, hours, delivered in events:
        now += hours * HOUR
        count = len(reader.notified)
        found = findings(alert()) if what == "bad" else findings(well=("unlisted",))
        reader.run(now, findings() if what == "not looked at" else found, delivered=delivered)
        for new, again, resolved in reader.notified[count:]:
            assert new + again + resolved == 1
            if new:
                assert last is None or last[0] == "resolved"
            else:
                assert last is not None
                assert last[0] == "told", "repeated or resolved is only what was told"
                assert not again or now - last[1] >= 24 * HOUR
            last = ("resolved" if resolved else "told"), now


def test_alerts_of_kinds_that_are_no_more_are_dropped(tmp_path: Path) -> None:
    known = {"about": "/d", "text": "t", "since": 5}
    path = tmp_path / "health"
    path.write_text(
        json.dumps({"alerts": [{**known, "kind": kind} for kind in ("usage", "unclear", "kept")]})
    )
    assert [alert.kind for alert in state.read_state(str(path)).alerts] == ["kept"]


@pytest.mark.parametrize(
    ("changes", "now", "is_said"),
    [
        ({}, HOUR, True),
        ({"seen_at": 23 * HOUR}, 24 * HOUR, False),
        ({"seen_at": 23 * HOUR}, 24 * HOUR - 900, False),
        ({"since": 60, "seen_at": 60}, 0, True),
        ({"seen_at": 24 * HOUR}, 25 * HOUR, True),
        ({"resolved": True}, HOUR, False),
        ({"severity": "note"}, 99 * HOUR, True),
        ({"since": 9 * HOUR, "seen_at": 9 * HOUR}, HOUR, False),
    ],
)
def test_an_open_alert_is_said_once_and_when_a_reminder_is_due(
    changes: dict[str, Any], now: int, is_said: bool
) -> None:
    """If the clock was set back, it is said again."""
    known = [open_alert(**changes)]
    assert bool(due.said_before(known, now, 24 * HOUR)) is is_said


@pytest.mark.parametrize(
    ("said", "new", "level"),
    [
        ([], {}, "WARNING"),
        ([open_alert(title="bad")], {}, "INFO"),
        ([open_alert(title="better")], {}, "WARNING"),
        ([open_alert(title="bad")], {"code": 3}, "WARNING"),
        ([open_alert("/e", title="bad")], {}, "WARNING"),
        # Its cause was said, and it goes on.
        ([open_alert(kind="endpoint")], {"inhibited_by": ("endpoint",)}, "INFO"),
        ([], {"code": 0, "for_seconds": 5}, "INFO"),
        ([], {"code": 0, "severity": "note"}, "INFO"),
        ([open_alert(severity="note")], {"code": 0, "severity": "note"}, "INFO"),
        ([open_alert(text="/d is bad")], {"code": 0, "severity": "note"}, "DEBUG"),
    ],
)
def test_only_a_new_alert_is_a_warning(
    caplog: pytest.LogCaptureFixture, said: list[Any], new: dict[str, Any], level: str
) -> None:
    """It is new with another title or exit code, a note with another text."""
    caplog.set_level("DEBUG")
    alerts = Alerts("transfer")
    alerts.said = {one.key: one for one in said}
    alerts.fire(alert(**new))
    (record,) = caplog.records
    assert (record.levelname, record.message) == (level, "unlisted: /d is bad")
