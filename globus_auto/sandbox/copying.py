"""The work of a transfer item: copy one file, or expand one directory."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import posixpath
import shutil
import stat
from collections.abc import Generator, Iterator

from globus_auto.sandbox.endpoints import PATH, Endpoint
from globus_auto.sandbox.submissions import Item
from globus_auto.sandbox.task_errors import TaskError, command_error, convert_os_errors
from globus_auto.sandbox.tasks import Task

CHUNK = 1024 * 1024  # bytes


def transfer_item(
    task: Task, item: Item, endpoints: list[Endpoint], missed_paths: set[str]
) -> Iterator[int]:
    """Copy one file, or expand one directory into items that come before all pending ones.

    Paths in `missed_paths` are not seen in a directory.
    """
    source, destination = endpoints
    if not PATH.match(item.source):
        raise command_error("AMBIGUOUS_PATH", source, "MLST", item.source, at_source=True)
    with convert_os_errors(source, "MLST", item.source, at_source=True):
        local_path = source.locate(item.source)
        status = os.stat(local_path)
    if stat.S_ISDIR(status.st_mode):
        if item.recursive is False:
            raise command_error("IS_A_DIRECTORY", source, "MLST", item.source, at_source=True)
        _expand_directory(task, item, local_path, endpoints, missed_paths)
        return
    if item.recursive or not stat.S_ISREG(status.st_mode):
        code = "NOT_A_DIRECTORY" if item.recursive else "NOT_A_FILE"
        raise command_error(code, source, "MLST", item.source, at_source=True)
    with convert_os_errors(destination, "STOR", item.destination):
        target = destination.locate(item.destination)
    if (yield from _is_in_sync(task, item, endpoints, local_path, status, target)):
        task.files_skipped += 1
        return
    checksum = yield from _copy(task, item, endpoints, local_path, target)
    if task.submission.options["preserve_timestamp"] and destination.keeps_mtimes:
        seconds = status.st_mtime_ns // 1_000_000_000
        with convert_os_errors(destination, "MFMT", item.destination):
            os.utime(target, (seconds, seconds))
    success = {
        "DATA_TYPE": "successful_transfer",
        "source_path": item.source,
        "destination_path": item.destination,
        "size": status.st_size,
        "checksum": checksum,
        "checksum_algorithm": item.algorithm if checksum else None,
        "dynamic": False,
    }
    task.successes.append(success)


def _expand_directory(
    task: Task, item: Item, local_path: str, endpoints: list[Endpoint], missed_paths: set[str]
) -> None:
    """Create the directory at the destination; leave out symlinks and special files in it."""
    (source_end, destination), inside = endpoints, []
    path = posixpath.join(item.source, "")
    with (
        convert_os_errors(source_end, "MLSD", path, at_source=True),
        os.scandir(local_path) as found,
    ):
        names = set()
        for child in sorted(found, key=lambda child: child.name):
            below = child.is_dir(follow_symlinks=False)
            wanted = below or child.is_file(follow_symlinks=False)
            source = posixpath.join(item.source, child.name)
            if posixpath.normpath(source) in missed_paths:
                continue
            names.add(child.name)
            if wanted and not _is_excluded(task, child.name, "dir" if below else "file"):
                target = posixpath.join(item.destination, child.name)
                inside.append(Item(source, target, below, algorithm=item.algorithm))
    with convert_os_errors(destination, "MKD", posixpath.join(item.destination, "")):
        destination.make_directories(destination.locate(item.destination))
    task.directories += 1
    task.mirrored[item.destination] = names
    task.pending.extendleft(reversed(inside))


def _is_excluded(task: Task, name: str, kind: str) -> bool:
    """Return what the first matching filter rule says (SDK: TransferData.add_filter_rule)."""
    for rule in task.submission.options["filter_rules"] or []:
        if rule.type in (None, kind) and fnmatch.fnmatchcase(name, rule.name):
            return bool(rule.method == "exclude")
    return False


def _is_in_sync(
    task: Task,
    item: Item,
    endpoints: list[Endpoint],
    local_path: str,
    status: os.stat_result,
    target: str,
) -> Generator[int, None, bool]:
    """Return whether sync_level finds nothing to copy; raise TaskError if no file can go there."""
    source, destination = endpoints
    with convert_os_errors(destination, "MLST", item.destination):
        try:
            there = os.stat(target)
        except (FileNotFoundError, NotADirectoryError):
            return False
    if stat.S_ISDIR(there.st_mode):
        raise command_error("IS_A_DIRECTORY", destination, "STOR", item.destination)
    level, same_size = task.submission.options["sync_level"], there.st_size == status.st_size
    same = level == 0 or (level == 1 and same_size)
    if level == 2:
        same = int(status.st_mtime) <= int(there.st_mtime)
    if level == 3 and same_size:
        ours = yield from _checksum(source, item, item.source, local_path, at_source=True)
        same = ours == (yield from _checksum(destination, item, item.destination, target))
        task.bytes_checksummed += status.st_size
    if not same and os.path.samestat(there, status):
        raise TaskError("ENDPOINT_ERROR", f"{item.source} would overwrite itself")
    return same


def _copy(
    task: Task, item: Item, endpoints: list[Endpoint], local_path: str, target: str
) -> Generator[int, None, str | None]:
    """Copy one file and create its parents; return its checksum if it was verified."""
    (source, destination), digest = endpoints, _digest(item)
    with convert_os_errors(source, "RETR", item.source, at_source=True):
        reader = open(local_path, "rb")  # noqa: SIM115
    with reader:
        with convert_os_errors(
            destination, "MKD", posixpath.join(posixpath.dirname(item.destination), "")
        ):
            destination.make_directories(posixpath.dirname(target))
        with convert_os_errors(destination, "STOR", item.destination):
            writer = open(target, "wb")  # noqa: SIM115
            destination.touch(target)
        with writer:
            while True:
                with convert_os_errors(source, "RETR", item.source, at_source=True):
                    chunk = reader.read(CHUNK)
                if not chunk:
                    break
                with convert_os_errors(destination, "STOR", item.destination):
                    writer.write(chunk)
                    writer.flush()
                    destination.touch(target)
                digest.update(chunk)
                task.bytes_transferred += len(chunk)
                yield len(chunk)
    if not (task.verify_checksum or item.checksum):
        return None
    written = yield from _checksum(destination, item, item.destination, target)
    if item.checksum and item.checksum.lower() not in (written, digest.hexdigest()):
        code, command = "EXTERNAL_CHECKSUM_MISMATCH", f"CKSM {item.algorithm} 0 -1"
        raise command_error(code, destination, command, item.destination, fatal=True)
    if written != digest.hexdigest():
        raise TaskError("VERIFY_CHECKSUM", item.destination)
    return written


def _checksum(
    endpoint: Endpoint, item: Item, path: str, local_path: str, *, at_source: bool = False
) -> Generator[int, None, str]:
    """Return the checksum of the file at `local_path`."""
    digest = _digest(item)
    with (
        convert_os_errors(endpoint, f"CKSM {item.algorithm} 0 -1", path, at_source=at_source),
        open(local_path, "rb") as reader,
    ):
        while chunk := reader.read(CHUNK):
            digest.update(chunk)
            yield len(chunk)
    return digest.hexdigest()


def _digest(item: Item) -> hashlib._Hash:
    return hashlib.new(item.algorithm.lower(), usedforsecurity=False)


def delete_extra(task: Task, destination: Endpoint) -> Iterator[int]:
    """Delete what the directories at the destination have and their sources do not.

    Nothing is deleted if the task skipped a path, because that path may be missing by mistake.
    """
    if task.skipped:
        task.add_event("DELETE_DESTINATION_EXTRA_SKIPPED", "Paths were skipped at the source")
        return
    for path, names in task.mirrored.items():
        with convert_os_errors(destination, "DELE", path):
            with os.scandir(destination.locate(path)) as found:
                extra = [each for each in found if each.name not in names]
            for each in extra:
                if each.is_dir(follow_symlinks=False):
                    shutil.rmtree(each.path)
                else:
                    os.unlink(each.path)
        yield 0
