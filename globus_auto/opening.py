"""Start of both programs: log in, finish the work of earlier runs, check both collections."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Literal

import globus_sdk
import msgspec

from globus_auto import (
    asides,
    catalog,
    catalog_collections,
    catalog_deletions,
    choosing,
    deleting,
    listing,
    login,
    marker,
    settling,
    startup,
    submitting,
    tasks,
    troubles,
)
from globus_auto.alerts import AlertError, Alerts
from globus_auto.choosing import KeepReason, Reason, Why
from globus_auto.datastore import Datastore, below
from globus_auto.listing import DirectoryListing, Lister, ListingResult
from globus_auto.names import marker_name
from globus_auto.utils import RunContext
from globus_auto.watching import TaskDocument
from globus_auto.wording import counted, sentence

log = logging.getLogger(__name__)


@dataclass
class KeepLog:
    """The files that delete.py keeps at the source, counted by reason; paths only if `listed`.

    `overdue` has, by reason, the paths of files that were transferred before `due` (seconds UTC)
    and stay for a reason that should have passed by now.
    """

    store: Datastore
    due: float
    listed: bool = False
    counts: Counter[Reason] = field(default_factory=Counter)
    paths: list[tuple[str, Why]] = field(default_factory=list)
    overdue: dict[Reason, list[str]] = field(default_factory=dict)

    def add(self, path: str, why: Why) -> None:
        """Count the file at `path` as kept because of `why`."""
        log.debug("Keep %s: %s", path, why)
        self.counts[why.reason] += 1
        if self.listed:
            self.paths.append((path, why))
        if why.reason in choosing.PASSING:
            record = self.store.record(path)
            ended = record and self.store.tasks[record.task].ended_at
            if ended and ended < self.due:
                self.overdue.setdefault(why.reason, []).append(path)

    def report(self, alerts: Alerts, hours: float) -> None:
        """Log how many files stay for which reason, and fire alerts about those kept too long.

        `hours` is the value of STALL_HOURS, for the alert text.
        """
        for reason, number in self.counts.most_common():
            log.info("Kept %s: %s", counted(number, "file"), reason.value)
        for reason, paths in self.overdue.items():
            alerts.fire(
                catalog_deletions.files_kept_too_long(
                    reason.value, paths, hours, HINTS.get(reason, NO_HINT)
                )
            )
        alerts.resolve("kept")


NO_HINT = "Run delete.py -n -v to see the details of each file."
HINTS: dict[Reason, str] = {
    KeepReason.COLLISION: "Rename all but one of the files with such names.",
    KeepReason.CHANGED: "If nothing writes to them, check that SRC_LOCAL_DIR shows the same files,"
    " with the same times, as SRC_DIR.",
    KeepReason.UNKNOWN: "Check that Globus may list the directories that contain them. If one has"
    " too many entries, spread them over several directories.",
    KeepReason.TOO_SLOW: "Spread the files over several directories.",
}

MarkerState = Literal["unknown", "there", "nowhere", "refused"]


class Progress:
    """Where steps report their progress: this shows nothing, a terminal's does."""

    def scan(self, results: Iterable[ListingResult], what: str) -> Iterator[ListingResult]:  # noqa: ARG002
        """Yield `results`, and count directories and files of `what`."""
        yield from results

    @contextmanager
    def task(self, what: str) -> Iterator[Callable[[TaskDocument], None]]:  # noqa: ARG002
        """Yield a function that shows how far a task is."""
        yield lambda _document: None


@dataclass
class Session:
    """A run with its datastore and its connection to Globus.

    `skipped` and `undelivered` concern the tasks that this run saw end: the paths that Globus
    skipped, with its error codes, and the paths that are not known to be delivered. `names` are the
    display names of both collections, and `marker` is the state of the marker in DST_DIR; both have
    defaults until `require_ready`.
    """

    context: RunContext
    store: Datastore
    connection: login.Connection
    progress: Progress
    skipped: dict[str, str] = field(default_factory=dict)
    undelivered: list[str] = field(default_factory=list)
    names: tuple[str, str] = ("source", "destination")
    marker: MarkerState = "unknown"
    limiter: listing.RateLimiter = field(init=False)
    kept: KeepLog = field(init=False)

    def __post_init__(self) -> None:
        self.limiter = listing.RateLimiter(self.context.settings.list_calls_per_second)
        stall_seconds = self.context.settings.stall_hours * 3600
        due = self.context.started - stall_seconds
        self.kept = KeepLog(self.store, due, listed=self.context.dry)

    @property
    def client(self) -> globus_sdk.TransferClient:
        """The main thread's client."""
        return self.connection.client

    def save(self) -> None:
        """Save the datastore, unless this run may change nothing."""
        self.context.save(self.store)

    def label(self, kind: str, submission_id: str) -> str:
        """Return the label of a new task."""
        return tasks.new_label(kind, self.context.settings, self.names, submission_id)

    def walk(
        self,
        endpoint: str,
        roots: Iterable[str],
        enter: Callable[[str], bool] = lambda _name: False,
    ) -> Iterator[ListingResult]:
        """Yield the listings of `roots` on a collection, and of those below that `enter` accepts.

        Raise AlertError if the source contains the marker that was made at the destination: then
        both are one directory.
        """

        def lister() -> AbstractContextManager[Lister]:
            return listing.globus_lister(self.connection.new_client, endpoint, self.limiter)

        results = listing.walk(lister, roots, enter, self.context.settings.list_concurrency)
        at_source = endpoint == self.context.settings.src_id
        return distinct(self, results) if at_source else results


def distinct(session: Session, results: Iterable[ListingResult]) -> Iterator[ListingResult]:
    """Yield `results`, which are listings at the source's collection.

    Raise AlertError if one of SRC_DIR, or of a directory below it, contains the marker, which was
    made in DST_DIR, or in an earlier one.
    """
    settings, store = session.context.settings, session.store
    own = {marker_name(settings.src_id, settings.src_dir)}
    own |= {marker_name(store.source, mapping.source_dir) for mapping in store.mappings}
    for result in results:
        names = result.directories if isinstance(result, DirectoryListing) else {}
        if below(result.path, settings.src_dir) and not own.isdisjoint(names):
            name = min(own.intersection(names))
            raise AlertError(
                catalog.source_is_destination(settings.src_dir, result.path, name, settings.dst_dir)
            )
        yield result


@contextmanager
def open_session(
    context: RunContext, progress: Progress, connection: login.Connection | None = None
) -> Iterator[Session]:
    """Yield a session that holds the datastore's lock, after finishing the work of earlier runs.

    Without a `connection`, log in; that connection stays open until the run ends.
    """
    with context.store_locked():
        store = context.load()
        if connection is None:
            connection = login.connect(
                context.settings,
                interactive=context.interactive,
                again=getattr(context.options, "login", False),
            )
            context.resources.callback(connection.close)
        session = Session(context, store, connection, progress)
        _start_up(session)
        # Globus may accept the submissions of earlier runs just now or later: they count as well.
        left = [task.mapping for task in store.tasks_in_progress("transfer").values()]
        context.require_own_destination([*store.mappings, *left])
        yield session


def _start_up(session: Session) -> None:
    """Finish the work of earlier runs, whose tasks may have ended since."""
    context, store, client = session.context, session.store, session.client
    before = _all_but_records(store)
    # If loading already found the datastore restored, its delivered records are dropped by now.
    if startup.compare_with_list(client, store, context.settings) and not store.restored:
        context.restored(store)
    if not context.dry:
        submit(context, store, client)
        deleting.cancel_leftovers(client, store, context.alerts, context.started)
        asides.restore(client, store, context.alerts, session.limiter)
    settling.poll(session)
    store.forget_ended_tasks(context.started)
    succeeded = [task for task in store.tasks.values() if task.status == "SUCCEEDED"]
    if all(task.verify_checksum for task in succeeded):
        context.alerts.resolve("unverified")
    # File records change here only with their tasks, and comparing a million of them takes a while.
    if store.changed or _all_but_records(store) != before:
        session.save()


def _all_but_records(store: Datastore) -> object:
    return msgspec.to_builtins((store.tasks, store.quarantined, store.mappings))


def submit(context: RunContext, store: Datastore, client: globus_sdk.TransferClient) -> bool:
    """Submit the unsubmitted tasks in `store`; return whether Globus rejected any.

    Fire an alert for each rejection.
    """
    rejections = submitting.submit_unsubmitted(
        client,
        store,
        context.alerts,
        lambda: context.save(store),
        context.settings.stall_hours * 3600,
    )
    for rejection in rejections:
        context.alerts.fire(troubles.refused(rejection, context))
    paths = [each.path for each in rejections if each.path and each.once_a_day]
    if paths:
        context.remember(lambda health: health.refuse(paths, context.started))
    return bool(rejections)


def require_ready(session: Session) -> None:
    """Return if both collections can be used now.

    Raise AlertError, listing.EndpointNotReady, or what a call raises, if not. Only a listing shows
    whether a Connect Server collection works, and whether a consent is missing.
    """
    context, settings = session.context, session.context.settings
    not_ready: list[Exception] = []
    names = []
    for role, endpoint, directory in (
        ("source", settings.src_id, settings.src_dir),
        ("destination", settings.dst_id, settings.dst_dir),
    ):
        try:
            document = listing.require_ready(session.client, endpoint)
            names.append(document.display_name or role)
            if document.display_name:
                context.names[endpoint] = document.display_name
            context.alerts.resolve("login")
            if document.gcp_connected is None:
                _require_listed(session, endpoint, directory)
            context.alerts.resolve("endpoint", endpoint)
        except (listing.EndpointNotReady, AlertError) as error:
            context.alerts.fire(troubles.explain(error, context))
            not_ready.append(error)
    if not_ready:
        raise not_ready[0]
    session.names = names[0], names[1]
    context.alerts.resolve("unknown endpoint")
    for kind in ("endpoint", "service", "consent", "session"):
        context.alerts.resolve(kind)
    _require_marker(session)
    context.alerts.resolve("unfit settings")


def _require_marker(session: Session) -> None:
    reason = marker.place(session)
    if reason:
        marker.note(session, reason)
    else:
        session.context.alerts.resolve("marker")


def _require_listed(session: Session, endpoint: str, directory: str) -> None:
    refused = session.connection.with_consent(
        lambda: listing.listing_error(session.client, endpoint, directory, session.limiter)
    )
    # A missing directory is no error here: Globus creates DST_DIR, and the scan reports a missing
    # SRC_DIR. A directory too large to list shows that the collection works.
    if refused and not refused.gone and ".SizeLimit" not in refused.code:
        raise AlertError(
            catalog_collections.collection_unlisted(
                endpoint, session.context.collection(endpoint), directory, sentence(refused.reason)
            )
        )
