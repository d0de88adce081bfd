"""The datastore: what was handed to Globus, in which task. Load and save it, nothing else."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from globus_auto import DECISION

log = logging.getLogger(__name__)

SUM = re.compile(rb'"sum": "([0-9a-f]{64})"}\n?')
OPEN = ("ACTIVE", "INACTIVE")


class Version(msgspec.Struct, gc=False, frozen=True):
    """What a listing says of a file: its size in bytes, its mtime in whole seconds since 1970."""

    size: int
    mtime: int


class Entry(msgspec.Struct, array_like=True, gc=False, frozen=True, forbid_unknown_fields=True):
    """The version of one file that was last handed to Globus, and the number of its task."""

    size: int
    mtime: int
    task: int

    def is_of(self, version: Version) -> bool:
        """Return whether this entry is of just this version."""
        return self.size == version.size and self.mtime == version.mtime


class Task(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A Globus job. Times are seconds since 1970 UTC; without `task_id` it is an intent.

    `deletes` are the paths of a delete, so that what it did is known though nobody saw its end;
    other records have no such key.
    """

    kind: Literal["transfer", "delete"]
    submission_id: str
    task_id: str | None = None
    status: Literal["ACTIVE", "INACTIVE", "SUCCEEDED", "FAILED"] = "ACTIVE"
    label: str
    submitted_at: int
    listed_at: int
    ended_at: int | None = None
    full: bool = False
    exclude: list[str] = []
    source_dir: str
    destination: str
    destination_dir: str
    deadline: int | None = None
    deletes: list[str] | msgspec.UnsetType = msgspec.UNSET

    @property
    def open(self) -> bool:
        """Whether Globus has not yet said SUCCEEDED or FAILED."""
        return self.status in OPEN

    def destination_of(self, path: str) -> str:
        """Return where this task puts the file or directory that stands at `path`."""
        return joined(self.destination_dir, path[len(self.source_dir) :].lstrip("/"))


class Datastore(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Everything that is remembered: tasks by number, asides, entries by directory and name."""

    version: Literal[1] = 1
    source: str
    tasks: dict[int, Task] = {}
    asides: dict[str, str] = {}
    files: dict[str, dict[str, Entry]] = {}
    sum: str = ""

    def number(self) -> int:
        """Return a number that no task here has had, as far as is remembered."""
        return max(self.tasks, default=0) + 1

    def open_tasks(self, kind: str) -> dict[int, Task]:
        """Return the open tasks of a kind, by number, oldest first."""
        found = {number: task for number, task in self.tasks.items() if task.kind == kind}
        return {number: found[number] for number in sorted(found) if found[number].open}

    def entry(self, path: str) -> Entry | None:
        """Return the entry of the file at `path`, or None."""
        directory, _, name = path.rpartition("/")
        return self.files.get(directory or "/", {}).get(name)

    def put(self, path: str, entry: Entry) -> None:
        """Remember `entry` for the file at `path`."""
        directory, _, name = path.rpartition("/")
        self.files.setdefault(directory or "/", {})[name] = entry

    def drop(self, path: str) -> None:
        """Forget the file at `path`, if it is known."""
        directory, _, name = path.rpartition("/")
        known = self.files.get(directory or "/", {})
        known.pop(name, None)
        if not known:
            self.files.pop(directory or "/", None)

    def forget(self, path: str) -> None:
        """Forget the file at `path`, which is gone from the source, unless its task is open."""
        entry = self.entry(path)
        if entry and not self.tasks[entry.task].open:
            log.log(DECISION, "Forget %s: gone from the source", path)
            self.drop(path)

    def forget_below(self, directories: set[str]) -> None:
        """Forget all files in and below `directories`, which are gone from the source."""
        for directory in list(self.files):
            if not directories.isdisjoint(with_parents(directory)):
                for name in list(self.files[directory]):
                    self.forget(joined(directory, name))

    def under_way(self, path: str) -> bool:
        """Return whether `path` is part of an open full task, which has all of its source_dir."""
        return any(
            task.full and task.open and below(path, task.source_dir) for task in self.tasks.values()
        )

    def paths_by_task(self, numbers: Iterable[int]) -> dict[int, list[str]]:
        """Return the sorted paths of the entries of each of the tasks `numbers`."""
        found: dict[int, list[str]] = {number: [] for number in numbers}
        if not found:
            return found
        for directory, known in self.files.items():
            for name, entry in known.items():
                if entry.task in found:
                    found[entry.task].append(joined(directory, name))
        for paths in found.values():
            paths.sort()
        return found

    def forget_ended_tasks(self, *, failed: bool = False) -> bool:
        """Drop the records of ended tasks that no entry refers to; return whether there were any.

        Those that `failed` stay until their files are sent again, which goes another way then.
        """
        status = "FAILED" if failed else "SUCCEEDED"
        ended = {number for number, task in self.tasks.items() if task.status == status}
        for known in self.files.values() if ended else ():
            ended -= {entry.task for entry in known.values()}
            if not ended:
                break
        for number in ended:
            del self.tasks[number]
        return bool(ended)


class DatastoreDamaged(Exception):
    """The file is there, but is not what was written; the text says so and names both ways out."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"The datastore {path} is damaged ({reason}). Restore it from a backup, or delete it"
            " to start over: then every file at the source is compared with the destination again."
        )


def joined(directory: str, name: str) -> str:
    """Return the path of `name` in `directory`, which is "/" or has no slash at its end."""
    return f"{directory.rstrip('/')}/{name}" if name else directory


def below(path: str, directory: str) -> bool:
    """Return whether `path` is `directory` or stands anywhere below it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def with_parents(path: str) -> Iterator[str]:
    """Yield `path` and every directory above it but the root."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def load(path: str) -> Datastore | None:
    """Return the datastore at `path`, or None where there is no such file.

    Raise DatastoreDamaged if it is cut, altered, unreadable or of another version or shape.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DatastoreDamaged(path, error.strerror or str(error)) from error
    end = SUM.fullmatch(data, max(data.rfind(b'"sum"'), 0))
    if not end:
        raise DatastoreDamaged(path, "it is cut short, or has no sum at its end")
    if hashlib.sha256(memoryview(data)[: end.start()]).hexdigest().encode() != end[1]:
        raise DatastoreDamaged(path, "its content does not fit its sum")
    try:
        store = msgspec.json.decode(data, type=Datastore)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DatastoreDamaged(path, str(error)) from error
    used = {entry.task for known in store.files.values() for entry in known.values()}
    if not used <= store.tasks.keys():
        raise DatastoreDamaged(path, f"entries refer to missing tasks {used - store.tasks.keys()}")
    return store


def save(path: str, store: Datastore) -> None:
    """Replace the file at `path` by `store`, or leave it as it was and raise OSError.

    Nothing is written where nothing has changed since it was loaded or saved.
    """
    digest = hashlib.sha256()
    chunks = []
    for chunk in _chunks(store):
        digest.update(chunk)
        chunks.append(chunk)
    if digest.hexdigest() == store.sum:
        return
    chunks.append(f'"sum": "{digest.hexdigest()}"}}\n'.encode())
    write_atomically(path, chunks)
    store.sum = digest.hexdigest()


def _chunks(store: Datastore) -> Iterator[bytes]:
    """Yield the bytes of `store` before the key "sum": one directory a line, to read in less."""
    encode = msgspec.json.Encoder(order="deterministic").encode
    tasks = {str(number): store.tasks[number] for number in sorted(store.tasks)}
    yield b'{"version": %d,\n "source": %s,\n' % (store.version, encode(store.source))
    yield b' "tasks": %s,\n "asides": %s,\n' % (encode(tasks), encode(store.asides))
    yield b' "files": {'
    comma = b"\n"
    for directory in sorted(store.files):
        yield b"%s  %s: %s" % (comma, encode(directory), encode(store.files[directory]))
        comma = b",\n"
    yield b"},\n "


def write_atomically(path: str, chunks: Iterable[bytes]) -> None:
    """Replace the file at `path` by `chunks`, mode 0600, or leave it alone and raise OSError.

    Readers see the old content or the new, never a mixture, also after a loss of power.
    """
    temporary = f"{path}.new"
    with open(temporary, "wb", opener=private) as file:
        file.writelines(chunks)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    directory = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def private(path: str, flags: int) -> int:
    """Open `path` for open(..., opener=private): mode 0600 whatever the umask."""
    descriptor = os.open(path, flags, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor
