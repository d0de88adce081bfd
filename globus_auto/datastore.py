"""The datastore: which files were submitted to Globus, and in which tasks.

The invariant: a file's record is written when its task is recorded, kept when the task is known to
have delivered exactly that size and mtime, and dropped in every other case. A dropped record means:
transfer the file again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Literal

import msgspec

from globus_auto.files import below, joined, with_parents
from globus_auto.records import FileRecord, Files

__all__ = [
    "LOST_SECONDS",
    "OPEN",
    "Datastore",
    "FileRecord",
    "Files",
    "Mapping",
    "SavedFields",
    "TaskRecord",
]

log = logging.getLogger(__name__)

OPEN = ("ACTIVE", "INACTIVE")
# Seconds for which a transfer that Globus no longer shows may still write its copies.
LOST_SECONDS = 86_400


class TaskRecord(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A Globus task; its times are in seconds since 1970 UTC.

    Without `task_id` it is unsubmitted: Globus is not known to have accepted it. `submitted_at`,
    `scanned_at` and `ended_at` are by this machine's clock, `requested_at` and `completed_at` by
    Globus's. `deletes` are the paths of a delete task, `lost` those of a transfer that Globus no
    longer shows; other records have no such keys. `roots`: what a recursive task has if not all of
    `source_dir`: directories, with a slash at the end, and files. `in_history`: the history has a
    line for each file that this task has delivered. `compares`: the files of a comparison, with the
    numbers of their tasks; of these `unequal` were not found equal, and `altered` at the source
    itself.

    `verify_checksum` and `encrypt_data`: what Globus confirmed at the end of the task. `equal`:
    Globus found the files of this record equal at the destination and did not copy them. `tries`:
    how many submissions left open whether the task exists. `unlisted_since`: since when Globus has
    not returned the lists of what an ended task did. `error_since`: since when each poll has found
    an error. `error_progress`: the progress of the task at the last of these polls.
    """

    kind: Literal["transfer", "delete", "compare"]
    submission_id: str
    task_id: str | None = None
    status: Literal["ACTIVE", "INACTIVE", "SUCCEEDED", "FAILED"] = "ACTIVE"
    label: str
    submitted_at: int
    scanned_at: int = msgspec.field(name="listed_at")
    ended_at: int | None = None
    recursive: bool = msgspec.field(default=False, name="full")
    exclude: list[str] = []
    roots: list[str] | msgspec.UnsetType = msgspec.UNSET
    source_dir: str
    destination: str
    destination_dir: str
    deadline: int | None = None
    deletes: list[str] | msgspec.UnsetType = msgspec.UNSET
    lost: list[str] | msgspec.UnsetType = msgspec.UNSET
    compares: dict[str, int] | msgspec.UnsetType = msgspec.UNSET
    unequal: list[str] | msgspec.UnsetType = msgspec.UNSET
    altered: list[str] | msgspec.UnsetType = msgspec.UNSET
    requested_at: int | None = None
    completed_at: int | None = None
    verify_checksum: bool | None = None
    encrypt_data: bool | None = None
    equal: bool = False
    in_history: bool | msgspec.UnsetType = msgspec.UNSET
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
        first, second = one.destination_dir, two.destination_dir
        if not (below(first, second) or below(second, first)):
            return True
        inner = two.source_dir[len(one.source_dir) :].lstrip("/")
        same = joined(one.destination_dir, inner) == two.destination_dir
        return below(two.source_dir, one.source_dir) and same


class SavedFields(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What the datastore's file has beside the records of files: see Datastore."""

    version: Literal[1, 2] = 2
    source: str
    generation: int = 0
    config: str = ""
    mappings: list[Mapping] = []
    tasks: dict[int, TaskRecord] = {}
    quarantined: dict[str, str] = msgspec.field(default_factory=dict, name="asides")
    sum: str = ""


class Datastore(SavedFields, kw_only=True):
    """Everything that is remembered between runs, except what alerts.AlertState has.

    `tasks` are by number, `files` by directory and name. `quarantined` maps the path of a
    quarantined directory to its old path. `generation` is raised at each save. `config` is the
    config file in use. `mappings` are all that Globus accepted a task for, with files or without.

    Not saved: `upgraded`, whether it was read from version 1; `restored`, whether it was restored
    from a backup; `changed`, whether loading changed it, so that it must be saved.
    """

    files: Files = msgspec.field(default_factory=Files)
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
        return self.files.get(directory or "/", name)

    def put(self, path: str, record: FileRecord) -> None:
        """Store `record` for the file at `path`."""
        directory, _, name = path.rpartition("/")
        self.files.update(directory or "/", {name: record})

    def drop(self, path: str) -> None:
        """Drop the record of the file at `path`, if there is one."""
        directory, _, name = path.rpartition("/")
        self.files.drop(directory or "/", name)

    def forget(self, path: str) -> None:
        """Drop the record of a file that is gone from the source.

        Keep it while its task is in progress.
        """
        record = self.record(path)
        if record and not self.tasks[record.task].in_progress:
            log.debug("Forget %s: gone from the source", path)
            self.drop(path)

    def forget_below(self, directories: set[str]) -> None:
        """Forget all files in and below `directories`, which are gone from the source."""
        for directory in list(self.files):
            if not directories.isdisjoint(with_parents(directory)):
                for name in list(self.files.read(directory)):
                    self.forget(joined(directory, name))

    def drop_delivered(self) -> int:
        """Drop all file records except those of tasks in progress; return how many were dropped."""
        dropped = 0
        ended = {number for number, task in self.tasks.items() if not task.in_progress}
        for directory in list(self.files):
            if ended.isdisjoint(self.files.tasks(directory)):
                continue
            for name, record in list(self.files.read(directory).items()):
                if record.task in ended:
                    self.files.drop(directory, name)
                    dropped += 1
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

    def paths_by_task(self, numbers: Iterable[int]) -> dict[int, list[str]]:
        """Return the sorted paths of the files of each of the tasks `numbers`, by number."""
        found: dict[int, list[str]] = {number: [] for number in numbers}
        for directory, records in self.files.items(found.keys()):
            for name, record in records.items():
                if record.task in found:
                    found[record.task].append(joined(directory, name))
        for paths in found.values():
            paths.sort()
        return found

    def forget_ended_tasks(self, now: int, *, failed: bool = False) -> bool:
        """Drop ended tasks without file records; return whether there were any.

        Drop SUCCEEDED ones or, if `failed`, FAILED ones, which otherwise stay until their files are
        sent again, in smaller tasks. Lost ones stay while they may still write, up to `now` (UTC).
        """
        status = "FAILED" if failed else "SUCCEEDED"
        ended = {
            number
            for number, task in self.tasks.items()
            if task.kind != "compare"
            and task.status == status
            and (task.lost is msgspec.UNSET or now - (task.ended_at or 0) >= LOST_SECONDS)
        }
        for directory in self.files if ended else ():
            ended -= self.files.tasks(directory)
            if not ended:
                break
        for number in ended:
            del self.tasks[number]
        return bool(ended)
