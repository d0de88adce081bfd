"""Login as a person or a service account, and the line that says what to do if it fails.

Without a terminal nobody is asked anything, and the exit code is 3.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.lab import Lab, files, log_in, requires_consent, unmark
from tests.mail import Mailbox
from tests.processes import no_file_above

NEW_LOGIN = "Run on a terminal: "


def asks_for_a_person(
    lab: Lab, capsys: pytest.CaptureFixture[str], sentence: str, *, again: str = NEW_LOGIN
) -> None:
    """Run both programs; check that the first says what to do, and that they ask nobody.

    Neither changes anything.
    """
    before = files(lab.source), files(lab.destination), lab.datastore_bytes()
    lab.world.requests.clear()
    capsys.readouterr()
    assert lab.transfer() == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert sentence in said.err
    assert f"{again}" in said.err
    if "secret" not in again:
        assert f"transfer.py --login --config {lab.config}" in said.err
    assert lab.delete() == 3
    assert capsys.readouterr() == ("", "")
    assert (files(lab.source), files(lab.destination), lab.datastore_bytes()) == before
    assert lab.submitted("transfer") + lab.submitted("delete") == []


def logins(lab: Lab) -> list[str]:
    """Return the grant types of all requests for tokens."""
    return [each.body["grant_type"] for each in lab.world.requests if each.route == "token"]


def test_a_service_account_from_the_environment_gets_one_token(lab: Lab) -> None:
    lab.write("a")
    assert (lab.transfer(), lab.delete()) == (0, 0)
    assert logins(lab) == ["client_credentials"]


def test_a_service_account_from_a_secret_file(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOBUS_CLIENT_SECRET", "not this one")
    file = lab.state / "secret"
    file.write_text(f"  {lab.secret}\n", encoding="utf-8")
    file.chmod(0o600)
    lab.configure(CLIENT_SECRET_FILE="secret")
    lab.write("a")
    assert lab.transfer() == 0
    assert files(lab.destination) == {"a": b"data"}


def test_a_service_account_without_its_secret_is_no_person(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in cron, which does not have the variables of the shell."""
    lab.given_transferred("a")
    monkeypatch.delenv("GLOBUS_CLIENT_SECRET")
    assert lab.transfer() == 3
    assert "set CLIENT_SECRET_FILE to it; or set GLOBUS_CLIENT_SECRET" in lab.alerts()["login"]
    assert "--login" not in lab.alerts()["login"]


def test_a_wrong_secret_is_refused(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GLOBUS_CLIENT_SECRET", "wrong-secret")
    lab.write("a")
    sentence = (
        "Globus rejected the login. Nothing is sent or deleted until you log in. Check CLIENT_ID"
    )
    asks_for_a_person(lab, capsys, sentence, again="the secret in GLOBUS_CLIENT_SECRET")
    assert "wrong-secret" not in lab.log()
    assert "--login" not in lab.alerts()["login"]


def test_an_expired_service_account_token_is_replaced(lab: Lab) -> None:
    lab.write("a")
    assert lab.transfer() == 0
    lab.world.identity.expire_access_tokens()
    assert lab.delete() == 0
    lab.advance(3 * 86_400)
    assert lab.transfer() == 0
    assert logins(lab) == ["client_credentials"] * 3
    assert files(lab.source) == {}


def test_without_a_login_and_a_terminal_nobody_is_asked(
    person: Lab, mailbox: Mailbox, capsys: pytest.CaptureFixture[str]
) -> None:
    asks_for_a_person(person, capsys, "There is no login that Globus accepts.")
    assert person.world.requests == []
    assert len(mailbox.messages) == 1
    assert "Nothing is sent or deleted until you log in." in mailbox.read(0).get_content()


def test_login_without_a_terminal_asks_nobody(
    logged_in: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert logged_in.transfer("--login") == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert "A login was asked for, but there is no terminal." in said.err
    assert logged_in.transfer() == 0, "the login that is there still serves"


def test_a_person_who_has_logged_in_is_not_asked_again(logged_in: Lab, mailbox: Mailbox) -> None:
    assert (logged_in.transfer(), logged_in.delete()) == (0, 0)
    assert files(logged_in.destination) == {"a": b"data"}
    assert files(logged_in.source) == {}
    assert logins(logged_in) == ["authorization_code"]
    assert mailbox.messages == []


def test_an_access_token_that_has_expired_is_refreshed(logged_in: Lab) -> None:
    file = logged_in.state / "refresh_token"
    assert logged_in.transfer() == 0
    before = file.stat()
    logged_in.advance(3 * 86_400)
    assert logged_in.delete() == 0
    assert logins(logged_in)[1:] == ["refresh_token"]
    assert file.stat().st_ino != before.st_ino, "replaced, not overwritten"
    assert file.stat().st_mode & 0o7777 == 0o600
    assert not file.with_name("refresh_token.new").exists()
    logged_in.world.identity.expire_access_tokens()
    assert logged_in.transfer() == 0
    assert logins(logged_in)[1:] == ["refresh_token"] * 2


def test_a_failed_save_of_a_token_loses_no_token(
    logged_in: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (logged_in.state / "refresh_token").read_bytes()
    logged_in.advance(3 * 86_400)
    with no_file_above(500):
        assert logged_in.transfer() == 1
    assert "transfer.py cannot read or write" in capsys.readouterr().err
    assert (logged_in.state / "refresh_token").read_bytes() == before
    assert logged_in.transfer() == 0
    assert files(logged_in.destination) == {"a": b"data"}


def test_a_revoked_login_is_explained(
    logged_in: Lab, mailbox: Mailbox, capsys: pytest.CaptureFixture[str]
) -> None:
    logged_in.world.identity.expire_access_tokens()
    logged_in.world.identity.revoke_refresh_tokens()
    asks_for_a_person(logged_in, capsys, "Globus no longer accepts the stored login: it was revo")
    assert len(mailbox.messages) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "route"),
    [
        ("transfer", "endpoint"),
        ("transfer", "ls"),
        ("transfer", "mkdir"),
        ("transfer", "submission_id"),
        ("delete", "endpoint"),
        ("delete", "ls"),
        ("delete", "mkdir"),
        ("delete", "submission_id"),
        ("delete", "task"),
    ],
)
@pytest.mark.parametrize("trouble", ["login", "consent"])
def test_a_login_or_consent_lost_during_a_run_is_one_alert(
    logged_in: Lab,
    mailbox: Mailbox,
    capsys: pytest.CaptureFixture[str],
    program: str,
    route: str,
    trouble: str,
) -> None:
    """Its text says what to do."""
    lab, identity = logged_in, logged_in.world.identity
    requires_consent(lab)
    log_in(lab)
    assert (lab.transfer(), lab.transfer()) == (0, 0)
    lab.write("b")
    if route == "mkdir":
        unmark(lab.destination)

    def lose(_request: Any) -> None:
        if trouble == "consent":
            identity.revoke_consents()
            return
        identity.expire_access_tokens()
        identity.revoke_refresh_tokens()

    lab.world.faults.add_hook(route, lose, when="after")
    run = getattr(lab, program)
    assert run() in (0, 1, 3), "the requests before the loss may have been enough"
    capsys.readouterr()
    for _ in range(3):
        assert (lab.transfer(), lab.delete()) == (3, 3)
    sentence = {
        "login": "Globus no longer accepts the stored login: it was revoked",
        "consent": "Globus needs your consent to reach the files of the destination collection",
    }[trouble]
    said = capsys.readouterr().err.splitlines()
    assert len(said) <= 1, "the first run may have said it"
    assert all(line.startswith(f"{trouble}: {sentence}") for line in said)
    assert all(f"transfer.py --login --config {lab.config}`." in line for line in said)
    assert len(mailbox.messages) == 1, mailbox.texts()
    assert sentence in mailbox.texts()[0]
    log_in(lab)
    lab.advance(3 * 86_400)
    assert (lab.transfer(), lab.delete(), lab.delete()) == (0, 0, 0)
    assert "RESOLVED" in mailbox.texts()[1]
    assert len(mailbox.messages) == 2
    assert files(lab.destination) == {"a": b"data", "b": b"data"}


def test_a_new_token_that_globus_rejects_is_explained(
    logged_in: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    refusal = {"code": "ClientError.AuthenticationFailed", "message": "no", "request_id": "AbCdE"}
    logged_in.world.faults.add("endpoint", times=None, status=401, body=refusal)
    sentence = (
        "Globus says: no. Code: ClientError.AuthenticationFailed (HTTP 401). Request id: AbCdE."
    )
    asks_for_a_person(logged_in, capsys, sentence, again="Run on a terminal: ")


@pytest.mark.parametrize("status", [500, 503])
def test_a_failure_of_globus_auth_is_not_a_rejected_login(
    logged_in: Lab, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    logged_in.advance(3 * 86_400)
    logged_in.world.faults.add("token", times=None, status=status, body={"error": "server_error"})
    assert logged_in.transfer() == 1
    assert f"Code: server_error (HTTP {status})." in capsys.readouterr().err


def altered(change: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    """Return a function that applies `change` to the tokens of a token file."""

    def alter(data: bytes) -> bytes:
        document = json.loads(data)
        for namespace in document["data"].values():
            for server in namespace:
                namespace[server] = change(namespace[server])
        return json.dumps(document).encode()

    return alter


@pytest.mark.parametrize("login", ["service account", "person"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda _data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b"access", b"\xff\xfe"),
        lambda _data: b"[]",
        lambda _data: b"{}",
        lambda _data: b"[" * 99_999 + b"]" * 99_999,
        lambda _data: b'{"data": 5, "format_version": "2.0", "globus-sdk.version": "4"}',
        altered(lambda _token: "secret-token"),
        altered(lambda _token: {"access_token": "secret-token"}),
        altered(lambda token: {**token, "expires_at_seconds": "secret-token"}),
        altered(lambda _token: None),
    ],
    ids=[
        "empty",
        "cut",
        "bytes",
        "list",
        "nothing",
        "nested",
        "shape",
        "text",
        "fields",
        "types",
        "null",
    ],
)
def test_a_damaged_token_file_is_explained(
    request: pytest.FixtureRequest,
    lab: Lab,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[bytes], bytes],
    login: str,
) -> None:
    if login == "person":
        request.getfixturevalue("logged_in")
    assert lab.transfer() == 0
    file = lab.state / "refresh_token"
    file.write_bytes(damage(file.read_bytes()))
    before = file.read_bytes()
    asks_for_a_person(
        lab,
        capsys,
        f"The token file {file} cannot be used",
        again="Remove it, then run on a terminal: ",
    )
    assert file.read_bytes() == before
    assert "secret-token" not in lab.log()


def test_an_unreadable_token_file_is_explained(
    logged_in: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """A directory in its place is explained, too."""
    file = logged_in.state / "refresh_token"
    before = file.read_bytes()
    file.chmod(0)
    with logged_in.start("transfer", unprivileged=True) as process:
        _, said = process.communicate()
    assert process.returncode == 3
    assert f"The token file {file} cannot be used (PermissionError)" in said
    assert said.count("\n") == 1
    assert (file.read_bytes(), logged_in.datastore_bytes(), logged_in.submitted()) == (
        before,
        None,
        [],
    )
    file.unlink()
    file.mkdir()
    (logged_in.state / "datastore.health").unlink()  # the alert is new
    asks_for_a_person(
        logged_in,
        capsys,
        "cannot be used (IsADirectoryError)",
        again="Remove it, then run on a terminal: ",
    )


def test_tokens_of_person_and_service_account_are_separate(
    logged_in: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = logged_in.settings["CLIENT_ID"]
    assert logged_in.transfer() == 0
    monkeypatch.setenv("GLOBUS_CLIENT_SECRET", logged_in.secret)
    logged_in.configure(CLIENT_ID=logged_in.client_id)
    assert logged_in.transfer() == 0
    assert logins(logged_in) == ["authorization_code", "client_credentials"]
    monkeypatch.delenv("GLOBUS_CLIENT_SECRET")
    logged_in.configure(CLIENT_ID=person)
    assert logged_in.transfer() == 0
    assert logins(logged_in) == ["authorization_code", "client_credentials"]


@pytest.mark.parametrize("umask", [0, 0o077])
def test_the_token_file_is_private_whatever_the_umask(lab: Lab, umask: int) -> None:
    before = os.umask(umask)
    try:
        assert lab.transfer() == 0
    finally:
        os.umask(before)
    assert (lab.state / "refresh_token").stat().st_mode & 0o7777 == 0o600


def test_a_missing_consent_is_explained(
    logged_in: Lab, mailbox: Mailbox, capsys: pytest.CaptureFixture[str]
) -> None:
    logged_in.dst.entity_type = "GCSv5_mapped_collection"
    requires_consent(logged_in)
    asks_for_a_person(logged_in, capsys, "Globus needs your consent to reach the files of the")
    assert len(mailbox.messages) == 1


def test_a_service_account_grants_itself_a_missing_consent(lab: Lab) -> None:
    """It keeps the consent, and renews it after it was withdrawn."""
    lab.dst.entity_type = "GCSv5_mapped_collection"
    requires_consent(lab)
    lab.write("a")
    assert lab.transfer() == 0
    assert logins(lab) == ["client_credentials"] * 2
    assert lab.delete() == 0
    assert logins(lab) == ["client_credentials"] * 2
    lab.world.identity.revoke_consents()
    assert lab.transfer() == 0
    assert files(lab.destination) == {"a": b"data"}
