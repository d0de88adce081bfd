"""The demo checks its own result; this test checks that it reports success."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def test_the_demo_succeeds_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    command = [sys.executable, "-m", "globus_auto.sandbox"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The demo succeeded" in done.stdout
    assert "it has changed since it was transferred" in done.stdout.replace("\n", " ")
    assert not list(tmp_path.iterdir())
