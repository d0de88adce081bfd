"""The bytes: a task's items are copied or deleted, one after the other.

`steps` is a generator. It goes once through what is pending and yields the number of bytes moved or
checksummed after every piece, so that whoever drives it can pause or drop it anywhere. What may go
well later stays pending, as Globus retries until a task's deadline; what ends a task at once is
raised.
"""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import os
import posixpath
import re
import shutil
import stat
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from globus_auto.sandbox.documents import Document, moment
from globus_auto.sandbox.endpoints import PATH, Endpoint, OutsideError, printable
from globus_auto.sandbox.submissions import Item

if TYPE_CHECKING:
    from globus_auto.sandbox.engine import Task

PIECE = 4 * 1024 * 1024  # bytes
CHECKSUM = "MD5"  # what Globus computes unless asked for another
SKIPPED_CODES = ("FILE_NOT_FOUND", "PERMISSION_DENIED", "AMBIGUOUS_PATH")
WRONG_TYPES = ("IS_A_DIRECTORY", "NOT_A_DIRECTORY", "NOT_A_FILE")
EVENT_CODES = {
    errno.ENOENT: "FILE_NOT_FOUND",
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "PERMISSION_DENIED"),
    errno.EISDIR: "IS_A_DIRECTORY",
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST), "NOT_A_DIRECTORY"),
    errno.ENOSPC: "NO_SPACE_LEFT",
    errno.EDQUOT: "QUOTA_EXCEEDED",
}


@dataclass(eq=False)
class TroubleError(Exception):
    """What a task reports as an event, and tries again unless it is `fatal`.

    `at_source`: a source path is to blame. `halts`: nothing else of the task can be done now.
    """

    code: str
    details: str
    at_source: bool = False
    halts: bool = False
    fatal: bool = False


def steps(task: Task, ends: list[Endpoint], unreadable: dict[str, str]) -> Iterator[int]:
    """Do what is pending, item by item; what is in trouble is pending again afterwards.

    `ends` are the endpoints of the task. `unreadable` maps source paths of transfers to the code
    that they meet. Raises TroubleError if the task fails.
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
                elif item.source in unreadable:
                    raise TroubleError(unreadable[item.source], item.source, at_source=True)
                else:
                    yield from _move(task, item, *ends)
            except TroubleError as trouble:
                if trouble.at_source and trouble.code in skippable:
                    task.skipped.append(_skipped(item, trouble))
                    continue
                stuck.append(item)
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
        raise TroubleError(plan.code, plan.details, halts=True, fatal=plan.fatal)


def _skipped(item: Item, trouble: TroubleError) -> Document:
    """Return the skipped_error document of an item (docs: api/transfer/task)."""
    return {
        "DATA_TYPE": "skipped_error",
        "error_code": trouble.code if trouble.code in SKIPPED_CODES else "FILE_NOT_FOUND",
        "error_details": trouble.details,
        "error_time": moment(time.time()),
        "source_path": printable(item.source),
        "destination_path": printable(item.destination),
        "is_directory": item.recursive is True or trouble.code == "IS_A_DIRECTORY",
        "is_symlink": False,
        "is_delete_destination_extra": False,
        "checksum_algorithm": None,
        "external_checksum": None,
    }


@contextmanager
def _blame(path: str, *, at_source: bool = False) -> Iterator[None]:
    """Turn what the disk says about `path` into an event code."""
    try:
        yield
    except OSError as error:
        code = EVENT_CODES.get(error.errno or 0, "ENDPOINT_ERROR")
        if at_source and isinstance(error, NotADirectoryError):
            code = "FILE_NOT_FOUND"
        details = f"{printable(path)}: {error.strerror}"
        raise TroubleError(code, details, at_source=at_source) from error


def _move(task: Task, item: Item, source: Endpoint, destination: Endpoint) -> Iterator[int]:
    """Copy one file, or open one directory and put what is in it before everything pending."""
    if not PATH.match(item.source):
        raise TroubleError("AMBIGUOUS_PATH", printable(item.source), at_source=True)
    with _blame(item.source, at_source=True):
        place = source.locate(item.source)
        status = os.stat(place)
    if stat.S_ISDIR(status.st_mode):
        if item.recursive is False:
            raise TroubleError("IS_A_DIRECTORY", item.source, at_source=True)
        _open_directory(task, item, place, destination)
        return
    if item.recursive or not stat.S_ISREG(status.st_mode):
        code = "NOT_A_DIRECTORY" if item.recursive else "NOT_A_FILE"
        raise TroubleError(code, item.source, at_source=True)
    with _blame(item.destination):
        target = destination.locate(item.destination)
    if (yield from _is_there(task, item, place, status, target)):
        task.files_skipped += 1
        return
    checksum = yield from _copy(task, item, place, target)
    if task.order.options["preserve_timestamp"]:
        seconds = status.st_mtime_ns // 1_000_000_000
        with _blame(item.destination):
            os.utime(target, (seconds, seconds))
    success = {
        "DATA_TYPE": "successful_transfer",
        "source_path": item.source,
        "destination_path": item.destination,
        "size": status.st_size,
        "checksum": checksum,
        "checksum_algorithm": CHECKSUM if checksum else None,
        "dynamic": False,
    }
    task.successes.append(success)


def _open_directory(task: Task, item: Item, place: str, destination: Endpoint) -> None:
    """Make the directory at the destination; symlinks and special files in it are left out."""
    inside = []
    with _blame(item.source, at_source=True), os.scandir(place) as found:
        for child in sorted(found, key=lambda child: child.name):
            below = child.is_dir(follow_symlinks=False)
            wanted = below or child.is_file(follow_symlinks=False)
            if wanted and not _excluded(task, child.name, "dir" if below else "file"):
                source = posixpath.join(item.source, child.name)
                inside.append(Item(source, posixpath.join(item.destination, child.name), below))
    with _blame(item.destination):
        os.makedirs(destination.locate(item.destination), exist_ok=True)
    task.directories += 1
    task.pending.extendleft(reversed(inside))


def _excluded(task: Task, name: str, kind: str) -> bool:
    """Whether the first filter rule that fits says so (SDK: TransferData.add_filter_rule)."""
    for rule in task.order.options["filter_rules"] or []:
        if rule.type in (None, kind) and fnmatch.fnmatchcase(name, rule.name):
            return bool(rule.method == "exclude")
    return False


def _is_there(
    task: Task, item: Item, place: str, status: os.stat_result, target: str
) -> Generator[int, None, bool]:
    """Return whether sync_level finds nothing to copy; raise if no file can stand there."""
    try:
        there = os.stat(target)
    except (FileNotFoundError, NotADirectoryError):
        return False
    if stat.S_ISDIR(there.st_mode):
        raise TroubleError("IS_A_DIRECTORY", item.destination)
    level, same_size = task.order.options["sync_level"], there.st_size == status.st_size
    same = level == 0 or (level == 1 and same_size)
    if level == 2:
        same = int(status.st_mtime) <= int(there.st_mtime)
    if level == 3 and same_size:
        ours = yield from _checksum(task, item.source, place, at_source=True)
        same = ours == (yield from _checksum(task, item.destination, target))
    if not same and os.path.samestat(there, status):
        raise TroubleError("ENDPOINT_ERROR", f"{item.source} would overwrite itself")
    return same


def _copy(task: Task, item: Item, place: str, target: str) -> Generator[int, None, str | None]:
    """Copy one file, making the directories above it; return its checksum if it was verified."""
    digest = hashlib.md5(usedforsecurity=False)
    with _blame(item.source, at_source=True):
        reader = open(place, "rb")  # noqa: SIM115
    with reader:
        with _blame(item.destination):
            os.makedirs(posixpath.dirname(target), exist_ok=True)
            writer = open(target, "wb")  # noqa: SIM115
        with writer:
            while True:
                with _blame(item.source, at_source=True):
                    piece = reader.read(PIECE)
                if not piece:
                    break
                with _blame(item.destination):
                    writer.write(piece)
                    writer.flush()
                digest.update(piece)
                task.bytes_transferred += len(piece)
                yield len(piece)
    if not task.order.options["verify_checksum"]:
        return None
    written = yield from _checksum(task, item.destination, target)
    if written != digest.hexdigest():
        raise TroubleError("VERIFY_CHECKSUM", item.destination)
    return written


def _checksum(
    task: Task, path: str, place: str, *, at_source: bool = False
) -> Generator[int, None, str]:
    """Return the checksum of the file at `place`."""
    digest = hashlib.md5(usedforsecurity=False)
    with _blame(path, at_source=at_source), open(place, "rb") as reader:
        while piece := reader.read(PIECE):
            digest.update(piece)
            task.bytes_checksummed += len(piece)
            yield len(piece)
    return digest.hexdigest()


def _delete(task: Task, item: Item, endpoint: Endpoint) -> Iterator[int]:
    """Delete the paths that one item means; a symlink is unlinked, never followed."""
    options = task.order.options
    for path in _expanded(item.source, endpoint) if options["interpret_globs"] else [item.source]:
        with _blame(path):
            place = endpoint.locate(path, follow=False)
            if place == endpoint.root:
                raise OutsideError(path)
            try:
                is_directory = stat.S_ISDIR(os.lstat(place).st_mode)
            except (FileNotFoundError, NotADirectoryError) as error:
                if options["ignore_missing"]:
                    continue
                raise TroubleError("FILE_NOT_FOUND", f"{path}: not found", fatal=True) from error
            if not is_directory:
                os.unlink(place)
            elif options["recursive"]:
                shutil.rmtree(place)
            else:
                raise TroubleError("IS_A_DIRECTORY", f"{path}: is a directory", fatal=True)
        yield 0
    task.removed += 1


def _expanded(path: str, endpoint: Endpoint) -> list[str]:
    """Return the paths that a path means whose last component may be a pattern."""
    directory, pattern = posixpath.split(path.rstrip("/"))
    if not re.search(r"(?<!\\)[*?\[]", pattern):
        return [posixpath.join(directory, re.sub(r"\\(.)", r"\1", pattern))]
    fits = re.compile(fnmatch.translate(re.sub(r"\\(.)", r"[\1]", pattern))).match
    with _blame(directory):
        names = sorted(os.listdir(endpoint.locate(directory)))
    return [posixpath.join(directory, name) for name in names if fits(name)]
