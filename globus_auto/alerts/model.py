"""An alert, an open alert, and the alerts that one run fires and resolves."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import msgspec

from globus_auto.text import printable, utf8

log = logging.getLogger(__name__)

# What alerts are about that concern all of Globus, and no endpoint, directory or path.
GLOBUS = "Globus"
ACTION_CODE = 2  # exit codes from this on ask a person to act


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
    "history",
    "lock",
    "stopped",
    "state",
    "crash",
    "permissions",
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
    "undelivered",
    "source",
    "silent",
    "unit",
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
    "comparison",
    "repaired",
    "altered",
    "kept",
    "room",
    "delete failed",
    "rename",
    "quarantine",
]


KINDS = get_args(Kind)


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A problem that needs attention: what happened, what it means for the data, what to do.

    `title` is the problem in a few words, and `recovery` what works again when it is resolved; an
    alert without a `recovery` is closed without a message. `kind` and `about` (a collection,
    directory or path, never a task) are its key, and `code` is its exit code. It is sent when it
    has been open for `for_seconds`, but not while an alert is open of a kind that it is
    `inhibited_by`. A note causes no message: it is sent once, with the next message, and closed
    without one. Either program can resolve a `shared` alert.
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
    """An open alert. Times are seconds since 1970 UTC.

    A `resolved` one stays until the message about that is sent. It was found first at `since`, last
    at `seen_at`, by the program `by`, which alone can resolve it; if `by` is empty, either can. A
    `recurring` one came back soon after a message that it was resolved; each run has found it
    resolved since `resolved_since`.
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
    recurring: bool = False
    resolved_since: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What makes this the same alert in the next run."""
        return self.kind, self.about

    def until(self, now: int) -> OpenAlert:
        """Return this alert without times after `now`, which come from a wrong clock."""
        times = (self.since, self.seen_at, self.notified_at or 0, self.resolved_since or 0)
        if max(times) <= now:
            return self
        return msgspec.structs.replace(
            self,
            since=min(self.since, now),
            seen_at=min(self.seen_at, now),
            notified_at=None if self.notified_at is None else min(self.notified_at, now),
            resolved_since=None if self.resolved_since is None else min(self.resolved_since, now),
        )


class Alerts:
    """The alerts that one run of `program` fires, and those that it resolves.

    `said` are the open alerts that an earlier run has said on stderr, by key. Those of another pair
    are `unheard`: its own programs send them.
    """

    def __init__(self, program: str = "", *, unheard: bool = False) -> None:
        self.program = program
        self.unheard = unheard
        self.said: dict[tuple[str, str], OpenAlert] = {}
        self.fired: dict[tuple[str, str], Alert] = {}
        self._resolved: list[tuple[str, Callable[[str], bool]]] = []

    def fire(self, alert: Alert) -> None:
        """Fire an alert; of several with the same key the first counts."""
        # Names that are not UTF-8 come from disks and command lines; mail and JSON take none.
        texts = {name: utf8(getattr(alert, name)) for name in ("about", "text", "recovery")}
        alert = msgspec.structs.replace(alert, **texts)
        if self.fired.setdefault(alert.key, alert) is alert:
            log.log(self._level(alert), "%s: %s", alert.kind, printable(alert.text))

    def _level(self, alert: Alert) -> int:
        """Return how loud to log `alert`: cron mails warnings, so what is not new is none."""
        old = self.said.get(alert.key)
        if self.unheard:
            return logging.DEBUG
        if alert.severity == "note":
            return logging.DEBUG if old and old.text == alert.text else logging.INFO
        again = old is not None and (old.title, old.code) == (alert.title, alert.code)
        inhibited = any(kind in alert.inhibited_by for kind, _ in self.said)
        waits = not alert.code and alert.for_seconds > 0
        return logging.INFO if again or inhibited or waits else logging.WARNING

    def resolve(self, kind: Kind, about: str | Callable[[str], bool] | None = None) -> None:
        """Resolve alerts of `kind`: the one about `about`, those for which it is true, or all.

        This counts only for alerts that this program saw last, and for shared ones.
        """
        covers = about if callable(about) else lambda what: about in (None, what)
        self._resolved.append((kind, covers))

    def is_resolved(self, key: tuple[str, str], by: str = "") -> bool:
        """Return whether this run resolves the alert `key`.

        `by` is the program that saw the alert last, "" if either may resolve it.
        """
        return by in ("", self.program) and self.is_over(key)

    def is_over(self, key: tuple[str, str]) -> bool:
        """Return whether this run checked what the alert `key` is about, and found it resolved."""
        kind, about = key
        if key in self.fired:
            return False
        return any(
            kind == resolved_kind and covers(about) for resolved_kind, covers in self._resolved
        )

    def seen_by(self, alert: Alert) -> str:
        """Return the program that can resolve `alert`, "" if either can."""
        return "" if alert.shared else self.program

    @property
    def code(self) -> int:
        """The exit code: the highest of any alert."""
        return max((alert.code for alert in self.fired.values()), default=0)


class Digest(NamedTuple):
    """What one message has: new alerts, reminders of open ones, and resolved ones."""

    new: list[OpenAlert]
    still_open: list[OpenAlert]
    resolved: list[OpenAlert]


class AlertError(Exception):
    """A run cannot go on because of `alert`."""

    def __init__(self, alert: Alert) -> None:
        super().__init__(alert.text)
        self.alert = alert
