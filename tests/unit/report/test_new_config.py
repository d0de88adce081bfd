"""From the text of config.py to that of a new config file."""

from __future__ import annotations

import pytest

from globus_auto.report.new_config import DOCSTRING, NEEDED, config_text

EMPTY = '""'
REST = {"EMAIL_RECIPIENTS": "[]", "CODE_PATH": '"/s/"'}

# What config.py has, and what a new file has of it.
TEXTS = [
    ("", ""),
    ('"""About."""\n\nKEEP_DAYS = 0\n', "\n#KEEP_DAYS = 0\n"),
    ("# Why.\nKEEP_DAYS = 3  # days\n", "# Why.\n#KEEP_DAYS = 3\n"),
    ('EXCLUDE: list[str] = [\n    "a",\n]\n', '#EXCLUDE = [\n#    "a",\n#]\n'),
    ("PING_URL = (\n    'x'\n    'y'\n)\n", "#PING_URL = (\n#    'x'\n#    'y'\n#)\n"),
    ("import os\nX_1 = 1\nx = os.sep\n", "import os\n#X_1 = 1\nx = os.sep\n"),
    ("A = B = 2\nEXCLUDE += ['x']\n", "A = B = 2\nEXCLUDE += ['x']\n"),
    ("if True:\n    KEEP_DAYS = 1\n", "if True:\n    KEEP_DAYS = 1\n"),
]


@pytest.mark.parametrize(("base", "expected"), TEXTS)
def test_what_is_not_needed_is_commented_out(base: str, expected: str) -> None:
    """What every pair needs is there even if config.py lacks it."""
    added = "".join(f"{name} = {REST.get(name, EMPTY)}\n" for name in NEEDED)
    assert config_text(base, "/s/") == f"{DOCSTRING}\n{expected}{added}"


def test_edited_values_are_kept_except_the_directories() -> None:
    names = ("SRC_DIR", "DST_DIR", "SRC_ID", "EMAIL_RECIPIENTS", "CODE_PATH", "SRC_DIR")
    text = config_text("".join(f"{name} = 'old'\n" for name in names), "/s/")
    found = {line for line in text.splitlines() if "=" in line}
    assert found == {
        *('SRC_DIR = ""', 'DST_DIR = ""', "SRC_ID = 'old'", "EMAIL_RECIPIENTS = 'old'"),
        *('CODE_PATH = "/s/"', 'DST_ID = ""', 'CLIENT_ID = ""', 'EMAIL_SENDER = ""'),
    }


@pytest.mark.parametrize("path", ["/it's/", '/a"b/', "/a\\b/", "/a'\"b/", "/ü €/"])
def test_any_code_path_is_what_the_file_sets(path: str) -> None:
    names: dict[str, object] = {}
    exec(config_text("", path), names)
    assert names["CODE_PATH"] == path


@pytest.mark.parametrize("base", ["SRC_DIR = '", "\0"])
def test_an_unreadable_config_py_is_an_error(base: str) -> None:
    with pytest.raises((SyntaxError, ValueError)):
        config_text(base, "/s/")
