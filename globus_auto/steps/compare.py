"""Comparison: Globus compares contents with their copies before files are deleted.

For VERIFY_DESTINATION = "checksum". A comparison is a transfer task that copies only what differs:
what it does not copy is equal.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import NamedTuple

import msgspec

from globus_auto import globus, history
from globus_auto.alerts import catalog
from globus_auto.datastore import OPEN, FileRecord, TaskRecord
from globus_auto.errors import InvalidResponse
from globus_auto.files import FileVersion
from globus_auto.globus import TaskDocument
from globus_auto.steps import delivered
from globus_auto.steps.fingerprints import current_versions
from globus_auto.steps.reasons import KeepReason, Why
from globus_auto.steps.rules import DAY
from globus_auto.steps.session import Session

log = logging.getLogger(__name__)

LISTS_SECONDS = 3600  # how long Globus's lists of an ended comparison may be unavailable


def poll(session: Session) -> None:
    """Record the results of the comparisons that have ended; forget those of more than a day ago.

    One that Globus does not know, or that failed, has compared nothing. Raise what concerns the
    login.
    """
    store, now = session.store, session.context.started
    for task in store.tasks_in_progress("compare").values():
        try:
            # The task list has been asked: without an id, Globus did not accept it.
            document = session.client.task(task.task_id) if task.task_id else None
            if document is None:
                _fail(session, task)
            elif document.status not in OPEN:
                _record_result(session, task, document)
        except globus.TransferAPIError as error:
            if globus.requires_login(error):
                raise
            if globus.is_unknown_task(error):
                _fail(session, task)
        except (InvalidResponse, globus.NetworkError) as error:
            log.info("The result of a comparison is not known yet: %s", error)
    for number, task in list(store.tasks.items()):
        if task.kind == "compare" and not _is_recent(task, now) and not _altered(session, task):
            del store.tasks[number]


def without_in_progress(session: Session, found: dict[str, FileRecord]) -> dict[str, FileRecord]:
    """Return `found` without the files that are being compared: their copies may change meanwhile.

    Add those to `session.kept`.
    """
    in_progress: set[str] = set()
    for task in session.store.tasks_in_progress("compare").values():
        in_progress.update(task.compares or ())
    for path in sorted(in_progress & found.keys()):
        session.kept.add(path, Why(KeepReason.NOT_COMPARED))
    return {path: record for path, record in found.items() if path not in in_progress}


def without_unequal(session: Session, found: dict[str, FileRecord]) -> dict[str, FileRecord]:
    """Return `found` without the files that a comparison did not find equal: not today, or never.

    Add those to `session.kept`.
    """
    results = _results(session)
    alerts, source_dir = session.context.alerts, session.context.settings.src_dir
    altered = sorted(results.altered & found.keys())
    if altered:
        alerts.fire(catalog.sources_altered(source_dir, altered))
    else:
        alerts.resolve("altered", source_dir)
    unequal = results.tried - results.equal
    for path in found:
        if path in results.altered:
            session.kept.add(path, Why(KeepReason.ALTERED))
        elif path in unequal:
            session.kept.add(path, Why(KeepReason.NOT_COMPARED))
    left_out = results.altered | unequal
    return {path: record for path, record in found.items() if path not in left_out}


def compared(session: Session, verified: dict[str, FileRecord]) -> dict[str, FileRecord]:
    """Return those of `verified` that a comparison of the last day found equal.

    Add the others to `session.kept`, and start a comparison of some of them, unless one is in
    progress. No file is compared twice in a day.
    """
    equal = _results(session).equal
    waiting = sorted(verified.keys() - equal)
    for path in waiting:
        session.kept.add(path, Why(KeepReason.NOT_COMPARED))
    if waiting and not session.context.dry and not session.store.tasks_in_progress("compare"):
        _start(session, waiting)
    return {path: record for path, record in verified.items() if path in equal}


class _Results(NamedTuple):
    """What comparisons show of files that were not sent again since, as sets of paths.

    Of the last day: those that are `equal`, and all that were `tried`. Of any day: those that are
    `altered` at the source.
    """

    equal: set[str]
    tried: set[str]
    altered: set[str]


def _results(session: Session) -> _Results:
    results = _Results(set(), set(), set())
    for task in session.store.tasks.values():
        if task.kind != "compare":
            continue
        current = {path for path in task.compares or () if _is_current(session, task, path)}
        results.altered.update(_altered(session, task))
        if _is_recent(task, session.context.started):
            results.tried.update(current)
            if task.status == "SUCCEEDED":
                results.equal.update(current.difference(task.unequal or ()))
    return results


def _start(session: Session, paths: list[str]) -> None:
    """Start the comparison of the first of `paths` that have one destination."""
    store, settings = session.store, session.context.settings
    tasks = {path: record.task for path in paths if (record := store.record(path))}
    mapping = store.tasks[tasks[paths[0]]].pair
    selected = [path for path in paths if store.tasks[tasks[path]].pair == mapping]
    selected = selected[: settings.files_per_task]
    new_id = session.client.new_submission_id()
    source_dir, destination, destination_dir = mapping
    task = globus.new_task(
        "compare",
        new_id,
        label=session.label("compare", new_id),
        scanned_at=session.context.started,
        source_dir=source_dir,
        destination=destination,
        destination_dir=destination_dir,
        deadline=session.context.started + DAY,
    )
    task.compares = {path: tasks[path] for path in selected}
    store.tasks[store.next_task_number()] = task
    session.save()
    try:
        task.task_id = session.client.submit(globus.transfer_document(store.source, task, selected))
    except globus.TransferAPIError as error:
        if globus.requires_login(error):
            raise
        log.info("Globus did not accept a comparison: %s", globus.api_details(error))
        if globus.is_rejected(error):
            _fail(session, task)
    except InvalidResponse as error:
        log.info("Whether Globus accepted a comparison is found out later: %s", error)
    else:
        log.info("Files to compare before their deletion: %d, task %s", len(selected), task.task_id)
    session.save()


def _is_recent(task: TaskRecord, now: int) -> bool:
    """Return whether a comparison is in progress, or ended less than a day ago."""
    return task.in_progress or 0 <= now - (task.ended_at or 0) < DAY


def _fail(session: Session, task: TaskRecord) -> None:
    """End a comparison without a result."""
    task.status, task.ended_at = "FAILED", session.context.started
    log.info("A comparison ended without a result: task %s", task.task_id)


def _record_result(session: Session, task: TaskRecord, document: TaskDocument) -> None:
    """Record which files an ended comparison found equal, and report those that differed."""
    alerts, source_dir, now = session.context.alerts, task.source_dir, session.context.started
    link = globus.link(document.task_id)
    if document.status != "SUCCEEDED":
        fault = document.fatal_error
        reason = globus.describe_error(fault.code, fault.description) if fault else ""
        alerts.fire(catalog.comparison_failed(source_dir, reason, link))
        _fail(session, task)
        return
    paths = list(task.compares or ())
    lists = delivered.lists_of(session.client, document)
    sent, skipped = lists.sent, lists.skipped
    whole = sent is not None and skipped is not None
    if whole and sent is not None and skipped is not None:
        whole = len(sent) >= (document.files_transferred or 0)
        whole &= (document.files or 0) + len(skipped) >= len(paths)
    if not whole or sent is None:
        if now - (globus.seconds(document.completion_time) or now) > LISTS_SECONDS:
            alerts.fire(catalog.comparison_failed(source_dir, "", link))
            _fail(session, task)
        return
    task.unequal = sorted({*sent, *delivered.not_transferred(task, paths, skipped)})
    differ = sorted(path for path in sent if _is_current(session, task, path))
    first = _first_checksums(session, differ)
    repaired = [path for path in differ if first.get(path, "?") == lists.checksums.get(path)]
    task.altered = _altered_now(session, sorted({*differ} - {*repaired}))
    if repaired:
        alerts.fire(catalog.copies_repaired(source_dir, repaired, link))
    alerts.resolve("comparison", source_dir)
    task.status, task.ended_at = "SUCCEEDED", now
    log.info("Compared: files %d, not equal %d, task %s", len(paths), len(task.unequal), link)


def _is_current(session: Session, task: TaskRecord, path: str) -> bool:
    """Return whether the file at `path` has not been sent again since the comparison."""
    record = session.store.record(path)
    return record is not None and (task.compares or {}).get(path) == record.task


def _altered(session: Session, task: TaskRecord) -> set[str]:
    """Return the files that the comparison found altered at the source and that still are."""
    return {path for path in task.altered or () if _is_current(session, task, path)}


def _altered_now(session: Session, paths: list[str]) -> list[str]:
    """Return those of `paths` that still have the size and mtime of their records, or may have.

    Drop the records of those that have changed openly: their copies have, too, and they are sent
    again.
    """
    found = []
    for path, answer in current_versions(session, session.store.source, paths):
        record = session.store.record(path)
        if isinstance(answer, FileVersion) and record and not record.is_of(answer):
            session.store.drop(path)
        elif answer is not None:
            found.append(path)
    return sorted(found)


def _first_checksums(session: Session, paths: Collection[str]) -> dict[str, str]:
    """Return Globus's checksums at the delivery of these files, as far as the history has them."""
    found: dict[str, str] = {}
    wanted = {path: record for path in paths if (record := session.store.record(path))}
    needle = msgspec.json.encode(next(iter(wanted))) if len(wanted) == 1 else b'"delivered"'
    for line in history.lines(session.context.settings.history_path, needle) if wanted else ():
        fact = history.parsed(line)
        record = wanted.get(fact.path) if fact else None
        if fact and record and fact.checksum and fact.event == "delivered":
            same = (fact.size, fact.mtime) == (record.size, record.mtime)
            found |= {fact.path: fact.checksum} if same else {}
    return found
