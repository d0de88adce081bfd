"""Looking at the source: what is to be sent, what is gone, what a person must know of it."""

from __future__ import annotations

import functools
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from globus_auto import (
    alerts,
    catalog_collections,
    catalog_deletions,
    catalog_files,
    catalog_transfers,
    choosing,
    listing,
    marker,
    mount,
    progress,
    spelling,
)
from globus_auto.alerts import AlertError
from globus_auto.choosing import Decision, DeferReason, Terms, Verdict
from globus_auto.datastore import Datastore, FileVersion, below, joined, with_parents
from globus_auto.listing import Directory, Outcome, Unlisted
from globus_auto.opening import Session
from globus_auto.tasks import ASIDE, OWN
from globus_auto.wording import sentence

log = logging.getLogger(__name__)

NEVER = -(1 << 63)  # seconds: before any modification time


@dataclass
class Scan:
    """What a look at SRC_DIR that began at `began` (seconds UTC) has found.

    `send` and `waiting` have the changed files with their version and the reason; `full` says that
    what is sent goes as one recursive task, `again` that such a task is to be submitted though
    nothing may have changed. Of all `files`, `excluded` were left out for that. `missing` are
    entries whose file was not found in a directory that was listed. `refused` are files that Globus
    refused lately, `held` those that would overwrite the copy of another spelling, which stands
    beside it; `stranded` are files in directories that once stood aside.
    """

    began: int
    full: bool = False
    again: bool = False
    send: dict[str, tuple[FileVersion, Decision]] = field(default_factory=dict)
    waiting: dict[str, tuple[FileVersion, Decision]] = field(default_factory=dict)
    files: int = 0
    excluded: int = 0
    missing: list[str] = field(default_factory=list)
    listed: set[str] = field(default_factory=set)
    unsettled: set[str] = field(default_factory=set)
    unlisted: list[Unlisted] = field(default_factory=list)
    unsendable: list[str] = field(default_factory=list)
    empty: bool = False
    refused: list[str] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)
    stranded: dict[str, list[str]] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether nothing below SRC_DIR may have been overlooked."""
        return bool(self.listed) and all(hole.gone for hole in self.unlisted)

    def covers(self, directory: str) -> bool:
        """Return whether the look tells what is in `directory`, or that there is none."""
        return self._holes.isdisjoint(with_parents(directory))

    @functools.cached_property
    def _holes(self) -> set[str]:
        """The paths that could not be listed; asked for when all is scanned."""
        return {hole.path for hole in self.unlisted}


def scan(session: Session) -> Scan:
    """Look at all of SRC_DIR and choose what is to be sent now."""
    known, store = session.run.settings, session.store
    # Not one whose source was cleared: what is new then must not hide behind older copies.
    first = not store.mappings
    open_tasks = session.store.open_tasks("transfer")
    wanted = session.run.options.full
    scan = Scan(began=int(time.time()), full=not open_tasks and (first or wanted))
    pair = known.mapping if wanted and scan.full else None
    terms = Terms(scan.began, known.settle_seconds, pair=pair)
    if wanted and open_tasks:
        session.run.findings.fire(catalog_transfers.full_postponed(known.src_dir, len(open_tasks)))
    else:
        session.run.findings.resolve("full")
    excluded = choosing.matcher(known.exclude)
    calm = choosing.calm_until(store.tasks, pair)
    outcomes = everything(session)
    for outcome in progress.watched(outcomes, known.src_dir, shown=session.run.watched):
        if isinstance(outcome, Unlisted):
            scan.unlisted.append(outcome)
        else:
            _take_in(
                session,
                scan,
                terms._replace(under_way=store.under_way(outcome.path)),
                outcome,
                excluded,
                calm,
            )
    _hold_back(session, scan)
    if first and not wanted and (scan.waiting or scan.unsendable):
        # As one task it would take along what is still being written.
        scan.full = False
    if scan.full:
        scan.again = not first and scan.files > len(scan.waiting)
    return scan


def _hold_back(session: Session, scan: Scan) -> None:
    """Let wait what Globus refused lately, and what would overwrite another file's copy."""
    now, store = session.run.started, session.store
    for path, at in alerts.read(session.run.health_path).refused.items():
        if path in scan.send and 0 <= now - at < alerts.DAY:
            _defer(scan, path, DeferReason.REJECTED)
            scan.refused.append(path)
    new = (path for path in scan.send if store.entry(path) is None)
    for path, other in spelling.taken(session, new):
        _defer(scan, path, DeferReason.COLLISION, other)
        scan.held[path] = other


def _defer(scan: Scan, path: str, reason: DeferReason, detail: str = "") -> None:
    version, decision = scan.send.pop(path)
    scan.waiting[path] = version, decision.deferred(reason, detail)


def everything(session: Session) -> Iterator[Outcome]:
    """Yield what stands in SRC_DIR and all directories below that are not excluded.

    What globus_auto has made itself is not entered, but for directories that stand aside.
    """
    known = session.run.settings
    excluded = choosing.matcher(known.exclude)

    def enter(name: str) -> bool:
        return not excluded(name) and (not name.startswith(OWN) or name.startswith(ASIDE))

    if not known.src_local_dir:
        session.run.findings.resolve("mount")
        yield from session.walk(known.src_id, [known.src_dir], enter)
        return
    _require_same(session)
    yield from marker.distinct(
        session,
        listing.walk(
            lambda: mount.on_mount(known.src_local_dir, known.src_dir), [known.src_dir], enter
        ),
    )


def _require_same(session: Session) -> None:
    """Return if SRC_LOCAL_DIR shows what Globus shows in SRC_DIR; else raise AlertError.

    A disk that is not mounted, or another one, must never read as "all gone". A snapshot, which
    shows less than Globus has just shown, is an alert if that lasts.
    """
    known = session.run.settings
    collection = session.run.collection(known.src_id)
    for outcome in session.walk(known.src_id, [known.src_dir]):
        if isinstance(outcome, Unlisted):
            raise AlertError(
                catalog_collections.collection_unlisted(
                    known.src_id, collection, known.src_dir, sentence(outcome.reason)
                )
            )
        try:
            with mount.on_mount(known.src_local_dir, known.src_dir) as list_one:
                here = list_one(known.src_dir)
        except OSError as error:
            here = Unlisted(known.src_dir, error.strerror or str(error))
        if isinstance(here, Unlisted):
            raise AlertError(
                catalog_collections.local_dir_unlisted(
                    known.src_id, collection, known.src_local_dir, here.reason
                )
            )
        if here.names.isdisjoint(outcome.names) and (here.names or outcome.names):
            raise AlertError(
                catalog_collections.local_dir_differs(
                    known.src_id, collection, known.src_local_dir, known.src_dir
                )
            )
        _compare_mount(session, outcome, here)


def _compare_mount(session: Session, there: Directory, here: Directory) -> None:
    """Note where the mount, listed after Globus, is behind it: it may be a snapshot."""
    known, findings = session.run.settings, session.run.findings
    behind = sorted(there.names - here.names)
    behind += [
        name
        for name, mtime in there.directories.items()
        if here.directories.get(name, mtime) < mtime
    ]
    if not behind:
        findings.resolve("mount")
        return
    findings.fire(catalog_files.local_dir_behind(known.src_local_dir, known.src_dir, behind))


def _take_in(
    session: Session,
    scan: Scan,
    terms: Terms,
    directory: Directory,
    excluded: Callable[[str], bool],
    calm: dict[int, int],
) -> None:
    """Add to `scan` what is found in one directory.

    `excluded` and `calm` hold for the whole look: what EXCLUDE fits, and of which times an ended
    task leaves no doubt.
    """
    path, store, run = directory.path, session.store, session.run
    known = store.files.get(path, {})
    scan.listed.add(path)
    if f"/{ASIDE}" in path:
        _strand(scan, store, directory)
        return
    scan.files += len(directory.files)
    scan.empty |= path == run.settings.src_dir and directory.empty
    new = 0
    ahead: list[str] = []
    for name, version in directory.files.items():
        entry = known.get(name)
        if (
            entry is not None
            and entry.mtime == version.mtime
            and entry.size == version.size
            and entry.mtime <= calm.get(entry.task, NEVER)
        ):
            # Nearly all files of nearly all runs: no more than this is spent on them.
            continue
        new += entry is None
        if excluded(name):
            scan.excluded += 1
            continue
        if name.startswith(OWN):
            scan.excluded += 1
            directory.others[name] = "a name of globus_auto's own"
            continue
        if choosing.is_label(version.mtime, scan.began):
            ahead.append(name)
        task = store.tasks[entry.task] if entry else None
        decision = choosing.choose(version, entry, task, terms)
        if decision.verdict is Verdict.SKIP:
            if task and task.open:
                scan.unsettled.add(path)
            continue
        scan.unsettled.add(path)
        if decision.verdict is Verdict.DEFER:
            scan.waiting[joined(path, name)] = version, decision
            log.debug("Wait with %s: %s", joined(path, name), decision)
        else:
            scan.send[joined(path, name)] = version, decision
    if len(directory.files) - new < len(known):
        gone = known.keys() - directory.files.keys()
        scan.missing += [joined(path, name) for name in sorted(gone) if not excluded(name)]
    for name in directory.directories:
        if name.startswith(OWN) and not (name.startswith(ASIDE) or marker.MARKER.fullmatch(name)):
            directory.others[name] = "a name of globus_auto's own"
    scan.unsendable += [joined(path, name) for name in directory.unsendable if not excluded(name)]
    _note_oddities(session, directory, ahead, excluded)


def _strand(scan: Scan, store: Datastore, directory: Directory) -> None:
    """Take down files in a directory that stands aside, unless it gets its name back by itself."""
    start = directory.path.index(f"/{ASIDE}") + 1
    aside = directory.path[:start] + directory.path[start:].partition("/")[0]
    names = [*directory.files, *directory.others, *directory.unsendable]
    if names and aside not in store.asides:
        scan.stranded.setdefault(aside, []).extend(names)


def _note_oddities(
    session: Session, directory: Directory, ahead: list[str], excluded: Callable[[str], bool]
) -> None:
    """Note once what a person may want to know, though nothing is wrong.

    `ahead` are the files whose time of writing is a day or more to come.
    """
    findings, path = session.run.findings, directory.path
    others = [f"{name} ({kind})" for name, kind in directory.others.items() if not excluded(name)]
    if others:
        findings.fire(catalog_files.entries_ignored(path, others))
    if ahead:
        findings.fire(catalog_files.mtimes_in_future(path, ahead))


def forget(session: Session, scan: Scan) -> None:
    """Drop the entries of files that are gone from the source, unless their task is open.

    Nothing is concluded of what could not be listed. It is saved with the next change: files that
    are gone start nothing.
    """
    known, store = session.run.settings, session.store
    if _is_suddenly_empty(session, scan):
        return
    excluded = choosing.matcher(known.exclude)
    gone = scan.missing
    for directory, entries in store.files.items():
        if directory in scan.listed or not below(directory, known.src_dir):
            continue
        if scan.covers(directory) and not choosing.matches(directory, known.src_dir, excluded):
            gone += [joined(directory, name) for name in entries if not excluded(name)]
    for path in gone:
        store.forget(path)


def _is_suddenly_empty(session: Session, scan: Scan) -> bool:
    """Return whether SRC_DIR is empty though files were there, and that not for long.

    Its disk may be away. Somebody who has emptied it by hand need not do anything else.
    """
    run = session.run
    since = alerts.read(run.health_path).empty_since
    if not (scan.empty and _remembers(session)):
        if since is not None:
            run.remember(lambda health: setattr(health, "empty_since", None))
        return False
    if since is None:
        run.remember(lambda health: setattr(health, "empty_since", run.started))
    return since is None or run.started - since < run.settings.stall_hours * 3600


def _remembers(session: Session) -> bool:
    """Return whether any record is of a file in SRC_DIR."""
    root = session.run.settings.src_dir
    return any(below(directory, root) for directory in session.store.files)


def report(session: Session, scan: Scan) -> None:
    """Note what a person must know of the look, and what it has found well."""
    known, findings = session.run.settings, session.run.findings
    for hole in scan.unlisted:
        if hole.path == known.src_dir:
            findings.fire(catalog_files.source_unlisted(known.src_dir, sentence(hole.reason)))
        elif hole.gone:
            # It may have been removed since its parent was listed.
            findings.fire(catalog_files.directory_missing(hole.path))
        else:
            findings.fire(catalog_files.directory_unlisted(hole.path, sentence(hole.reason)))
    if scan.empty and _remembers(session):
        findings.fire(catalog_files.source_empty(known.src_dir, known.stall_hours))
    for aside, names in scan.stranded.items():
        findings.fire(catalog_deletions.quarantine_forgotten(aside, names))
    if scan.held:
        pairs = [f"{path} (there: {other})" for path, other in sorted(scan.held.items())]
        findings.fire(catalog_files.names_clash(known.src_dir, pairs))
    if scan.whole:
        findings.resolve("spelling")
        findings.resolve("aside", lambda about: about not in session.store.asides.values())
    for path in scan.unsendable:
        findings.fire(catalog_files.name_unsendable(path))
    findings.resolve("source")
    for kind in ("unlisted", "left alone", "future"):
        findings.resolve(kind, scan.covers)
    findings.resolve("unsendable", lambda path: scan.covers(os.path.dirname(path)))
    for kind in ("skipped", "not at the destination"):
        findings.resolve(kind, lambda where: scan.covers(where) and where not in scan.unsettled)
    left = scan.send or scan.waiting or session.store.open_tasks("transfer")
    if scan.whole and not left:
        for kind in ("failed", "stalled", "inactive", "refused", "conflict"):
            findings.resolve(kind)
    _report_skipped(session, scan)
    log.info(
        "Scanned %s: %d directories, %d files; %d to send, %d waiting, %d not listed",
        known.src_dir,
        len(scan.listed),
        scan.files,
        len(scan.send),
        len(scan.waiting),
        len(scan.unlisted),
    )


def _report_skipped(session: Session, scan: Scan) -> None:
    """Note what Globus skipped and is still there; it is sent again."""
    report_skipped(
        session,
        (
            path
            for path in session.skipped
            if path in scan.send or path in scan.listed or not scan.covers(path.rpartition("/")[0])
        ),
    )


def report_skipped(session: Session, paths: Iterable[str]) -> None:
    """Note, by directory, that Globus could not read `paths`, of which settling has learnt."""
    skipped: dict[str, list[str]] = {}
    for path in paths:
        directory, _, name = path.rpartition("/")
        code = session.skipped[path]
        skipped.setdefault(directory, []).append(f"{name} ({code})")
    for directory, names in skipped.items():
        session.run.findings.fire(catalog_transfers.files_skipped(directory, names))
