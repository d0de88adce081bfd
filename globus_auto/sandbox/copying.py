"""The bytes of a transfer: one file is copied, or one directory opened."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import posixpath
import stat
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from globus_auto.sandbox.endpoints import PATH, Endpoint
from globus_auto.sandbox.submissions import Item
from globus_auto.sandbox.trouble import TroubleError, blame, failed

if TYPE_CHECKING:
    from globus_auto.sandbox.tasks import Task

PIECE = 4 * 1024 * 1024  # bytes
CHECKSUM = "MD5"  # what Globus computes unless asked for another


def move(task: Task, item: Item, ends: list[Endpoint], missed: set[str]) -> Iterator[int]:
    """Copy one file, or open one directory and put what is in it before everything pending.

    Paths in `missed` are not seen in a directory.
    """
    source, destination = ends
    if not PATH.match(item.source):
        raise failed("AMBIGUOUS_PATH", source, "MLST", item.source, at_source=True)
    with blame(source, "MLST", item.source, at_source=True):
        place = source.locate(item.source)
        status = os.stat(place)
    if stat.S_ISDIR(status.st_mode):
        if item.recursive is False:
            raise failed("IS_A_DIRECTORY", source, "MLST", item.source, at_source=True)
        _open_directory(task, item, place, ends, missed)
        return
    if item.recursive or not stat.S_ISREG(status.st_mode):
        code = "NOT_A_DIRECTORY" if item.recursive else "NOT_A_FILE"
        raise failed(code, source, "MLST", item.source, at_source=True)
    with blame(destination, "STOR", item.destination):
        target = destination.locate(item.destination)
    if (yield from _is_there(task, item, ends, place, status, target)):
        task.files_skipped += 1
        return
    checksum = yield from _copy(task, item, ends, place, target)
    if task.order.options["preserve_timestamp"] and destination.keeps_mtimes:
        seconds = status.st_mtime_ns // 1_000_000_000
        with blame(destination, "MFMT", item.destination):
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


def _open_directory(
    task: Task, item: Item, place: str, ends: list[Endpoint], missed: set[str]
) -> None:
    """Make the directory at the destination; symlinks and special files in it are left out."""
    (source_end, destination), inside = ends, []
    path = posixpath.join(item.source, "")
    with blame(source_end, "MLSD", path, at_source=True), os.scandir(place) as found:
        for child in sorted(found, key=lambda child: child.name):
            below = child.is_dir(follow_symlinks=False)
            wanted = below or child.is_file(follow_symlinks=False)
            source = posixpath.join(item.source, child.name)
            if posixpath.normpath(source) in missed:
                continue
            if wanted and not _excluded(task, child.name, "dir" if below else "file"):
                target = posixpath.join(item.destination, child.name)
                inside.append(Item(source, target, below))
    with blame(destination, "MKD", posixpath.join(item.destination, "")):
        destination.make_directories(destination.locate(item.destination))
    task.directories += 1
    task.pending.extendleft(reversed(inside))


def _excluded(task: Task, name: str, kind: str) -> bool:
    """Whether the first filter rule that fits says so (SDK: TransferData.add_filter_rule)."""
    for rule in task.order.options["filter_rules"] or []:
        if rule.type in (None, kind) and fnmatch.fnmatchcase(name, rule.name):
            return bool(rule.method == "exclude")
    return False


def _is_there(
    task: Task,
    item: Item,
    ends: list[Endpoint],
    place: str,
    status: os.stat_result,
    target: str,
) -> Generator[int, None, bool]:
    """Return whether sync_level finds nothing to copy; raise if no file can stand there."""
    source, destination = ends
    with blame(destination, "MLST", item.destination):
        try:
            there = os.stat(target)
        except (FileNotFoundError, NotADirectoryError):
            return False
    if stat.S_ISDIR(there.st_mode):
        raise failed("IS_A_DIRECTORY", destination, "STOR", item.destination)
    level, same_size = task.order.options["sync_level"], there.st_size == status.st_size
    same = level == 0 or (level == 1 and same_size)
    if level == 2:
        same = int(status.st_mtime) <= int(there.st_mtime)
    if level == 3 and same_size:
        ours = yield from _checksum(source, item.source, place, at_source=True)
        same = ours == (yield from _checksum(destination, item.destination, target))
        task.bytes_checksummed += status.st_size
    if not same and os.path.samestat(there, status):
        raise TroubleError("ENDPOINT_ERROR", f"{item.source} would overwrite itself")
    return same


def _copy(
    task: Task, item: Item, ends: list[Endpoint], place: str, target: str
) -> Generator[int, None, str | None]:
    """Copy one file, making the directories above it; return its checksum if it was verified."""
    (source, destination), digest = ends, hashlib.md5(usedforsecurity=False)
    with blame(source, "RETR", item.source, at_source=True):
        reader = open(place, "rb")  # noqa: SIM115
    with reader:
        with blame(destination, "MKD", posixpath.join(posixpath.dirname(item.destination), "")):
            destination.make_directories(posixpath.dirname(target))
        with blame(destination, "STOR", item.destination):
            writer = open(target, "wb")  # noqa: SIM115
            destination.stamp(target)
        with writer:
            while True:
                with blame(source, "RETR", item.source, at_source=True):
                    piece = reader.read(PIECE)
                if not piece:
                    break
                with blame(destination, "STOR", item.destination):
                    writer.write(piece)
                    writer.flush()
                    destination.stamp(target)
                digest.update(piece)
                task.bytes_transferred += len(piece)
                yield len(piece)
    if not task.verify_checksum:
        return None
    written = yield from _checksum(destination, item.destination, target)
    if written != digest.hexdigest():
        raise TroubleError("VERIFY_CHECKSUM", item.destination)
    return written


def _checksum(
    endpoint: Endpoint, path: str, place: str, *, at_source: bool = False
) -> Generator[int, None, str]:
    """Return the checksum of the file at `place`."""
    digest = hashlib.md5(usedforsecurity=False)
    with blame(endpoint, "CKSM MD5 0 -1", path, at_source=at_source), open(place, "rb") as reader:
        while piece := reader.read(PIECE):
            digest.update(piece)
            yield len(piece)
    return digest.hexdigest()
