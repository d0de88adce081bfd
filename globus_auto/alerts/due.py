"""When an alert is sent, repeated and resolved."""

from __future__ import annotations

import logging
from collections.abc import Collection

import msgspec

from globus_auto.alerts.model import Alert, Alerts, Digest, OpenAlert

log = logging.getLogger(__name__)

EARLY = 900  # seconds
DAY = 86_400  # seconds


def key_of(alert: Alert | OpenAlert) -> str:
    """Return the key of an alert as a key of JSON."""
    return f"{alert.kind}: {alert.about}"


def update_open_alerts(
    open_alerts: list[OpenAlert],
    alerts: Alerts,
    now: int,
    repeat: float = DAY,
    lately: Collection[str] = (),
) -> list[OpenAlert]:
    """Return the alerts that are open after a run that fired and resolved `alerts` at `now`.

    A resolved alert stays until the message about that is sent, if the alert was sent at all. An
    alert that was never sent is dropped while its cause is open, or if that was just resolved.

    An alert that comes back `lately` after it was resolved would come and go with every run, as
    where a collection flaps. From then on it is resolved only if it stays away for `repeat`
    seconds.
    """
    open_alerts = [alert.until(now) for alert in open_alerts]
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
                    resolved_since=None,
                )
            )
        elif old.key in alerts.fired:
            log.info("Not sent, since its cause has an alert: %s", old.text)
        elif not alerts.is_resolved(old.key, old.by):
            result.append(old)
        elif old.recurring and now - _resolved_since(old, now) < repeat:
            result.append(msgspec.structs.replace(old, resolved_since=_resolved_since(old, now)))
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
                recurring=key_of(alert) in lately,
            )
        )
    return result


def _resolved_since(alert: OpenAlert, now: int) -> int:
    return now if alert.resolved_since is None else alert.resolved_since


def said_before(
    open_alerts: list[OpenAlert], now: int, repeat: float
) -> dict[tuple[str, str], OpenAlert]:
    """Return the open alerts that need not be said on stderr at `now` (seconds UTC), by key.

    An earlier run has said them. Every `repeat` seconds one is said again, as it is by mail. If the
    clock was set back, it is said as well.
    """

    def reminders(one: OpenAlert, at: int) -> float:
        return (at - one.since + min(EARLY, repeat / 4)) // max(repeat, 1)

    return {
        one.key: one
        for one in open_alerts
        if not one.resolved
        and (one.severity == "note" or reminders(one, now) == reminders(one, one.seen_at))
    }


def make_digest(open_alerts: list[OpenAlert], alerts: Alerts, now: int, repeat: float) -> Digest:
    """Return what to send at `now` (seconds UTC), with reminders every `repeat` seconds.

    All reminders go in one message, so that several problems are one message a day; none for an
    alert that this run found resolved, and that the other program, which saw it last, will resolve.
    A reminder may be a quarter of an hour early, since cron's runs are not a whole day apart.
    """
    due = now - repeat + min(EARLY, repeat / 4)
    new, again, resolved = [], [], []
    for alert in open_alerts:
        if alert.resolved:
            resolved.append(alert)
        elif alert.notified_at is None:
            if max(alert.seen_at, alert.since) - alert.since >= alert.for_seconds:
                new.append(alert)
        elif (
            alert.severity == "alert"
            and alert.resolved_since is None
            and not alerts.is_over(alert.key)
        ):
            again.append(alert)
    if all((alert.notified_at or 0) > due for alert in again):
        again = []
    # Stable: alerts come first. Notes alone are no reason for a message.
    new.sort(key=lambda alert: alert.severity)
    if not (again or resolved) and all(alert.severity == "note" for alert in new):
        new = []
    return Digest(new, again, resolved)


def mark_notified(open_alerts: list[OpenAlert], what: Digest, now: int) -> list[OpenAlert]:
    """Return what stays open after the digest `what` was sent at `now`."""
    said = {alert.key for alert in [*what.new, *what.still_open]}
    return [
        msgspec.structs.replace(alert, notified_at=now) if alert.key in said else alert
        for alert in open_alerts
        if not alert.resolved
    ]
