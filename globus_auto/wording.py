"""Text for people: always printable, and without secrets."""

from __future__ import annotations

from collections.abc import Iterable

NAMES_SHOWN = 5
SECRET_LENGTH = 8  # characters; every secret that Globus issues is longer
SECRETS: set[str] = set()  # used by this process; see redact()


def utf8(text: str) -> str:
    """Return `text`, redacted, with escapes for what is not UTF-8: mail and JSON need UTF-8."""
    return redact(text).encode("utf-8", "backslashreplace").decode()


def register_secret(secret: str) -> str:
    """Return `secret`; from now on redact() removes it from every text."""
    # A mistyped letter or two are no secret, and occur in every text.
    if len(secret.strip()) >= SECRET_LENGTH:
        SECRETS.add(secret.strip())
    return secret


def redact(text: str) -> str:
    """Return `text` without the tokens, secrets and codes that this process has used.

    A server may repeat them in an error message. Everything that is logged, printed, mailed or
    stored goes through here.
    """
    for secret in SECRETS:
        text = text.replace(secret, "[a secret]")
    return text


def printable(text: str, keep: str = "") -> str:
    r"""Return `text`, redacted, with unprintable characters as Python escapes (a newline as \n)."""
    text = redact(text)
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else repr(char)[1:-1] for char in text
    )


def some(names: Iterable[str]) -> str:
    """Return the first of `names` as text, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: 1 file, 2 files."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"
