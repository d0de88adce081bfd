"""What a person sees on a terminal: colours, whole words and links, and no line left over."""

from __future__ import annotations

import json
import os
import re
import time

import pytest

from globus_auto.locks import locked
from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, run_transfer
from tests.processes import on_terminal

SCREENS = [
    ("transfer", "--check", "--probe"),
    ("transfer", "--status"),
    ("transfer", "-n", "-v"),
    ("transfer",),
    ("delete", "-n", "-v"),
    ("delete",),
]


def given_a_busy_day(lab: Lab) -> None:
    """Files of every kind, a transfer in progress, a problem, and long names."""
    deep = "/".join(["a long name of a place"] * 4)
    lab.given_transferred("sent", f"{deep}/sent")
    lab.world.completion = CompletionPolicy.after_polls(9)
    lab.write("in progress")
    assert lab.transfer() == 0
    lab.world.completion = CompletionPolicy.at_once()
    lab.write(f"{deep}/new")
    lab.write("br\neak")
    (lab.source / "link").symlink_to("sent")


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("screen", SCREENS, ids=" ".join)
def test_words_and_links_are_whole_on_every_screen(
    lab: Lab, screen: tuple[str, ...], columns: int
) -> None:
    """Only a path without a blank may be wider than the terminal; no progress is left."""
    given_a_busy_day(lab)
    with on_terminal(lab, *screen, columns=columns) as terminal:
        terminal.code()
        lines = terminal.lines()
    text = "\n".join(lines)
    wide = [each for each in lines if len(each) > columns and " " in each.strip()]
    assert wide == [], text
    assert not re.search(r"\b1 (?:files|bytes|directories|problems|seconds)\b|\(s\)", text), text
    assert "directories/s" not in text
    assert "begins" not in text
    links = re.findall(r"https://app\S+", text)
    assert all(re.fullmatch(r"https://app.globus.org/activity/[0-9a-f-]{36}", x) for x in links)


def test_check_is_coloured_on_a_terminal_only(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """NO_COLOR is respected there."""
    for no_color, is_coloured in (("", True), ("1", False)):
        with on_terminal(lab, "transfer", "--check", no_color=no_color) as terminal:
            assert terminal.code() == 0
        assert ("\x1b[32m" in terminal.shown) == is_coloured
        assert ("\x1b[33m" in terminal.shown) == is_coloured
        assert terminal.lines()[-2] == "ready, 1 warning"
    _, output = run_transfer(lab, capsys, "--check")
    assert "\x1b" not in output
    assert output.endswith("\nready, 1 warning\n")


def test_a_line_that_is_logged_clears_the_progress(lab: Lab) -> None:
    """The note is longer than a line; it is logged during the scan."""
    lab.write("a")
    for name in ("link one", "link two", "link three"):
        (lab.source / name).symlink_to("a")
    with on_terminal(lab, "transfer") as terminal:
        assert terminal.code() == 0, terminal.shown
    lines = terminal.lines()
    assert "/src: begins" in terminal.shown
    assert "directories/s" not in "".join(lines)
    start = next(each for each in lines if each.startswith("left alone: "))
    assert start.startswith("left alone: Not sent from /src: link ")
    assert [each for each in lines if each.startswith("https://app.globus.org/activity/")]


def test_status_shows_which_program_is_running(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only while it holds its lock: the file stays, and other processes reuse its PID."""
    lock = lab.state / "datastore.delete.lock"
    with locked(str(lock), timeout=0):
        _, output = run_transfer(lab, capsys, "--status")
        (run,) = json.loads(run_transfer(lab, capsys, "--status", "--json")[1])["running"]
    assert (run["program"], run["pid"]) == ("delete", os.getpid())
    since = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(run["since"]))
    assert f"\nrunning now delete.py since {since}, PID {os.getpid()}\n" in output
    for content in (lock.read_text(), "", "1 2 3", "x", "99999999 5"):
        lock.write_text(content)
        assert "\nrunning now nothing\n" in run_transfer(lab, capsys, "--status")[1]
