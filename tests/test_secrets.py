"""Secrets: whatever goes wrong, no secret, token or code is in anything that a run leaves."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Lab, Mailbox

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


class Witness:
    """Everything that the runs of a laboratory have said and left, and all that was secret."""

    def __init__(self, lab: Lab, mailbox: Mailbox, capture: pytest.CaptureFixture[str]) -> None:
        self.lab, self.mailbox, self.capture = lab, mailbox, capture
        self.secrets = {lab.secret}
        self.said = ""

    def run(self, *options: str) -> None:
        """Run both programs and take down what they say, and what was issued to them."""
        for program in (self.lab.transfer, self.lab.delete):
            program(*options)
            self.said += "".join(self.capture.readouterr())
            identity = self.lab.world.identity
            self.secrets |= {*identity._access, *identity._refresh, *identity._logins}

    def check(self) -> None:
        """See that nothing secret is anywhere but in the token file."""
        left = {
            path.name: path.read_text(encoding="utf-8")
            for path in self.lab.state.iterdir()
            if path.name != "refresh_token"
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


@pytest.mark.parametrize("route", ["token", *ROUTES])
def test_no_secret_is_anywhere_after_faults_of_all_kinds(
    lab: Lab, mailbox: Mailbox, capfd: pytest.CaptureFixture[str], route: str
) -> None:
    witness = Witness(lab, mailbox, capfd)
    lab.sent("a")
    for number, fault in enumerate(FAULTS):
        lab.write(f"b{number}")
        if route == "token":
            lab.world.identity.expire_access_tokens()
        lab.world.faults.add(route, times=None, **fault)
        witness.run("-v")
        lab.world.faults.clear()
    witness.run()
    witness.check()
