"""Deletable files: those that no rule keeps any more, as plans of what to delete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from globus_auto.datastore import FileRecord
from globus_auto.steps import compare, facts, other_copies, verify
from globus_auto.steps.also_at import OtherPair, other_pairs
from globus_auto.steps.candidates import candidates
from globus_auto.steps.plan import DeletionPlan
from globus_auto.steps.room import Oldest, Room, enough
from globus_auto.steps.session import NoKeepLog, Session
from globus_auto.steps.units import Units
from globus_auto.steps.whole import still_whole, whole


def plan_deletion(session: Session) -> DeletionPlan:
    """Return what delete.py would delete first; raise as `plans` does."""
    return next(plans(session))


def plans(session: Session) -> Iterator[DeletionPlan]:
    """Yield the files that delete.py may delete now: those whose copies are verified.

    There is one plan or, with FREE_PERCENT, one after the other until there is room: each has the
    oldest files and whole units, enough by their sizes. Raise AlertError if the history cannot be
    written: then nothing may be dropped or deleted.
    """
    facts.require(session)
    others, room = other_pairs(session), Room(session)
    undeleted = frozenset(session.context.read_health().undeleted)
    settings = session.context.settings
    most, units = settings.files_per_task, Units(settings.ready_markers, settings.src_dir)
    shortage, files, kept = room.shortage(), most, session.kept
    tried: set[str] = set()
    while True:
        oldest = Oldest(shortage, files, kept, units, undeleted)
        found = _found(session, others, oldest, tried)
        if kept is not session.kept:
            # The first round counted them among the files for which there is room.
            session.kept.counts[oldest.why.reason] -= len(found)
        other_copies.leave_out_gone(session)
        going = whole(session, units, _verified(session, others, found))
        if not oldest.takes_all:
            going = {path: record for path, record in found.items() if path in going}
            paths = list(going)
            spare = paths[units.round_up(paths, enough(going.values(), shortage or 0, 1)) :]
            for path in spare:
                session.kept.add(path, oldest.why)
                del going[path]
            tried.update(found.keys() - spare)
        going = still_whole(session, units, going, _compared(session, going))
        mappings = other_copies.mappings(session, others, going)
        by_age = not oldest.takes_all
        plan = DeletionPlan(going, undeleted, most, mappings, by_age)
        if units:
            yield plan._replace(markers=frozenset(filter(units.is_marker, going)))
        else:
            yield plan._replace(enough=room.is_enough)
        shortage = room.shortage()
        compares = session.store.tasks_in_progress("compare")
        if oldest.takes_all or not shortage or not found or compares:
            break
        files, kept = 2 * files, NoKeepLog(session.store, 0)
    room.report(shortage, is_waiting=bool(compares))


def _found(
    session: Session, others: Sequence[OtherPair], oldest: Oldest, tried: set[str]
) -> dict[str, FileRecord]:
    """Return the candidates that were not tried yet; of these, only the oldest."""
    passing = candidates(session, others, oldest)
    if oldest.takes_all:
        return {path: record for path, record, _ in passing}
    for path, record, age in passing:
        if path not in tried:
            oldest.add(path, record, age)
    return oldest.found()


def _verified(
    session: Session, others: Sequence[OtherPair], found: dict[str, FileRecord]
) -> dict[str, FileRecord]:
    """Return those of `found` whose copies are verified everywhere."""
    found = compare.without_in_progress(session, found)
    verified = other_copies.verified(session, others, verify.verify(session, found))
    if session.context.settings.verify_destination == "checksum":
        return compare.without_unequal(session, verified)
    return verified


def _compared(session: Session, going: dict[str, FileRecord]) -> dict[str, FileRecord]:
    """Return those of `going` that were compared, if VERIFY_DESTINATION is "checksum"; else all."""
    alerts = session.context.alerts
    alerts.resolve("repaired")
    if session.context.settings.verify_destination == "checksum":
        return compare.compared(session, going)
    alerts.resolve("altered")
    alerts.resolve("comparison")
    return going
