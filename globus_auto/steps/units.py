"""Units: directories that are transferred once their ready markers are there, and deleted whole."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import TypeAlias

from globus_auto.files import OWN, below, joined, matcher

# The latest mtime of a unit (seconds UTC), and its path; of a file that is in no unit, its mtime.
Age: TypeAlias = tuple[float, str]


class Units:
    """The units below the directory `root`: those that READY_MARKERS, the `patterns`, name.

    The last part of a pattern matches the marker, the others the path of the unit. All patterns
    have the same depth, so no unit is inside another.
    """

    def __init__(self, patterns: Iterable[str], root: str) -> None:
        self._root = root
        self._patterns = [
            ([matcher([part]) for part in parts[:-1]], parts[-1], matcher([parts[-1]]))
            for parts in (pattern.split("/") for pattern in patterns)
        ]
        self.of = lru_cache(100)(self._of)  # all files of a directory ask for the same

    def __bool__(self) -> bool:
        """Return whether there are any patterns."""
        return bool(self._patterns)

    def _of(self, directory: str) -> str | None:
        """Return the unit that `directory` is or is in, or None."""
        if not below(directory, self._root):
            return None
        parts = [part for part in directory[len(self._root) :].split("/") if part]
        for above, _, _ in self._patterns:
            head = parts[: len(above)]
            if len(head) == len(above) and all(
                fits(part) and not part.startswith(OWN)
                for fits, part in zip(above, head, strict=True)
            ):
                return joined(self._root, "/".join(head)) if head else self._root
        return None

    def of_file(self, path: str) -> str | None:
        """Return the unit that the file at `path` is in, or None."""
        return self.of(path.rpartition("/")[0])

    def missing(self, unit: str, names: Collection[str]) -> list[str]:
        """Return the patterns of the markers that are not among `names`, those in the unit."""
        parts = [part for part in unit[len(self._root) :].split("/") if part]
        return [
            marker
            for above, marker, fits in self._patterns
            if all(each(part) for each, part in zip(above, parts, strict=True))
            and not any(map(fits, names))
        ]

    def is_marker(self, path: str) -> bool:
        """Return whether the file at `path` is a marker of its unit."""
        unit, _, name = path.rpartition("/")
        return self.of(unit) == unit and any(fits(name) for _, _, fits in self._patterns)

    def round_up(self, paths: Sequence[str], number: int) -> int:
        """Return how many of the first `paths` are whole units: `number`, or just enough more."""
        while (
            0 < number < len(paths)
            and (unit := self.of_file(paths[number]))
            and unit == self.of_file(paths[number - 1])
        ):
            number += 1
        return number
