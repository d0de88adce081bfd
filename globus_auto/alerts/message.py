"""The text of a message: its subject, and a paragraph for each alert."""

from __future__ import annotations

from globus_auto.alerts.due import DAY
from globus_auto.alerts.model import ACTION_CODE, Digest, OpenAlert
from globus_auto.text import counted, moment, printable

FLAPS = " It comes and goes: it is resolved when it stays away for EMAIL_REPEAT_HOURS."
PARAGRAPHS = 25  # of one kind in a message, so that it can be read on a phone


def subject(what: Digest, prefix: str, host: str, pair: str) -> str:
    """Return the subject: prefix and host, the worst severity, its title, and the pair."""
    found = [*what.new, *what.still_open] or what.resolved
    # The highest exit code first; of equal ones a new alert before an open one.
    worst = max(found, key=lambda alert: alert.code)
    if worst.resolved:
        word = "RESOLVED"
    elif worst.severity == "note":
        word = "NOTE"
    elif worst.code >= ACTION_CODE:
        word = "ACTION NEEDED"
    else:
        word = "STILL OPEN" if worst in what.still_open else "PROBLEM"
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return printable(f"[{prefix} {host}] {word}: {worst.title or worst.kind}{more} ({pair})")


def body(what: Digest, now: int, source: str) -> str:
    """Return the digest as plain text, one paragraph for each alert; `source` comes last."""
    parts = []
    for title, alerts in (
        ("NEW", what.new),
        ("STILL OPEN", what.still_open),
        ("RESOLVED", what.resolved),
    ):
        if alerts:
            parts.append(title)
            parts += [_paragraph(alert, now) for alert in alerts[:PARAGRAPHS]]
        if len(alerts) > PARAGRAPHS:
            more = len(alerts) - PARAGRAPHS
            parts.append(f"and {more} more: transfer.py --status shows all open alerts.")
    return printable("\n\n".join([*parts, source]), keep="\n") + "\n"


def _paragraph(alert: OpenAlert, now: int) -> str:
    """Return an alert with its kind, which README.md explains, and since when it is open."""
    if alert.resolved:
        text = alert.recovery or f"This is resolved: {alert.text}"
        end = f"Was open for {duration(now - alert.since)}: {alert.title or alert.kind}."
    else:
        text = alert.text
        end = f"Open since {moment(alert.since)}."
        end += FLAPS if alert.recurring else ""
    return f"* {alert.kind}: {printable(text)} ({end})"


def duration(seconds: float) -> str:
    """Return a duration in the unit that suits it, e.g. `3 hours`."""
    minutes, hours, days = (round(seconds / length) for length in (60, 3600, DAY))
    if minutes < 1:
        return "less than a minute"
    if minutes < 90:
        return counted(minutes, "minute")
    return counted(hours, "hour") if hours < 48 else counted(days, "day")
