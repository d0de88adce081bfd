"""Wording: what is said anywhere is printable, and holds no secret."""

from __future__ import annotations

from collections.abc import Iterable

NAMES_SHOWN = 5
SECRET_LENGTH = 8  # characters: all that Globus issues is longer
SECRETS: set[str] = set()  # that this process has used; see redact()


def utf8(text: str) -> str:
    """Return `text`, redact, with escapes for what is not UTF-8: mail and JSON cannot take it."""
    return redact(text).encode("utf-8", "backslashreplace").decode()


def register_secret(secret: str) -> str:
    """Return `secret`; from now on redact() takes it out of every text."""
    # A mistyped letter or two are no secret, and stand in every text.
    if len(secret.strip()) >= SECRET_LENGTH:
        SECRETS.add(secret.strip())
    return secret


def redact(text: str) -> str:
    """Return `text` without the tokens, secrets and codes that this process has used.

    A server may repeat them in what it says is wrong. All that is logged, printed, mailed or
    remembered goes through here.
    """
    for secret in SECRETS:
        text = text.replace(secret, "[a secret]")
    return text


def printable(text: str, keep: str = "") -> str:
    r"""Return `text`, redact, with what is not printable as Python escapes (a newline as \n)."""
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
