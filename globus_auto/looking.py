"""The scan of the source: find what to transfer, what is gone, and what to report."""

from __future__ import annotations

import functools
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from globus_auto import (
    catalog_collections,
    catalog_deletions,
    catalog_files,
    catalog_transfers,
    choosing,
    listing,
    mount,
    spelling,
)
from globus_auto.alerts import DAY, AlertError, Kind, read_state
from globus_auto.choosing import Decision, DeferReason, ScanTerms, Verdict
from globus_auto.datastore import Datastore, FileVersion, below, joined, with_parents
from globus_auto.listing import DirectoryListing, ListingError, ListingResult
from globus_auto.names import MARKER, OWN, QUARANTINE
from globus_auto.opening import Session, distinct
from globus_auto.wording import sentence

log = logging.getLogger(__name__)

NEVER = -(1 << 63)  # seconds: before any modification time


@dataclass
class TransferPlan:
    """The result of a scan of SRC_DIR that began at `began` (seconds UTC).

    `transfers` and `deferred` have the new and changed files, each with its fingerprint and the
    reason. `recursive`: they are transferred as one recursive task. `forced`: --full asks for such
    a task, even if nothing has changed.

    `files` counts all files that were found, `excluded` those left out because of EXCLUDE or
    because their names are globus_auto's own. `missing` are recorded files that are gone from a
    directory that was listed. `listed` are the directories that were listed, `pending` those with
    files that are not delivered yet. `unsendable` are paths that Globus cannot transfer. `empty`:
    SRC_DIR contains nothing. `rejected` are files that Globus rejected less than a day ago.
    `collisions` maps each file whose copy would overwrite another file to the path of that file.
    `stranded` maps each quarantined directory whose old name is no longer known to the names in it.
    """

    began: int
    recursive: bool = False
    forced: bool = False
    transfers: dict[str, tuple[FileVersion, Decision]] = field(default_factory=dict)
    deferred: dict[str, tuple[FileVersion, Decision]] = field(default_factory=dict)
    files: int = 0
    excluded: int = 0
    missing: list[str] = field(default_factory=list)
    listed: set[str] = field(default_factory=set)
    pending: set[str] = field(default_factory=set)
    listing_errors: list[ListingError] = field(default_factory=list)
    unsendable: list[str] = field(default_factory=list)
    empty: bool = False
    rejected: list[str] = field(default_factory=list)
    collisions: dict[str, str] = field(default_factory=dict)
    stranded: dict[str, list[str]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether nothing below SRC_DIR may have been missed."""
        return bool(self.listed) and all(error.gone for error in self.listing_errors)

    def covers(self, directory: str) -> bool:
        """Return whether the scan shows what is in `directory`, or that it does not exist."""
        return self._failed_paths.isdisjoint(with_parents(directory))

    @functools.cached_property
    def _failed_paths(self) -> set[str]:
        """The paths that could not be listed; for use after the scan only, as it is cached."""
        return {error.path for error in self.listing_errors}


def scan(session: Session) -> TransferPlan:
    """Scan all of SRC_DIR and decide which files to transfer now."""
    settings, store = session.context.settings, session.store
    # An emptied source is not a first run: with a recursive task, an old copy at the destination
    # could pass for that of a new file.
    first = not store.mappings
    in_progress = session.store.tasks_in_progress("transfer")
    wanted = session.context.options.full
    plan = TransferPlan(began=int(time.time()), recursive=not in_progress and (first or wanted))
    pair = settings.mapping if wanted and plan.recursive else None
    terms = ScanTerms(plan.began, settings.settle_seconds, pair=pair)
    if wanted and in_progress:
        session.context.alerts.fire(
            catalog_transfers.full_postponed(settings.src_dir, len(in_progress))
        )
    else:
        session.context.alerts.resolve("full")
    excluded = choosing.matcher(settings.exclude)
    safe_until = choosing.safe_until(store.tasks, pair)
    results = walk_source(session)
    for result in session.progress.scan(results, settings.src_dir):
        if isinstance(result, ListingError):
            plan.listing_errors.append(result)
        else:
            _classify_directory(
                session,
                plan,
                terms._replace(recursive_in_progress=store.recursive_in_progress(result.path)),
                result,
                excluded,
                safe_until,
            )
    _defer_rejected_and_colliding(session, plan)
    if first and not wanted and (plan.deferred or plan.unsendable):
        # A recursive task would also transfer files that are still being written.
        plan.recursive = False
    if plan.recursive:
        plan.forced = not first and plan.files > len(plan.deferred)
    return plan


def _defer_rejected_and_colliding(session: Session, plan: TransferPlan) -> None:
    """Defer files that Globus rejected lately, or whose copy would overwrite another file."""
    now, store = session.context.started, session.store
    for path, at in read_state(session.context.health_path).refused.items():
        if path in plan.transfers and 0 <= now - at < DAY:
            _defer(plan, path, DeferReason.REJECTED)
            plan.rejected.append(path)
    new = (path for path in plan.transfers if store.record(path) is None)
    for path, other in spelling.find_collisions(session, new):
        _defer(plan, path, DeferReason.COLLISION, other)
        plan.collisions[path] = other


def _defer(plan: TransferPlan, path: str, reason: DeferReason, detail: str = "") -> None:
    version, decision = plan.transfers.pop(path)
    plan.deferred[path] = version, decision.deferred(reason, detail)


def walk_source(session: Session) -> Iterator[ListingResult]:
    """Yield the listings of SRC_DIR and of all directories below it that are not excluded.

    Leave out directories that globus_auto made, except quarantined ones. Raise AlertError if
    the marker of DST_DIR is in the source, EndpointNotReady if SRC_LOCAL_DIR does not show SRC_DIR,
    and what the calls raise.
    """
    settings = session.context.settings
    excluded = choosing.matcher(settings.exclude)

    def enter(name: str) -> bool:
        return not excluded(name) and (not name.startswith(OWN) or name.startswith(QUARANTINE))

    if not settings.src_local_dir:
        session.context.alerts.resolve("mount")
        yield from session.walk(settings.src_id, [settings.src_dir], enter)
        return
    _require_same_directory(session)
    yield from distinct(
        session,
        listing.walk(
            lambda: mount.local_lister(settings.src_local_dir, settings.src_dir),
            [settings.src_dir],
            enter,
        ),
    )


def _require_same_directory(session: Session) -> None:
    """Return if SRC_LOCAL_DIR shows what Globus shows in SRC_DIR; else raise AlertError.

    A disk that is not mounted, or another disk, must never be read as "all gone". A snapshot, which
    shows less than Globus has just shown, is an alert if that lasts.
    """
    settings = session.context.settings
    collection = session.context.collection(settings.src_id)
    for result in session.walk(settings.src_id, [settings.src_dir]):
        if isinstance(result, ListingError):
            raise AlertError(
                catalog_collections.collection_unlisted(
                    settings.src_id, collection, settings.src_dir, sentence(result.reason)
                )
            )
        try:
            with mount.local_lister(settings.src_local_dir, settings.src_dir) as list_one:
                here = list_one(settings.src_dir)
        except OSError as error:
            here = ListingError(settings.src_dir, error.strerror or str(error))
        if isinstance(here, ListingError):
            raise AlertError(
                catalog_collections.local_dir_unlisted(
                    settings.src_id, collection, settings.src_local_dir, here.reason
                )
            )
        if here.names.isdisjoint(result.names) and (here.names or result.names):
            raise AlertError(
                catalog_collections.local_dir_differs(
                    settings.src_id, collection, settings.src_local_dir, settings.src_dir
                )
            )
        _compare_directories(session, result, here)


def _compare_directories(session: Session, there: DirectoryListing, here: DirectoryListing) -> None:
    """Report where SRC_LOCAL_DIR, listed after Globus, is behind it: it may be a snapshot."""
    settings, alerts = session.context.settings, session.context.alerts
    behind = sorted(there.names - here.names)
    behind += [
        name
        for name, mtime in there.directories.items()
        if here.directories.get(name, mtime) < mtime
    ]
    if not behind:
        alerts.resolve("mount")
        return
    alerts.fire(catalog_files.local_dir_behind(settings.src_local_dir, settings.src_dir, behind))


def _classify_directory(
    session: Session,
    plan: TransferPlan,
    terms: ScanTerms,
    directory: DirectoryListing,
    excluded: Callable[[str], bool],
    safe_until: dict[int, int],
) -> None:
    """Add the files of one directory to `plan`.

    `excluded` returns whether a name matches EXCLUDE. `safe_until` has, by task, the latest mtime
    of a record that is not racy. Both are the same for the whole scan.
    """
    path, store, context = directory.path, session.store, session.context
    records = store.files.get(path, {})
    plan.listed.add(path)
    if f"/{QUARANTINE}" in path:
        _strand(plan, store, directory)
        return
    plan.files += len(directory.files)
    plan.empty |= path == context.settings.src_dir and directory.empty
    new = 0
    ahead: list[str] = []
    for name, version in directory.files.items():
        record = records.get(name)
        if (
            record is not None
            and record.mtime == version.mtime
            and record.size == version.size
            and record.mtime <= safe_until.get(record.task, NEVER)
        ):
            # Nearly all files in nearly all runs are unchanged, so they cost no more than this.
            continue
        new += record is None
        if excluded(name):
            plan.excluded += 1
            continue
        if name.startswith(OWN):
            plan.excluded += 1
            directory.others[name] = "a name of globus_auto's own"
            continue
        if choosing.is_future_mtime(version.mtime, plan.began):
            ahead.append(name)
        task = store.tasks[record.task] if record else None
        decision = choosing.classify(version, record, task, terms)
        if decision.verdict is Verdict.SKIP:
            if task and task.in_progress:
                plan.pending.add(path)
            continue
        plan.pending.add(path)
        if decision.verdict is Verdict.DEFER:
            plan.deferred[joined(path, name)] = version, decision
            log.debug("Defer %s: %s", joined(path, name), decision)
        else:
            plan.transfers[joined(path, name)] = version, decision
    if len(directory.files) - new < len(records):
        gone = records.keys() - directory.files.keys()
        plan.missing += [joined(path, name) for name in sorted(gone) if not excluded(name)]
    for name in directory.directories:
        if name.startswith(OWN) and not (name.startswith(QUARANTINE) or MARKER.fullmatch(name)):
            directory.others[name] = "a name of globus_auto's own"
    plan.unsendable += [joined(path, name) for name in directory.unsendable if not excluded(name)]
    _report_oddities(session, directory, ahead, excluded)


def _strand(plan: TransferPlan, store: Datastore, directory: DirectoryListing) -> None:
    """Add to `plan` the names in a quarantined directory, unless it will get its old name back."""
    start = directory.path.index(f"/{QUARANTINE}") + 1
    quarantined = directory.path[:start] + directory.path[start:].partition("/")[0]
    names = [*directory.files, *directory.others, *directory.unsendable]
    if names and quarantined not in store.quarantined:
        plan.stranded.setdefault(quarantined, []).extend(names)


def _report_oddities(
    session: Session, directory: DirectoryListing, ahead: list[str], excluded: Callable[[str], bool]
) -> None:
    """Report once what is odd in a directory, although nothing is wrong.

    `ahead` are the files whose mtimes are more than a day in the future.
    """
    alerts, path = session.context.alerts, directory.path
    others = [f"{name} ({kind})" for name, kind in directory.others.items() if not excluded(name)]
    if others:
        alerts.fire(catalog_files.entries_ignored(path, others))
    if ahead:
        alerts.fire(catalog_files.mtimes_in_future(path, ahead))


def forget(session: Session, plan: TransferPlan) -> None:
    """Drop the records of files that are gone from the source, unless their task is in progress.

    Drop nothing below a directory that could not be listed, and nothing while SRC_DIR is suddenly
    empty. Do not save: missing files start nothing, so the next change saves this as well.
    """
    settings, store = session.context.settings, session.store
    if _is_suddenly_empty(session, plan):
        return
    excluded = choosing.matcher(settings.exclude)
    gone = plan.missing
    for directory, records in store.files.items():
        if directory in plan.listed or not below(directory, settings.src_dir):
            continue
        if plan.covers(directory) and not choosing.matches(directory, settings.src_dir, excluded):
            gone += [joined(directory, name) for name in records if not excluded(name)]
    for path in gone:
        store.forget(path)


def _is_suddenly_empty(session: Session, plan: TransferPlan) -> bool:
    """Return whether SRC_DIR is empty although it had files, and for less than STALL_HOURS.

    Its disk may not be mounted. If you emptied it on purpose, you need not do anything else: after
    that time its files are forgotten.
    """
    context = session.context
    since = read_state(context.health_path).empty_since
    if not (plan.empty and _remembers(session)):
        if since is not None:
            context.remember(lambda health: setattr(health, "empty_since", None))
        return False
    if since is None:
        context.remember(lambda health: setattr(health, "empty_since", context.started))
    return since is None or context.started - since < context.settings.stall_hours * 3600


def _remembers(session: Session) -> bool:
    """Return whether any record is of a file in SRC_DIR."""
    root = session.context.settings.src_dir
    return any(below(directory, root) for directory in session.store.files)


def report(session: Session, plan: TransferPlan) -> None:
    """Fire and resolve the alerts about the scan, and log what it found."""
    settings, alerts = session.context.settings, session.context.alerts
    for error in plan.listing_errors:
        if error.path == settings.src_dir:
            alerts.fire(catalog_files.source_unlisted(settings.src_dir, sentence(error.reason)))
        elif error.gone:
            # It may have been removed since its parent was listed.
            alerts.fire(catalog_files.directory_missing(error.path))
        else:
            alerts.fire(catalog_files.directory_unlisted(error.path, sentence(error.reason)))
    if plan.empty and _remembers(session):
        alerts.fire(catalog_files.source_empty(settings.src_dir, settings.stall_hours))
    for quarantined, names in plan.stranded.items():
        alerts.fire(catalog_deletions.quarantine_forgotten(quarantined, names))
    if plan.collisions:
        pairs = [f"{path} (there: {other})" for path, other in sorted(plan.collisions.items())]
        alerts.fire(catalog_files.names_clash(settings.src_dir, pairs))
    if plan.complete:
        alerts.resolve("spelling")
        alerts.resolve("quarantine", lambda about: about not in session.store.quarantined.values())
    for path in plan.unsendable:
        alerts.fire(catalog_files.name_unsendable(path))
    alerts.resolve("source")
    kind: Kind
    for kind in ("unlisted", "left alone", "future"):
        alerts.resolve(kind, plan.covers)
    alerts.resolve("unsendable", lambda path: plan.covers(os.path.dirname(path)))
    for kind in ("skipped", "not at the destination"):
        alerts.resolve(kind, lambda where: plan.covers(where) and where not in plan.pending)
    left = plan.transfers or plan.deferred or session.store.tasks_in_progress("transfer")
    if plan.complete and not left:
        for kind in ("failed", "stalled", "inactive", "refused", "conflict"):
            alerts.resolve(kind)
    _report_skipped(session, plan)
    log.info(
        "Scanned %s: directories %d, files %d, to send %d, deferred %d, not listed %d",
        settings.src_dir,
        len(plan.listed),
        plan.files,
        len(plan.transfers),
        len(plan.deferred),
        len(plan.listing_errors),
    )


def _report_skipped(session: Session, plan: TransferPlan) -> None:
    """Report the files that Globus skipped, unless the scan shows that they are gone."""
    report_skipped(
        session,
        (
            path
            for path in session.skipped
            if path in plan.transfers
            or path in plan.listed
            or not plan.covers(path.rpartition("/")[0])
        ),
    )


def report_skipped(session: Session, paths: Iterable[str]) -> None:
    """Report by directory that Globus could not read `paths`.

    They are keys of `session.skipped`, which the poll has filled.
    """
    skipped: dict[str, list[str]] = {}
    for path in paths:
        directory, _, name = path.rpartition("/")
        code = session.skipped[path]
        skipped.setdefault(directory, []).append(f"{name} ({code})")
    for directory, names in skipped.items():
        session.context.alerts.fire(catalog_transfers.files_skipped(directory, names))
