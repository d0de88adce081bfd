"""Logins that a collection rejects at any moment of a run, and logins on a terminal."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest

from tests.lab import Lab, files, log_in, requires_consent, unmark
from tests.mail import Mailbox
from tests.processes import on_terminal

SESSION_EXPIRED = {
    "DATA_TYPE": "result#0.10.0",
    "code": "ExternalError.DirListingFailed.LoginFailed",
    "message": "Your identity must be re-authenticated within the last 30 minutes",
    "request_id": "AbCdEfGhI",
    "resource": "/operation/endpoint/x/ls",
    "authorization_parameters": {
        "session_message": "Session reauthentication required",
        "session_required_identities": [str(uuid.uuid4())],
    },
}
# The same error, recognised by its code alone.
LOGIN_FAILED = {
    key: value for key, value in SESSION_EXPIRED.items() if key != "authorization_parameters"
}
POLICY = {
    "code": "AuthPolicyFailed",
    "message": "The policy of the collection asks for another login",
    "request_id": "JkLmNoPqR",
    "resource": "/transfer",
    "authorization_parameters": {"session_required_policies": [str(uuid.uuid4())]},
}


def plan(lab: Lab, nth: int, status: int, body: Any) -> None:
    """Let Globus refuse the `nth` listing and all later ones."""
    seen: list[Any] = []

    def late(request: Any) -> bool:
        if request not in seen:
            seen.append(request)
        return len(seen) >= nth

    lab.world.faults.add("ls", times=None, status=status, body=body, match=late)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "nth", "status", "body"),
    [
        ("transfer", 1, 502, SESSION_EXPIRED),
        ("transfer", 2, 403, POLICY),
        ("transfer", 3, 502, SESSION_EXPIRED),
        ("delete", 1, 403, POLICY),
        ("delete", 2, 502, SESSION_EXPIRED),
        ("delete", 3, 403, POLICY),
        ("delete", 4, 502, SESSION_EXPIRED),
        ("transfer", 1, 502, LOGIN_FAILED),
        ("delete", 2, 502, LOGIN_FAILED),
    ],
)
def test_a_collection_that_requires_a_new_session_exits_3(
    lab: Lab,
    mailbox: Mailbox,
    capsys: pytest.CaptureFixture[str],
    program: str,
    nth: int,
    status: int,
    body: dict[str, Any],
) -> None:
    """One line and one message say that a person has to log in again; nothing changes."""
    lab.given_transferred("sent", "d/sent")
    lab.write("new")
    before = files(lab.source), files(lab.destination)
    plan(lab, nth, status, body)
    capsys.readouterr()
    assert getattr(lab, program)() == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "A collection requires you to log in again, in person." in said
    details = f"Code: {body['code']} (HTTP {status}). Request id: {body['request_id']}."
    assert f"Globus says: {body['message']}. {details}" in said
    assert "transfer.py --login" in said
    assert (files(lab.source), files(lab.destination)) == before
    assert getattr(lab, program)() == 3
    assert len(mailbox.messages) == 1
    lab.world.faults.clear()
    assert (lab.transfer(), lab.delete()) == (0, 0)
    assert files(lab.source) == {}
    assert len(mailbox.messages) == 2
    assert "RESOLVED" in mailbox.read(1).get_content()


@pytest.mark.parametrize(
    ("program", "route"),
    [("transfer", "transfer"), ("transfer", "mkdir"), ("delete", "delete"), ("delete", "mkdir")],
)
def test_a_submission_that_requires_a_new_session_exits_3(
    lab: Lab, capsys: pytest.CaptureFixture[str], program: str, route: str
) -> None:
    """Making the marker does, too; one line says that a person has to log in again."""
    lab.given_transferred("sent")
    lab.write("new")
    if route == "mkdir":
        unmark(lab.destination)
    lab.world.faults.add(route, times=None, status=403, body=POLICY)
    capsys.readouterr()
    assert getattr(lab, program)() == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "A collection requires you to log in again, in person." in said
    assert files(lab.source).keys() == {"sent", "new"}
    lab.world.faults.clear()
    assert (lab.transfer(), lab.delete()) == (0, 0)
    assert files(lab.source) == {}


@pytest.fixture
def person(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Return a laboratory in which a person has to log in, with a new file."""
    monkeypatch.delenv("GLOBUS_CLIENT_SECRET")
    lab.configure(CLIENT_ID=lab.world.identity.add_native_app())
    lab.real_time()
    lab.write("a")
    return lab


@pytest.mark.slow
def test_a_person_logs_in_and_consents_on_a_terminal_once(
    person: Lab,
) -> None:
    """They do so again only after the consent was withdrawn or the login revoked."""
    identity = person.world.identity
    requires_consent(person)
    codes = []
    with on_terminal(person, "transfer") as terminal:
        for wanted, announced in (
            ("openid", "Login 1 of 2: log in to Globus. Login 2 is for collections that require a"),
            ("data_access", "Login 2 of 2: give your consent to reach the files of destination."),
        ):
            url = terminal.url()
            assert announced in terminal.before
            assert wanted in url
            codes.append(identity.code_for(url))
            terminal.type(codes[-1])
        assert terminal.code() == 0, terminal.shown
    assert files(person.destination) == {"a": b"data"}
    tokens = person.state / "refresh_token"
    assert tokens.stat().st_mode & 0o7777 == 0o600
    assert not any(token in terminal.shown for token in (*identity._access, *identity._refresh))
    assert not any(code in person.log() for code in codes)
    assert person.delete() == 0, "another run needs no login"

    identity.revoke_consents()
    assert person.transfer() == 3
    with on_terminal(person, "delete") as terminal:
        url = terminal.url()
        assert "data_access" in url
        terminal.type(identity.code_for(url))
        assert terminal.code() == 0, terminal.shown
    assert person.transfer() == 0

    identity.revoke_refresh_tokens()
    long_ago = re.sub(r'"expires_at_seconds": \d+', '"expires_at_seconds": 1', tokens.read_text())
    tokens.write_text(long_ago, encoding="utf-8")
    assert person.transfer() == 3
    with on_terminal(person, "transfer") as terminal:
        terminal.type(identity.code_for(terminal.url()))
        assert terminal.code() == 0, terminal.shown
    assert person.transfer() == 0


def test_login_refuses_another_identity(person: Lab) -> None:
    """--login asks even a person who has logged in, and the first login stays."""
    identity = person.world.identity
    with on_terminal(person, "transfer", "--login") as terminal:
        terminal.type(identity.code_for(terminal.url()))
        assert terminal.code() == 0, terminal.shown
    identity.person = str(uuid.uuid4())
    with on_terminal(person, "transfer", "--login") as terminal:
        terminal.type(identity.code_for(terminal.url()))
        assert terminal.code() == 3
        shown = terminal.shown.replace("\n", " ")
        assert f"belongs to another identity ({identity.person})" in shown
    assert person.transfer() == 0, "the first login still serves"


def test_login_explains_a_high_assurance_collection(person: Lab) -> None:
    """Its sessions end, and only a person can renew them."""
    person.dst.entity_type, person.dst.high_assurance = "GCSv5_mapped_collection", True
    with on_terminal(person, "transfer", "--login") as terminal:
        terminal.type(person.world.identity.code_for(terminal.url()))
        assert terminal.code() == 0, terminal.shown
    assert (
        "destination is a high-assurance collection: its sessions expire, and you" in terminal.shown
    )


def test_a_revoked_login_asks_on_a_terminal_like_a_missing_one(person: Lab) -> None:
    """Its token looks valid here. A collection that meanwhile requires a consent is asked for."""
    identity = person.world.identity
    log_in(person)
    requires_consent(person)
    identity.expire_access_tokens()
    identity.revoke_refresh_tokens()
    with on_terminal(person, "transfer") as terminal:
        for announced in ("Login 1 of 2: ", "Login 2 of 2: "):
            terminal.type(identity.code_for(terminal.url()))
            assert announced in terminal.before
        assert terminal.code() == 0, terminal.shown
    assert files(person.destination) == {"a": b"data"}


def test_a_wrong_code_is_asked_for_again(person: Lab) -> None:
    """The first link serves for the right one. After three wrong ones the run ends."""
    with on_terminal(person, "transfer") as terminal:
        url = terminal.url()
        for wrong in ("not-the-code", "", "nor-this"):
            terminal.type(wrong)
            assert terminal.url() == ""
            assert ("Globus did not accept that code: it was mistyped" in terminal.before) == bool(
                wrong
            )
        terminal.type(person.world.identity.code_for(url))
        assert terminal.code() == 0, terminal.shown
    assert "Login 2 of 2 is not needed." in terminal.shown
    assert files(person.destination) == {"a": b"data"}


def test_a_third_wrong_or_a_missing_code_is_explained(person: Lab) -> None:
    with on_terminal(person, "transfer") as terminal:
        for _ in range(3):
            terminal.url()
            terminal.type("not-the-code")
        assert terminal.code() == 3
        assert "did not accept the authorization code" in terminal.shown
    with on_terminal(person, "delete") as terminal:
        terminal.url()
        terminal.type("\x04")
        assert terminal.code() == 3
        assert "No authorization code was entered." in terminal.shown
    assert files(person.destination) == {}
