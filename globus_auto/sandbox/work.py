"""The bytes: a task's items are copied or deleted, one after the other.

`steps` is a generator. It goes once through what is pending and yields the number of bytes moved or
checksummed after every piece, so that whoever drives it can pause or drop it anywhere. What may go
well later stays pending, as Globus retries until a task's deadline; what ends a task at once is
raised.
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
from typing import TYPE_CHECKING

from globus_auto.sandbox import copying, texts
from globus_auto.sandbox.documents import Document, moment
from globus_auto.sandbox.endpoints import Endpoint, OutsideError, printable
from globus_auto.sandbox.submissions import Item
from globus_auto.sandbox.trouble import TroubleError, blame, failed

if TYPE_CHECKING:
    from globus_auto.sandbox.tasks import Task
    from globus_auto.sandbox.world import World

SKIPPED_CODES = ("FILE_NOT_FOUND", "PERMISSION_DENIED", "AMBIGUOUS_PATH")
WRONG_TYPES = ("IS_A_DIRECTORY", "NOT_A_DIRECTORY", "NOT_A_FILE")


def steps(task: Task, ends: list[Endpoint], world: World) -> Iterator[int]:
    """Do what is pending, item by item; what is in trouble is pending again afterwards.

    `ends` are the endpoints of the task. Raises TroubleError if the task fails.
    """
    options, stuck = task.order.options, []
    skippable = (*SKIPPED_CODES, *WRONG_TYPES) if options.get("skip_source_errors") else ()
    try:
        while task.pending:
            item = task.pending.popleft()
            try:
                _check(task, ends)
                if task.order.kind == "DELETE":
                    yield from _delete(task, item, *ends)
                elif item.source in world.skipped_paths:
                    code = world.skipped_paths[item.source]
                    raise failed(code, ends[0], "RETR", item.source, at_source=True)
                else:
                    yield from copying.move(task, item, ends, world.missed)
            except TroubleError as trouble:
                if trouble.at_source and trouble.code in skippable:
                    task.skipped.append(_skipped(item, trouble))
                    continue
                stuck.append(item if trouble.halts else replace(item, missing=trouble.at_source))
                quota = trouble.code == "QUOTA_EXCEEDED" and options.get("fail_on_quota_errors")
                if trouble.fatal or quota:
                    raise
                task.note(trouble.code, trouble.details)
                if trouble.halts:
                    break
    finally:
        task.pending.extendleft(reversed(stuck))


def _check(task: Task, ends: list[Endpoint]) -> None:
    """Raise if an endpoint is away, or where a test planned that the task fails or stalls."""
    for endpoint in ends:
        if endpoint.trouble:
            raise TroubleError(endpoint.trouble, endpoint.name, halts=True)
    plan = task.plan
    if plan is not None and len(task.successes) + task.removed >= plan.after_files:
        task.stalls += 1
        if task.stalls == plan.times:
            task.plan = None
        details = plan.details
        raise TroubleError(plan.code, details, description=details, halts=True, fatal=plan.fatal)


def _skipped(item: Item, trouble: TroubleError) -> Document:
    """Return the skipped_error document of an item (docs: api/transfer/task)."""
    is_directory = item.recursive is True or trouble.code == "IS_A_DIRECTORY"
    return {
        "DATA_TYPE": "skipped_error",
        "error_code": trouble.code if trouble.code in SKIPPED_CODES else "FILE_NOT_FOUND",
        "error_details": texts.error_details(trouble.reply),
        "error_time": moment(time.time()),
        "source_path": _shown(item.source, is_directory),
        "destination_path": _shown(item.destination, is_directory),
        "is_directory": is_directory,
        "is_symlink": False,
        "is_delete_destination_extra": False,
        "checksum_algorithm": None,
        "external_checksum": None,
    }


def _shown(path: str, is_directory: bool) -> str:
    """Return a path as skipped_errors shows it: a directory with a slash at its end."""
    return printable(posixpath.join(path, "") if is_directory else path)


def _delete(task: Task, item: Item, endpoint: Endpoint) -> Iterator[int]:
    """Delete the paths that one item means; a symlink is unlinked, never followed."""
    options = task.order.options
    for path in _expanded(item.source, endpoint) if options["interpret_globs"] else [item.source]:
        with blame(endpoint, "DELE", path):
            place = endpoint.locate(path, follow=False)
            if place == endpoint.root:
                raise OutsideError(path)
            try:
                is_directory = stat.S_ISDIR(os.lstat(place).st_mode)
            except (FileNotFoundError, NotADirectoryError) as error:
                if options["ignore_missing"]:
                    continue
                missing = failed("FILE_NOT_FOUND", endpoint, "DELE", path, fatal=True)
                raise missing from error
            if not is_directory:
                os.unlink(place)
            elif options["recursive"]:
                shutil.rmtree(place)
            else:
                raise failed("IS_A_DIRECTORY", endpoint, "DELE", path, fatal=True)
        yield 0
    task.removed += 1


def _expanded(path: str, endpoint: Endpoint) -> list[str]:
    """Return the paths that a path means whose last component may be a pattern."""
    directory, pattern = posixpath.split(path.rstrip("/"))
    if not re.search(r"(?<!\\)[*?\[]", pattern):
        return [posixpath.join(directory, re.sub(r"\\(.)", r"\1", pattern))]
    fits = re.compile(fnmatch.translate(re.sub(r"\\(.)", r"[\1]", pattern))).match
    with blame(endpoint, "MLSD", directory):
        names = sorted(os.listdir(endpoint.locate(directory)))
    return [posixpath.join(directory, name) for name in names if fits(name)]
