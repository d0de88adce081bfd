"""The records of files; those of a directory stay encoded, as they are saved, until needed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Set
from typing import NamedTuple, TypeAlias

import msgspec

from globus_auto.files import FileVersion

# Directories whose records stay decoded at most, and records in all of them. A few stay whatever
# their size: sorted paths go to and fro between a directory and those below it.
OPEN_DIRECTORIES, OPEN_RECORDS, OPEN_ALWAYS = 64, 50_000, 4


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


Line: TypeAlias = bytes | msgspec.Raw
_decode = msgspec.json.Decoder(dict[str, FileRecord]).decode
_encode = msgspec.json.Encoder(order="deterministic").encode


class _Directory(NamedTuple):
    """The records of a directory as one JSON object by name, and the numbers of their tasks."""

    line: Line
    tasks: frozenset[int]


class Files:
    """File records by directory and name; no directory is without records.

    A million records take 200 MiB as objects, and 35 MiB encoded. So whoever reads a directory gets
    its records decoded for this once, to look at and not to change. Only the directories in which
    single records were looked up or changed last stay decoded: those that are open.
    """

    def __init__(self, lines: Mapping[str, Line] | None = None) -> None:
        """Take directories as they were saved; raise ValidationError if one has another shape.

        All are looked at now, so that no wrong shape turns up after something was decided.
        """
        self._directories: dict[str, _Directory] = {}
        self._open: OrderedDict[str, dict[str, FileRecord]] = OrderedDict()
        # Open directories that changed: their lines are out of date.
        self._changed: set[str] = set()
        self._shared: dict[frozenset[int], frozenset[int]] = {}
        for directory, line in (lines or {}).items():
            try:
                tasks = self._tasks_of(_decode(line))
            except msgspec.ValidationError as error:
                raise msgspec.ValidationError(f"{error}, in files of {directory!r}") from error
            self._directories[directory] = _Directory(line, tasks)

    def __iter__(self) -> Iterator[str]:
        return iter(self._directories)

    def __len__(self) -> int:
        """Return how many directories there are."""
        return len(self._directories)

    def __contains__(self, directory: str) -> bool:
        return directory in self._directories

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Files):
            return NotImplemented
        same = self._directories.keys() == other._directories.keys()
        return same and all(self.read(each) == other.read(each) for each in self)

    __hash__ = None  # type: ignore[assignment]

    def read(self, directory: str) -> Mapping[str, FileRecord]:
        """Return the records of a directory by name; none if it is unknown."""
        records = self._open.get(directory)
        if records is None and directory in self._directories:
            return _decode(self._directories[directory].line)
        return records or {}

    def items(
        self, tasks: Set[int] | None = None
    ) -> Iterator[tuple[str, Mapping[str, FileRecord]]]:
        """Yield each directory with its records; with `tasks`, only where one of these has some."""
        for directory in self:
            if tasks is None or not tasks.isdisjoint(self.tasks(directory)):
                yield directory, self.read(directory)

    def tasks(self, directory: str) -> frozenset[int]:
        """Return the numbers of the tasks of all records in a directory; none if it is unknown."""
        if directory in self._changed:
            return self._tasks_of(self._open[directory])
        found = self._directories.get(directory)
        return found.tasks if found else frozenset()

    def line(self, directory: str) -> Line:
        """Return the records of a known directory as they are saved."""
        if directory in self._changed:
            return _encode(self._open[directory])
        return self._directories[directory].line

    def are(self, directory: str, versions: Mapping[str, FileVersion], task: int) -> bool:
        """Return whether the records of a known directory are those of `versions`, all of `task`.

        This decodes nothing: False may also mean that it cannot tell.
        """
        line = _encode(versions)
        # Where no name has a bracket, each that closes ends a fingerprint: the task's place.
        if line.count(b"]") != len(versions):
            return False
        return line.replace(b"]", b",%d]" % task) == bytes(self.line(directory))

    def get(self, directory: str, name: str) -> FileRecord | None:
        """Return the record of a file, or None."""
        return self._opened(directory).get(name) if directory in self._directories else None

    def update(self, directory: str, records: Mapping[str, FileRecord]) -> None:
        """Store `records` by name, beside the others of the directory."""
        if not records:
            return
        if directory not in self._directories:
            self._directories[directory] = _Directory(b"{}", frozenset())
        opened = self._opened(directory)
        self._changed.add(directory)
        opened.update(records)

    def drop(self, directory: str, name: str) -> None:
        """Drop the record of a file, if there is one."""
        if self.get(directory, name) is None:
            return
        self._changed.add(directory)
        records = self._open[directory]
        del records[name]
        if not records:
            del self._directories[directory], self._open[directory]
            self._changed.remove(directory)

    def _opened(self, directory: str) -> dict[str, FileRecord]:
        """Return the records of a known directory, which is open from now on."""
        opened = self._open
        if directory in opened:
            opened.move_to_end(directory)
        else:
            self._close_some()
            opened[directory] = _decode(self._directories[directory].line)
        return opened[directory]

    def _close_some(self) -> None:
        """Close what was not used for long, where much is open."""
        opened = self._open
        while len(opened) >= OPEN_DIRECTORIES or (
            len(opened) >= OPEN_ALWAYS and sum(map(len, opened.values())) > OPEN_RECORDS
        ):
            directory = next(iter(opened))
            # In this order, nothing is ever missing: a signal may come at any moment.
            self._directories[directory] = _Directory(self.line(directory), self.tasks(directory))
            self._changed.discard(directory)
            del opened[directory]

    def _tasks_of(self, records: Mapping[str, FileRecord]) -> frozenset[int]:
        """Return the numbers of the tasks of `records`; equal sets are one object."""
        tasks = frozenset({record.task for record in records.values()})
        return self._shared.setdefault(tasks, tasks)
