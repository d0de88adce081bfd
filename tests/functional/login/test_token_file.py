"""A run does not wait for ever for the token file."""

from __future__ import annotations

import os
import signal

import pytest

from tests.lab import Lab
from tests.unit.globus.test_tokens import STRUCK, start, stored


def test_a_suspended_process_does_not_block_a_run_for_ever(
    logged_in: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    file = logged_in.state / "refresh_token"
    logged_in.advance(3 * 86_400)
    with start(STRUCK, file, int(signal.SIGSTOP)) as stopped:
        try:
            os.waitpid(stopped.pid, os.WUNTRACED)
            assert logged_in.transfer() == 1
        finally:
            stopped.send_signal(signal.SIGCONT)
    said = capsys.readouterr().err
    assert f"cannot read or write {file}.lock" in said
    assert "another process has kept it locked for 60 seconds" in said
    assert logged_in.transfer() == 0
    assert stored(file)["struck"] == {"x": "never"}
