"""The datastore: which files were submitted to Globus, and in which tasks.

The invariant: a file's record is written when its task is recorded, kept when the task is known to
have delivered exactly that size and mtime, and dropped in every other case. A dropped record means:
transfer the file again.
"""

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

VERSION = 2
SUM = re.compile(rb'"sum": "([0-9a-f]{64})"}\n?')
WRITTEN = re.compile(rb'\s*{\s*"version":\s*(\d+)')
OPEN = ("ACTIVE", "INACTIVE")
# Seconds for which a transfer that Globus no longer shows may still write its copies.
LOST_SECONDS = 86_400


class FileVersion(msgspec.Struct, gc=False, frozen=True):
    """The fingerprint of a file: size in bytes, mtime in whole seconds since 1970 UTC."""

    size: int
    mtime: int


class FileRecord(
    msgspec.Struct, array_like=True, gc=False, frozen=True, forbid_unknown_fields=True
):
    """The fingerprint of a file as it was last submitted to Globus, and the number of its task."""

    size: int
    mtime: int
    task: int

    def is_of(self, version: FileVersion) -> bool:
        """Return whether this record has exactly the fingerprint `version`."""
        return self.size == version.size and self.mtime == version.mtime


class TaskRecord(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A Globus task; its times are in seconds since 1970 UTC.

    Without `task_id` it is unsubmitted: Globus is not known to have accepted it. `submitted_at`,
    `scanned_at` and `ended_at` are by this machine's clock, `requested_at` and `completed_at` by
    Globus's. `deletes` are the paths of a delete task, `lost` those of a transfer that Globus no
    longer shows; other records have no such keys.

    `verify_checksum` and `encrypt_data`: what Globus confirmed at the end of the task. `equal`:
    Globus found the files of this record equal at the destination and did not copy them. `tries`:
    how many submissions left open whether the task exists. `unlisted_since`: since when Globus has
    not returned the lists of what an ended task did. `error_since`: since when each poll has found
    an error. `error_progress`: the progress of the task at the last of these polls.
    """

    kind: Literal["transfer", "delete"]
    submission_id: str
    task_id: str | None = None
    status: Literal["ACTIVE", "INACTIVE", "SUCCEEDED", "FAILED"] = "ACTIVE"
    label: str
    submitted_at: int
    scanned_at: int = msgspec.field(name="listed_at")
    ended_at: int | None = None
    recursive: bool = msgspec.field(default=False, name="full")
    exclude: list[str] = []
    source_dir: str
    destination: str
    destination_dir: str
    deadline: int | None = None
    deletes: list[str] | msgspec.UnsetType = msgspec.UNSET
    lost: list[str] | msgspec.UnsetType = msgspec.UNSET
    requested_at: int | None = None
    completed_at: int | None = None
    verify_checksum: bool | None = None
    encrypt_data: bool | None = None
    equal: bool = False
    tries: int = 0
    unlisted_since: int | None = None
    error_since: int | None = None
    error_progress: int | None = None

    @property
    def in_progress(self) -> bool:
        """Whether Globus has not yet reported SUCCEEDED or FAILED."""
        return self.status in OPEN

    @property
    def pair(self) -> tuple[str, str, str]:
        """The mapping of a transfer: source directory, destination collection, directory there."""
        return self.source_dir, self.destination, self.destination_dir

    @property
    def mapping(self) -> Mapping:
        """The mapping of a transfer, without a time."""
        source_dir, destination, destination_dir = self.pair
        return Mapping(
            source_dir=source_dir, destination=destination, destination_dir=destination_dir
        )

    def destination_of(self, path: str) -> str:
        """Return the path at the destination of the file or directory at `path`."""
        return joined(self.destination_dir, path[len(self.source_dir) :].lstrip("/"))


class Mapping(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A directory of the source, and the directory at the collection `destination` it is sent to.

    `newest` is the time of the newest known request for a task of this mapping, in seconds since
    1970 UTC, by Globus's clock if that is known.
    """

    source_dir: str
    destination: str
    destination_dir: str
    newest: int = 0

    @property
    def pair(self) -> tuple[str, str, str]:
        """What identifies this mapping."""
        return self.source_dir, self.destination, self.destination_dir

    def agrees_with(self, other: Mapping) -> bool:
        """Return whether no file of one mapping can overwrite a file of the other.

        Their destinations are distinct and neither is inside the other, or both mappings put every
        path in the same place.
        """
        one, two = sorted((self, other), key=lambda each: len(each.source_dir))
        if one.destination != two.destination:
            return True
        nested = below(one.destination_dir, two.destination_dir) or below(
            two.destination_dir, one.destination_dir
        )
        if not nested:
            return True
        inner = two.source_dir[len(one.source_dir) :].lstrip("/")
        same = joined(one.destination_dir, inner) == two.destination_dir
        return below(two.source_dir, one.source_dir) and same


class Datastore(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Everything that is remembered between runs, except what alerts.AlertState has.

    `tasks` are by number, `files` by directory and name. `quarantined` maps the path of a
    quarantined directory to its old path. `generation` is raised at each save. `config` is the
    config file in use. `mappings` are all that Globus accepted a task for; they stay after their
    files are gone.

    Not saved: `upgraded`, whether it was read from version 1; `restored`, whether it was restored
    from a backup; `changed`, whether loading changed it, so that it must be saved.
    """

    version: Literal[1, 2] = 2
    source: str
    generation: int = 0
    config: str = ""
    mappings: list[Mapping] = []
    tasks: dict[int, TaskRecord] = {}
    quarantined: dict[str, str] = msgspec.field(default_factory=dict, name="asides")
    files: dict[str, dict[str, FileRecord]] = {}
    sum: str = ""
    upgraded: bool = False
    restored: bool = False
    changed: bool = False

    def mapping(self, pair: tuple[str, str, str]) -> Mapping | None:
        """Return the mapping of source directory, destination and directory there, or None."""
        return next((one for one in self.mappings if one.pair == pair), None)

    def add_mapping(self, task: TaskRecord) -> None:
        """Remember the mapping of an accepted transfer task, and when the task was requested."""
        mapping = self.mapping(task.pair)
        if mapping is None:
            mapping = task.mapping
            self.mappings.append(mapping)
        mapping.newest = max(mapping.newest, task.requested_at or task.submitted_at)

    def next_task_number(self) -> int:
        """Return a number that is higher than that of every task in the datastore."""
        return max(self.tasks, default=0) + 1

    def tasks_in_progress(self, kind: str) -> dict[int, TaskRecord]:
        """Return the tasks of `kind` that are in progress, by number, oldest first."""
        found = {number: task for number, task in self.tasks.items() if task.kind == kind}
        return {number: found[number] for number in sorted(found) if found[number].in_progress}

    def record(self, path: str) -> FileRecord | None:
        """Return the record of the file at `path`, or None."""
        directory, _, name = path.rpartition("/")
        return self.files.get(directory or "/", {}).get(name)

    def put(self, path: str, record: FileRecord) -> None:
        """Store `record` for the file at `path`."""
        directory, _, name = path.rpartition("/")
        self.files.setdefault(directory or "/", {})[name] = record

    def drop(self, path: str) -> None:
        """Drop the record of the file at `path`, if there is one."""
        directory, _, name = path.rpartition("/")
        records = self.files.get(directory or "/", {})
        records.pop(name, None)
        if not records:
            self.files.pop(directory or "/", None)

    def forget(self, path: str) -> None:
        """Drop the record of a file that is gone from the source.

        Keep it while its task is in progress.
        """
        record = self.record(path)
        if record and not self.tasks[record.task].in_progress:
            log.log(DECISION, "Forget %s: gone from the source", path)
            self.drop(path)

    def forget_below(self, directories: set[str]) -> None:
        """Forget all files in and below `directories`, which are gone from the source."""
        for directory in list(self.files):
            if not directories.isdisjoint(with_parents(directory)):
                for name in list(self.files[directory]):
                    self.forget(joined(directory, name))

    def drop_delivered(self) -> int:
        """Drop all file records except those of tasks in progress; return how many were dropped."""
        dropped = 0
        for directory, records in list(self.files.items()):
            left = {
                name: record
                for name, record in records.items()
                if self.tasks[record.task].in_progress
            }
            dropped += len(records) - len(left)
            self.files[directory] = left
            if not left:
                del self.files[directory]
        return dropped

    def lost(self, now: int) -> tuple[set[str], list[str]]:
        """Return the paths and directories that transfers lost by Globus may still write.

        A transfer is lost when Globus no longer shows it. A recursive one may write anywhere in its
        source directory. `now` is in seconds UTC.
        """
        paths: set[str] = set()
        directories = []
        for task in self.tasks.values():
            if task.lost is msgspec.UNSET or now - (task.ended_at or 0) >= LOST_SECONDS:
                continue
            paths.update(task.lost)
            directories += [task.source_dir] if task.recursive else []
        return paths, directories

    def recursive_in_progress(self, path: str) -> bool:
        """Return whether a recursive task in progress covers `path`: all below its source_dir."""
        return any(
            task.recursive and task.in_progress and below(path, task.source_dir)
            for task in self.tasks.values()
        )

    def count(self, numbers: set[int]) -> int:
        """Return how many file records belong to the tasks `numbers`."""
        return sum(
            record.task in numbers for records in self.files.values() for record in records.values()
        )

    def paths_by_task(self, numbers: Iterable[int]) -> dict[int, list[str]]:
        """Return the sorted paths of the files of each of the tasks `numbers`, by number."""
        found: dict[int, list[str]] = {number: [] for number in numbers}
        if not found:
            return found
        for directory, records in self.files.items():
            for name, record in records.items():
                if record.task in found:
                    found[record.task].append(joined(directory, name))
        for paths in found.values():
            paths.sort()
        return found

    def forget_ended_tasks(self, now: int, *, failed: bool = False) -> bool:
        """Drop ended tasks that no file record refers to; return whether there were any.

        Drop SUCCEEDED tasks, or FAILED ones if `failed`. Failed tasks stay until their files are
        transferred again, which is then done in smaller tasks. Lost tasks stay while they may still
        write. `now` is in seconds UTC.
        """
        status = "FAILED" if failed else "SUCCEEDED"
        ended = {
            number
            for number, task in self.tasks.items()
            if task.status == status
            and (task.lost is msgspec.UNSET or now - (task.ended_at or 0) >= LOST_SECONDS)
        }
        for records in self.files.values() if ended else ():
            ended -= {record.task for record in records.values()}
            if not ended:
                break
        for number in ended:
            del self.tasks[number]
        return bool(ended)


class DamagedDatastore(Exception):
    """The file at `path` is not what was written, for this `reason`."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"The datastore {path} is damaged: {reason}.")
        self.path = path
        self.reason = reason


class NewerDatastore(DamagedDatastore):
    """The file at `path` has a `version` that this program does not know."""

    def __init__(self, path: str, version: int) -> None:
        super().__init__(path, f"it is of version {version}")
        self.version = version


def joined(directory: str, name: str) -> str:
    """Return the path of `name` in `directory`, which is "/" or has no slash at its end."""
    return f"{directory.rstrip('/')}/{name}" if name else directory


def below(path: str, directory: str) -> bool:
    """Return whether `path` is `directory` or anywhere below it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def with_parents(path: str) -> Iterator[str]:
    """Yield `path` and every directory above it, except the root."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def load(path: str) -> Datastore | None:
    """Return the datastore at `path`, or None if there is no such file.

    Upgrade a datastore of version 1, so that its ended tasks are polled again. Raise NewerDatastore
    if it has a newer version; raise DamagedDatastore if it is cut short, altered, unreadable or of
    another shape.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DamagedDatastore(path, error.strerror or str(error)) from error
    written = WRITTEN.match(data)
    if written and int(written[1]) > VERSION:
        raise NewerDatastore(path, int(written[1]))
    end = SUM.fullmatch(data, max(data.rfind(b'"sum"'), 0))
    if not end:
        raise DamagedDatastore(path, "it is cut short, or has no sum at its end")
    if hashlib.sha256(memoryview(data)[: end.start()]).hexdigest().encode() != end[1]:
        raise DamagedDatastore(path, "its content does not fit its sum")
    try:
        store = msgspec.json.decode(data, type=Datastore)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedDatastore(path, str(error)) from error
    used = {record.task for records in store.files.values() for record in records.values()}
    if not used <= store.tasks.keys():
        raise DamagedDatastore(path, f"entries refer to missing tasks {used - store.tasks.keys()}")
    if store.version == 1:
        _upgrade(store)
    return store


def _upgrade(store: Datastore) -> None:
    """Upgrade `store` from version 1 to version 2.

    Version 1 concluded more from the success of a task than it shows. So each ended task is polled
    again, and files that Globus can no longer report as delivered are transferred again.
    """
    store.version = 2
    store.upgraded = store.changed = True
    for task in store.tasks.values():
        if task.kind != "transfer" or task.task_id is None:
            continue
        store.add_mapping(task)
        if not task.in_progress:
            task.status = "ACTIVE"


def save(path: str, store: Datastore) -> bool:
    """Replace the file at `path` by `store`; return whether anything was written.

    Write nothing if nothing has changed since it was loaded or saved. Keep a file of version 1 as
    `path`.v1. Raise OSError if the file cannot be written; then it is unchanged.
    """
    digest = hashlib.sha256()
    chunks = []
    for chunk in _chunks(store):
        digest.update(chunk)
        chunks.append(chunk)
    unchanged = digest.copy()
    unchanged.update(_generation(store.generation))
    if unchanged.hexdigest() == store.sum:
        return False
    chunks.append(_generation(store.generation + 1))
    digest.update(chunks[-1])
    chunks.append(f'"sum": "{digest.hexdigest()}"}}\n'.encode())
    if store.upgraded:
        with open(path, "rb") as old:
            write_atomically(f"{path}.v1", [old.read()])
        store.upgraded = False
    write_atomically(path, chunks)
    store.generation += 1
    store.sum = digest.hexdigest()
    store.changed = False
    return True


def _generation(number: int) -> bytes:
    return b'"generation": %d,\n ' % number


def _chunks(store: Datastore) -> Iterator[bytes]:
    """Yield `store` as bytes, one directory a line, without "generation" and "sum" at the end."""
    encode = msgspec.json.Encoder(order="deterministic").encode
    tasks = {str(number): store.tasks[number] for number in sorted(store.tasks)}
    yield b'{"version": %d,\n "source": %s,\n' % (store.version, encode(store.source))
    yield b' "config": %s,\n "mappings": %s,\n' % (encode(store.config), encode(store.mappings))
    yield b' "tasks": %s,\n "asides": %s,\n' % (encode(tasks), encode(store.quarantined))
    yield b' "files": {'
    comma = b"\n"
    for directory in sorted(store.files):
        yield b"%s  %s: %s" % (comma, encode(directory), encode(store.files[directory]))
        comma = b",\n"
    yield b"},\n "


def write_atomically(path: str, chunks: Iterable[bytes]) -> None:
    """Replace the file at `path` by `chunks`, with mode 0600.

    Readers see the old content or the new one, never a mixture, even after a power failure. Raise
    OSError if the file cannot be written; then it is unchanged.
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
