"""The scan of the source: find what to transfer, what is gone, and what to report."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

from globus_auto.alerts import catalog
from globus_auto.datastore import Datastore
from globus_auto.files import MARKER, OWN, QUARANTINE, FileVersion, colliding_names, joined, matcher
from globus_auto.steps import rules, spelling
from globus_auto.steps.findings import report_oddities
from globus_auto.steps.plan import PlannedFiles, TransferPlan, UnreadyUnit
from globus_auto.steps.reasons import NEW, Decision, DeferReason, Verdict
from globus_auto.steps.rescan import Rescan
from globus_auto.steps.rules import NEVER, ScanTerms, classify, is_future_mtime
from globus_auto.steps.session import Session
from globus_auto.steps.source import walk_source
from globus_auto.steps.units import Units
from globus_auto.walk import DirectoryListing, ListingError

log = logging.getLogger(__name__)

LONG_SECONDS = 60  # after which a scan submits what it has found: it may be killed before its end


def scan(session: Session, submit_found: Callable[[Session, TransferPlan], bool]) -> TransferPlan:
    """Scan all of SRC_DIR and decide which files to transfer now.

    After LONG_SECONDS, call `submit_found` whenever the plan has files for a whole task more, until
    it returns False.
    """
    settings, store = session.context.settings, session.store
    # An emptied source is not a first run: with a recursive task, an old copy at the destination
    # could pass for that of a new file.
    first = not store.mappings
    in_progress = session.store.tasks_in_progress("transfer")
    wanted = session.context.options.full
    plan = TransferPlan(
        began=int(time.time()),
        first_task=store.next_task_number(),
        recursive=not in_progress and (first or wanted) and not spelling.may_merge(session),
    )
    if wanted and not plan.recursive and not in_progress:
        log.info("No recursive task: %s may ignore case in names", settings.dst_dir)
    pair = settings.mapping if wanted and not in_progress else None
    terms = ScanTerms(plan.began, settings.settle_seconds, pair=pair)
    if wanted and in_progress:
        session.context.alerts.fire(catalog.full_postponed(settings.src_dir, len(in_progress)))
    else:
        session.context.alerts.resolve("full")
    excluded = matcher(settings.exclude)
    safe_until = rules.safe_until(store.tasks, pair)
    units = Units(settings.ready_markers, settings.src_dir)
    roots: list[str] = []
    rescan = Rescan(session, plan)
    results = walk_source(session, skips=rescan.skips)
    goes_on, most = _may_submit(session, plan), settings.files_per_task
    for result in session.progress.scan(results, settings.src_dir):
        if isinstance(result, ListingError):
            plan.listing_errors.append(result)
        else:
            unready = _unready(plan, units, result)
            _classify_directory(
                session,
                plan,
                terms._replace(
                    recursive_in_progress=store.recursive_in_progress(result.path),
                    unready=unready.why if unready else None,
                ),
                result,
                excluded,
                safe_until,
            )
            rescan.add(result)
            if units and plan.recursive:
                roots += _roots(units, result, excluded)
            is_long = time.time() - plan.began >= LONG_SECONDS
            if is_long and goes_on and len(plan.transfers) - plan.submitted >= most:
                _defer_rejected_and_colliding(session, plan)
                goes_on = submit_found(session, plan)
    rescan.save()
    _hold_back_unlisted(plan, units)
    _defer_rejected_and_colliding(session, plan)
    held_back = sum(unit.files for unit in plan.unready.values())
    unknown = plan.unsendable or plan.unknown or plan.listing_errors
    if first and not wanted and (len(plan.deferred) > held_back or unknown):
        # A recursive task would also transfer files that are still being written.
        plan.recursive = False
    if plan.recursive and units:
        held = {*plan.unready, *(path for path, _ in plan.deferred.items())}
        plan.roots = [path for path in roots if path.rstrip("/") not in held]
        plan.recursive = bool(plan.roots)
    if plan.recursive:
        plan.forced = not first and plan.files > len(plan.deferred)
    return plan


def _unready(plan: TransferPlan, units: Units, directory: DirectoryListing) -> UnreadyUnit | None:
    """Return the unit that `directory` is or is in, if it has no marker; None otherwise.

    A walk yields each unit before the directories in it.
    """
    unit = units.of(directory.path)
    if unit == directory.path and (missing := units.missing(unit, directory.names_of_files)):
        plan.unready[unit] = UnreadyUnit(missing)
    return plan.unready.get(unit) if unit else None


def _roots(units: Units, directory: DirectoryListing, excluded: Callable[[str], bool]) -> list[str]:
    """Return what a recursive task has of a directory: the whole unit, or its files if in none."""
    path = directory.path
    unit = units.of(path)
    names = () if unit else directory.files
    files = [joined(path, name) for name in names if not (excluded(name) or name.startswith(OWN))]
    return [f"{path}/"] if unit == path else files


def _hold_back_unlisted(plan: TransferPlan, units: Units) -> None:
    """Defer the files of units in which a directory could not be listed; count what units hold."""
    unlisted = {units.of(error.path) for error in plan.listing_errors} - plan.unready.keys()
    for unit in filter(None, unlisted):
        unready = plan.unready[unit] = UnreadyUnit([])
        for path in [path for path, _ in plan.transfers.items() if units.of_file(path) == unit]:
            _defer(plan, path, DeferReason.UNIT, unready.why)
    for path, (version, decision) in plan.deferred.items() if plan.unready else ():
        found = plan.unready.get(units.of_file(path) or "")
        if found and decision.reasons[-1].reason is DeferReason.UNIT:
            found.files += 1
            found.newest = max(found.newest, version.mtime)


def _may_submit(session: Session, plan: TransferPlan) -> bool:
    """Return whether files may be submitted before the scan has ended.

    Not before an earlier scan of all of SRC_DIR has found no marker there, which shows that source
    and destination are distinct. A unit is ready only if all of it can be listed. After a failed
    task, the size of tasks depends on all files.
    """
    store, settings = session.store, session.context.settings
    return (
        not (plan.recursive or session.context.dry or settings.ready_markers)
        and session.marker == "there"
        and store.mapping(settings.mapping) is not None
        and not any(task.status == "FAILED" for task in store.tasks.values())
    )


def _defer_rejected_and_colliding(session: Session, plan: TransferPlan) -> None:
    """Defer files that Globus rejected lately, or whose copy would overwrite another file."""
    now = session.context.started
    health = session.context.read_health()
    for path in health.refused:
        if path in plan.transfers and health.was_refused(path, now):
            _defer(plan, path, DeferReason.REJECTED)
            plan.rejected.append(path)
    for path, other in list(spelling.find_collisions(session, lambda: _unsent(session, plan))):
        reason = DeferReason.COLLISION if other else DeferReason.POSSIBLE_COLLISION
        _defer(plan, path, reason, other or "")
        plan.collisions[path] = other
    if plan.recursive and (
        plan.collisions
        # It transfers what is deferred, too. It makes empty directories, of which one may come
        # first.
        or any(spelling.find_collisions(session, lambda: _names(plan.deferred)))
        or (session.marker == "nowhere" and colliding_names(sorted(plan.listed)))
    ):
        plan.recursive = False


def _unsent(session: Session, plan: TransferPlan) -> Iterator[tuple[str, list[str]]]:
    """Yield the names of the files to send that this scan has not submitted, by directory."""
    for directory, names in _names(plan.transfers):
        records = session.store.files.read(directory) if plan.submitted else {}
        sent = {name for name, record in records.items() if record.task >= plan.first_task}
        yield directory, [name for name in names if name not in sent]


def _names(files: PlannedFiles) -> Iterator[tuple[str, list[str]]]:
    """Yield each directory of `files` with the sorted names in it."""
    for directory, found in files.directories():
        yield directory, sorted(found)


def _defer(plan: TransferPlan, path: str, reason: DeferReason, detail: str = "") -> None:
    version, decision = plan.transfers.pop(path)
    directory, _, name = path.rpartition("/")
    plan.deferred.add(directory or "/", {name: version}, {name: decision.deferred(reason, detail)})


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
    plan.listed.add(path)
    if f"/{QUARANTINE}" in path:
        _strand(plan, store, directory)
        return
    latest_mtime = plan.add_found(directory.files)
    if directory.empty and path == context.settings.src_dir:
        plan.empty = True
    elif directory.empty:
        plan.empty_directories.append(path)
    # Nearly all directories in nearly all runs are unchanged, so they cost no more than this.
    unchanged = _is_unchanged(store, directory, latest_mtime, safe_until)
    records = {} if unchanged else store.files.read(path)
    new, began = 0, plan.began
    ahead: list[str] = []
    left_out: set[str] = set()
    undelivered: dict[str, FileVersion] = {}
    transfers: dict[str, Decision] = {}
    deferred: dict[str, Decision] = {}
    held_back = terms.recursive_in_progress or terms.unready is not None
    new_until = NEVER if held_back else began - terms.settle_seconds
    recorded, safe = records.get, safe_until.get
    for name, version in directory.files.items() if not unchanged else ():
        record, mtime = recorded(name), version.mtime
        if (
            record is not None
            and record.mtime == mtime
            and record.size == version.size
            and mtime <= safe(record.task, NEVER)
        ):
            continue  # unchanged
        new += record is None
        if excluded(name):
            left_out.add(name)
            continue
        if name.startswith(OWN):
            left_out.add(name)
            directory.others[name] = "a name of globus_auto's own"
            continue
        if record is None and mtime <= new_until:
            # Nearly all files of a first run.
            transfers[name] = NEW
            undelivered[name] = version
            continue
        if is_future_mtime(mtime, began):
            ahead.append(name)
        task = store.tasks[record.task] if record else None
        decision = classify(version, record, task, terms)
        if decision.verdict is not Verdict.SKIP:
            (deferred if decision.verdict is Verdict.DEFER else transfers)[name] = decision
        elif not (task and task.in_progress):
            continue
        undelivered[name] = version
    plan.excluded += len(left_out)
    plan.add_newest(directory.files, latest_mtime, left_out)
    plan.add_undelivered(path, undelivered, deferred)
    plan.transfers.add(path, directory.files, transfers)
    plan.deferred.add(path, directory.files, deferred)
    if log.isEnabledFor(logging.DEBUG) and not context.dry:  # a dry run prints it
        for name, decision in deferred.items():
            log.debug("Defer %s: %s", joined(path, name), decision)
    if len(directory.files) - new < len(records):
        gone = records.keys() - directory.files.keys() - directory.unknown.keys()
        plan.missing += [joined(path, name) for name in sorted(gone) if not excluded(name)]
    for name in directory.directories:
        if name.startswith(OWN) and not (name.startswith(QUARANTINE) or MARKER.fullmatch(name)):
            directory.others[name] = "a name of globus_auto's own"
    plan.unsendable += [joined(path, name) for name in directory.unsendable if not excluded(name)]
    unknown = [f"{name} ({what})" for name, what in directory.unknown.items() if not excluded(name)]
    if unknown:
        plan.unknown[path] = unknown
    report_oddities(session, directory, ahead, excluded)


def _is_unchanged(
    store: Datastore, directory: DirectoryListing, latest: int, safe_until: dict[int, int]
) -> bool:
    """Return whether all files of a directory are known to be as one ended task transferred them.

    `latest` is the latest of their mtimes, `safe_until` as in `_classify_directory`.
    """
    path, tasks = directory.path, store.files.tasks(directory.path)
    return len(tasks) == 1 and all(
        latest <= safe_until.get(task, NEVER) and store.files.are(path, directory.files, task)
        for task in tasks
    )


def _strand(plan: TransferPlan, store: Datastore, directory: DirectoryListing) -> None:
    """Add to `plan` the names in a quarantined directory, unless it will get its old name back."""
    start = directory.path.index(f"/{QUARANTINE}") + 1
    quarantined = directory.path[:start] + directory.path[start:].partition("/")[0]
    names = [*directory.files, *directory.others, *directory.unsendable]
    if names and quarantined not in store.quarantined:
        plan.stranded.setdefault(quarantined, []).extend(names)
