"""What newcomers get wrong: the message names the setting, and how to correct it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.lab import Lab


def swap_ids(lab: Lab) -> None:
    """At most sites the directory of one collection is no path of the other."""
    lab.configure(SRC_ID=lab.dst.id, DST_ID=lab.src.id)


def forget_a_digit(lab: Lab) -> None:
    lab.configure(SRC_ID=f"{(int(lab.src.id[0], 16) + 1) % 16:x}{lab.src.id[1:]}")


def share_code_path(lab: Lab) -> None:
    lab.state.chmod(0o777)


def give_code_path_to_another(lab: Lab) -> None:
    if os.geteuid():
        pytest.skip("only root can give files away")
    os.chown(lab.state, 12345, -1)


def mistype(lab: Lab) -> None:
    lab.configure(KEEP_DAY=7)


def setting(name: str, value: Any) -> Callable[[Lab], None]:
    """Return what sets one setting."""
    return lambda lab: lab.configure(**{name: value})


MISTAKES: dict[str, tuple[Callable[[Lab], None], str]] = {
    "wrong digit": (forget_a_digit, "Correct SRC_ID: the Globus web app shows the UUID"),
    "no UUID": (setting("DST_ID", "archive"), "DST_ID = 'archive' must be a UUID, as shown in"),
    "no slash": (setting("CODE_PATH", "/tmp"), "CODE_PATH = '/tmp' must be an absolute path and"),
    "mistyped": (mistype, "sets KEEP_DAY, which is not a setting. Did you mean KEEP_DAYS?"),
    "inside": (
        lambda lab: lab.configure(DST_ID=lab.src.id, DST_DIR="/src/archive"),
        "SRC_DIR /src and DST_DIR /src/archive are on the same collection: they must be distinct",
    ),
    "no secret file": (
        setting("CLIENT_SECRET_FILE", "secret"),
        "secret does not exist: write the client secret into it, and run `chmod 600 ",
    ),
    "source missing": (
        lambda lab: lab.source.rmdir(),
        "Check SRC_DIR, and whether its disk is mounted.",
    ),
    "code path of another": (
        give_code_path_to_another,
        "(uid 12345), who could change it. Use one of your own, or run the programs as that user.",
    ),
    "shared code path": (
        share_code_path,
        "CODE_PATH: {state} is writable by everybody. Run `chmod",
    ),
    "no sender": (
        setting("EMAIL_RECIPIENTS", ["you@example.org"]),
        "EMAIL_SENDER must be an email address if EMAIL_RECIPIENTS is set.",
    ),
    "ids swapped": (swap_ids, "Check SRC_DIR, and whether SRC_ID and DST_ID are swapped."),
    "text": (setting("KEEP_DAYS", "7"), "KEEP_DAYS must be a number, without quotes."),
    "flag as text": (
        setting("DELETE_EMPTY_DIRS", "False"),
        "DELETE_EMPTY_DIRS must be True or False, without quotes.",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_message_says_which_setting_to_correct(
    lab: Lab, capsys: pytest.CaptureFixture[str], mistake: str
) -> None:
    arrange, sentence = MISTAKES[mistake]
    arrange(lab)
    assert lab.transfer() in (1, 2)
    assert sentence.format(state=lab.state) in capsys.readouterr().err


def test_where_both_directories_are_denied_check_suspects_the_ids(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    swap_ids(lab)
    assert lab.transfer("--check") == 1
    assert "neither can be listed: check whether SRC_ID and DST_ID" in capsys.readouterr().out
    lab.configure(SRC_ID=lab.src.id, DST_ID=lab.dst.id)
    assert lab.transfer("--check") == 0
    assert "swapped" not in capsys.readouterr().out


def test_a_wrong_mail_server_is_named(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.configure(
        EMAIL_HOST="127.0.0.1:1",
        EMAIL_SENDER="em1@example.org",
        EMAIL_RECIPIENTS=["you@example.org"],
    )
    lab.source.rmdir()
    assert lab.transfer() == 1
    said = capsys.readouterr().err
    assert "Cannot send mail by 127.0.0.1:1: " in said
    assert "refused. Check EMAIL_HOST: transfer.py --check tests it.\n" in said


def test_a_code_path_that_cannot_be_written_is_named(lab: Lab) -> None:
    lab.state.chmod(0o500)
    with lab.start("transfer", unprivileged=True) as process:
        _, said = process.communicate()
    lab.state.chmod(0o700)
    assert process.returncode == 1
    assert "that CODE_PATH is a directory of the user who runs the programs." in said
    assert f"alerts were sent: {lab.state}/datastore.health.lock: Permission denied" in said
