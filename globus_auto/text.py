"""Text for people: always printable, and without secrets."""

from __future__ import annotations

import re
import textwrap
import time
from collections.abc import Iterable
from urllib.parse import unquote

NAMES_SHOWN = 5
DETAILS_LENGTH = 300  # characters of what a server says
NAME_LENGTH = 128  # characters of a code or name that a server sends
DENIED = re.compile(
    "(permission|access).?denied|not.?(authori[sz]ed|permitted|allowed)|forbidden|EACCES|EPERM",
    re.IGNORECASE,
)
TOO_LARGE = re.compile(r"\.SizeLimit|too many (files|entries)", re.IGNORECASE)
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


def moment(seconds: float) -> str:
    """Return a time in seconds since 1970 UTC as text, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: 1 file, 2 files."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def sized(number: float) -> str:
    """Return a number of bytes as text: 1 byte, 2.5 MB."""
    if number < 1000:
        return counted(int(number), "byte")
    power = 1
    while number >= 999.95 * 1000**power and power < len("kMGTPE"):
        power += 1
    return f"{number / 1000**power:.1f} {'kMGTPE'[power - 1]}B"


def wrapped(text: str, width: int, indent: int = 0) -> str:
    """Return one line of `text` as lines of at most `width` characters, broken at blanks only.

    Later lines are indented. A URL or path that is longer stays whole, so that it can be copied.
    """
    return textwrap.fill(
        text,
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def are(number: int) -> str:
    """Return the verb that fits a number of things."""
    return "is" if number == 1 else "are"


def they_stay(number: int) -> str:
    """Return the beginning of a sentence about where a number of files stays."""
    return "It stays" if number == 1 else "They stay"


def capital(text: str) -> str:
    """Return `text` as the beginning of a sentence; names keep their spelling."""
    return f"T{text[1:]}" if text.startswith("the ") else text


def sentence(text: str) -> str:
    """Return `text`, which a server may have sent, with a full stop."""
    text = text.strip()
    return text if text.endswith((".", "!", "?")) or not text else f"{text}."


def because(reason: str) -> str:
    """Return a reason under a name, which what Globus says has already."""
    named = reason.startswith(("Globus says: ", "Code: ", "HTTP status: "))
    return reason if named else f"Reason: {reason}"


def access_advice(
    reason: str, otherwise: str, account: str = "the account that Globus uses there"
) -> str:
    """Return what to do where a directory cannot be listed for this `reason`, else `otherwise`."""
    if DENIED.search(reason):
        return f"Give {account} access to it."
    if TOO_LARGE.search(reason):
        return "It has too many entries: spread them over several directories."
    return otherwise


def condensed(details: str) -> str:
    """Return what a server says of an error as one line: of GridFTP's the file and the message.

    An event holds lines such as `File: /d/f` and the server's reply, in which line ends are spelled
    out or percent-encoded.
    """
    text = unquote(details) if "%0D%0A" in details else details
    text = text.replace("\\r\\n", "\n").replace("\r\n", "\n")
    named = {
        name: found[1].strip()
        for name in ("File", "Message", "GridFTP-Error-String")
        if (found := re.search(rf"^(?:Details: )?(?:\d+-)?{name}: *(.+)$", text, re.MULTILINE))
    }
    message = named.get("GridFTP-Error-String") or named.get("Message")
    if message:
        text = f"{named['File']}: {message}" if "File" in named else message
    return shortened(" ".join(text.split()), DETAILS_LENGTH)


def shortened(text: str, length: int = NAME_LENGTH) -> str:
    """Return the first `length` characters of `text`, with dots if there are more."""
    return text if len(text) <= length else f"{text[:length]}..."
