"""--check: one line for everything that a run needs, and what to do about each problem."""

from __future__ import annotations

import json
import re
import sys
import time
from email.utils import formatdate
from typing import Any

import pytest

from globus_auto.files import MARKER
from tests.lab import Lab, another_run, changes, log_in, run_transfer, tree
from tests.mail import Mailbox


def levels(output: str) -> dict[str, str]:
    """Return the level of each line of a check by its subject; the last line is the verdict."""
    return {line[9:].partition(":")[0]: line[:9].strip() for line in output.splitlines()[:-1]}


def test_check_says_ok_and_changes_nothing(
    lab: Lab, mailbox: Mailbox, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.write_and_transfer("a")
    before = lab.datastore_bytes(), tree(lab.source), tree(lab.destination), lab.health()
    lab.world.requests.clear()
    code, output = run_transfer(lab, capsys, "--check")
    assert code == 0, output
    assert set(levels(output).values()) == {"ok"}, output
    assert {"settings", "state directory", "datastore", "login", "mail", "clock"} <= {
        *levels(output)
    }
    assert output.splitlines()[-1] == "ready"
    assert not changes(lab)
    assert (lab.datastore_bytes(), tree(lab.source), tree(lab.destination), lab.health()) == before
    assert not mailbox.messages


def test_check_with_probe_makes_the_marker_and_sends_a_message(
    lab: Lab, mailbox: Mailbox, capsys: pytest.CaptureFixture[str]
) -> None:
    code, output = run_transfer(lab, capsys, "--check", "--probe")
    assert code == 0, output
    assert levels(output)["write access"] == "ok"
    assert [each.route for each in lab.world.requests if each.method == "POST"][1:] == ["mkdir"]
    (marker,) = lab.destination.iterdir()
    assert f"/dst has the marker {marker.name}" in line(output, "write access")
    assert MARKER.fullmatch(marker.name) and not list(marker.iterdir())
    assert not tree(lab.source)
    assert len(mailbox.messages) == 1


def test_check_names_each_problem_and_the_remedy(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.src.connected = False
    lab.dst.high_assurance = True
    lab.configure(
        EMAIL_HOST="127.0.0.1:1", EMAIL_SENDER="a@example.org", EMAIL_RECIPIENTS=["b@example.org"]
    )
    (lab.state / "datastore").write_bytes(b"{}")
    code, output = run_transfer(lab, capsys, "--check")
    assert code == 3
    found = levels(output)
    assert [found[what] for what in ("mail", "datastore", "source")] == ["problem"] * 3
    assert output.splitlines()[-1] == "3 problems, 1 warning"
    assert "Start Globus Connect Personal" in output
    assert "high-assurance" in output
    assert (lab.state / "datastore").read_bytes() == b"{}"


def test_check_reports_a_rejected_login(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOBUS_CLIENT_SECRET", "wrong")
    code, output = run_transfer(lab, capsys, "--check")
    assert code == 3
    assert levels(output)["login"] == "problem"


def test_check_reports_wrong_settings(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.configure(SRC_ID="none", KEEP_DAYS=-1)
    assert lab.transfer("--check") == 2
    stderr = capsys.readouterr().err
    assert "SRC_ID" in stderr
    assert "KEEP_DAYS" in stderr


def test_check_reports_directories_that_cannot_be_listed(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.source.rmdir()
    body = {"code": "ExternalError.DirListingFailed.PermissionDenied", "message": "no"}
    lab.world.faults.add("ls", status=502, body=body, times=None)
    code, output = run_transfer(lab, capsys, "--check")
    assert code == 1
    assert levels(output)["source directory"] == "problem"


def line(output: str, what: str) -> str:
    """Return the line about `what`."""
    (found,) = [each for each in output.splitlines() if each[9:].startswith(f"{what}: ")]
    return found


def refuse(lab: Lab, route: str, status: int, code: str, **more: Any) -> None:
    """Let Globus refuse all calls of a route."""
    body = {"code": code, "message": "planned", "request_id": "r1", **more}
    lab.world.faults.add(route, times=None, status=status, body=body)


WRONG: dict[str, tuple[Any, str, int, str]] = {
    "no datastore": (
        lambda lab: (lab.state / "datastore").write_bytes(b"{"),
        "datastore",
        3,
        "is damaged: it is cut short, or has no sum at its end. Nothing was changed,",
    ),
    "another source": (
        lambda lab: lab.configure(SRC_ID=lab.dst.id, DST_ID=lab.src.id),
        "datastore",
        2,
        "For another source, set CODE_PATH to another directory",
    ),
    "no Globus": (
        lambda lab: lab.world.faults.add("endpoint", times=None, drop="before"),
        "source",
        1,
        "Globus cannot be reached",
    ),
    "off": (
        lambda lab: setattr(lab.src, "connected", False),
        "source",
        1,
        "is not connected to Globus. Nothing is lost: files that need it",
    ),
    "paused": (
        lambda lab: setattr(lab.src, "paused", True),
        "source",
        1,
        "Unpause Globus Connect Personal there.",
    ),
    "unknown": (
        lambda lab: setattr(lab.dst, "deleted", True),
        "destination",
        2,
        "Nothing is sent or deleted. Correct DST_ID: the Globus web app shows the UUID of",
    ),
    "no collection": (
        lambda lab: setattr(lab.dst, "entity_type", "GCSv5_endpoint"),
        "destination",
        2,
        "holds no files itself: it is a server. Nothing is sent or deleted. Set the id of",
    ),
    "silent host": (
        lambda lab: setattr(lab.dst, "connected", False),
        "destination directory",
        1,
        "Globus says: The host of 'destination' does not answer. Code: ",
    ),
    "no source directory": (
        lambda lab: lab.source.rename(lab.home / "elsewhere"),
        "source directory",
        1,
        "Check SRC_DIR and the permissions there. Reason: there is no such directory",
    ),
    "not readable": (
        lambda lab: refuse(lab, "ls", 502, "ExternalError.DirListingFailed.PermissionDenied"),
        "destination directory",
        1,
        "cannot be listed. Check DST_DIR and the permissions there. Globus says: planned.",
    ),
    "consent": (
        lambda lab: refuse(lab, "ls", 403, "ConsentRequired", required_scopes=["a", "b"]),
        "consents",
        3,
        "transfer.py --login",
    ),
    "session": (
        lambda lab: refuse(lab, "ls", 502, "ExternalError.DirListingFailed.LoginFailed"),
        "source directory",
        3,
        "Sessions of high-assurance collections end, and no stored login can renew them",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_each_problem_has_a_line_with_the_remedy(
    lab: Lab, capsys: pytest.CaptureFixture[str], wrong: str
) -> None:
    """The exit code is that of the problem."""
    arrange, what, expected, sentence = WRONG[wrong]
    lab.write_and_transfer("a")
    arrange(lab)
    code, output = run_transfer(lab, capsys, "--check")
    assert code == expected, output
    found = [each for each in output.splitlines() if each[9:].startswith(f"{what}: ")]
    assert found, output
    assert all(each.startswith("problem") for each in found)
    assert sentence in found[0]
    assert not changes(lab) or changes(lab) == ["transfer"]


def test_probe_makes_a_missing_destination_with_its_marker(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so; without --probe a missing directory is no problem."""
    lab.configure(DST_DIR="/dst/new/deep")
    code, output = run_transfer(lab, capsys, "--check")
    assert code == 0
    assert "/dst/new/deep does not exist yet; the first transfer creates it" in line(
        output, "destination directory"
    )
    assert not list(lab.destination.iterdir())
    code, output = run_transfer(lab, capsys, "--check", "--probe")
    assert code == 0, output
    assert line(output, "write access").endswith(
        "; created /dst/new, /dst/new/deep, as the first transfer would have"
    )
    (marker,) = (lab.destination / "new" / "deep").iterdir()
    assert MARKER.fullmatch(marker.name)
    lab.write_and_transfer("a")
    assert (lab.destination / "new" / "deep" / "a").exists()


def test_probe_makes_no_destination_that_has_vanished(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its disk may not be mounted."""
    lab.configure(DST_DIR="/dst/new")
    lab.given_transferred("a")
    (lab.destination / "new").rename(lab.home / "elsewhere")
    code, output = run_transfer(lab, capsys, "--check", "--probe")
    assert code == 0
    assert line(output, "write access").startswith("warning  write access: not tested: /dst/new")
    assert not changes(lab)
    assert not list(lab.destination.iterdir())


def test_probe_names_the_directory_that_cannot_be_made(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.configure(DST_DIR="/dst/new/deep")
    refuse(lab, "mkdir", 502, "ExternalError.MkdirFailed.PermissionDenied")
    code, output = run_transfer(lab, capsys, "--check", "--probe")
    assert code == 1
    assert "Globus cannot create the directory /dst/new. Give" in line(output, "write access")


def test_probe_writes_nothing_if_the_datastore_is_damaged(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """It alone shows whether another source is sent there."""
    (lab.state / "datastore").write_bytes(b"{}")
    code, output = run_transfer(lab, capsys, "--check", "--probe")
    assert code == 3
    assert line(output, "write access").startswith("warning  write access: not tested: ")
    assert not list(lab.destination.iterdir())


@pytest.mark.parametrize(
    ("local_dir", "level", "said"),
    [
        ("source", "ok", "shows what Globus shows in SRC_DIR"),
        ("state", "problem", "have no name in common"),
        ("nowhere", "problem", "cannot be listed"),
        ("snapshot", "warning", "does not show what Globus shows in /src: b."),
    ],
)
def test_check_tries_src_local_dir(
    lab: Lab, capsys: pytest.CaptureFixture[str], local_dir: str, level: str, said: str
) -> None:
    for name in "ab":
        lab.write(name)
    (lab.home / "snapshot").mkdir()
    (lab.home / "snapshot" / "a").touch()
    lab.configure(SRC_LOCAL_DIR=str(lab.home / local_dir))
    code, output = run_transfer(lab, capsys, "--check")
    assert code == (level == "problem")
    assert line(output, "SRC_LOCAL_DIR").startswith(f"{level:8} SRC_LOCAL_DIR: ")
    assert said in line(output, "SRC_LOCAL_DIR")


def test_one_directory_under_two_names_is_a_problem(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.dst.root = lab.src.root
    code, output = run_transfer(lab, capsys, "--check", "--probe")
    assert code == 2
    assert "/dst is SRC_DIR, or inside it, under another name." in line(output, "write access")
    assert not tree(lab.source)


def test_a_destination_that_cannot_be_written_is_a_problem(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    refuse(lab, "mkdir", 502, "ExternalError.MkdirFailed.PermissionDenied")
    code, output = run_transfer(lab, capsys, "--check", "--probe")
    assert code == 1
    assert line(output, "write access").startswith("problem")
    assert "Give the account that Globus uses there write access" in line(output, "write access")


@pytest.mark.parametrize(
    ("seconds", "level", "said"),
    [
        (-99, "warning", " seconds ahead of Globus's clock. Synchronise this machine's clock"),
        (-20, "ok", "agrees with Globus's clock"),
        (20, "ok", "agrees with Globus's clock"),
        (99, "warning", " seconds behind Globus's clock. Synchronise this machine's clock"),
    ],
)
def test_a_clock_that_differs_from_that_of_globus_is_a_warning(
    lab: Lab, capsys: pytest.CaptureFixture[str], seconds: int, level: str, said: str
) -> None:
    body = {"id": lab.src.id, "gcp_connected": True}
    date = {"Date": formatdate(time.time() + seconds, usegmt=True)}
    lab.world.faults.add("endpoint", times=2, status=200, body=body, headers=date)
    code, output = run_transfer(lab, capsys, "--check")
    assert code == 0
    assert line(output, "clock").startswith(level)
    assert said in line(output, "clock")


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_an_answer_without_a_date_is_a_warning(
    lab: Lab, capsys: pytest.CaptureFixture[str], date: str
) -> None:
    body = {"id": lab.src.id, "gcp_connected": True}
    lab.world.faults.add("endpoint", times=2, status=200, body=body, headers={"Date": date})
    code, output = run_transfer(lab, capsys, "--check")
    assert code == 0
    assert line(output, "clock") == "warning  clock: not checked: Globus sent no valid Date header"
    assert line(output, "destination directory").startswith("ok")


def test_a_high_assurance_collection_is_explained(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.dst.high_assurance = True
    code, output = run_transfer(lab, capsys, "--check")
    assert code == 0
    assert (
        "warning  destination: destination is a high-assurance collection: its sessions expire,"
        " and you must then log in again. Use a service account or another collection." in output
    )


@pytest.mark.parametrize("which", ["src", "dst"])
def test_a_collection_that_disables_verification_is_a_problem(
    lab: Lab, capsys: pytest.CaptureFixture[str], which: str
) -> None:
    getattr(lab, which).disable_verify = True
    code, output = run_transfer(lab, capsys, "--check")
    assert code == 1
    what, other = ("source", "destination") if which == "src" else ("destination", "source")
    sentence = f"the policy of {what} disables checksum verification, so delete.py would delete"
    assert f"problem  {what}: {sentence}" in output
    assert f"the policy of {other}" not in output


def test_a_state_directory_that_cannot_be_written_is_a_problem(lab: Lab) -> None:
    assert lab.transfer() == 0
    lab.state.chmod(0o500)
    with lab.start("transfer", "--check", unprivileged=True) as process:
        output, _ = process.communicate()
    lab.state.chmod(0o700)
    assert process.returncode == 1
    assert f"{lab.state} is not writable. Check its permissions, and that CODE_PATH" in line(
        output, "state directory"
    )


def test_check_explains_how_to_log_in(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GLOBUS_CLIENT_SECRET")
    lab.configure(CLIENT_ID=lab.world.identity.add_native_app())
    code, output = run_transfer(lab, capsys, "--check")
    assert code == 3
    assert f"transfer.py --login --config {lab.config}" in line(output, "login")


def test_check_finds_a_revoked_login(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GLOBUS_CLIENT_SECRET")
    lab.configure(CLIENT_ID=lab.world.identity.add_native_app())
    log_in(lab)
    assert run_transfer(lab, capsys, "--check")[0] == 0
    lab.world.identity.expire_access_tokens()
    lab.world.identity.revoke_refresh_tokens()
    code, output = run_transfer(lab, capsys, "--check")
    assert code == 3
    assert "Globus no longer accepts the stored login" in line(output, "login")
    assert output.splitlines()[-1] == "1 problem, 1 warning"


def test_no_recipient_for_alerts_is_a_warning(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    code, output = run_transfer(lab, capsys, "--check", "--probe")
    assert code == 0
    assert line(output, "mail").startswith("warning  mail: no alerts are sent")


def test_mail_that_is_not_accepted_is_a_problem(
    lab: Lab, mailbox: Mailbox, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.configure(EMAIL_RECIPIENTS=["ill formed@"])
    assert lab.transfer("--check") == 2
    lab.configure(EMAIL_RECIPIENTS=["a@["])
    code, output = run_transfer(lab, capsys, "--check", "--probe")
    assert code == 1
    assert (
        line(output, "mail")
        == "problem  mail: the test message was not accepted; see the messages above"
    )
    assert not mailbox.messages
    lab.configure(EMAIL_HOST="127.0.0.1:1")
    code, output = run_transfer(lab, capsys, "--check")
    assert code == 1
    assert "Set EMAIL_HOST or ALERT_URLS" in line(output, "mail")


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_alert_urls_are_tried_only_with_probe(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.configure(ALERT_URLS=["json://127.0.0.1:1/"])
    code, output = run_transfer(lab, capsys, "--check")
    assert (code, line(output, "ALERT_URLS")[:2]) == (0, "ok")
    code, output = run_transfer(lab, capsys, "--check", "--probe")
    assert code == 1
    assert "test messages sent: 0 of 1" in line(output, "ALERT_URLS")
    monkeypatch.setitem(sys.modules, "apprise", None)
    code, output = run_transfer(lab, capsys, "--check")
    assert code == 1
    assert "ALERT_URLS needs Apprise; run: " in line(output, "ALERT_URLS")


def test_check_works_during_another_run_and_writes_nothing(
    lab: Lab, mailbox: Mailbox, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.write_and_transfer("a")
    with another_run(lab):
        before = tree(lab.home)
        code, output = run_transfer(lab, capsys, "--check", "--probe")
    assert code == 0, output
    assert tree(lab.home) == before
    assert len(mailbox.messages) == 1


@pytest.mark.parametrize("login", ["service account", "person", "person without an identity"])
def test_check_and_status_say_who_is_logged_in(
    request: pytest.FixtureRequest, lab: Lab, capsys: pytest.CaptureFixture[str], login: str
) -> None:
    who = f"service account {lab.client_id}@clients.auth.globus.org"
    if login != "service account":
        request.getfixturevalue("logged_in")
        who = f"user with identity {lab.world.identity.person}"
    if login == "person without an identity":
        tokens = lab.state / "refresh_token"
        text = tokens.read_text(encoding="utf-8")
        tokens.write_text(re.sub(r'"identity_id": "[^"]*", ', "", text), encoding="utf-8")
        who = "a user's login"
    code, output = run_transfer(lab, capsys, "--check")
    assert code == 0, output
    assert line(output, "login") == f"ok       login: accepted by Globus: {who}"
    code, output = run_transfer(lab, capsys, "--status", "--json")
    assert (code, json.loads(output)["login"]) == (0, who)


def test_status_without_a_login_does_not_know_who_is_logged_in(
    person: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    code, output = run_transfer(person, capsys, "--status", "--json")
    assert (code, json.loads(output)["login"]) == (3, None)
