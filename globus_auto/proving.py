"""Proving: which files at the source have provably arrived, from the task to the destination."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator

import globus_sdk

from globus_auto import (
    alerts,
    choosing,
    listing,
    looking,
    progress,
    refusals,
    tasks,
    troubles,
    watching,
)
from globus_auto.alerts import Alert
from globus_auto.choosing import Keeping
from globus_auto.datastore import Entry, Version, below, joined
from globus_auto.listing import Directory, Unlisted
from globus_auto.opening import Session
from globus_auto.utils import SettingsUnfit

log = logging.getLogger(__name__)

# The code by which Globus says that it made a directory.
MADE = "DirectoryCreated"
FILES_AT_ONCE = 50_000
# Stands for a file that could not be asked for.
Answer = Version | Unlisted | None


def candidates(session: Session) -> dict[str, Entry]:
    """Return the entries below SRC_DIR that nothing known here speaks for keeping, by path."""
    known, store = session.run.settings, session.store
    keeping = Keeping(session.run.started, known.keep_days)
    excluded = choosing.matcher(known.exclude)
    found = {}
    for group in _directories_alike(session):
        names = [name for directory in group for name in store.files[directory]]
        twins = choosing.alike(names)
        for directory in group:
            hidden = choosing.matches(directory, known.src_dir, excluded)
            under_way = store.under_way(directory)
            for name, entry in sorted(store.files[directory].items()):
                reason = choosing.reason_to_keep(
                    entry,
                    store.tasks[entry.task],
                    keeping,
                    excluded=hidden or excluded(name),
                    under_way=under_way,
                    alike=name in twins,
                )
                if reason:
                    session.kept.add(joined(directory, name), reason)
                else:
                    found[joined(directory, name)] = entry
    return found


def _directories_alike(session: Session) -> list[list[str]]:
    """Return the known directories below SRC_DIR, those together that could be one elsewhere."""
    groups: dict[str, list[str]] = {}
    for directory in sorted(session.store.files):
        if below(directory, session.run.settings.src_dir):
            groups.setdefault(choosing.folded(directory), []).append(directory)
    return list(groups.values())


def versions(
    session: Session, endpoint: str, paths: list[str], *, alone: bool = False
) -> Iterator[tuple[str, Answer]]:
    """Yield for each of `paths` what stands there at `endpoint` now: a version, or None.

    Their directories are listed; where one cannot be, its files are asked for one by one, until
    one cannot be told either: an Unlisted stands for each of those, and with `alone` for one
    beside which stands another name that could be the same at the destination.
    """
    wanted: dict[str, list[str]] = {}
    for path in paths:
        directory, _, name = path.rpartition("/")
        wanted.setdefault(directory or "/", []).append(name)
    for outcome in session.look(endpoint, list(wanted)):
        names = wanted[outcome.path]
        if isinstance(outcome, Directory):
            there = [*outcome.files, *outcome.directories, *outcome.others]
            twins = choosing.alike(there) if alone else set()
            for name in names:
                path = joined(outcome.path, name)
                twin = Unlisted(path, choosing.ALIKE)
                yield path, twin if name in twins else outcome.files.get(name)
            continue
        silent = None
        for name in names:
            path = joined(outcome.path, name)
            answer: Answer = None if outcome.gone else silent
            if not outcome.gone and silent is None:
                answer = listing.stat_file(session.client, endpoint, path, session.pace)
                silent = answer if isinstance(answer, Unlisted) else None
            yield path, answer


def at_destination(session: Session, found: dict[str, Entry]) -> dict[str, Entry]:
    """Return those of the candidates `found` that stand whole at the destination of their task.

    The entries of others are dropped, so that they are sent again; but not where the destination
    as a whole is missing, empty or cannot be asked.
    """
    if not session.run.settings.verify_destination:
        session.run.findings.well("destination")
        return found
    # Where no file that is known has gone to, nothing can be missing any more.
    used = {f"{task.destination}:{task.destination_dir}" for task in session.store.tasks.values()}
    session.run.findings.well("destination", lambda about: about not in used)
    places: dict[tuple[str, str], list[str]] = {}
    for path, entry in found.items():
        task = session.store.tasks[entry.task]
        places.setdefault((task.destination, task.destination_dir), []).append(path)
    arrived: dict[str, Entry] = {}
    for (endpoint, directory), paths in sorted(places.items()):
        try:
            arrived |= _arrived(session, endpoint, directory, paths)
        except (globus_sdk.TransferAPIError, listing.NotReady) as error:
            session.run.findings.add(
                troubles.explain(error, session.run.program, session.run.login_command)
            )
            for path in sorted(paths):
                session.kept.add(path, f"its destination cannot be asked for it: {endpoint}")
    return arrived


def _arrived(
    session: Session,
    endpoint: str,
    directory: str,
    paths: list[str],
) -> dict[str, Entry]:
    """Return the entries of those files, at `paths`, that stand whole at one destination."""
    store, findings = session.store, session.run.findings
    barren = _is_barren(session, endpoint, directory)
    arrived, lost = {}, {}
    silent: dict[str, str] = {}
    for there, path, answer in _copies(session, endpoint, paths):
        entry = store.entry(path)
        if entry is None:
            continue
        if isinstance(answer, Unlisted):
            session.kept.add(path, f"its destination cannot be asked for it: {answer.reason}")
            silent.setdefault(there.rpartition("/")[0], answer.reason)
            continue
        reason = choosing.reason_of_destination(entry, answer)
        if reason is None:
            arrived[path] = entry
            continue
        session.kept.add(path, reason)
        if not barren:
            lost[path] = reason
    # If some stand there after all, its disk has come back since.
    if barren and not arrived:
        findings.add(
            Alert(
                kind="destination",
                about=f"{endpoint}:{directory}",
                text=f"The destination {directory} is missing or empty, though {len(paths)} files"
                " were sent there. They stay at the source. Is its disk mounted? If it was cleared"
                " on purpose, run transfer.py --full, or set VERIFY_DESTINATION = False.",
            )
        )
    elif silent:
        reason = next(iter(silent.values()))
        findings.add(
            Alert(
                kind="destination",
                about=f"{endpoint}:{directory}",
                text=f"{endpoint} does not tell what has arrived in {looking.some(silent)}"
                f" ({reason}). What was sent there stays at the source until it does.",
            )
        )
    else:
        findings.well("destination", f"{endpoint}:{directory}")
    _drop_lost(session, lost)
    return arrived


def _copies(session: Session, endpoint: str, paths: list[str]) -> Iterator[tuple[str, str, Answer]]:
    """Yield for each of `paths` its path at the destination, itself, and what stands there now.

    One part follows the other, for the paths of a million files are as much as all else.
    """
    store = session.store
    for start in range(0, len(paths), FILES_AT_ONCE):
        sources = {}
        for path in paths[start : start + FILES_AT_ONCE]:
            entry = store.entry(path)
            if entry:
                sources[store.tasks[entry.task].destination_of(path)] = path
        for there, answer in versions(session, endpoint, sorted(sources)):
            yield there, sources[there], answer


def _is_barren(session: Session, endpoint: str, directory: str) -> bool:
    outcome = listing.list_directory(session.client, endpoint, directory, session.pace)
    return outcome.gone if isinstance(outcome, Unlisted) else outcome.empty


def _drop_lost(session: Session, lost: dict[str, str]) -> None:
    by_directory: dict[str, list[str]] = {}
    for path, reason in sorted(lost.items()):
        directory, _, name = path.rpartition("/")
        by_directory.setdefault(directory, []).append(f"{name} ({reason})")
        session.store.drop(path)
    for directory, names in by_directory.items():
        session.run.findings.add(
            Alert(
                kind="not at the destination",
                about=directory,
                text=f"Sent from {directory}, but not whole at the destination:"
                f" {looking.some(names)}. They stay at the source and are sent again. If something"
                " takes files away there, set VERIFY_DESTINATION = False.",
            )
        )
    if lost:
        session.save()


def require_two_places(session: Session, arrived: dict[str, Entry]) -> None:
    """Return if `arrived` went to other places than SRC_DIR; else raise SettingsUnfit.

    One directory may have two names, through two endpoints. It is asked once for each pair.
    """
    known = session.run.settings
    health = f"{known.datastore_path}.health"
    records = (session.store.tasks[entry.task] for entry in arrived.values())
    for endpoint, directory in sorted(
        {(task.destination, task.destination_dir) for task in records}
    ):
        pair = f"{known.src_id}:{known.src_dir} {endpoint}:{directory}"
        if pair in alerts.read(health).apart:
            continue
        if is_same_place(session, endpoint, directory):
            raise SettingsUnfit(
                f"{directory} at {endpoint} is SRC_DIR itself under another name: deleting there"
                " would destroy the only copy. Set another DST_DIR."
            )
        with alerts.opened(health) as remembered:
            remembered.apart.append(pair)


def is_same_place(session: Session, endpoint: str, directory: str) -> bool:
    """Return whether a directory that is made at the destination shows up in SRC_DIR."""
    known, client = session.run.settings, session.client
    # Always of this name, so that the leftover of a run that was cut short is removed as well.
    pair = f"{known.src_id}:{known.src_dir} {endpoint}:{directory}"
    name = f".globus_auto_probe.{hashlib.sha256(pair.encode()).hexdigest()[:12]}"
    probe = joined(directory, name)
    answer: object = {"code": MADE}
    try:
        answer = client.operation_mkdir(endpoint, probe).data
    except globus_sdk.TransferAPIError as error:
        if refusals.wants_login(error):
            raise
        # It may be there already: where an answer was lost, or an earlier run was cut short.
        if not (error.code or "").endswith("MkdirFailed.Exists"):
            raise listing.NotReady(
                endpoint,
                f"No directory can be made in {directory} at {endpoint} ({error.message}), so it"
                " cannot be shown to be another place than SRC_DIR. Nothing was deleted; let"
                " Globus write there.",
            ) from error
    try:
        if not isinstance(answer, dict) or answer.get("code") != MADE:
            raise watching.Inconclusive(f"Globus did not say that it made {probe}.")
        beside = listing.list_directory(client, known.src_id, known.src_dir, session.pace)
        if isinstance(beside, Unlisted):
            raise listing.NotReady(
                known.src_id, f"{known.src_dir} cannot be listed: {beside.reason}."
            )
        return name in beside.directories
    finally:
        with progress.of_task("Removing a probe", shown=session.run.watched) as show:
            ended = tasks.delete(
                client,
                session.store,
                endpoint,
                [probe],
                directories=True,
                listed_at=session.run.started,
                deadline_seconds=known.delete_deadline_minutes * 60,
                save=session.save,
                progress=show,
            )
        log.info("The delete of the probe %s: %s", probe, ended.status)


def report_skipped(session: Session) -> None:
    """Note what Globus skipped, as settling has just learnt, if it is still at the source."""
    paths = list(session.settled.skipped)
    if paths:
        answers = versions(session, session.run.settings.src_id, paths)
        looking.report_skipped(session, (path for path, answer in answers if answer is not None))
