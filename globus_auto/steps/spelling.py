"""Collisions: paths that differ only in case or Unicode form, and may be one at the destination.

A destination may ignore case, as on macOS and Windows, or the Unicode form of names. There, a file
whose name differs from an earlier file's only in that would overwrite the copy of the earlier file,
which may be the only copy left. If a directory has such a name, files of both get into one, where
nothing shows later which of them a copy is of.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from functools import cached_property

from globus_auto.files import below, colliding_names, fold, joined, with_parents
from globus_auto.steps import marker
from globus_auto.steps.session import Session
from globus_auto.walk import ListingError


def find_collisions(
    session: Session, found: Iterable[tuple[str, list[str]]]
) -> Iterator[tuple[str, str | None]]:
    """Yield the path of each file whose copy would collide, with the colliding path there.

    That is None for a file whose copy may collide with one that is not there yet.

    `found` are directories, each with sorted names of files at the source that have no record, so
    that what they would overwrite at the destination is not their own copy. List only directories
    at the destination in which a collision is possible.
    """
    there: _Names | None = None
    for directory, names in found:
        if not names:
            continue
        there = there or _Names(session, marker.ignores_case(session))
        exact = there.ignores_case is False
        if exact and directory.isascii() and "".join(names).isascii():
            continue
        firsts = there.firsts(directory, names)
        for name in names if session.marker != "nowhere" else firsts:
            path = joined(directory, name)
            if exact and not _has_forms(path):
                continue
            other = there.other(path)
            if other or (name in firsts and not there.has(firsts[name])):
                yield path, other


def _has_forms(path: str) -> bool:
    """Return whether `path` can be written in more than one Unicode form."""
    if path.isascii():
        return False
    return unicodedata.normalize("NFC", path) != unicodedata.normalize("NFD", path)


class _Names:
    """The names in directories at the destination; each directory is listed once."""

    def __init__(self, session: Session, ignores_case: bool | None) -> None:
        self._session, self._settings = session, session.context.settings
        self.ignores_case = ignores_case
        self._by_directory: dict[str, dict[str, set[str]] | ListingError] = {}
        self._existing: dict[str, bool] = {}

    def other(self, path: str) -> str | None:
        """Return the path at the destination that the copy of `path` would collide with, or None.

        That may be a directory above the copy.
        """
        directory = self._settings.dst_dir
        for name in self._below_root(path):
            names = self._names(directory)
            place = joined(directory, name)
            if isinstance(names, ListingError):
                if names.gone:
                    return None
                # The listing failed, so the spelling of an existing name is unknown.
                return place if self._exists(place) else None
            similar = names.get(fold(name), set())
            if name not in similar:
                if not similar:
                    return None
                certain = self.ignores_case and not self._differ_in_form(name, similar)
                there = certain or self._exists(place)
                return joined(directory, min(similar)) if there else None
            directory = place
        return None

    def firsts(self, directory: str, names: list[str]) -> dict[str, str]:
        """Return the paths at the source that come before files of `directory`, by their `names`.

        Such a path is that of a recorded file, of one yielded before or of a directory with such
        files; it differs only in case or form from that of the file or a directory above it. Of two
        such paths, the destination must have the first before it shows whether they are two there.
        """
        first = self._first_spelling(directory)
        if first:
            return dict.fromkeys(names, first)
        recorded = sorted(self._session.store.files.read(directory))
        colliding = colliding_names([*recorded, *names])
        spellings: dict[str, str] = {}
        for name in [*recorded, *names] if colliding else ():
            spellings.setdefault(fold(name), name)
        found = {name: spellings[fold(name)] for name in names if name in colliding}
        return {name: joined(directory, other) for name, other in found.items() if other != name}

    def has(self, path: str) -> bool:
        """Return whether the destination lists the copy of `path` in this spelling."""
        directory = self._settings.dst_dir
        *above, last = self._below_root(path)
        for name in above:
            directory = joined(directory, name)
        names = self._names(directory)
        return not isinstance(names, ListingError) and last in names.get(fold(last), ())

    @cached_property
    def _spellings(self) -> dict[str, str]:
        """The first spellings of directories with recorded files, and of those above."""
        root = self._settings.src_dir
        spellings = {fold(root): root}
        for directory in sorted(self._session.store.files):
            for path in with_parents(directory) if below(directory, root) else ():
                folded = fold(path)
                if spellings.get(folded) == path:
                    break  # those above have been added with it
                spellings.setdefault(folded, path)
        return spellings

    def _first_spelling(self, directory: str) -> str | None:
        """Return the first spelling of a directory or of one above it; None if this is the first.

        From then on it is, if there was none before.
        """
        for path in self._ways(directory):
            first = self._spellings.setdefault(fold(path), path)
            if first != path:
                return first
        return None

    def _ways(self, directory: str) -> list[str]:
        """Return the directories from SRC_DIR down to `directory`, if that is in it."""
        root = self._settings.src_dir
        return [path for path in with_parents(directory) if below(path, root)][::-1]

    def _below_root(self, path: str) -> list[str]:
        """Return the names on the way from SRC_DIR to `path`."""
        return [name for name in path[len(self._settings.src_dir) :].split("/") if name]

    @staticmethod
    def _differ_in_form(name: str, similar: set[str]) -> bool:
        return not (name.isascii() and all(each.isascii() for each in similar))

    def _exists(self, path: str) -> bool:
        """Return whether `path` exists at the destination; True also if that is unknown."""
        if path not in self._existing:
            answer = self._session.client.exists(self._settings.dst_id, path)
            self._existing[path] = answer is not False
        return self._existing[path]

    def _names(self, directory: str) -> dict[str, set[str]] | ListingError:
        """Return the names in a directory, grouped by what `files.fold` returns for them."""
        if directory not in self._by_directory:
            found = self._session.client.list_directory(self._settings.dst_id, directory)
            if isinstance(found, ListingError):
                self._by_directory[directory] = found
            else:
                by_fold: dict[str, set[str]] = {}
                for name in (*found.files, *found.directories, *found.others):
                    by_fold.setdefault(fold(name), set()).add(name)
                self._by_directory[directory] = by_fold
        return self._by_directory[directory]
