"""The picture of the README shows what the programs print."""

from __future__ import annotations

import pytest
from rich.text import Text

from tests.lab import Lab
from tests.terminal import PICTURE, masked, record, serve_microscope, text_of


@pytest.mark.slow
def test_the_picture_is_what_a_terminal_shows(lab: Lab) -> None:
    """If it is not: `python -m tests.terminal` draws it again."""
    lab.real_time()
    serve_microscope(lab)
    shown = Text.from_ansi(record(lab)).plain
    assert masked(text_of(PICTURE.read_text(encoding="utf-8"))) == masked(shown)
