"""Alerts: what a person must know is told once, repeated rarely, and closed with "resolved"."""

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


class AlertError(Exception):
    """A run cannot go on because of `alert`."""

    def __init__(self, alert: Alert) -> None:
        super().__init__(alert.text)
        self.alert = alert
