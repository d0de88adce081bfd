"""A config file that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from globus_auto import config_file


def problems_of(file: Path) -> list[str]:
    """Return the problems of the settings in `file`."""
    with pytest.raises(config_file.SettingsError) as caught:
        config_file.read_settings(str(file))
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("SRC_DIR = '/a\n", "cannot be read: SyntaxError"),
        ("1 / 0\n", "cannot be read: ZeroDivisionError"),
        ("import nothing_of_this_name\n", "cannot be read: ModuleNotFoundError"),
        ("\0", "cannot be read: "),  # which error it is depends on the version of Python
        (None, "cannot be read: FileNotFoundError"),
    ],
)
def test_an_unreadable_config_is_all_that_is_reported(
    tmp_path: Path, text: str | None, sentence: str
) -> None:
    file = tmp_path / "config.py"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    problems = problems_of(file)
    assert len(problems) == 1
    assert sentence in problems[0]
    assert "\n" not in problems[0]
