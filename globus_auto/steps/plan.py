"""What a run has decided to transfer, or to delete: plain data."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from globus_auto.datastore import FileRecord, Files
from globus_auto.files import FileVersion, joined, with_parents
from globus_auto.steps.reasons import Decision
from globus_auto.steps.rules import NEVER
from globus_auto.walk import ListingError


class Planned(NamedTuple):
    """What is planned for a file: its fingerprint, and the decision."""

    version: FileVersion
    decision: Decision


class Content(NamedTuple):
    """What a directory contained: see TransferPlan; `newest` is None without files that count."""

    files: int
    bytes: int
    excluded: int
    newest: int | None


class PlannedFiles:
    """The files of a plan, by directory and name.

    There may be a million. So they are held as the datastore holds records, with the number of the
    decision in place of that of the task: many files have the same decision.
    """

    def __init__(self) -> None:
        self._files = Files()
        self._decisions: list[Decision] = []
        self._numbers: dict[Decision, int] = {}
        self._count = 0

    def __len__(self) -> int:
        """Return how many files there are."""
        return self._count

    def __contains__(self, path: str) -> bool:
        directory, _, name = path.rpartition("/")
        return self._files.get(directory or "/", name) is not None

    def add(
        self, directory: str, versions: Mapping[str, FileVersion], decisions: Mapping[str, Decision]
    ) -> None:
        """Add files of `directory`, by name, that are not in it yet: those with `decisions`."""
        records, last, number = {}, None, 0
        for name, decision in decisions.items():
            if decision is not last:
                last, number = decision, self._numbers.setdefault(decision, len(self._decisions))
                if number == len(self._decisions):
                    self._decisions.append(decision)
            version = versions[name]
            records[name] = FileRecord(version.size, version.mtime, number)
        self._files.update(directory, records)
        self._count += len(records)

    def pop(self, path: str) -> Planned:
        """Remove the file at `path`, which must be there, and return what was planned for it."""
        directory, _, name = path.rpartition("/")
        record = self._files.get(directory or "/", name)
        assert record
        self._files.drop(directory or "/", name)
        self._count -= 1
        return self.planned(record)

    def directories(self) -> Iterator[tuple[str, Mapping[str, FileRecord]]]:
        """Yield each directory with its files as they are held, by name; directories are sorted."""
        for directory in sorted(self._files):
            yield directory, self._files.read(directory)

    def items(self) -> Iterator[tuple[str, Planned]]:
        """Yield the path of each file with what is planned for it."""
        for directory, records in self.directories():
            for name, record in records.items():
                yield joined(directory, name), self.planned(record)

    def planned(self, record: FileRecord) -> Planned:
        """Return what is planned for a file that is held as `record`."""
        return Planned(FileVersion(record.size, record.mtime), self._decisions[record.task])


@dataclass
class UnreadyUnit:
    """A unit that is not ready: without these markers, or not listed whole if none is `missing`.

    It holds back so many `files`, of which `newest` is the latest mtime (seconds UTC).
    """

    missing: list[str]
    files: int = 0
    newest: int = NEVER

    @property
    def why(self) -> str:
        """Why it is not ready, as text."""
        return f"without {', '.join(self.missing)}" if self.missing else "not listed whole"


@dataclass
class TransferPlan:
    """The result of a scan of SRC_DIR that began at `began` (seconds UTC).

    `transfers` and `deferred` have the new and changed files, each with its fingerprint and the
    reason. `recursive`: they are transferred as one recursive task. `forced`: --full asks for such
    a task, even if nothing has changed. `roots`: what that task has instead of all of SRC_DIR:
    directories, with a slash at the end, and files. `submitted` of the transfers are submitted
    already, before the end of the scan: their records have tasks with numbers from `first_task` on.

    `files` counts all files that were found, of `bytes` in all; `undelivered` those that are not
    delivered yet, in progress or not, of which `oldest` has the earliest mtime, with its path, and
    `waiting` that of those that are in progress or sent now. `excluded` counts those left out
    because of EXCLUDE or because their names are globus_auto's own; `newest` is the latest mtime of
    the others (those in the future left out). `missing` are recorded files that are gone from a
    directory that was listed. `listed` are the directories that were listed, `trusted` those that
    are known to contain what earlier scans saw, `pending` those with files that are not delivered
    yet. `unsendable` are paths that Globus cannot transfer, and
    `unknown` the files by directory, with what Globus sent, whose fingerprint is unknown. `empty`:
    SRC_DIR contains nothing. `empty_directories` are the directories below it that contain nothing.
    `rejected` are files that Globus rejected less than a day ago.
    `collisions` maps each file whose copy would overwrite another file to the path of that file, or
    to None if the copy of the other file is not there yet.
    `stranded` maps each quarantined directory whose old name is no longer known to the names in it.
    `unready` are the units that are not ready.
    """

    began: int
    recursive: bool = False
    forced: bool = False
    roots: list[str] | None = None
    first_task: int = 1
    submitted: int = 0
    transfers: PlannedFiles = field(default_factory=PlannedFiles)
    deferred: PlannedFiles = field(default_factory=PlannedFiles)
    files: int = 0
    bytes: int = 0
    newest: int | None = None
    undelivered: int = 0
    undelivered_bytes: int = 0
    oldest: tuple[int, str] | None = None
    waiting: tuple[int, str] | None = None
    excluded: int = 0
    missing: list[str] = field(default_factory=list)
    listed: set[str] = field(default_factory=set)
    trusted: set[str] = field(default_factory=set)
    pending: set[str] = field(default_factory=set)
    listing_errors: list[ListingError] = field(default_factory=list)
    unsendable: list[str] = field(default_factory=list)
    unknown: dict[str, list[str]] = field(default_factory=dict)
    empty: bool = False
    empty_directories: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    collisions: dict[str, str | None] = field(default_factory=dict)
    stranded: dict[str, list[str]] = field(default_factory=dict)
    unready: dict[str, UnreadyUnit] = field(default_factory=dict)

    def add_found(self, found: Mapping[str, FileVersion]) -> int:
        """Count the files of a directory, by name; return their latest mtime, NEVER without any."""
        self.files += len(found)
        self.bytes += sum([version.size for version in found.values()])
        return max([version.mtime for version in found.values()], default=NEVER)

    def add_trusted(self, path: str, content: Content) -> None:
        """Count the content of a directory that need not be listed."""
        self.trusted.add(path)
        self.files += content.files
        self.bytes += content.bytes
        self.excluded += content.excluded
        if content.newest is not None:
            self.newest = max(content.newest, self.newest or content.newest)

    def add_newest(
        self, found: Mapping[str, FileVersion], latest: int, left_out: Collection[str]
    ) -> None:
        """Update `newest` by the files of a directory, whose latest mtime is `latest`.

        Those `left_out`, by name, do not count.
        """
        if left_out or latest > self.began:
            mtimes = (each.mtime for name, each in found.items() if name not in left_out)
            latest = max((mtime for mtime in mtimes if mtime <= self.began), default=NEVER)
        if latest > NEVER:
            self.newest = latest if self.newest is None else max(latest, self.newest)

    def add_undelivered(
        self, directory: str, found: Mapping[str, FileVersion], deferred: Collection[str]
    ) -> None:
        """Count files of `directory`, by name, that are not delivered yet, `deferred` or not."""
        if not found:
            return
        self.pending.add(directory)
        self.undelivered += len(found)
        for name, version in found.items():
            self.undelivered_bytes += version.size
            if self.oldest is None or version.mtime < self.oldest[0]:
                self.oldest = version.mtime, joined(directory, name)
            if name not in deferred and (self.waiting is None or version.mtime < self.waiting[0]):
                self.waiting = version.mtime, joined(directory, name)

    @property
    def complete(self) -> bool:
        """Whether nothing below SRC_DIR may have been missed."""
        return bool(self.listed) and all(error.gone for error in self.listing_errors)

    def covers(self, directory: str) -> bool:
        """Return whether the scan shows what is in `directory`, or that it does not exist."""
        return self._failed_paths.isdisjoint(with_parents(directory))

    @functools.cached_property
    def _failed_paths(self) -> set[str]:
        """The paths that could not be listed; for use after the scan only, as it is cached."""
        return {error.path for error in self.listing_errors}


class DeletionPlan(NamedTuple):
    """The files to delete: the records of all files whose copies are verified, by path.

    A batch has at most `most` files. `undeleted` are the files that earlier runs could not delete.
    They come last, in smaller batches, so that they hold up no other file, and a file that can
    never be deleted ends up in a batch of its own. `mappings` are those that the copies belong to.
    `by_age`: the first of `verified` are to be deleted first, and after each batch it is asked
    whether they were `enough`, so that the rest stays. `markers` come after all others: each is the
    marker of a unit, its directory.
    """

    verified: dict[str, FileRecord]
    undeleted: frozenset[str]
    most: int
    mappings: frozenset[tuple[str, str, str]]
    by_age: bool = False
    enough: Callable[[], bool] = lambda: False
    markers: frozenset[str] = frozenset()

    def groups(self, last_batches: int) -> list[tuple[list[str], int]]:
        """Return the paths in the order of their deletion, with the most files of a batch.

        The last ones make up `last_batches` batches, or more if there are many.
        """
        later = self.undeleted | self.markers
        first = [path for path in self.verified if path not in later]
        last = sorted((self.verified.keys() & self.undeleted) - self.markers)
        size = self.most if self.by_age else max(len(first), 1)
        return [
            *((sorted(first[at : at + size]), self.most) for at in range(0, len(first), size)),
            (last, min(self.most, math.ceil(len(last) / last_batches))),
            (sorted(self.markers), self.most),
        ]


class PruningPlan(NamedTuple):
    """The empty directories to delete, topmost ones only.

    `postponed` is the number of those that could not be deleted less than a day ago. `empty` are
    all directories that contain nothing, `marked` those with a KEEP marker. `complete`: all of
    SRC_DIR was listed.
    """

    directories: list[str]
    postponed: int
    empty: list[str]
    marked: frozenset[str]
    complete: bool
