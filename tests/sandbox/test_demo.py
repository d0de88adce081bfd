"""The demo checks its own result; this test checks what it shows."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from globus_auto import transfer
from globus_auto.sandbox import __main__ as serve
from tests import ROOT
from tests.documents.test_outputs import block, is_shown


def test_the_demo_succeeds_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    command = [sys.executable, "-m", "globus_auto.sandbox"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The demo succeeded" in done.stdout
    assert "it has changed since it was transferred" in done.stdout.replace("\n", " ")
    assert not list(tmp_path.iterdir())
    _shows_what_the_programs_print(done.stdout)
    assert is_shown(block("$ delete.py --config"), done.stdout)
    monkeypatch.chdir(tmp_path)
    results = [(options[-1], code) for options, code in _try_next(done.stdout)]
    said = "".join(capsys.readouterr())
    assert results == [("DESTINATION", 2), ("pair.py", 0), ("--check", 2)]
    assert f"{tmp_path}/SOURCE is not a directory." in said
    assert f"Wrote {tmp_path}/pair.py." in said
    assert "SRC_DIR is not set in" in said


def _shows_what_the_programs_print(shown: str) -> None:
    """A dry run, -v, silence and --find; what is not obvious in the tables is explained."""
    assert "one recursive task, which compares every file with the destination\n" in shown
    assert re.search(r"^Task \S+ ended: SUCCEEDED, delivered 4 of 4 files$", shown, re.MULTILINE)
    assert shown.count("(It printed nothing.)") == 3
    assert "  now: deleted at the source\n" in shown
    assert "source (MD5) ┃ destination (MD5)" in shown
    assert "symbolic links are neither transferred nor deleted" in shown
    # The digits are those that the history has.
    assert re.search(r"notes\.txt │ +- │ 3f30279d7d60", re.sub(" +", " ", shown))
    assert "md5:3f30279d7d60" in shown


def _try_next(shown: str) -> Iterator[tuple[list[str], int]]:
    """Run the commands that are shown last, in this process; yield each with its exit code."""
    programs = {"globus_auto.sandbox": serve.main, "globus_auto.transfer": transfer.main}
    for line in shown.partition("Try one of these next:")[2].splitlines():
        if line.startswith("  "):
            python, _, module, *options = shlex.split(line)
            assert (ROOT / python).samefile(sys.executable)
            yield options, programs[module](options)
