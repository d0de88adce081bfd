"""Alerts: what a person must know is told once, repeated rarely, and closed with "resolved"."""

from __future__ import annotations

import fcntl
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from globus_auto import files
from globus_auto.alerts.model import KINDS, Alerts, Digest, OpenAlert
from globus_auto.files import write_atomically
from globus_auto.text import utf8

log = logging.getLogger(__name__)

EARLY = 900  # seconds
DAY = 86_400  # seconds
MAX_PATHS = 10_000  # paths of one kind, so that the file stays small


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


@contextmanager
def open_state(path: str) -> Iterator[AlertState]:
    """Give the health at `path` under its lock, and save it at the end if it has changed.

    One that cannot be read counts as empty: then alerts are told anew, which does no harm.
    Raise OSError if it cannot be locked or saved.
    """
    with open(f"{path}.lock", "w", opener=files.private) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        health = read_state(path)
        before = msgspec.to_builtins(health)
        yield health
        after = msgspec.to_builtins(health)
        if after != before:
            # As ASCII, which holds names that are not UTF-8 as well.
            write_atomically(path, [json.dumps(after, indent=1).encode(), b"\n"])


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
