"""The copies of other pairs of ALSO_AT: verified by the same rule, with the login of this pair."""

from __future__ import annotations

from collections.abc import Sequence

from globus_auto import globus
from globus_auto.datastore import Datastore, FileRecord
from globus_auto.errors import EndpointNotReady
from globus_auto.steps import verify
from globus_auto.steps.also_at import NOT_DELIVERED, UNUSABLE, OtherPair
from globus_auto.steps.fingerprints import Answer, current_versions
from globus_auto.steps.reasons import KeepReason, Why
from globus_auto.steps.rules import doubt
from globus_auto.steps.session import Session
from globus_auto.walk import ListingError


def verified(
    session: Session, others: Sequence[OtherPair], found: dict[str, FileRecord]
) -> dict[str, FileRecord]:
    """Return those of `found` whose copies at the destinations of all `others` are verified.

    Add the rest to `session.kept`. Drop no records: other pairs send their files again themselves.
    """
    for other in others:
        kept = _unverified(session, other, found)
        for path, detail in kept.items():
            session.kept.add(path, other.why(detail))
        found = {path: record for path, record in found.items() if path not in kept}
    return found


def _unverified(session: Session, other: OtherPair, found: dict[str, FileRecord]) -> dict[str, str]:
    """Return the files in `found` that have no verified copy of the pair, each with the reason."""
    if other.recorded is None:
        return dict.fromkeys(found, UNUSABLE)
    recorded, kept = other.recorded, {}
    places: dict[str, list[str]] = {}
    for path, record in found.items():
        there = recorded.store.record(path)
        if recorded.excludes_path(path):
            continue
        if there is None:
            kept[path] = NOT_DELIVERED
            continue
        own, task = session.store.tasks[record.task], recorded.store.tasks[there.task]
        other.mappings.add(task.pair)
        copy, own_copy = task.destination_of(path), own.destination_of(path)
        if (task.destination, copy) == (own.destination, own_copy):
            kept[path] = "sent to the same place"
        elif recorded.settings.verify_destination:
            places.setdefault(task.destination, []).append(path)
    for endpoint, paths in sorted(places.items()):
        try:
            for _, path, answer in verify.copies(recorded.session, endpoint, paths):
                if why := _doubt(recorded.store, path, answer):
                    kept[path] = why
        except (globus.TransferAPIError, EndpointNotReady) as error:
            session.context.alerts.fire(session.context.explain(error))
            kept |= dict.fromkeys(paths, KeepReason.UNKNOWN_COPY.value)
    return kept


def _doubt(store: Datastore, path: str, answer: Answer) -> str | None:
    """Return why `answer`, a file at the destination, is no verified copy of a file, or None."""
    if isinstance(answer, ListingError):
        return str(Why(KeepReason.UNKNOWN_COPY, answer.reason))
    record = store.record(path)
    found = doubt(record, store.tasks[record.task], answer) if record else None
    return str(found.why) if found else None


def mappings(
    session: Session, others: Sequence[OtherPair], going: dict[str, FileRecord]
) -> frozenset[tuple[str, str, str]]:
    """Return the mappings that the copies of `going` belong to, of this and of other pairs."""
    numbers = {record.task for record in going.values()}
    own = {session.store.tasks[number].pair for number in numbers}
    return frozenset(own.union(*(other.mappings for other in others if going)))


def leave_out_gone(session: Session) -> None:
    """Let files that another pair has deleted since the last scan raise no alert.

    They have records here, but none there.
    """
    overdue = session.kept.overdue.get(KeepReason.ALSO_AT)
    if not overdue or session.context.dry:
        return
    source = session.context.settings.src_id
    # One that is there shows that the alert is right: then the others need not be listed.
    if all(found is None for _, found in current_versions(session, source, sorted(overdue))):
        del session.kept.overdue[KeepReason.ALSO_AT]
