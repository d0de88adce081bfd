"""Looking at the source: what is to be sent, what is gone, what a person must know of it."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from globus_auto import choosing, listing, mount, progress
from globus_auto.alerts import Alert
from globus_auto.choosing import Terms
from globus_auto.datastore import Version, below, joined
from globus_auto.listing import Directory, Outcome, Unlisted
from globus_auto.opening import Session
from globus_auto.tasks import ASIDE

log = logging.getLogger(__name__)

NAMES_SHOWN = 5
NEVER = -(1 << 63)  # seconds: before any modification time


@dataclass
class Looked:
    """What a look at SRC_DIR that began at `began` (seconds UTC) has found.

    `send` and `waiting` have the changed files with their version and the reason; `full` says that
    what is sent goes as one recursive task, `again` that such a task is to be submitted though
    nothing may have changed. Of all `files`, `excluded` were left out for that. `missing` are
    entries whose file was not found in a directory that was listed.
    """

    began: int
    full: bool = False
    again: bool = False
    send: dict[str, tuple[Version, str]] = field(default_factory=dict)
    waiting: dict[str, tuple[Version, str]] = field(default_factory=dict)
    files: int = 0
    excluded: int = 0
    missing: list[str] = field(default_factory=list)
    listed: set[str] = field(default_factory=set)
    unsettled: set[str] = field(default_factory=set)
    unlisted: list[Unlisted] = field(default_factory=list)
    unsendable: list[str] = field(default_factory=list)
    empty: bool = False

    @property
    def whole(self) -> bool:
        """Whether nothing below SRC_DIR may have been overlooked."""
        return bool(self.listed) and all(hole.gone for hole in self.unlisted)

    def covers(self, directory: str) -> bool:
        """Return whether the look tells what is in `directory`, or that there is none."""
        return not any(below(directory, hole.path) for hole in self.unlisted)


def look(session: Session) -> Looked:
    """Look at all of SRC_DIR and choose what is to be sent now."""
    known, store = session.run.settings, session.store
    first = not store.files and not store.tasks
    open_tasks = session.store.open_tasks("transfer")
    wanted = session.run.options.full
    looked = Looked(began=int(time.time()), full=first or (wanted and not open_tasks))
    # With KEEP_DAYS, what was sent before keeps its entry, which tells since when: else a --full
    # every week would keep a file for ever. The recursive task takes it along all the same.
    anew = looked.full and not first and not known.keep_days
    terms = Terms(looked.began, known.settle_seconds, full=anew)
    if wanted and open_tasks:
        session.run.findings.add(
            Alert(
                kind="full",
                about=known.src_dir,
                text=f"--full waits: {len(open_tasks)} transfers of {known.src_dir} are under way."
                " What is new was sent as usual. Nothing to do: run it again when they have ended.",
            )
        )
    else:
        session.run.findings.well("full")
    excluded = choosing.matcher(known.exclude)
    calm = {} if terms.full else choosing.calm_until(store.tasks)
    outcomes = everything(session)
    for outcome in progress.watched(outcomes, known.src_dir, shown=session.run.watched):
        if isinstance(outcome, Unlisted):
            looked.unlisted.append(outcome)
        else:
            _take_in(
                session,
                looked,
                terms._replace(under_way=store.under_way(outcome.path)),
                outcome,
                excluded,
                calm,
            )
    if first and not wanted and (looked.waiting or looked.unsendable):
        # As one task it would take along what is still being written.
        looked.full = False
    if looked.full:
        _leave_asides(looked, known.src_dir)
        looked.again = not first and looked.files > len(looked.waiting)
    return looked


def everything(session: Session) -> Iterator[Outcome]:
    """Yield what stands in SRC_DIR and all directories below that are not excluded."""
    known = session.run.settings
    excluded = choosing.matcher(known.exclude)
    if not known.src_local_dir:
        yield from session.look(known.src_id, [known.src_dir], lambda name: not excluded(name))
        return
    _require_same_names(session)
    yield from listing.look(
        lambda: mount.on_mount(known.src_local_dir, known.src_dir),
        [known.src_dir],
        lambda name: not excluded(name),
    )


def _require_same_names(session: Session) -> None:
    """Return if SRC_LOCAL_DIR shows what Globus shows in SRC_DIR; else raise NotReady.

    A disk that is not mounted, or another one, must never read as "all gone".
    """
    known = session.run.settings
    try:
        here = {name for name in os.listdir(known.src_local_dir) if listing.sendable(name)}
    except OSError as error:
        raise listing.NotReady(
            known.src_id,
            f"SRC_LOCAL_DIR {known.src_local_dir} cannot be looked at ({error.strerror}). Is it"
            " mounted? Nothing is concluded from that.",
        ) from error
    for outcome in session.look(known.src_id, [known.src_dir]):
        if isinstance(outcome, Unlisted):
            raise listing.NotReady(
                known.src_id,
                f"SRC_DIR {known.src_dir} cannot be looked at: {outcome.reason}. Nothing is"
                " concluded from that. Check SRC_DIR, and whether its disk is mounted.",
            )
        there = {*outcome.files, *outcome.directories, *outcome.others}
        if here.isdisjoint(there) and (here or there):
            raise listing.NotReady(
                known.src_id,
                f"SRC_LOCAL_DIR {known.src_local_dir} and SRC_DIR {known.src_dir} have no name in"
                " common. Are they the same directory, and is it mounted? Nothing is concluded"
                " from that.",
            )


def _take_in(
    session: Session,
    looked: Looked,
    terms: Terms,
    directory: Directory,
    excluded: Callable[[str], bool],
    calm: dict[int, int],
) -> None:
    """Add to `looked` what is found in one directory.

    `excluded` and `calm` hold for the whole look: what EXCLUDE fits, and of which times an ended
    task leaves no doubt.
    """
    path, store, run = directory.path, session.store, session.run
    known = store.files.get(path, {})
    looked.listed.add(path)
    looked.files += len(directory.files)
    looked.empty |= path == run.settings.src_dir and directory.empty
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
            looked.excluded += 1
            continue
        if choosing.is_label(version.mtime, looked.began):
            ahead.append(name)
        task = store.tasks[entry.task] if entry else None
        verdict, reason = choosing.choose(version, entry, task, terms)
        if verdict == "unchanged":
            if task and task.open:
                looked.unsettled.add(path)
            continue
        looked.unsettled.add(path)
        if verdict == "wait":
            looked.waiting[joined(path, name)] = version, reason
            log.debug("Wait with %s: %s", joined(path, name), reason)
        else:
            looked.send[joined(path, name)] = version, reason
    if len(directory.files) - new < len(known):
        gone = known.keys() - directory.files.keys()
        looked.missing += [joined(path, name) for name in sorted(gone) if not excluded(name)]
    looked.unsendable += [joined(path, name) for name in directory.unsendable if not excluded(name)]
    _note_oddities(session, directory, ahead, excluded)


def _note_oddities(
    session: Session, directory: Directory, ahead: list[str], excluded: Callable[[str], bool]
) -> None:
    """Note once what a person may want to know, though nothing is wrong.

    `ahead` are the files whose time of writing is a day or more to come.
    """
    findings, path = session.run.findings, directory.path
    others = [f"{name} ({kind})" for name, kind in directory.others.items() if not excluded(name)]
    if others:
        findings.add(
            Alert(
                kind="left alone",
                about=path,
                text=f"Neither file nor directory, so left alone in {path}: {some(others)}.",
                code=0,
                once=True,
            )
        )
    if ahead:
        findings.add(
            Alert(
                kind="future",
                about=path,
                text=f"Modified more than a day in the future, it is said, in {path}:"
                f" {some(ahead)}. They are sent; SETTLE_SECONDS does not hold them back.",
                code=0,
                once=True,
            )
        )


def some(names: Iterable[str]) -> str:
    """Return the first of `names` as text, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def _leave_asides(looked: Looked, source_dir: str) -> None:
    """Leave to the next run what a full task does not take along: directories named as asides."""
    aside = choosing.matcher([f"{ASIDE}*"])
    left = [path for path in looked.send if choosing.matches(path, source_dir, aside)]
    for path in left:
        del looked.send[path]


def forget(session: Session, looked: Looked) -> None:
    """Drop the entries of files that are gone from the source, unless their task is open.

    Nothing is concluded of what could not be listed. It is saved with the next change: files that
    are gone start nothing.
    """
    known, store = session.run.settings, session.store
    if looked.empty:
        return
    excluded = choosing.matcher(known.exclude)
    gone = looked.missing
    for directory, entries in store.files.items():
        if directory in looked.listed or not below(directory, known.src_dir):
            continue
        if looked.covers(directory) and not choosing.matches(directory, known.src_dir, excluded):
            gone += [joined(directory, name) for name in entries if not excluded(name)]
    for path in gone:
        store.forget(path)


def report(session: Session, looked: Looked) -> None:
    """Note what a person must know of the look, and what it has found well."""
    known, findings = session.run.settings, session.run.findings
    for hole in looked.unlisted:
        if hole.path == known.src_dir:
            findings.add(
                Alert(
                    kind="source",
                    about=known.src_dir,
                    text=f"SRC_DIR {known.src_dir} cannot be looked at: {hole.reason}. Nothing is"
                    " concluded from that. Check SRC_DIR, and whether its disk is mounted.",
                )
            )
        elif not hole.gone:
            findings.add(
                Alert(
                    kind="unlisted",
                    about=hole.path,
                    text=f"{hole.path} cannot be listed: {hole.reason}. What is below it is neither"
                    " sent nor deleted until it can. Let Globus read it; where it has too many"
                    " entries, spread them over several directories.",
                )
            )
    remaining = any(below(directory, known.src_dir) for directory in session.store.files)
    if looked.empty and remaining:
        findings.add(
            Alert(
                kind="source",
                about=known.src_dir,
                text=f"SRC_DIR {known.src_dir} is empty, though files were there before. Is its"
                " disk mounted? Nothing is concluded from that. If it is right, delete"
                f" {known.datastore_path}.",
            )
        )
    for path in looked.unsendable:
        findings.add(
            Alert(
                kind="unsendable",
                about=path,
                text=f"{path!r} cannot go through Globus: its name has a line break or is not"
                " UTF-8. It stays at the source. Rename it.",
            )
        )
    findings.well("source")
    for kind in ("unlisted", "left alone", "future"):
        findings.well(kind, looked.covers)
    findings.well("unsendable", lambda path: looked.covers(os.path.dirname(path)))
    for kind in ("skipped", "not at the destination"):
        findings.well(kind, lambda where: looked.covers(where) and where not in looked.unsettled)
    left = looked.send or looked.waiting or session.store.open_tasks("transfer")
    if looked.whole and not left:
        for kind in ("failed", "stalled", "inactive", "refused", "conflict"):
            findings.well(kind)
    _report_skipped(session, looked)
    log.info(
        "Looked at %s: %d directories, %d files; %d to send, %d waiting, %d not listed",
        known.src_dir,
        len(looked.listed),
        looked.files,
        len(looked.send),
        len(looked.waiting),
        len(looked.unlisted),
    )


def _report_skipped(session: Session, looked: Looked) -> None:
    """Note what Globus skipped and is still there; it is sent again."""
    report_skipped(
        session,
        (
            path
            for path in session.settled.skipped
            if path in looked.send
            or path in looked.listed
            or not looked.covers(path.rpartition("/")[0])
        ),
    )


def report_skipped(session: Session, paths: Iterable[str]) -> None:
    """Note, by directory, that Globus could not read `paths`, of which settling has learnt."""
    skipped: dict[str, list[str]] = {}
    for path in paths:
        directory, _, name = path.rpartition("/")
        code = session.settled.skipped[path]
        skipped.setdefault(directory, []).append(f"{name} ({code})")
    for directory, names in skipped.items():
        session.run.findings.add(
            Alert(
                kind="skipped",
                about=directory,
                text=f"Globus skipped in {directory}: {some(names)}. They stay at the source and"
                " are tried again; see that Globus may read them.",
            )
        )
