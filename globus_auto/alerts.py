"""Alerts: what a person must know is told once, repeated rarely, and closed with "resolved"."""

from __future__ import annotations

import fcntl
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from globus_auto import datastore
from globus_auto.wording import printable, utf8

log = logging.getLogger(__name__)

# What alerts are about that concern all of Globus, and no endpoint, directory or path.
GLOBUS = "Globus"
EARLY = 900  # seconds
DAY = 86_400  # seconds
REMEMBERED = 10_000  # paths of one kind, so that the file stays small
PARAGRAPHS = 25  # new ones, say, in one message, to be read on a phone


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Something a person must know: what happened, what it means, what to do.

    `kind` and `about` (an endpoint, directory or path, never a task) are its key. `code` is the
    exit code that it asks for. It is told when it has lasted `after` seconds; one that is `once`
    is a note: never repeated, and gone without a word. It is not told beside an alert of a kind
    that it is an `effect_of`.
    """

    kind: str
    about: str
    text: str
    code: int = 1
    after: float = 0
    once: bool = False
    effect_of: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """What makes this the same alert in the next run."""
        return self.kind, self.about


class OpenAlert(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An alert that is open. Times are seconds since 1970 UTC; `over` awaits its last word.

    It was first found at `since`, last at `seen_at`, and then, if `by` names a program, by calls
    that only this program makes.
    """

    kind: str
    about: str
    text: str
    since: int
    seen_at: int = 0
    by: str = ""
    told_at: int | None = None
    after: float = 0
    once: bool = False
    over: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """What makes this the same alert in the next run."""
        return self.kind, self.about


class AlertState(msgspec.Struct, kw_only=True):
    """What is remembered beside the datastore, and readable when that is not. It may be lost.

    Times are seconds since 1970 UTC. `last_good` has each program's last run with exit code 0.
    `generation` is the highest of a datastore that was saved here. `empty_since`: since when
    SRC_DIR is empty though files were there. By path: `undeleted`, files whose delete failed;
    `doubted`, when a file was last sent again because its copy proved nothing; `refused`, when
    Globus last refused to transfer a file.
    """

    alerts: list[OpenAlert] = []
    last_good: dict[str, int] = {}
    generation: int = 0
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
    return dict(list({**recent, **dict.fromkeys(map(utf8, paths), now)}.items())[-REMEMBERED:])


class Alerts:
    """What one run of `program` has found: troubles, and what it checked and found well.

    From when it is `alone` on, the other program makes other calls.
    """

    def __init__(self, program: str = "") -> None:
        self.program = program
        self.alone = False
        self.fired: dict[tuple[str, str], Alert] = {}
        self.by: dict[tuple[str, str], str] = {}
        self._well: list[tuple[str, Callable[[str], bool], bool]] = []

    def fire(self, alert: Alert) -> None:
        """Note a trouble; the first of its key stays."""
        # Names that are not UTF-8 come from disks and command lines; mail and JSON take none.
        alert = msgspec.structs.replace(alert, about=utf8(alert.about), text=utf8(alert.text))
        if self.fired.setdefault(alert.key, alert) is alert:
            self.by[alert.key] = self.program if self.alone else ""
            quiet = not alert.code and (alert.once or alert.after)
            log.log(logging.INFO if quiet else logging.WARNING, "%s", printable(alert.text))

    def resolve(
        self, kind: str, about: str | Callable[[str], bool] | None = None, *, own: bool = False
    ) -> None:
        """Note that alerts of `kind` are over: that about `about`, those it is true of, or all.

        With `own` only such as the other program did not find by calls that only it makes.
        """
        covers = about if callable(about) else lambda what: about in (None, what)
        self._well.append((kind, covers, own))

    def is_resolved(self, key: tuple[str, str], by: str = "") -> bool:
        """Return whether this run checked just what the alert `key` is about, and saw it well.

        `by` is the program that found it by calls that only it makes, if any.
        """
        kind, about = key
        if key in self.fired:
            return False
        mine = by in ("", self.program)
        return any(
            kind == resolved_kind and covers(about) and (mine or not own)
            for resolved_kind, covers, own in self._well
        )

    @property
    def code(self) -> int:
        """The exit code: the highest that any trouble asks for."""
        return max((alert.code for alert in self.fired.values()), default=0)


class Digest(NamedTuple):
    """What one run has to tell: new alerts, standing ones that are due again, resolved ones."""

    new: list[OpenAlert]
    again: list[OpenAlert]
    resolved: list[OpenAlert]


def update_open_alerts(standing: list[OpenAlert], alerts: Alerts, now: int) -> list[OpenAlert]:
    """Return the alerts that are open after a run that found `findings` at `now`.

    One that is found well stays, as `over`, until that has been told, if it was told at all. One
    that nobody was told of is dropped where its cause stands, or has just ended.
    """
    causes = {one.kind for one in standing if not one.over}
    causes |= {alert.kind for alert in alerts.fired.values()}
    raised = {
        alert.key: alert for alert in alerts.fired.values() if causes.isdisjoint(alert.effect_of)
    }
    result = []
    for old in standing:
        new = raised.pop(old.key, None)
        new = new or (alerts.fired.get(old.key) if old.told_at is not None else None)
        if new:
            result.append(
                msgspec.structs.replace(
                    old,
                    text=new.text,
                    after=new.after,
                    seen_at=now,
                    by=alerts.by[old.key],
                    over=False,
                )
            )
        elif old.key in alerts.fired:
            log.info("Not told beside its cause: %s", old.text)
        elif not alerts.is_resolved(old.key, old.by):
            result.append(old)
        elif old.told_at is not None and not old.once:
            result.append(msgspec.structs.replace(old, over=True))
    for alert in raised.values():
        result.append(
            OpenAlert(
                kind=alert.kind,
                about=alert.about,
                text=alert.text,
                since=now,
                seen_at=now,
                by=alerts.by[alert.key],
                after=alert.after,
                once=alert.once,
            )
        )
    return result


def make_digest(standing: list[OpenAlert], now: int, repeat: float) -> Digest:
    """Return what is to be told at `now`, where standing alerts are due every `repeat` seconds.

    All that stands is told again together, so that several troubles are one message a day. A
    quarter of an hour early is in time: cron's runs are never a whole day apart to the second.
    """
    due = now - repeat + min(EARLY, repeat / 4)
    new, again, resolved = [], [], []
    for alert in standing:
        if alert.over:
            resolved.append(alert)
        elif alert.told_at is None:
            if max(alert.seen_at, alert.since) - alert.since >= alert.after:
                new.append(alert)
        elif not alert.once:
            again.append(alert)
    if all((alert.told_at or 0) > due for alert in again):
        again = []
    return Digest(new, again, resolved)


def mark_notified(standing: list[OpenAlert], what: Digest, now: int) -> list[OpenAlert]:
    """Return what stays open after a channel took the digest `what` at `now`."""
    said = {alert.key for alert in [*what.new, *what.again]}
    return [
        msgspec.structs.replace(alert, told_at=now) if alert.key in said else alert
        for alert in standing
        if not alert.over
    ]


def subject(what: Digest, prefix: str, host: str, pair: str) -> str:
    """Return one line that names the host, the counts and the pair of directories."""
    counts = [
        f"{len(alerts)} {word}"
        for word, alerts in (
            ("new", what.new),
            ("lasting", what.again),
            ("resolved", what.resolved),
        )
        if alerts
    ]
    return printable(f"{prefix} on {host}: {', '.join(counts)} ({pair})")


def body(what: Digest, host: str, pair: str, log_path: str) -> str:
    """Return the digest as plain text, a paragraph an alert."""
    parts = []
    for title, alerts in (
        ("NEW", what.new),
        ("STILL SO", what.again),
        ("RESOLVED, nothing to do", what.resolved),
    ):
        if alerts:
            parts.append(title)
            parts += [_paragraph(alert) for alert in alerts[:PARAGRAPHS]]
        if len(alerts) > PARAGRAPHS:
            parts.append(f"and {len(alerts) - PARAGRAPHS} more: transfer.py --status has them all.")
    parts.append(
        f"Sent by globus_auto on {host} for {printable(pair)}.\n"
        f"More is in {printable(log_path)} there."
    )
    return printable("\n\n".join(parts), keep="\n") + "\n"


def _paragraph(alert: OpenAlert) -> str:
    """Return an alert under the name by which README.md explains it, and since when it lasts."""
    began = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(alert.since))
    return f"* {alert.kind}: {printable(alert.text)} (It began {began}.)"


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


def read_state(path: str) -> AlertState:
    """Return the health at `path`; a missing or unreadable file counts as empty."""
    try:
        with open(path, "rb") as file:
            return msgspec.convert(json.load(file), AlertState)
    except FileNotFoundError:
        return AlertState()
    # In msgspec 0.19 a ValidationError is no ValueError.
    except (OSError, ValueError, RecursionError, msgspec.ValidationError) as error:
        log.warning("Cannot read %s, alerts will be told anew: %s", path, error)
        return AlertState()
