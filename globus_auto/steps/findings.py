"""What a scan found that needs attention: alerts, and which of them are resolved."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from globus_auto.alerts import Kind, ScanSummary, catalog
from globus_auto.steps import overdue
from globus_auto.steps.fingerprints import current_versions
from globus_auto.steps.forget import remembers
from globus_auto.steps.plan import TransferPlan
from globus_auto.steps.session import Session
from globus_auto.text import counted, sentence, utf8
from globus_auto.walk import DirectoryListing

log = logging.getLogger(__name__)

LONG_MINUTES = 10  # a scan that takes so long is worth a hint


def report_oddities(
    session: Session, directory: DirectoryListing, ahead: list[str], excluded: Callable[[str], bool]
) -> None:
    """Report once what is odd in a directory, although nothing is wrong.

    `ahead` are the files whose mtimes are more than a day in the future.
    """
    alerts, path = session.context.alerts, directory.path
    others = [
        f"{name} ({kind})"
        for name, kind in directory.others.items()
        if not (excluded(name) or name in directory.unknown)
    ]
    if others:
        alerts.fire(catalog.entries_ignored(path, others))
    if ahead:
        alerts.fire(catalog.mtimes_in_future(path, ahead))


def report(session: Session, plan: TransferPlan) -> None:
    """Fire and resolve the alerts about the scan, and log what it found."""
    settings, alerts = session.context.settings, session.context.alerts
    local = bool(settings.src_local_dir)
    for error in plan.listing_errors:
        reason = sentence(error.reason)
        if error.path == settings.src_dir:
            swapped = error.gone and session.marker == "nowhere"
            alerts.fire(
                catalog.source_unlisted(settings.src_dir, reason, local=local, swapped=swapped)
            )
        elif error.gone:
            # It may have been removed since its parent was listed.
            alerts.fire(catalog.directory_missing(error.path))
        else:
            alerts.fire(catalog.directory_unlisted(error.path, reason, local=local))
    if plan.empty and remembers(session):
        alerts.fire(catalog.source_empty(settings.src_dir, settings.stall_hours))
    for quarantined, names in plan.stranded.items():
        alerts.fire(catalog.quarantine_forgotten(quarantined, names))
    pairs = [f"{path} (there: {other})" for path, other in sorted(plan.collisions.items()) if other]
    if pairs:
        alerts.fire(catalog.names_clash(settings.src_dir, pairs))
    if plan.complete:
        alerts.resolve("spelling")
        alerts.resolve("quarantine", lambda about: about not in session.store.quarantined.values())
    for path in plan.unsendable:
        alerts.fire(catalog.name_unsendable(path))
    for directory, names in plan.unknown.items():
        alerts.fire(catalog.fingerprints_impossible(directory, names))
    alerts.resolve("source")
    kind: Kind
    for kind in ("unlisted", "unsendable", "left alone", "future"):
        alerts.resolve(kind, plan.covers)
    alerts.resolve("skipped", lambda where: plan.covers(where) and where not in plan.pending)
    unsent = _sent_again(session, plan)
    alerts.resolve(
        "not at the destination",
        lambda about: (
            plan.covers(about) and about not in unsent
            if about.startswith("/")
            # An earlier destination, a collection that no longer exists.
            else plan.covers(settings.src_dir) and settings.src_dir not in plan.pending
        ),
    )
    left = plan.transfers or plan.deferred or session.store.tasks_in_progress("transfer")
    if plan.complete and not left:
        for kind in ("failed", "stalled", "inactive", "refused", "conflict"):
            alerts.resolve(kind)
    _report_skipped(session, plan)
    _remember_empty(session, plan)
    overdue.report(session, plan)
    if plan.complete:
        oldest, oldest_path = plan.oldest or (None, "")
        session.context.scan = ScanSummary(
            at=plan.began,
            files=plan.files,
            bytes=plan.bytes,
            newest=plan.newest,
            undelivered=plan.undelivered,
            undelivered_bytes=plan.undelivered_bytes,
            oldest=oldest,
            oldest_path=utf8(oldest_path),
        )
    unlisted = counted(len(plan.listing_errors), "directory", "directories")
    trusted = f" and {len(plan.trusted)} unchanged ones" if plan.trusted else ""
    log.info(
        "Scanned %s: %s%s, %s; to transfer: %d, deferred: %d%s",
        settings.src_dir,
        counted(len(plan.listed), "directory", "directories"),
        trusted,
        counted(plan.files, "file"),
        len(plan.transfers),
        len(plan.deferred),
        f", not listed: {unlisted}" if plan.listing_errors else "",
    )
    minutes = (int(time.time()) - plan.began) // 60
    if minutes >= LONG_MINUTES and not settings.rescan_hours:
        log.info("The scan took %d minutes; RESCAN_HOURS in config.py makes it shorter", minutes)


def _sent_again(session: Session, plan: TransferPlan) -> set[str]:
    """Return the directories of files that must be sent again and are not delivered yet.

    Other files in these directories do not matter: new ones may arrive before each run.
    """
    in_progress = session.store.tasks_in_progress("transfer")

    def is_waiting(path: str) -> bool:
        record = session.store.record(path)
        planned = path in plan.transfers or path in plan.deferred
        return planned or (record is not None and record.task in in_progress)

    paths = filter(is_waiting, session.context.read_health().doubted)
    return {path.rpartition("/")[0] for path in paths}


def _remember_empty(session: Session, plan: TransferPlan) -> None:
    """Remember the empty directories for delete.py, which then need not list all others."""
    if not session.context.settings.delete_empty_dirs:
        return
    session.context.remember(
        lambda health: health.keep_empty(
            [
                *(path for path in health.empty if path not in plan.listed),
                *plan.empty_directories,
            ]
        )
    )


def _report_skipped(session: Session, plan: TransferPlan) -> None:
    """Report the files that Globus skipped, unless the scan shows that they are gone."""
    _fire_skipped(
        session,
        (
            path
            for path in session.skipped
            if path in plan.transfers
            or path in plan.listed
            or not plan.covers(path.rpartition("/")[0])
        ),
    )


def _fire_skipped(session: Session, paths: Iterable[str]) -> None:
    """Report by directory that Globus could not read `paths`.

    They are keys of `session.skipped`, which the poll has filled.
    """
    skipped: dict[str, list[str]] = {}
    for path in paths:
        directory, _, name = path.rpartition("/")
        code = session.skipped[path]
        skipped.setdefault(directory, []).append(f"{name} ({code})")
    for directory, names in skipped.items():
        session.context.alerts.fire(catalog.files_skipped(directory, names))


def report_skipped(session: Session) -> None:
    """Fire alerts about files that ended tasks skipped and that are still at the source."""
    paths = list(session.skipped)
    if paths:
        answers = current_versions(session, session.context.settings.src_id, paths)
        _fire_skipped(session, (path for path, answer in answers if answer is not None))


def report_undelivered(session: Session) -> None:
    """Fire an alert about undelivered files of ended tasks that are still at the source."""
    paths = [path for path in session.undelivered if path not in session.skipped]
    answers = current_versions(session, session.context.settings.src_id, paths) if paths else ()
    left = sorted(path for path, answer in answers if answer is not None)
    if left:
        session.context.alerts.fire(
            catalog.files_undelivered(session.context.settings.src_dir, left)
        )
