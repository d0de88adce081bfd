"""Alerts: told once, repeated rarely, closed with "resolved"; one message a run at most."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from globus_auto import alerts
from globus_auto.alerts import Alert, Digest, Findings, Standing
from tests.conftest import Lab, Mailbox, files

HOUR = 3600


def findings(*raised: Alert, well: tuple[str, ...] = ()) -> Findings:
    """Return what a run has found: alerts, and kinds of which all is well."""
    found = Findings()
    for alert in raised:
        found.add(alert)
    for kind in well:
        found.well(kind)
    return found


def alert(about: str = "/d", **changes: Any) -> Alert:
    return Alert(**{"kind": "unlisted", "about": about, "text": f"{about} is bad", **changes})


def standing(about: str = "/d", **changes: Any) -> Standing:
    known = {"kind": "unlisted", "about": about, "text": "t", "since": 0, **changes}
    return Standing(**known)


class Reader:
    """Someone who is told what is due after each run; `told` is what, as counts."""

    def __init__(self) -> None:
        self.standing: list[Standing] = []
        self.told: list[tuple[int, int, int]] = []

    def run(self, now: int, found: Findings, *, delivered: bool = True) -> None:
        self.standing = alerts.updated(self.standing, found, now)
        what = alerts.digest(self.standing, now, 24 * HOUR)
        if any(what) and delivered:
            self.told.append((len(what.new), len(what.again), len(what.resolved)))
            self.standing = alerts.told(self.standing, what, now)


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
    found = Findings()
    found.well("unlisted", "/d")
    found.well("stalled", "/e")
    found.well("unlisted", lambda about: about.startswith("/f"))
    assert [each.over for each in alerts.updated(known, found, 1)] == [True, False]


def test_what_is_found_wrong_is_not_well_even_where_the_run_calls_it_so() -> None:
    found = findings(alert(), well=("unlisted",))
    assert not found.found_well(("unlisted", "/d"))
    assert found.found_well(("unlisted", "/e"))


def test_the_first_of_two_alerts_of_one_key_stays_and_the_exit_code_is_the_highest() -> None:
    found = findings(alert(text="one", code=1), alert(text="two", code=3), alert("/e", code=2))
    assert [each.text for each in found.alerts.values()] == ["one", "/e is bad"]
    assert found.code == 2
    assert findings().code == 0


def test_the_text_of_a_standing_alert_is_the_newest_and_its_age_the_oldest() -> None:
    (kept,) = alerts.updated([standing(told_at=5)], findings(alert(text="newer")), 9)
    assert (kept.text, kept.since, kept.told_at) == ("newer", 0, 5)


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
    what = Digest([standing(), standing("/e")], [standing("/f")], [standing("/g", text="gone")])
    title = alerts.subject(what, "our beamline", "vesta", "/a -> /b")
    assert title == "our beamline on vesta: 2 new, 1 lasting, 1 resolved (/a -> /b)"
    said = alerts.body(what, "vesta", "/a -> /b", "/home/log")
    assert said == (
        "NEW\n\n* t\n\n* t\n\nSTILL SO\n\n* t\n\nRESOLVED, nothing to do\n\n* gone\n\n"
        "Sent by globus_auto on vesta for /a -> /b.\nMore is in /home/log there.\n"
    )


def test_readable_leaves_letters_of_all_tongues_and_escapes_the_rest() -> None:
    assert alerts.readable("Zoë 数据\n\x1b[31m\udcff\u202e") == "Zoë 数据\\n\\x1b[31m\\udcff\\u202e"
    assert alerts.readable("a\nb\r", keep="\n") == "a\nb\\r"


def unlisted(lab: Lab, *names: str) -> None:
    """Let the listing of these directories below the source be refused, until faults end."""
    for name in names:
        lab.world.faults.add(
            "ls",
            times=None,
            status=403,
            body={"code": "EndpointPermissionDenied", "message": "Path\r\nBcc: not@allowed"},
            match=lambda request, name=name: request.query["path"].endswith(f"/{name}"),
        )


@pytest.fixture
def troubled(lab: Lab, mailbox: Mailbox) -> Lab:
    """Give a laboratory with a directory that cannot be listed, and a file beside it."""
    lab.write("d/a")
    lab.write("b")
    unlisted(lab, "d")
    assert mailbox.messages == []
    return lab


def test_a_message_names_everything_and_the_work_goes_on(troubled: Lab, mailbox: Mailbox) -> None:
    assert troubled.transfer() == 1
    assert "b" in files(troubled.destination)
    message = mailbox.read(0)
    assert message["From"] == "beamline@example.org"
    assert message["To"] == "staff@example.org"
    assert message["Auto-Submitted"] == "auto-generated"
    assert "1 new (/src -> /dst)" in message["Subject"]
    assert message["Bcc"] is None
    assert "/src/d cannot be listed: 403 EndpointPermissionDenied: Path\\r\\nBcc: not@allowed" in (
        message.get_content()
    )
    assert f"{troubled.state}/globus_auto.log" in message.get_content()


def test_all_that_one_run_finds_is_one_message(troubled: Lab, mailbox: Mailbox) -> None:
    troubled.write("e/a")
    unlisted(troubled, "e")
    (troubled.source / "link").symlink_to("b")
    assert troubled.transfer() == 1
    assert len(mailbox.messages) == 1
    assert "3 new" in mailbox.read(0)["Subject"]


def test_an_alert_is_mailed_once_again_after_its_hours_and_resolved_once(
    troubled: Lab, mailbox: Mailbox
) -> None:
    troubled.configure(EMAIL_REPEAT_HOURS=2)
    for _ in range(2):
        assert (troubled.transfer(), troubled.transfer()) == (1, 1)
        troubled.later(2 * HOUR)
    troubled.world.faults.clear()
    assert (troubled.transfer(), troubled.transfer(), troubled.delete()) == (0, 0, 0)
    told = [mailbox.read(number)["Subject"].split(": ")[1] for number in range(3)]
    assert told == [f"1 {word} (/src -> /dst)" for word in ("new", "lasting", "resolved")]
    assert len(mailbox.messages) == 3
    assert troubled.health()["alerts"] == []


def test_delete_does_not_resolve_what_it_has_not_looked_at(troubled: Lab, mailbox: Mailbox) -> None:
    assert troubled.transfer() == 1
    troubled.world.faults.clear()
    assert troubled.delete() == 0
    assert len(mailbox.messages) == 1
    assert [each["about"] for each in troubled.health()["alerts"]] == ["/src/d"]


def test_what_is_below_something_unlisted_is_not_resolved(troubled: Lab, mailbox: Mailbox) -> None:
    troubled.write("d/e/a")
    troubled.world.faults.clear()
    unlisted(troubled, "e")
    assert troubled.transfer() == 1
    troubled.world.faults.clear()
    unlisted(troubled, "d")
    assert troubled.transfer() == 1
    assert {each["about"] for each in troubled.health()["alerts"]} == {"/src/d", "/src/d/e"}
    assert "1 new" in mailbox.read(1)["Subject"]
    assert "resolved" not in mailbox.read(1)["Subject"]


def test_a_message_that_is_not_taken_stays_due_and_changes_nothing_else(
    troubled: Lab, mailbox: Mailbox, capsys: pytest.CaptureFixture[str]
) -> None:
    host = troubled.settings["EMAIL_HOST"]
    troubled.configure(EMAIL_HOST="127.0.0.1:1")
    assert troubled.transfer() == 1
    assert "Cannot send mail by 127.0.0.1:1" in capsys.readouterr().err
    assert "Cannot send mail by 127.0.0.1:1" in troubled.log()
    assert "b" in files(troubled.destination)
    troubled.configure(EMAIL_HOST=host)
    assert troubled.transfer() == 1
    assert "1 new" in mailbox.read(0)["Subject"]


def test_an_address_that_breaks_the_mail_library_changes_nothing_else(
    troubled: Lab, mailbox: Mailbox, capsys: pytest.CaptureFixture[str]
) -> None:
    troubled.configure(EMAIL_RECIPIENTS=["a@["])
    assert troubled.transfer() == 1
    assert "Cannot send mail" in capsys.readouterr().err
    assert mailbox.messages == []
    assert "b" in files(troubled.destination)


def test_a_conflict_is_told_only_if_it_goes_on(lab: Lab, mailbox: Mailbox) -> None:
    lab.configure(STALL_HOURS=2)
    conflict = {"code": "Conflict", "message": "A transfer with identical paths is under way"}
    lab.write("a")
    lab.world.faults.add("transfer", times=None, status=409, body=conflict)
    assert lab.transfer() == 0
    lab.later(HOUR)
    assert lab.transfer() == 0
    assert mailbox.messages == []
    lab.later(HOUR)
    assert (lab.transfer(), lab.transfer()) == (0, 0)
    assert "identical paths" in mailbox.read(0).get_content()
    lab.world.faults.clear()
    assert lab.transfer() == 0
    assert "RESOLVED" in mailbox.read(1).get_content()
    assert len(mailbox.messages) == 2


def test_a_symlink_is_told_once_and_nothing_is_wrong(lab: Lab, mailbox: Mailbox) -> None:
    link = lab.source / "link"
    link.symlink_to("nowhere")
    for _ in range(3):
        assert lab.transfer() == 0
        lab.later(30 * HOUR)
    link.unlink()
    assert lab.transfer() == 0
    assert len(mailbox.messages) == 1
    assert "link (symlink)" in mailbox.read(0).get_content()


@pytest.mark.parametrize("name", ["a\nBcc: x@example.org", "b\r\n.\r\nDATA", "c\udcff"])
def test_names_that_cannot_be_sent_do_no_harm_in_mail_log_and_memory(
    lab: Lab, mailbox: Mailbox, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    lab.configure(SRC_LOCAL_DIR=str(lab.source))
    lab.write(name)
    lab.write("fine")
    assert (lab.transfer(), lab.transfer()) == (1, 1)
    assert len(mailbox.messages) == 1
    assert mailbox.read(0)["Bcc"] is None
    assert repr(name)[1:-1] in mailbox.read(0).get_content().replace("\\\\", "\\")
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert files(lab.destination) == {"fine": b"data"}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"alerts": 1}', '{"novelty": 1}', "\xff", "[" * 9999]
)
def test_a_damaged_memory_of_alerts_makes_them_told_anew(
    troubled: Lab, mailbox: Mailbox, text: str
) -> None:
    assert troubled.transfer() == 1
    (troubled.state / "datastore.health").write_bytes(text.encode("latin-1"))
    assert troubled.transfer() == 1
    assert "1 new" in mailbox.read(1)["Subject"]
    assert troubled.transfer() == 1
    assert len(mailbox.messages) == 2


def test_where_alerts_cannot_be_remembered_they_are_told_all_the_same(
    troubled: Lab, mailbox: Mailbox, capsys: pytest.CaptureFixture[str]
) -> None:
    (troubled.state / "datastore.health.lock").mkdir()
    assert troubled.transfer() == 1
    assert "Cannot remember which alerts were told" in capsys.readouterr().err
    assert "b" in files(troubled.destination)
    assert len(mailbox.messages) == 1


def test_the_last_good_run_of_each_program_is_remembered(lab: Lab) -> None:
    assert lab.transfer() == 0
    lab.later(HOUR)
    assert lab.delete() == 0
    before = lab.health()["last_good"]
    assert before["delete"] - before["transfer"] >= HOUR
    lab.src.connected = False
    lab.later(HOUR)
    assert (lab.transfer(), lab.delete()) == (1, 1)
    assert lab.health()["last_good"] == before
