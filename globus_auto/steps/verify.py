"""Verification: find the files at the source whose copies at the destination are verified."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from globus_auto import globus
from globus_auto.alerts import catalog
from globus_auto.datastore import FileRecord
from globus_auto.errors import EndpointNotReady
from globus_auto.files import OWN
from globus_auto.steps import facts
from globus_auto.steps.fingerprints import Answer, current_versions
from globus_auto.steps.reasons import KeepReason, Why
from globus_auto.steps.rules import DAY, Doubt, doubt
from globus_auto.steps.session import Session
from globus_auto.walk import ListingError

FILES_AT_ONCE = 50_000
# The error codes for a collection that does not exist, or no longer exists.
NO_COLLECTION = ("EndpointNotFound", "EndpointDeleted")


def verify(session: Session, found: dict[str, FileRecord]) -> dict[str, FileRecord]:
    """Return the records in `found` whose copies at the destination of their task are verified.

    Drop the record of a file whose copy is missing or not as transferred, so that the file is
    transferred again, at most once a day. Drop no record if the whole destination is missing, empty
    or cannot be listed: its disk may not be mounted. If VERIFY_DESTINATION is False, return
    `found`.
    """
    if not session.context.settings.verify_destination:
        session.context.alerts.resolve("destination")
        session.context.alerts.resolve("doubtful")
        return found
    # No remaining task used the other destinations, so none of our copies can be missing there.
    used = {f"{task.destination}:{task.destination_dir}" for task in session.store.tasks.values()}
    session.context.alerts.resolve("destination", lambda about: about not in used)
    places: dict[tuple[str, str], list[str]] = {}
    for path, record in found.items():
        task = session.store.tasks[record.task]
        places.setdefault((task.destination, task.destination_dir), []).append(path)
    asked = {endpoint for endpoint, _ in places}
    session.context.alerts.resolve("doubtful", lambda about: about not in asked)
    verified: dict[str, FileRecord] = {}
    for (endpoint, directory), paths in sorted(places.items()):
        try:
            verified |= _verified_at(session, endpoint, directory, paths)
        except (globus.TransferAPIError, EndpointNotReady) as error:
            if _is_gone(error, endpoint, session):
                _resend(session, endpoint, paths)
                continue
            session.context.alerts.fire(session.context.explain(error))
            for path in sorted(paths):
                session.kept.add(path, Why(KeepReason.UNKNOWN_COPY, endpoint))
    return verified


def _is_gone(error: Exception, endpoint: str, session: Session) -> bool:
    """Return whether Globus says that this collection, an earlier destination, no longer exists."""
    is_earlier = endpoint != session.context.settings.dst_id
    return is_earlier and getattr(error, "code", None) in NO_COLLECTION


def _resend(session: Session, endpoint: str, paths: list[str]) -> None:
    """Drop the records of files whose destination collection no longer exists."""
    facts.record(session, "lost", paths)
    for path in paths:
        session.kept.add(path, Why(KeepReason.NO_COLLECTION))
        session.store.drop(path)
    session.context.alerts.fire(
        catalog.destination_gone(
            endpoint,
            session.context.settings.src_dir,
            len(paths),
            session.context.collection(endpoint),
            session.context.settings.dst_dir,
        )
    )
    session.save()


class _Doubtful(NamedTuple):
    """Files with unverified copies, by path: to transfer `again` now, or `kept` for now."""

    again: dict[str, Doubt]
    kept: dict[str, Doubt]


def _verified_at(
    session: Session,
    endpoint: str,
    directory: str,
    paths: list[str],
) -> dict[str, FileRecord]:
    """Return the records of those `paths` whose copies at one destination are verified."""
    store, alerts = session.store, session.context.alerts
    missing_or_empty = _is_missing_or_empty(session, endpoint, directory)
    verified: dict[str, FileRecord] = {}
    doubts: dict[str, Doubt] = {}
    no_answer: dict[str, str] = {}
    for there, path, answer in copies(session, endpoint, paths):
        record = store.record(path)
        if record is None:
            continue
        task = store.tasks[record.task]
        if isinstance(answer, ListingError):
            session.kept.add(path, Why(KeepReason.UNKNOWN_COPY, answer.reason))
            no_answer.setdefault(there.rpartition("/")[0], answer.reason)
            continue
        found = doubt(record, task, answer)
        if found is None:
            verified[path] = record
            continue
        session.kept.add(path, found.why)
        if not missing_or_empty:
            doubts[path] = found
    # A verified copy shows that the disk was mounted again after the check.
    if missing_or_empty and not verified:
        alerts.fire(
            catalog.destination_empty(
                endpoint,
                session.context.collection(endpoint),
                directory,
                len(paths),
                session.context.settings.datastore_path,
            )
        )
    elif no_answer:
        reason = next(iter(no_answer.values()))
        alerts.fire(
            catalog.destination_unlisted(
                endpoint,
                session.context.collection(endpoint),
                directory,
                list(no_answer),
                reason,
            )
        )
    else:
        alerts.resolve("destination", f"{endpoint}:{directory}")
    lost = _resend_or_keep(session, doubts)
    _drop_lost(session, lost.again)
    _note_repeated(session, endpoint, lost.kept)
    return verified


def _resend_or_keep(session: Session, doubts: dict[str, Doubt]) -> _Doubtful:
    """Decide which files to transfer again now, and remember those.

    Transfer a file again at once the first time, then at most once a day. Wait while the mtime of
    its copy is in the future: the destination's clock is ahead then, and a new copy would be as
    doubtful as the old one.
    """
    now = session.context.started
    health = session.context.read_health()
    before, full = health.doubted, health.doubted_is_full
    lost = _Doubtful({}, {})
    for path, found in doubts.items():
        record = session.store.record(path)
        ended = (session.store.tasks[record.task].ended_at if record else None) or 0
        at = before.get(path, ended if full else None)
        ahead = found.newer_by and ended + found.newer_by > now
        repeated = at is not None and 0 <= now - at < DAY
        (lost.kept if ahead or repeated else lost.again)[path] = found
    if lost.again:
        session.context.remember(lambda health: health.doubt(list(lost.again), now))
    return lost


def _note_repeated(session: Session, endpoint: str, kept: dict[str, Doubt]) -> None:
    """Fire an alert about the unverified copies of files that are not transferred again now."""
    if not kept:
        session.context.alerts.resolve("doubtful", endpoint)
        return
    later = max(found.newer_by for found in kept.values())
    names = [f"{path} ({found.why})" for path, found in sorted(kept.items())]
    session.context.alerts.fire(
        catalog.copies_doubtful(endpoint, session.context.collection(endpoint), names, later)
    )


def copies(session: Session, endpoint: str, paths: list[str]) -> Iterator[tuple[str, str, Answer]]:
    """Yield for each of `paths` the path of its copy, the path itself, and the copy as it is now.

    Work in chunks: the paths of a million files need as much memory as everything else.
    """
    store = session.store
    for start in range(0, len(paths), FILES_AT_ONCE):
        sources = {}
        for path in paths[start : start + FILES_AT_ONCE]:
            record = store.record(path)
            if record:
                sources[store.tasks[record.task].destination_of(path)] = path
        for there, answer in current_versions(session, endpoint, sorted(sources)):
            yield there, sources[there], answer


def _is_missing_or_empty(session: Session, endpoint: str, directory: str) -> bool:
    """Return whether a destination is missing, or holds only what globus_auto made there.

    The marker does not show that the disk is mounted: it is made wherever DST_DIR exists.
    """
    result = session.client.list_directory(endpoint, directory)
    if isinstance(result, ListingError):
        return result.gone
    # The marker may have been made just now, in the mount point of an unmounted disk.
    return not result.unsendable and all(name.startswith(OWN) for name in result.names)


def _drop_lost(session: Session, lost: dict[str, Doubt]) -> None:
    by_directory: dict[str, list[str]] = {}
    facts.record(session, "lost", sorted(lost))
    for path, found in sorted(lost.items()):
        directory, _, name = path.rpartition("/")
        by_directory.setdefault(directory, []).append(f"{name} ({found.why})")
        session.store.drop(path)
    for directory, names in by_directory.items():
        session.context.alerts.fire(catalog.copies_missing(directory, names))
    if lost:
        session.save()
