"""Alerts: what a person must know is told once, repeated rarely, and closed with "resolved"."""

from __future__ import annotations

import fcntl
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, get_args

import msgspec

from globus_auto import datastore
from globus_auto.wording import counted, printable, utf8

log = logging.getLogger(__name__)

# What alerts are about that concern all of Globus, and no endpoint, directory or path.
GLOBUS = "Globus"
EARLY = 900  # seconds
DAY = 86_400  # seconds
Severity = Literal["alert", "note"]
# The words by which alerts are known, in messages and in README.md.
Kind = Literal[
    "login",
    "consent",
    "session",
    "settings",
    "unfit settings",
    "unknown endpoint",
    "endpoint",
    "service",
    "datastore",
    "restored",
    "lock",
    "stopped",
    "state",
    "crash",
    "inactive",
    "refused",
    "conflict",
    "full",
    "stalled",
    "unknown status",
    "failed",
    "skipped",
    "unverified",
    "unencrypted",
    "source",
    "unlisted",
    "mount",
    "spelling",
    "unsendable",
    "left alone",
    "future",
    "marker",
    "destination",
    "not at the destination",
    "doubtful",
    "kept",
    "delete failed",
    "rename",
    "quarantine",
]
KINDS = get_args(Kind)
MAX_PATHS = 10_000  # paths of one kind, so that the file stays small
ACTION_CODE = 2  # exit codes from this on ask a person to act
PARAGRAPHS = 25  # new ones, say, in one message, to be read on a phone


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Something a person must know: what happened, what it means, what to do.

    `title` says it in a few words, `recovery` what works again when it is over; if that is empty,
    the alert is closed without a word. `kind` and `about` (an endpoint, directory or path, never a
    task) are its key. `code` is the exit code that it asks for. A person is notified when it has
    lasted `for_seconds`, but not beside an alert of a kind that it is `inhibited_by`. A note causes
    no message: it goes once with the next one that an alert causes, and is closed without a word.
    One that is `shared` either program may resolve, since both learn of it from the same answers of
    Globus, whoever asks first; any other, the program that saw it last.
    """

    kind: Kind
    about: str
    title: str
    text: str
    recovery: str
    code: int = 1
    for_seconds: float = 0
    severity: Severity = "alert"
    inhibited_by: tuple[str, ...] = ()
    shared: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """What makes this the same alert in the next run."""
        return self.kind, self.about


class OpenAlert(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An alert that is open. Times are seconds since 1970 UTC.

    One that is `resolved` stays until somebody was notified of that. It was first found at `since`,
    last at `seen_at` by the program `by`, which alone can resolve it; either can where `by` is
    empty.
    """

    kind: str
    about: str
    title: str = ""
    text: str
    code: int = 1
    since: int
    seen_at: int = 0
    by: str = ""
    notified_at: int | None = msgspec.field(default=None, name="told_at")
    for_seconds: float = msgspec.field(default=0, name="after")
    severity: Severity = "alert"
    recovery: str | None = None
    resolved: bool = msgspec.field(default=False, name="over")

    @property
    def key(self) -> tuple[str, str]:
        """What makes this the same alert in the next run."""
        return self.kind, self.about


class AlertState(msgspec.Struct, kw_only=True):
    """What is remembered beside the datastore, and readable when that is not. It may be lost.

    Times are seconds since 1970 UTC. `last_good` has each program's last run with exit code 0.
    `generation` is the highest of a datastore that was saved here. `names` are the display names of
    both collections by id, as Globus last told them. `empty_since`: since when
    SRC_DIR is empty though files were there. By path: `undeleted`, files whose delete failed;
    `doubted`, when a file was last sent again because its copy proved nothing; `refused`, when
    Globus last refused to transfer a file.
    """

    alerts: list[OpenAlert] = []
    last_good: dict[str, int] = {}
    generation: int = 0
    names: dict[str, str] = {}
    empty_since: int | None = None
    undeleted: list[str] = []
    doubted: dict[str, int] = {}
    refused: dict[str, int] = {}

    def refuse(self, paths: list[str], now: int) -> None:
        """Remember that Globus has just refused to transfer `paths`."""
        self.refused = _noted(self.refused, paths, now, DAY)

    def doubt(self, paths: list[str], now: int) -> None:
        """Remember that `paths` are sent again, since their copies prove nothing."""
        self.doubted = _noted(self.doubted, paths, now, 7 * DAY)


def _noted(before: dict[str, int], paths: list[str], now: int, kept: int) -> dict[str, int]:
    """Return when was what, by path: `paths` `now`, and before what is not older than `kept`."""
    recent = {path: at for path, at in before.items() if 0 <= now - at < kept}
    return dict(list({**recent, **dict.fromkeys(map(utf8, paths), now)}.items())[-MAX_PATHS:])


class Alerts:
    """What one run of `program` has found: troubles, and what it checked and found well."""

    def __init__(self, program: str = "") -> None:
        self.program = program
        self.fired: dict[tuple[str, str], Alert] = {}
        self._resolved: list[tuple[str, Callable[[str], bool]]] = []

    def fire(self, alert: Alert) -> None:
        """Note a trouble; the first of its key stays."""
        # Names that are not UTF-8 come from disks and command lines; mail and JSON take none.
        texts = {name: utf8(getattr(alert, name)) for name in ("about", "text", "recovery")}
        alert = msgspec.structs.replace(alert, **texts)
        if self.fired.setdefault(alert.key, alert) is alert:
            quiet = not alert.code and (alert.severity == "note" or alert.for_seconds)
            log.log(logging.INFO if quiet else logging.WARNING, "%s", printable(alert.text))

    def resolve(self, kind: Kind, about: str | Callable[[str], bool] | None = None) -> None:
        """Note that alerts of `kind` are over: that about `about`, those it is true of, or all.

        It counts only for those that this program saw last, and for shared ones.
        """
        covers = about if callable(about) else lambda what: about in (None, what)
        self._resolved.append((kind, covers))

    def is_resolved(self, key: tuple[str, str], by: str = "") -> bool:
        """Return whether this run checked just what the alert `key` is about, and saw it well.

        `by` is the program that saw the alert last, "" if either may resolve it.
        """
        kind, about = key
        if key in self.fired or by not in ("", self.program):
            return False
        return any(
            kind == resolved_kind and covers(about) for resolved_kind, covers in self._resolved
        )

    def seen_by(self, alert: Alert) -> str:
        """Return the program that can resolve `alert`, "" if either can."""
        return "" if alert.shared else self.program

    @property
    def code(self) -> int:
        """The exit code: the highest that any trouble asks for."""
        return max((alert.code for alert in self.fired.values()), default=0)


class Digest(NamedTuple):
    """What one run has to tell: new alerts, standing ones that are due again, resolved ones."""

    new: list[OpenAlert]
    still_open: list[OpenAlert]
    resolved: list[OpenAlert]


def update_open_alerts(open_alerts: list[OpenAlert], alerts: Alerts, now: int) -> list[OpenAlert]:
    """Return the alerts that are open after a run that found `findings` at `now`.

    One that is found well stays, as `resolved`, until that has been told, if it was told at all.
    One that nobody was told of is dropped where its cause stands, or has just ended.
    """
    causes = {one.kind for one in open_alerts if not one.resolved}
    causes |= {alert.kind for alert in alerts.fired.values()}
    raised = {
        alert.key: alert for alert in alerts.fired.values() if causes.isdisjoint(alert.inhibited_by)
    }
    result = []
    for old in open_alerts:
        new = raised.pop(old.key, None)
        new = new or (alerts.fired.get(old.key) if old.notified_at is not None else None)
        if new:
            result.append(
                msgspec.structs.replace(
                    old,
                    title=new.title,
                    text=new.text,
                    code=new.code,
                    for_seconds=new.for_seconds,
                    severity=new.severity,
                    recovery=new.recovery,
                    seen_at=now,
                    by=alerts.seen_by(new),
                    resolved=False,
                )
            )
        elif old.key in alerts.fired:
            log.info("Not sent, since its cause has an alert: %s", old.text)
        elif not alerts.is_resolved(old.key, old.by):
            result.append(old)
        elif old.notified_at is not None and old.severity == "alert" and old.recovery != "":
            result.append(msgspec.structs.replace(old, resolved=True))
    for alert in raised.values():
        result.append(
            OpenAlert(
                kind=alert.kind,
                about=alert.about,
                title=alert.title,
                text=alert.text,
                code=alert.code,
                since=now,
                seen_at=now,
                by=alerts.seen_by(alert),
                for_seconds=alert.for_seconds,
                severity=alert.severity,
                recovery=alert.recovery,
            )
        )
    return result


def make_digest(open_alerts: list[OpenAlert], now: int, repeat: float) -> Digest:
    """Return what is to be told at `now`, where standing alerts are due every `repeat` seconds.

    All that stands is told again together, so that several troubles are one message a day. A
    quarter of an hour early is in time: cron's runs are never a whole day apart to the second.
    """
    due = now - repeat + min(EARLY, repeat / 4)
    new, again, resolved = [], [], []
    for alert in open_alerts:
        if alert.resolved:
            resolved.append(alert)
        elif alert.notified_at is None:
            if max(alert.seen_at, alert.since) - alert.since >= alert.for_seconds:
                new.append(alert)
        elif alert.severity == "alert":
            again.append(alert)
    if all((alert.notified_at or 0) > due for alert in again):
        again = []
    # Stable: alerts come first. Notes alone are no reason for a message.
    new.sort(key=lambda alert: alert.severity)
    if not (again or resolved) and all(alert.severity == "note" for alert in new):
        new = []
    return Digest(new, again, resolved)


def mark_notified(open_alerts: list[OpenAlert], what: Digest, now: int) -> list[OpenAlert]:
    """Return what stays open after a channel took the digest `what` at `now`."""
    said = {alert.key for alert in [*what.new, *what.still_open]}
    return [
        msgspec.structs.replace(alert, notified_at=now) if alert.key in said else alert
        for alert in open_alerts
        if not alert.resolved
    ]


def subject(what: Digest, prefix: str, host: str, pair: str) -> str:
    """Return one line: what it is from, how bad the worst of it is, what that is, and the pair."""
    found = [*what.new, *what.still_open] or what.resolved
    # The first of the highest code, which a new one is before one that is still open.
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
    """Return the digest as plain text, a paragraph an alert; `source` is its last paragraph."""
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
    """Return an alert under the name by which README.md explains it, and since when it is open."""
    if alert.resolved:
        text = alert.recovery or f"This is resolved: {alert.text}"
        end = f"Was open for {duration(now - alert.since)}: {alert.title or alert.kind}."
    else:
        text = alert.text
        end = time.strftime("Open since %Y-%m-%d %H:%M UTC.", time.gmtime(alert.since))
    return f"* {alert.kind}: {printable(text)} ({end})"


def duration(seconds: float) -> str:
    """Return about how long something took, in the unit that a person would choose."""
    minutes, hours, days = (round(seconds / length) for length in (60, 3600, DAY))
    if minutes < 1:
        return "less than a minute"
    if minutes < 90:
        return counted(minutes, "minute")
    return counted(hours, "hour") if hours < 48 else counted(days, "day")


class AlertError(Exception):
    """A run cannot go on because of `alert`."""

    def __init__(self, alert: Alert) -> None:
        super().__init__(alert.text)
        self.alert = alert


@contextmanager
def open_state(path: str) -> Iterator[AlertState]:
    """Give the health at `path` under its lock, and save it at the end if it has changed.

    One that cannot be read counts as empty: then alerts are told anew, which does no harm.
    Raise OSError if it cannot be locked or saved.
    """
    with open(f"{path}.lock", "w", opener=datastore.private) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        health = read_state(path)
        before = msgspec.to_builtins(health)
        yield health
        after = msgspec.to_builtins(health)
        if after != before:
            # As ASCII, which holds names that are not UTF-8 as well.
            datastore.write_atomically(path, [json.dumps(after, indent=1).encode(), b"\n"])


def _upgraded(document: Any) -> Any:  # noqa: ANN401 - it may be anything
    """Return the document of a health file as it is written today: notes once were `once`."""
    open_alerts = document.get("alerts") if isinstance(document, dict) else None
    for alert in open_alerts if isinstance(open_alerts, list) else ():
        if isinstance(alert, dict) and alert.pop("once", False):
            alert["severity"] = "note"
    return document


def read_state(path: str) -> AlertState:
    """Return the health at `path`; a missing or unreadable file counts as empty."""
    try:
        with open(path, "rb") as file:
            health = msgspec.convert(_upgraded(json.load(file)), AlertState)
        # Those of an earlier version may have kinds that are no more.
        health.alerts = [alert for alert in health.alerts if alert.kind in KINDS]
        return health
    except FileNotFoundError:
        return AlertState()
    # In msgspec 0.19 a ValidationError is no ValueError.
    except (OSError, ValueError, RecursionError, msgspec.ValidationError) as error:
        log.warning("Cannot read %s, so open alerts are sent again: %s", path, error)
        return AlertState()
