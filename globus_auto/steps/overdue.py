"""What has not happened for too long: a new file, the markers of a unit, the delivery of a file."""

from __future__ import annotations

from globus_auto.alerts import MAX_PATHS, AlertState, Appearance, Held, Waiting, catalog
from globus_auto.steps.forget import remembers
from globus_auto.steps.plan import TransferPlan
from globus_auto.steps.record import PENDING_MOST
from globus_auto.steps.rules import NEVER
from globus_auto.steps.session import Session
from globus_auto.text import moment, utf8

HOUR = 3600  # seconds
# Alerts that say why files are not delivered.
EXPLAINED = {
    *("failed", "skipped", "refused", "stalled", "inactive", "conflict", "unknown status"),
    *("not at the destination", "doubtful", "spelling"),
}
MOST_UNITS = 100  # units that lack markers, with an alert each
TRIES = 3  # a file that is sent so often is not waiting for a long transfer


def report(session: Session, plan: TransferPlan) -> None:
    """Fire or resolve the alerts about what a scan shows to be overdue, and remember it."""
    health = session.context.read_health()
    reported = {each.key for each in health.alerts if not each.resolved}
    appearance = _report_silence(session, plan, health.appearance, reported)
    waiting, held = health.waiting, _report_units(session, plan, health.held)
    if plan.complete:
        waiting = _report_undelivered(session, plan, waiting, reported)

    def remember(changed: AlertState) -> None:
        changed.appearance, changed.waiting, changed.held = appearance, waiting, held

    if (appearance, waiting, held) != (health.appearance, health.waiting, health.held):
        session.context.remember(remember)


def _report_silence(
    session: Session,
    plan: TransferPlan,
    before: Appearance | None,
    reported: set[tuple[str, str]],
) -> Appearance:
    """Fire the alert that no file has appeared for SILENT_HOURS, or resolve it.

    Directories that could not be listed may hide new files, unless that was `reported` before: then
    it is known, and must not hide for ever that the instrument is silent.
    """
    settings, alerts = session.context.settings, session.context.alerts
    # An empty directory that had files may be a disk that is not mounted; that has its own alert.
    is_lost = not plan.listed or (plan.empty and remembers(session))
    # What somebody else has deleted is still recorded.
    there = plan.files - plan.excluded + len(plan.missing)
    files = there if plan.complete and not is_lost else None
    last = last_appearance(before, settings.src_dir, plan.began, plan.newest, files)
    if not is_silent(last, plan.began, settings.silent_hours):
        alerts.resolve("silent")
    elif not is_lost and all(
        each.gone or ("unlisted", each.path) in reported for each in plan.listing_errors
    ):
        since = moment(last.at)
        alerts.fire(catalog.source_silent(settings.src_dir, since, settings.silent_hours))
    return last


def last_appearance(
    before: Appearance | None, source_dir: str, now: int, newest: int | None, files: int | None
) -> Appearance:
    """Return when a file last appeared in `source_dir`, after a scan at `now` (seconds UTC).

    `newest` is the latest mtime of its files, except those in the future; `files` is how many they
    are, None if that is not known. A file appears when it is newer than all before, or when there
    are more files than were left: what is copied to the source often keeps its old mtime. The scan
    that found it counts, not its mtime, which is of another clock. A deletion changes nothing.
    """
    newest = NEVER if newest is None else newest
    if before is None or before.source_dir != source_dir or max(before.at, before.newest) > now:
        # The first scan, or times in the future, from a clock that was wrong.
        return Appearance(source_dir=source_dir, at=now, newest=newest, files=files)
    more = files is not None and before.files is not None and files > before.files
    return Appearance(
        source_dir=source_dir,
        at=now if more or newest > before.newest else before.at,
        newest=max(newest, before.newest),
        files=files,
    )


def is_silent(last: Appearance, now: int, hours: float) -> bool:
    """Return whether no file has appeared for so many `hours`, up to `now`; 0 means never."""
    return hours > 0 and now - last.at >= hours * HOUR


def _report_units(session: Session, plan: TransferPlan, before: dict[str, Held]) -> dict[str, Held]:
    """Fire or resolve the alerts about units without markers in which nothing changes any more."""
    context, now = session.context, plan.began
    found = {unit: held for unit, held in before.items() if not plan.covers(unit)}
    overdue = 0
    for unit, unready in plan.unready.items():
        if not (unready.files and unready.missing):
            continue
        held = found[utf8(unit)] = still_held(
            before.get(utf8(unit)), unready.files, unready.newest, now
        )
        overdue += now - held.since >= context.settings.stall_hours * HOUR
        if now - held.since >= context.settings.stall_hours * HOUR and overdue <= MOST_UNITS:
            since = moment(held.since)
            context.alerts.fire(catalog.unit_unready(unit, unready.missing, unready.files, since))
    context.alerts.resolve("unit", lambda about: about not in found)
    return dict(list(found.items())[:MAX_PATHS])


def still_held(before: Held | None, files: int, newest: int, now: int) -> Held:
    """Return what a unit holds back at a scan at `now`; `before` is what it held at the one before.

    An instrument that is busy adds files, and no marker is missing yet.
    """
    same = before is not None and (before.files, before.newest) == (files, newest)
    since = before.since if before and same and before.since <= now else now
    return Held(files=files, newest=newest, since=since)


def _report_undelivered(
    session: Session, plan: TransferPlan, before: Waiting | None, reported: set[tuple[str, str]]
) -> Waiting | None:
    """Fire the alert that a file is sent again and again without a delivery, or resolve it.

    It is the last resort: none if another alert, `reported` before or now, says why. What makes
    progress needs none either.
    """
    context, now = session.context, plan.began
    if plan.waiting is None:
        context.alerts.resolve("undelivered")
        return None
    mtime, path = plan.waiting
    is_sent = path in plan.transfers
    found = longest_waiting(before, utf8(path), mtime, now, is_sent=is_sent)
    overdue = is_overdue(found, now, context.settings.stall_hours)
    is_full = len(session.store.tasks_in_progress("transfer")) >= PENDING_MOST
    explained = any(kind in EXPLAINED for kind, _ in {*reported, *context.alerts.fired})
    if is_sent and overdue and not (is_full or explained):
        since = moment(found.since)
        source_dir = context.settings.src_dir
        context.alerts.fire(catalog.file_undelivered(source_dir, path, since, found.tries - 1))
    elif not overdue:
        context.alerts.resolve("undelivered")
    return found


def longest_waiting(
    before: Waiting | None, path: str, mtime: int, now: int, *, is_sent: bool
) -> Waiting:
    """Return the file with the earliest mtime of those not delivered, at a scan at `now`.

    It is at `path`, and this run sends it if `is_sent`; `before` is that of the scan before.
    """
    if before and (before.path, before.mtime) == (path, mtime) and before.since <= now:
        return Waiting(path=path, mtime=mtime, since=before.since, tries=before.tries + is_sent)
    return Waiting(path=path, mtime=mtime, since=now, tries=int(is_sent))


def is_overdue(waiting: Waiting, now: int, stall_hours: float) -> bool:
    """Return whether a file has been sent again and again for `stall_hours`."""
    return waiting.tries >= TRIES and now - waiting.since >= stall_hours * HOUR
