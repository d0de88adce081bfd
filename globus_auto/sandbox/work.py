"""The work of a task: its items are copied or deleted, one after the other.

`steps` is a generator. It goes once through the pending items and yields the number of bytes copied
or checksummed after every chunk, so the engine can pause or drop it anywhere. An item that may
succeed later stays pending, as Globus retries until the deadline of the task. An error that ends
the task at once is raised.
"""

from __future__ import annotations

import fnmatch
import os
import posixpath
import re
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import replace

from globus_auto.sandbox import copying, texts
from globus_auto.sandbox.documents import Document, moment
from globus_auto.sandbox.endpoints import Endpoint, OutsideError
from globus_auto.sandbox.file_documents import printable
from globus_auto.sandbox.state import State
from globus_auto.sandbox.submissions import Item
from globus_auto.sandbox.task_errors import TaskError, command_error, convert_os_errors
from globus_auto.sandbox.tasks import Task

SKIPPED_CODES = ("FILE_NOT_FOUND", "PERMISSION_DENIED", "AMBIGUOUS_PATH")
WRONG_TYPES = ("IS_A_DIRECTORY", "NOT_A_DIRECTORY", "NOT_A_FILE")


def steps(task: Task, endpoints: list[Endpoint], state: State) -> Iterator[int]:
    """Process the pending items; those that meet an error are pending again afterwards.

    Raise TaskError if the task fails.
    """
    options = task.submission.options
    skippable = (*SKIPPED_CODES, *WRONG_TYPES) if options.get("skip_source_errors") else ()
    try:
        while task.pending:
            item = task.pending.popleft()
            task.unfinished.append(item)
            try:
                _raise_if_blocked(task, endpoints)
                if task.submission.kind == "DELETE":
                    yield from _delete(task, item, *endpoints)
                elif item.source in state.skipped_paths:
                    code = state.skipped_paths[item.source]
                    raise command_error(code, endpoints[0], "RETR", item.source, at_source=True)
                else:
                    yield from copying.transfer_item(task, item, endpoints, state.missed_paths)
            except TaskError as error:
                if error.at_source and error.code in skippable:
                    task.skipped.append(_skipped_error(item, error))
                    task.unfinished.pop()
                    continue
                if not error.blocks_task:
                    task.unfinished[-1] = replace(item, missing=error.at_source)
                quota = error.code == "QUOTA_EXCEEDED" and options.get("fail_on_quota_errors")
                if error.fatal or quota:
                    raise
                task.add_fault(error.code, error.details)
                if error.blocks_task:
                    break
            else:
                task.unfinished.pop()
        if options.get("delete_destination_extra") and not task.unfinished:
            yield from _delete_extra(task, endpoints)
    finally:
        task.pending.extendleft(reversed(task.unfinished))
        task.unfinished.clear()


def _delete_extra(task: Task, endpoints: list[Endpoint]) -> Iterator[int]:
    """Delete what only the destination has; an error there is reported once, and ends the work."""
    try:
        yield from copying.delete_extra(task, endpoints[1])
    except TaskError as error:
        task.add_fault(error.code, error.details)


def _raise_if_blocked(task: Task, endpoints: list[Endpoint]) -> None:
    """Raise TaskError if an endpoint is offline, or if the planned failure is due."""
    for endpoint in endpoints:
        if endpoint.offline_code:
            raise TaskError(endpoint.offline_code, endpoint.name, blocks_task=True)
    failure = task.planned_failure
    if failure is not None and len(task.successes) + task.removed >= failure.after_files:
        task.stalls += 1
        if task.stalls == failure.times:
            task.planned_failure = None
        raise TaskError(failure.code, failure.details, blocks_task=True, fatal=failure.fatal)


def _skipped_error(item: Item, error: TaskError) -> Document:
    """Return the skipped_error document of an item (docs: api/transfer/task)."""
    is_directory = item.recursive is True or error.code == "IS_A_DIRECTORY"
    return {
        "DATA_TYPE": "skipped_error",
        "error_code": error.code if error.code in SKIPPED_CODES else "FILE_NOT_FOUND",
        "error_details": texts.error_details(error.reply),
        "error_time": moment(time.time()),
        "source_path": _display_path(item.source, is_directory),
        "destination_path": _display_path(item.destination, is_directory),
        "is_directory": is_directory,
        "is_symlink": False,
        "is_delete_destination_extra": False,
        "checksum_algorithm": None,
        "external_checksum": None,
    }


def _display_path(path: str, is_directory: bool) -> str:
    """Return a path as skipped_errors shows it: a directory ends in a slash."""
    return printable(posixpath.join(path, "") if is_directory else path)


def _delete(task: Task, item: Item, endpoint: Endpoint) -> Iterator[int]:
    """Delete the paths of one item; a symlink is unlinked, never followed."""
    options = task.submission.options
    for path in (
        _expand_glob(item.source, endpoint) if options["interpret_globs"] else [item.source]
    ):
        with convert_os_errors(endpoint, "DELE", path):
            local_path = endpoint.locate(path, follow=False)
            if local_path == endpoint.root:
                raise OutsideError(path)
            try:
                is_directory = stat.S_ISDIR(os.lstat(local_path).st_mode)
            except (FileNotFoundError, NotADirectoryError) as error:
                if options["ignore_missing"]:
                    continue
                missing = command_error("FILE_NOT_FOUND", endpoint, "DELE", path, fatal=True)
                raise missing from error
            if not is_directory:
                os.unlink(local_path)
            elif options["recursive"]:
                shutil.rmtree(local_path)
            else:
                raise command_error("IS_A_DIRECTORY", endpoint, "DELE", path, fatal=True)
        yield 0
    task.removed += 1


def _expand_glob(path: str, endpoint: Endpoint) -> list[str]:
    """Return the paths that match a path whose last component may be a pattern."""
    directory, pattern = posixpath.split(path.rstrip("/"))
    if not re.search(r"(?<!\\)[*?\[]", pattern):
        return [posixpath.join(directory, re.sub(r"\\(.)", r"\1", pattern))]
    matches = re.compile(fnmatch.translate(re.sub(r"\\(.)", r"[\1]", pattern))).match
    with convert_os_errors(endpoint, "MLSD", directory):
        names = sorted(os.listdir(endpoint.locate(directory)))
    return [posixpath.join(directory, name) for name in names if matches(name)]
