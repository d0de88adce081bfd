"""Alerts: what is wrong, who is notified, and how often."""

from __future__ import annotations

from globus_auto.alerts import catalog
from globus_auto.alerts.due import DAY
from globus_auto.alerts.explain import Facts, explain, explain_call
from globus_auto.alerts.message import body, subject
from globus_auto.alerts.model import Alert, AlertError, Alerts, Kind, OpenAlert
from globus_auto.alerts.notify import (
    NO_APPRISE,
    Notifier,
    invalid_urls,
    notify_urls,
    ping,
    reach,
    send,
    try_mail,
)
from globus_auto.alerts.state import (
    MAX_PATHS,
    AlertState,
    Appearance,
    Held,
    KeptSummary,
    ScanSummary,
    Waiting,
    open_state,
    read_state,
    recall,
    take_alerts,
)

__all__ = [
    "DAY",
    "MAX_PATHS",
    "NO_APPRISE",
    "Alert",
    "AlertError",
    "AlertState",
    "Alerts",
    "Appearance",
    "Facts",
    "Held",
    "KeptSummary",
    "Kind",
    "Notifier",
    "OpenAlert",
    "ScanSummary",
    "Waiting",
    "body",
    "catalog",
    "explain",
    "explain_call",
    "invalid_urls",
    "notify_urls",
    "open_state",
    "ping",
    "reach",
    "read_state",
    "recall",
    "send",
    "subject",
    "take_alerts",
    "try_mail",
]
