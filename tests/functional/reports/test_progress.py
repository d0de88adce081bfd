"""Progress is shown on a terminal, and only there."""

from __future__ import annotations

import re

import pytest

from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, files
from tests.processes import on_terminal


def shown(lab: Lab, program: str, *options: str) -> str:
    """Return what a good run shows on a terminal, without control sequences."""
    with on_terminal(lab, program, *options) as terminal:
        assert terminal.code() == 0, terminal.shown
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.shown)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "options", "seen"),
    [("transfer", (), 60), ("transfer", ("--status",), 60), ("delete", (), 0)],
)
def test_a_scan_shows_directories_files_and_their_rate(
    lab: Lab, program: str, options: tuple[str, ...], seen: int
) -> None:
    for number in range(60):
        lab.write(f"d{number % 20}/file{number}")
    if program == "delete":
        lab.given_transferred()
    output = shown(lab, program, *options)
    assert re.search(rf"/src: 21 directories, {seen} files, \d+ directories/s", output), output


@pytest.mark.slow
def test_waiting_shows_files_and_bytes_of_each_task(lab: Lab) -> None:
    lab.given_transferred("old")
    lab.configure(FILES_PER_TASK=2)
    for name, size in (("a", 1000), ("b", 500), ("c", 2_500_000)):
        lab.write(name, b"x" * size)
    lab.world.completion = CompletionPolicy.after_polls(2)
    output = shown(lab, "transfer", "--wait")
    for figures in ("0%, 0 of 2 files", "100%, 2 of 2 files, 1.5 kB"):
        assert f"Transfer 1 of 2: {figures}" in output, output
    for figures in ("0%, 0 of 1 file", "100%, 1 of 1 file, 2.5 MB"):
        assert f"Transfer 2 of 2: {figures}" in output, output
    assert files(lab.destination) == files(lab.source)


def test_a_delete_shows_its_progress(lab: Lab) -> None:
    lab.given_transferred("a", "b")
    (lab.source / "d").mkdir()
    output = shown(lab, "delete")
    for what in ("Deleting 2 files: ", "Deleting 1 directory: "):
        assert f"{what}begins{what}100%" in output, output


@pytest.mark.parametrize(("program", "options"), [("transfer", ("--wait",)), ("delete", ())])
def test_without_a_terminal_nothing_is_shown(
    lab: Lab, program: str, options: tuple[str, ...]
) -> None:
    lab.given_transferred("d/a")
    lab.write("b")
    with lab.start(program, *options) as process:
        assert process.communicate() == ("", "")
