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


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], ""),
        (["a"], "a"),
        (list("abcde"), "a, b, c, d, e"),
        (list("abcdefg"), "a, b, c, d, e and 2 more"),
    ],
)
def test_of_many_names_the_first_five_are_shown(names: list[str], said: str) -> None:
    assert text.some(names) == said


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (0, ["file"], "0 files"),
        (1, ["file"], "1 file"),
        (2, ["file"], "2 files"),
        (2, ["directory", "directories"], "2 directories"),
    ],
)
def test_a_number_has_its_noun(number: int, noun: list[str], said: str) -> None:
    assert text.counted(number, *noun) == said


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("", ""),
        ("no room", "no room."),
        (" no room\n", "no room."),
        ("No room!", "No room!"),
        ("why?", "why?"),
    ],
)
def test_what_a_server_says_is_a_sentence(said: str, shown: str) -> None:
    assert text.sentence(said) == shown


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("No route.", "Reason: No route."),
        ("Globus says: no.", "Globus says: no."),
        ("Code: EXPIRED.", "Code: EXPIRED."),
        ("HTTP status: 500", "HTTP status: 500"),
    ],
)
def test_a_reason_is_named_unless_globus_gives_it(reason: str, said: str) -> None:
    assert text.because(reason) == said


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("Permission denied", "Give the account access to it."),
        ("Code: PERMISSION_DENIED.", "Give the account access to it."),
        ("not authorized", "Give the account access to it."),
        ("403 Forbidden", "Give the account access to it."),
        ("ExternalError.DirListingFailed.SizeLimit", "It has too many entries"),
        ("Too many files", "It has too many entries"),
        ("no such directory", "Mount it."),
    ],
)
def test_advice_fits_the_reason(reason: str, advice: str) -> None:
    assert text.access_advice(reason, "Mount it.", "the account").startswith(advice)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (2_500_000, "2.5 MB"),
        (3.2e21, "3200.0 EB"),
    ],
)
def test_sizes_have_a_unit_that_suits_them(number: float, said: str) -> None:
    assert text.sized(number) == said


def test_lines_break_at_blanks_and_never_in_a_url() -> None:
    url = f"https://app.globus.org/activity/{'x' * 36}"
    assert text.wrapped(f"See the well-known task at {url} now", 20, 4).splitlines() == [
        "See the well-known",
        "    task at",
        f"    {url}",
        "    now",
    ]
