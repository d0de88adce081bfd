"""The README shows what the programs print, log and mail."""

from __future__ import annotations

import re
import socket

import pytest

from globus_auto.sandbox.world import CompletionPolicy
from tests import ROOT
from tests.lab import Lab
from tests.mail import Mailbox
from tests.terminal import CHANGED, serve_microscope

README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(first: str) -> str:
    """Return the indented lines of the README that begin with `first`, up to the next text."""
    _, found, rest = README.partition(f"\n    {first}")
    assert found, f"the README shows nothing that begins with {first!r}"
    lines = (found + rest).lstrip("\n").splitlines()
    end = next(number for number, line in enumerate(lines) if line and line[:4] != "    ")
    return "\n".join(line[4:] for line in lines[:end]).rstrip()


def is_shown(shown: str, printed: str) -> bool:
    """Return whether `printed` has all lines of `shown`, in order; `…` and seconds may differ."""
    pattern = r"\n(?:.*\n)*?".join(
        ".*".join(map(re.escape, line.split("…"))) for line in shown.splitlines()
    )
    pattern = re.sub(r"(\d\d:\d\d):\d\d", r"\1:\\d\\d", pattern)
    return re.search(f"^{pattern}$", printed, re.MULTILINE) is not None


@pytest.fixture
def morning(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """Return a laboratory after a first transfer, a change, a deletion and a second transfer."""
    monkeypatch.setattr(socket, "gethostname", lambda: "em1")
    serve_microscope(lab)
    assert lab.transfer() == 0
    lab.advance(1800)
    assert lab.transfer() == 0
    lab.write(CHANGED, b"x" * 680)
    assert lab.delete() == 0
    lab.advance(900)
    lab.world.completion = CompletionPolicy.after_polls(9)
    lab.write("2026-11-23/grid_003.mrc", b"x" * 50_000, age=300)
    assert lab.transfer() == 0
    return lab


def test_the_readme_shows_real_output(morning: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert morning.transfer("--status") == 0
    assert is_shown(block("source      microscope"), status := capsys.readouterr().out)
    assert len(block("source      microscope").splitlines()) == len(status.splitlines())
    assert morning.transfer("--find", "grid_001") == 0
    found = capsys.readouterr().out
    assert is_shown(block("/C/Data/2026"), found), found
    assert is_shown(block("2026-11-23 10:00:00,"), morning.log()), morning.log()


def test_the_readme_shows_a_real_mail(morning: Lab, mailbox: Mailbox) -> None:
    for endpoint in morning.world.endpoints.values():
        endpoint.connected = endpoint.name != "microscope"
    assert morning.transfer() == 1
    message = mailbox.read(0)
    said = f"Subject: {message['Subject']}\n\n{message.get_content()}"
    assert " ".join(said.split()).startswith(" ".join(block("Subject: ").split()))


def test_the_readme_lists_every_file_of_code_path(morning: Lab) -> None:
    """Their names in the table are patterns; what is only there during a run is not looked for."""
    section = README.partition("\n## Security\n")[2].partition("\n## ")[0]
    named = re.findall(r"`([\w.*/]+)`", "".join(re.findall(r"^\|([^|]+)\|", section, re.MULTILINE)))
    there = {f"{path.name}/" if path.is_dir() else path.name for path in morning.state.iterdir()}
    assert {"datastore", "datastore.health", "history/", "globus_auto.log"} <= there
    patterns = "|".join(re.escape(name).replace(r"\*", ".*") for name in named)
    assert [name for name in sorted(there) if not re.fullmatch(patterns, name)] == []


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a …\nc", "0\na b\nx\nc\n", True),
        ("a\nc", "c\na", False),
        ("a", "ab", False),
        ("10:30:01 a", "10:30:02 a", True),
        ("10:30:01 a", "10:31:01 a", False),
        ("a.b", "axb", False),
    ],
)
def test_lines_are_compared_as_they_are(shown: str, printed: str, same: bool) -> None:
    assert is_shown(shown, printed) is same
