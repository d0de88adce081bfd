"""Whatever goes wrong, a run leaves no secret, token or code anywhere but in the token file."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Lab, too_large, unmark
from tests.mail import Mailbox, self_signed
from tests.processes import on_terminal

ROUTES = ["endpoint", "ls", "submission_id", "transfer", "delete", "task", "mkdir"]
FAULTS: list[dict[str, Any]] = [
    {"status": 200, "body": []},
    {"status": 200, "body": {"access_token": 5, "expires_in": "x", "scope": None}},
    {"status": 400, "body": {"error": "invalid_grant"}},
    {"status": 401, "body": {"code": "ClientError.AuthenticationFailed", "message": "no"}},
    {"status": 403, "body": [{"code": "PermissionDenied"}]},
    {"status": 500, "body": "<html>"},
    {"drop": "before"},
    {"truncate": True},
]


def secrets(lab: Lab) -> set[str]:
    """Return all secrets that a laboratory has ever had."""
    identity = lab.world.identity
    return {lab.secret, *identity._access, *identity._refresh, *identity._logins}


class Witness:
    """All output and files of the runs of a laboratory, and all secrets."""

    def __init__(self, lab: Lab, mailbox: Mailbox, capture: pytest.CaptureFixture[str]) -> None:
        self.lab, self.mailbox, self.capture = lab, mailbox, capture
        self.secrets = {lab.secret}
        self.said = ""

    def run(self, *options: str) -> None:
        """Run both programs; record their output and the tokens issued to them."""
        for program in (self.lab.transfer, self.lab.delete):
            program(*options)
            self._take_down()

    def run_read_only_commands(self) -> None:
        """Run --check and --status, and record their output."""
        self.lab.transfer("--check")
        self.lab.transfer("--status")
        self._take_down()

    def _take_down(self) -> None:
        self.said += "".join(self.capture.readouterr())
        self.secrets |= secrets(self.lab)

    def check(self) -> None:
        """Check that no secret is anywhere but in the token file."""
        left = {
            path.name: path.read_text(encoding="utf-8")
            for path in self.lab.state.rglob("*")
            if path.is_file() and path.name != "refresh_token"
        }
        for number in range(len(self.mailbox.messages)):
            message = self.mailbox.read(number)
            left[f"message {number}"] = f"{message.items()} {message.get_content()}"
        left["output"] = self.said
        assert {"datastore", "datastore.health", "globus_auto.log", "message 0"} <= set(left)
        found = [
            (name, secret)
            for name, text in left.items()
            for secret in self.secrets
            if secret in text
        ]
        assert found == []


@pytest.mark.slow
@pytest.mark.parametrize("route", ["token", *ROUTES])
def test_no_secret_is_anywhere_after_faults_of_all_kinds(
    lab: Lab, mailbox: Mailbox, capfd: pytest.CaptureFixture[str], route: str
) -> None:
    witness = Witness(lab, mailbox, capfd)
    lab.given_transferred("a")
    for number, fault in enumerate(FAULTS):
        lab.write(f"b{number}")
        if route == "mkdir":
            unmark(lab.destination)
        if route == "token":
            lab.world.identity.expire_access_tokens()
        lab.world.faults.add(route, times=None, **fault)
        witness.run("-v")
        lab.world.faults.clear()
    witness.run()
    witness.check()


@pytest.fixture(params=["a service account", "a person"])
def any_login(request: pytest.FixtureRequest, lab: Lab) -> Lab:
    """Return a laboratory in which somebody has logged in."""
    if request.param == "a person":
        request.getfixturevalue("logged_in")
    return lab


def repeated(lab: Lab) -> dict[str, Any]:
    """Return an error document in which a server repeats all secrets that it received."""
    identity, secret = lab.world.identity, os.environ.get("GLOBUS_CLIENT_SECRET", "")
    received = ", ".join([*identity._access, *identity._refresh, secret])
    return dict.fromkeys(("code", "message", "error", "error_description", "request_id"), received)


@pytest.mark.parametrize("status", [403, 500])
def test_secrets_that_a_server_repeats_are_redacted(
    any_login: Lab, mailbox: Mailbox, capfd: pytest.CaptureFixture[str], status: int
) -> None:
    witness = Witness(any_login, mailbox, capfd)
    any_login.given_transferred("a")
    for route in ("token", *ROUTES):
        any_login.write(f"before {route}")
        if route == "token":
            any_login.world.identity.expire_access_tokens()
        any_login.world.faults.add(route, times=None, status=status, body=repeated(any_login))
        witness.run("-v")
        witness.run_read_only_commands()
        any_login.world.faults.clear()
    assert "[a secret]" in witness.said
    witness.check()


def test_a_dry_run_shows_no_secret(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.given_transferred("run/a")
    too_large(lab, "/dst/run")
    lab.world.faults.add("stat", times=None, status=403, body=repeated(lab))
    assert lab.delete("-n", "-v") == 1
    said = capsys.readouterr().out
    reason = "the destination could not be asked about its copy: Globus says: [a secret]"
    assert f"keep /src/run/a: {reason}" in said
    assert not any(secret in said for secret in secrets(lab))


def test_a_code_that_a_server_repeats_is_redacted(person: Lab) -> None:
    with on_terminal(person, "transfer", "-v") as terminal:
        code = person.world.identity.code_for(terminal.url())
        body = {"error": "invalid_grant", "message": f"no such code: {code}"}
        person.world.faults.add("token", times=3, status=401, body=body)
        terminal.type(code)
        for _ in range(2):
            terminal.url()
            terminal.type(code)
        assert terminal.code() == 3
    # Before the answer comes the echo of what was typed.
    answer = terminal.shown.rpartition("Globus did not accept the")[2]
    assert "no such code: [a secret]" in answer
    assert code not in answer + person.log()


def listening(port: int) -> set[str]:
    """Return the addresses at which this machine listens on `port`, as the kernel writes them."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    lines += Path("/proc/net/tcp6").read_text().splitlines()[1:]
    places = [line.split()[1].split(":") for line in lines if line.split()[3] == "0A"]
    return {address for address, number in places if int(number, 16) == port}


def test_the_sandbox_listens_to_this_machine_only(lab: Lab) -> None:
    this_machine = int.from_bytes(socket.inet_aton("127.0.0.1"), sys.byteorder)
    port = int(lab.sandbox.url.rpartition(":")[2])
    assert listening(port) == {f"{this_machine:08X}"}


@pytest.fixture
def impostor(tmp_path: Path) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the port of a server with a self-signed certificate, and what it received."""
    context, received = self_signed(tmp_path), []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    try:
                        with context.wrap_socket(connection, server_side=True) as encrypted:
                            received.append(encrypted.recv(9999))
                    except OSError:
                        received.append(b"")

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1], received
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_an_impostor_receives_nothing(
    lab: Lab, impostor: tuple[int, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.given_transferred("a")
    port, received = impostor
    before = lab.datastore_bytes()
    for service in ("TRANSFER", "AUTH"):
        monkeypatch.setenv(f"GLOBUS_SDK_SERVICE_URL_{service}", f"https://127.0.0.1:{port}/")
        assert (lab.transfer(), lab.delete()) == (1, 1)
        (lab.state / "refresh_token").unlink(missing_ok=True)
    assert received
    assert set(received) == {b""}
    assert lab.datastore_bytes() == before
