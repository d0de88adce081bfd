"""Alerts are sent once, repeated rarely and then resolved; a run sends one message at most."""

from __future__ import annotations

import socket
import time

import pytest

from tests.lab import Lab, files
from tests.mail import Mailbox, counts
from tests.processes import full_disk

HOUR = 3600


def unlisted(lab: Lab, *names: str) -> None:
    """Let Globus refuse to list these directories below the source until the faults end."""
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
    """Return a laboratory with a directory that cannot be listed, and another file."""
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
    host = socket.gethostname()
    assert message["Subject"].strip() == (
        f"[globus_auto {host}] PROBLEM: directory not readable (source -> destination)"
    )
    assert message["Date"].datetime.timestamp() == pytest.approx(time.time(), abs=60)
    assert message["Message-ID"].endswith(f"@{host}>")
    assert message["Bcc"] is None
    assert "Globus says: Path Bcc: not@allowed. Code: EndpointPermissionDenied (HTTP 403)." in (
        message.get_content()
    )
    assert f"{troubled.state}/globus_auto.log" in message.get_content()


def test_all_alerts_of_one_run_are_one_message(troubled: Lab, mailbox: Mailbox) -> None:
    troubled.write("e/a")
    unlisted(troubled, "e")
    (troubled.source / "link").symlink_to("b")
    assert troubled.transfer() == 1
    assert len(mailbox.messages) == 1
    assert counts(mailbox.texts()[0]) == "3 new"
    assert "PROBLEM: directory not readable and 2 more (" in mailbox.read(0)["Subject"]


def test_an_alert_is_mailed_once_repeated_and_resolved_once(
    troubled: Lab, mailbox: Mailbox
) -> None:
    """A reminder is due every EMAIL_REPEAT_HOURS."""
    troubled.configure(EMAIL_REPEAT_HOURS=2)
    for _ in range(2):
        assert (troubled.transfer(), troubled.transfer()) == (1, 1)
        troubled.advance(2 * HOUR)
    troubled.world.faults.clear()
    assert (troubled.transfer(), troubled.transfer(), troubled.delete()) == (0, 0, 0)
    told = [mailbox.read(number)["Subject"].partition("] ")[2] for number in range(3)]
    words = ("PROBLEM", "STILL OPEN", "RESOLVED")
    assert told == [f"{word}: directory not readable (source -> destination)" for word in words]
    assert [counts(text) for text in mailbox.texts()] == ["1 new", "1 still open", "1 resolved"]
    resolved = (
        "* unlisted: /src/d can be listed again. (Was open for 4 hours: directory not readable.)"
    )
    assert resolved in mailbox.texts()[2]
    assert troubled.health()["alerts"] == []


def test_delete_does_not_resolve_what_it_did_not_check(troubled: Lab, mailbox: Mailbox) -> None:
    assert troubled.transfer() == 1
    troubled.world.faults.clear()
    assert troubled.delete() == 0
    assert len(mailbox.messages) == 1
    assert [each["about"] for each in troubled.health()["alerts"]] == ["/src/d"]


def test_alerts_below_an_unlisted_directory_stay_open(troubled: Lab, mailbox: Mailbox) -> None:
    troubled.write("d/e/a")
    troubled.world.faults.clear()
    unlisted(troubled, "e")
    assert troubled.transfer() == 1
    troubled.world.faults.clear()
    unlisted(troubled, "d")
    assert troubled.transfer() == 1
    assert {each["about"] for each in troubled.health()["alerts"]} == {"/src/d", "/src/d/e"}
    assert counts(mailbox.texts()[1]) == "1 new"


def test_a_message_that_is_not_accepted_stays_due(
    troubled: Lab, mailbox: Mailbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """The transfer goes on, and the next run sends the message."""
    host = troubled.settings["EMAIL_HOST"]
    troubled.configure(EMAIL_HOST="127.0.0.1:1")
    assert troubled.transfer() == 1
    assert "Cannot send mail by 127.0.0.1:1" in capsys.readouterr().err
    assert "Cannot send mail by 127.0.0.1:1" in troubled.log()
    assert "b" in files(troubled.destination)
    troubled.configure(EMAIL_HOST=host)
    assert troubled.transfer() == 1
    assert counts(mailbox.texts()[0]) == "1 new"


def test_an_address_that_breaks_the_mail_library_stops_nothing(
    troubled: Lab, mailbox: Mailbox, capsys: pytest.CaptureFixture[str]
) -> None:
    troubled.configure(EMAIL_RECIPIENTS=["a@["])
    assert troubled.transfer() == 1
    assert "Cannot send mail" in capsys.readouterr().err
    assert mailbox.messages == []
    assert "b" in files(troubled.destination)


def test_a_conflict_is_mailed_only_if_it_lasts(lab: Lab, mailbox: Mailbox) -> None:
    lab.configure(STALL_HOURS=2)
    conflict = {"code": "Conflict", "message": "A transfer with identical paths is under way"}
    lab.write("a")
    lab.world.faults.add("transfer", times=None, status=409, body=conflict)
    assert lab.transfer() == 0
    lab.advance(HOUR)
    assert lab.transfer() == 0
    assert mailbox.messages == []
    lab.advance(HOUR)
    assert (lab.transfer(), lab.transfer()) == (0, 0)
    assert "identical paths" in mailbox.read(0).get_content()
    lab.world.faults.clear()
    assert lab.transfer() == 0
    assert "RESOLVED" in mailbox.read(1).get_content()
    assert len(mailbox.messages) == 2


def test_a_symlink_is_a_note_in_the_next_mail(lab: Lab, mailbox: Mailbox) -> None:
    link = lab.source / "link"
    link.symlink_to("nowhere")
    for _ in range(3):
        assert lab.transfer() == 0
        lab.advance(30 * HOUR)
    assert mailbox.messages == [], "it causes no message"
    unlisted(lab, "d")
    (lab.source / "d").mkdir()
    for _ in range(3):
        assert lab.transfer() == 1
        lab.advance(30 * HOUR)
    lab.world.faults.clear()
    link.unlink()
    assert lab.transfer() == 0
    assert len(mailbox.messages) == 4
    assert ["link (symlink)" in text for text in mailbox.texts()] == [True, False, False, False]


@pytest.mark.parametrize("name", ["a\nBcc: x@example.org", "b\r\n.\r\nDATA", "c\udcff"])
def test_unsendable_names_do_no_harm_in_mail_and_log(
    lab: Lab, mailbox: Mailbox, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """They do none in the alert state, either."""
    lab.configure(SRC_LOCAL_DIR=str(lab.source))
    lab.write(name)
    lab.write("fine")
    assert (lab.transfer(), lab.transfer()) == (1, 1)
    assert len(mailbox.messages) == 1
    assert mailbox.read(0)["Bcc"] is None
    assert repr(name)[1:-1] in mailbox.read(0).get_content().replace("\\\\", "\\")
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert files(lab.destination) == {"fine": b"data"}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"alerts": 1}', '{"novelty": 1}', "\xff", "[" * 9999]
)
def test_a_damaged_alert_state_sends_open_alerts_again(
    troubled: Lab, mailbox: Mailbox, text: str
) -> None:
    assert troubled.transfer() == 1
    (troubled.state / "datastore.health").write_bytes(text.encode("latin-1"))
    assert troubled.transfer() == 1
    assert counts(mailbox.texts()[1]) == "1 new"
    assert troubled.transfer() == 1
    assert len(mailbox.messages) == 2


def test_alerts_are_sent_though_their_state_cannot_be_saved(
    troubled: Lab, mailbox: Mailbox, capsys: pytest.CaptureFixture[str]
) -> None:
    (troubled.state / "datastore.health.lock").mkdir()
    assert troubled.transfer() == 1
    assert "Cannot record which alerts were sent" in capsys.readouterr().err
    assert "b" in files(troubled.destination)
    assert len(mailbox.messages) == 1


def test_the_last_good_run_of_each_program_is_recorded(lab: Lab) -> None:
    assert lab.transfer() == 0
    lab.advance(HOUR)
    assert lab.delete() == 0
    before = lab.health()["last_good"]
    assert before["delete"] - before["transfer"] >= HOUR
    lab.src.connected = False
    lab.advance(HOUR)
    assert (lab.transfer(), lab.delete()) == (1, 1)
    assert lab.health()["last_good"] == before


def test_a_full_disk_is_mailed_once(lab: Lab, mailbox: Mailbox) -> None:
    """Although nothing that is new can be remembered there."""
    lab.given_transferred("a")
    with full_disk(lab.state) as filling:
        lab.write("b")
        assert [lab.transfer() for _ in range(3)] == [1, 1, 1]
        assert [counts(text) for text in mailbox.texts()] == ["1 new"]
        assert "No space left on device" in mailbox.texts()[0]
        filling.unlink()
        assert lab.transfer() == 0
        assert [counts(text) for text in mailbox.texts()] == ["1 new", "1 resolved"]
    assert files(lab.destination).keys() == {"a", "b"}


def test_a_flapping_collection_is_not_mailed_each_time(lab: Lab, mailbox: Mailbox) -> None:
    for _ in range(3):
        lab.src.paused = True
        assert lab.transfer() == 1
        lab.advance(HOUR)
        lab.src.paused = False
        assert lab.transfer() == 0
        lab.advance(HOUR)
    assert [counts(text) for text in mailbox.texts()] == ["1 new", "1 resolved", "1 new"]
    assert "It comes and goes" in mailbox.texts()[2]
    lab.advance(23 * HOUR)
    assert lab.transfer() == 0
    assert [counts(text) for text in mailbox.texts()][3:] == ["1 resolved"]
