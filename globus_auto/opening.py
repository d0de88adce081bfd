"""What both programs begin with: a login, a settled datastore, two endpoints that are ready."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import globus_sdk
import msgspec

from globus_auto import asides, listing, login, settling, tasks, troubles
from globus_auto.datastore import Datastore
from globus_auto.listing import Lister, Outcome
from globus_auto.utils import Run

log = logging.getLogger(__name__)
NOTHING_SETTLED = settling.Settled({}, [], [], [], [])


@dataclass
class Kept:
    """Which files delete.py leaves at the source, by reason; their paths only where `listed`."""

    listed: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    paths: list[tuple[str, str]] = field(default_factory=list)

    def add(self, path: str, reason: str) -> None:
        """Note that the file at `path` stays; it is counted by the reason without its figures."""
        log.debug("Keep %s: %s", path, reason)
        self.counts[reason.partition(":")[0]] += 1
        if self.listed:
            self.paths.append((path, reason))

    def log(self) -> None:
        """Log how many files stay for which reason."""
        for reason, number in self.counts.most_common():
            log.info("Kept %d files: %s", number, reason)


@dataclass
class Session:
    """A run with its datastore and its connection to Globus."""

    run: Run
    store: Datastore
    connection: login.Connection
    settled: settling.Settled
    pace: listing.Pace = field(init=False)
    kept: Kept = field(init=False)

    def __post_init__(self) -> None:
        self.pace = listing.Pace(self.run.settings.list_calls_per_second)
        self.kept = Kept(listed=self.run.dry)

    @property
    def client(self) -> globus_sdk.TransferClient:
        """The main thread's client."""
        return self.connection.client

    def save(self) -> None:
        """Save the datastore, unless nothing may be changed."""
        self.run.save(self.store)

    def look(
        self,
        endpoint: str,
        roots: Iterable[str],
        enter: Callable[[str], bool] = lambda _name: False,
    ) -> Iterator[Outcome]:
        """Yield what stands in `roots` at an endpoint, and below as far as `enter` lets in."""

        def lister() -> AbstractContextManager[Lister]:
            return listing.through_globus(self.connection.new_client, endpoint, self.pace)

        return listing.look(lister, roots, enter, self.run.settings.list_concurrency)


@contextmanager
def opened(run: Run, connection: login.Connection | None = None) -> Iterator[Session]:
    """Give a session that holds the datastore's lock, with what earlier runs left settled.

    Without a `connection` a new one is made, which stays open to the end of the run.
    """
    with run.store_locked():
        store = run.load()
        if connection is None:
            connection = login.connect(
                run.settings,
                interactive=run.interactive,
                again=getattr(run.options, "login", False),
            )
            run.resources.callback(connection.close)
        yield Session(run, store, connection, _settle(run, store, connection.client))


def _settle(run: Run, store: Datastore, client: globus_sdk.TransferClient) -> settling.Settled:
    """Finish what earlier runs began: intents, open deletes, asides, open tasks."""
    before = msgspec.to_builtins((store.tasks, store.asides))
    if not run.dry:
        submit(run, store, client)
        tasks.cancel_deletes(client, store, run.started)
        pace = listing.Pace(run.settings.list_calls_per_second)
        asides.put_back(client, store, run.findings, pace)
    stall_seconds = run.settings.stall_hours * 3600
    settled = settling.settle(client, store, run.findings, run.started, stall_seconds)
    store.forget_ended_tasks()
    # No entry is touched here without its task, and a million of them take a while to compare.
    if msgspec.to_builtins((store.tasks, store.asides)) != before:
        run.save(store)
    return settled


def submit(run: Run, store: Datastore, client: globus_sdk.TransferClient) -> bool:
    """Submit the intents in `store`; note what Globus refuses, and return whether it did."""
    refusals = tasks.submit_intents(
        client, store, run.findings, lambda: run.save(store), run.settings.stall_hours * 3600
    )
    for refusal in refusals:
        run.findings.add(troubles.refused(refusal, run.login_command))
    return bool(refusals)


def require_ready(session: Session) -> None:
    """Return if both endpoints can be used now; else raise listing.NotReady or what a call does.

    Only a listing tells that of a Connect Server collection, and it shows missing consents.
    """
    run, known = session.run, session.run.settings
    away = []
    for role, endpoint, directory in (
        ("source", known.src_id, known.src_dir),
        ("destination", known.dst_id, known.dst_dir),
    ):
        try:
            document = listing.require_ready(session.client, endpoint)
            run.findings.well("login")
            if document.gcp_connected is None:
                _require_listed(session, endpoint, directory)
            run.findings.well("endpoint", endpoint, own=True)
        except listing.NotReady as found:
            error = listing.NotReady(endpoint, f"The {role}: {found}", found.code)
            run.findings.add(troubles.explain(error, run.program, run.login_command))
            away.append(error)
    if away:
        raise away[0]
    run.findings.well("unknown endpoint")
    for kind in ("endpoint", "service", "consent", "session"):
        run.findings.well(kind, own=True)
    run.findings.alone = True


def _require_listed(session: Session, endpoint: str, directory: str) -> None:
    refused = session.connection.with_consent(
        lambda: listing.refusal(session.client, endpoint, directory, session.pace)
    )
    # A missing directory is no matter here: Globus makes that of the destination, and the look
    # tells of that of the source. A huge one shows that the endpoint works.
    if refused and not refused.gone and ".SizeLimit" not in refused.reason:
        raise listing.NotReady(
            endpoint,
            f"{directory} at {endpoint} cannot be listed: {refused.reason}. Nothing is lost, but"
            " nothing moves either: see whether the endpoint runs and lets you in there.",
        )
