"""Delivery: find out from Globus's own lists which files an ended transfer task has delivered."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import NamedTuple

from globus_auto import globus
from globus_auto.alerts import catalog
from globus_auto.datastore import Datastore, TaskRecord
from globus_auto.errors import EndlessList, InvalidResponse
from globus_auto.files import FileVersion, below, with_parents
from globus_auto.globus import ROWS_MOST, Shape, SkippedError, TaskDocument
from globus_auto.steps.fingerprints import current_versions
from globus_auto.steps.session import Session

log = logging.getLogger(__name__)

# How long the lists of an ended task may be unavailable before its files are transferred again, in
# seconds: Globus may answer 400 for a while after SUCCEEDED.
LISTS_TIMEOUT = 3600
MORE_ROWS = 1000  # more than the task counts: a longer list does not end


class Delivery(NamedTuple):
    """The paths of an ended task, by result.

    `dropped` are not known to be delivered. `equal` were delivered without copying: Globus found
    them equal at the destination. `skipped` are all paths that Globus skipped, with their error
    codes.
    """

    dropped: list[str]
    equal: list[str]
    skipped: dict[str, str]


class Lists(NamedTuple):
    """Globus's lists for an ended task; None for a list that is not available.

    `sent` has the sizes in bytes of the files that the task wrote, by source path, and `checksums`
    their checksums, if Globus tells them.
    """

    skipped: list[SkippedError] | None
    sent: dict[str, int | None] | None
    checksums: dict[str, str]


def find_delivered(
    session: Session, task: TaskRecord, document: TaskDocument, paths: list[str], now: int
) -> Delivery | None:
    """Return which of `paths` an ended `task` has delivered; None to ask again in the next run.

    Raise what the calls raise, InvalidResponse, or EndpointNotReady.
    """
    if not (paths or task.recursive):
        return Delivery([], [], {})
    lists = lists_of(session.client, document)
    session.checksums |= lists.checksums
    if None in lists and paths:
        task.unlisted_since = now if task.unlisted_since is None else task.unlisted_since
        if now - task.unlisted_since < LISTS_TIMEOUT:
            log.info("Globus has no complete lists yet of task %s", document.task_id)
            return None
        link = globus.link(document.task_id)
        session.context.alerts.fire(catalog.result_unavailable(task.source_dir, link))
    if document.status != "SUCCEEDED":
        sent = lists.sent or {}
        lost = [path for path in paths if not _has_size(session.store, path, sent.get(path))]
        return Delivery(lost, [], {})
    skipped = {
        (each.source_path or "").rstrip("/"): each.error_code or "unknown"
        for each in lists.skipped or ()
    }
    lost = not_transferred(task, paths, lists.skipped)
    if task.recursive:
        return Delivery(_not_seen(session, task, paths, lost, lists.sent or {}), [], skipped)
    fewer = document.files is not None and document.files + len(lists.skipped or ()) < len(paths)
    if lists.sent is None or fewer:
        return Delivery(paths, [], skipped)
    dropped = set(lost)
    equal = []
    for path in paths:
        if path in dropped:
            continue
        if path not in lists.sent:
            equal.append(path)
        elif not _has_size(session.store, path, lists.sent[path]):
            lost.append(path)
    return Delivery(lost, equal, skipped)


def _has_size(store: Datastore, path: str, size: int | None) -> bool:
    record = store.record(path)
    return record is not None and record.size == size


def _not_seen(
    session: Session,
    task: TaskRecord,
    paths: list[str],
    lost: list[str],
    sent: dict[str, int | None],
) -> list[str]:
    """Return those of `paths` that a recursive task is not known to have delivered.

    A recursive task can succeed without a file that its walk missed, for instance because a
    directory was offline at that moment. So a file that Globus does not list as transferred must be
    at the destination with the recorded size and mtime.
    """
    store, dropped = session.store, set(lost)
    unlisted = {
        task.destination_of(path): path
        for path in paths
        if path not in dropped and not _has_size(store, path, sent.get(path))
    }
    for there, answer in current_versions(session, task.destination, list(unlisted)):
        record = store.record(unlisted[there])
        if record is None or not (isinstance(answer, FileVersion) and record.is_of(answer)):
            lost.append(unlisted[there])
    return lost


def lists_of(client: globus.Client, document: TaskDocument) -> Lists:
    """Return the lists of an ended task, as far as they are complete.

    Source: docs.globus.org/api/transfer/task, "Get skipped errors", "Get successful transfers".
    """
    if document.subtasks_skipped_errors is None and document.status == "SUCCEEDED":
        raise InvalidResponse("Globus did not say how many errors a task skipped.")
    skipped: list[SkippedError] | None = []
    if document.subtasks_skipped_errors and document.status == "SUCCEEDED":
        skipped = _whole(client.skipped_errors, document.task_id, document.subtasks_skipped_errors)
    if skipped is not None and any(item.source_path is None for item in skipped):
        skipped = None
    sent: list[globus.SuccessfulTransfer] | None = []
    if document.files_transferred != 0:
        sent = _whole(client.successful_transfers, document.task_id, document.files_transferred)
    if sent is None:
        return Lists(skipped, None, {})
    sizes = {each.source_path: each.size for each in sent if each.source_path}
    checksums = {
        each.source_path: each.named_checksum
        for each in sent
        if each.source_path and each.named_checksum
    }
    return Lists(skipped, sizes, checksums)


def _whole(
    fetch: Callable[[str, int], list[Shape]], task_id: str, number: int | None
) -> list[Shape] | None:
    """Return a complete list; None if it is unavailable, endless, or shorter than `number`."""
    most = ROWS_MOST if number is None else number + MORE_ROWS
    try:
        found = fetch(task_id, most)
    except EndlessList as error:
        log.info("%s", error)
        return None
    except globus.TransferAPIError as error:
        if not globus.is_rejected(error):
            raise
        return None
    return found if len(found) >= (number or 0) else None


def not_transferred(
    task: TaskRecord, paths: Iterable[str], skipped: list[SkippedError] | None
) -> list[str]:
    """Return those of `paths` that a SUCCEEDED task has not transferred.

    These are the paths that it skipped, and all paths below a skipped directory. Return all `paths`
    if a skipped path is unknown, or is not one of this task's.
    """
    paths = list(paths)
    if skipped is None or any(item.source_path is None for item in skipped):
        return paths
    left_out = {(item.source_path or "").rstrip("/") for item in skipped}
    if not all(below(path, task.source_dir) for path in left_out):
        return paths
    lost, matched = [], set()
    for path in paths:
        hits = left_out.intersection(with_parents(path)) if left_out else set()
        matched |= hits
        if hits:
            lost.append(path)
    if not task.recursive and left_out - matched:
        return paths
    return lost
