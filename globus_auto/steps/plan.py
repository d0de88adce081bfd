"""What a run has decided to transfer, or to delete: plain data."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import NamedTuple

from globus_auto.datastore import FileRecord
from globus_auto.files import FileVersion, with_parents
from globus_auto.steps.rules import Decision
from globus_auto.walk import ListingError


@dataclass
class TransferPlan:
    """The result of a scan of SRC_DIR that began at `began` (seconds UTC).

    `transfers` and `deferred` have the new and changed files, each with its fingerprint and the
    reason. `recursive`: they are transferred as one recursive task. `forced`: --full asks for such
    a task, even if nothing has changed.

    `files` counts all files that were found, of `bytes` in all, the latest mtime of which is
    `newest` (those in the future left out); `undelivered` those that are not delivered yet, in
    progress or not, of which `oldest` has the earliest mtime, with its path. `excluded` counts
    those left out because of EXCLUDE or
    because their names are globus_auto's own. `missing` are recorded files that are gone from a
    directory that was listed. `listed` are the directories that were listed, `pending` those with
    files that are not delivered yet. `unsendable` are paths that Globus cannot transfer, and
    `unknown` the files by directory, with what Globus sent, whose fingerprint is unknown. `empty`:
    SRC_DIR contains nothing. `rejected` are files that Globus rejected less than a day ago.
    `collisions` maps each file whose copy would overwrite another file to the path of that file.
    `stranded` maps each quarantined directory whose old name is no longer known to the names in it.
    """

    began: int
    recursive: bool = False
    forced: bool = False
    transfers: dict[str, tuple[FileVersion, Decision]] = field(default_factory=dict)
    deferred: dict[str, tuple[FileVersion, Decision]] = field(default_factory=dict)
    files: int = 0
    bytes: int = 0
    newest: int | None = None
    undelivered: int = 0
    undelivered_bytes: int = 0
    oldest: tuple[int, str] | None = None
    excluded: int = 0
    missing: list[str] = field(default_factory=list)
    listed: set[str] = field(default_factory=set)
    pending: set[str] = field(default_factory=set)
    listing_errors: list[ListingError] = field(default_factory=list)
    unsendable: list[str] = field(default_factory=list)
    unknown: dict[str, list[str]] = field(default_factory=dict)
    empty: bool = False
    rejected: list[str] = field(default_factory=list)
    collisions: dict[str, str] = field(default_factory=dict)
    stranded: dict[str, list[str]] = field(default_factory=dict)

    def add_undelivered(self, path: str, version: FileVersion) -> None:
        """Count a file that is not delivered yet."""
        self.undelivered += 1
        self.undelivered_bytes += version.size
        if self.oldest is None or version.mtime < self.oldest[0]:
            self.oldest = version.mtime, path

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
    never be deleted ends up in a batch of its own.
    """

    verified: dict[str, FileRecord]
    undeleted: frozenset[str]
    most: int

    def groups(self, last_batches: int) -> list[tuple[list[str], int]]:
        """Return the paths in the order of their deletion, with the most files of a batch.

        The last ones make up `last_batches` batches, or more if there are many.
        """
        first = sorted(self.verified.keys() - self.undeleted)
        last = sorted(self.verified.keys() & self.undeleted)
        return [
            (first, self.most),
            (last, min(self.most, math.ceil(len(last) / last_batches))),
        ]


class PruningPlan(NamedTuple):
    """The empty directories to delete, topmost ones only.

    `postponed` is the number of those that could not be deleted less than a day ago.
    """

    directories: list[str]
    postponed: int = 0
