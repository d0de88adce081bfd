"""Texts: what is printable, what is redacted, and what is left of an error of a server."""

from __future__ import annotations

import pytest

from globus_auto import text


def test_printable_keeps_letters_and_escapes_the_rest() -> None:
    """It keeps the letters of all languages."""
    assert text.printable("Zoë 数据\n\x1b[31m\udcff\u202e") == "Zoë 数据\\n\\x1b[31m\\udcff\\u202e"
    assert text.printable("a\nb\r", keep="\n") == "a\nb\\r"


EVENT = r"""Error (make directories)
Endpoint: archive (1f7dbd0b)
Server: 127.0.0.1:443
File: /foo/
Command: MKD /foo/
Message: Fatal FTP Response
---
Details: 550-GlobusError: v=1 c=PERMISSION_DENIED\r\n550-GridFTP-Errno: 13\r\n"""
REASON = r"550-GridFTP-Error-String: Permission denied\r\n550 End.\r\n"


@pytest.mark.parametrize(
    ("details", "said"),
    [
        (EVENT + REASON, "/foo/: Permission denied"),
        (EVENT, "/foo/: Fatal FTP Response"),
        ((EVENT + REASON).replace(r"\r\n", "\r\n"), "/foo/: Permission denied"),
        ("550-GlobusError: v=1 c=X%0D%0A550-GridFTP-Error-String: No file%0D%0A", "No file"),
        ("no room\n  at all", "no room at all"),
        ("x" * 5000, "x" * 300 + "..."),
        ("", ""),
    ],
)
def test_what_gridftp_says_becomes_one_line(details: str, said: str) -> None:
    assert text.condensed(details) == said


def test_a_single_letter_entered_as_a_code_is_no_secret() -> None:
    assert text.redact(f"{text.register_secret('a')} code") == "a code"
