"""Alerts for the tests of alerts."""

from __future__ import annotations

from typing import Any

from globus_auto.alerts.model import Alert, Alerts, Kind, OpenAlert


def findings(*raised: Alert, well: tuple[Kind, ...] = ()) -> Alerts:
    """Return what a run has found: alerts, and kinds of which all is well."""
    found = Alerts()
    for alert in raised:
        found.fire(alert)
    for kind in well:
        found.resolve(kind)
    return found


def alert(about: str = "/d", **changes: Any) -> Alert:
    known = {"kind": "unlisted", "about": about, "title": "bad", "text": f"{about} is bad"}
    return Alert(**{**known, "recovery": f"{about} is good again", **changes})


def open_alert(about: str = "/d", **changes: Any) -> OpenAlert:
    known = {"kind": "unlisted", "about": about, "text": "t", "since": 0, **changes}
    return OpenAlert(**known)
