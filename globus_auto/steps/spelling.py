"""Collisions: names at the destination that differ only in case or Unicode form.

A destination may ignore case, as on macOS and Windows, or the Unicode form of names. There, a file
whose name differs from an earlier file's only in that would overwrite the copy of the earlier file,
which may be the only copy left.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

from globus_auto.files import fold, joined
from globus_auto.steps import marker
from globus_auto.steps.session import Session
from globus_auto.walk import ListingError


def find_collisions(
    session: Session, found: Iterable[tuple[str, list[str]]]
) -> Iterator[tuple[str, str]]:
    """Yield the path of each file whose copy would collide, with the colliding path there.

    `found` are directories, each with names of files at the source that have no record, so that
    what they would overwrite at the destination is not their own copy. List only directories at the
    destination in which a collision is possible.
    """
    if session.marker == "nowhere":
        return
    there: _Names | None = None
    for directory, names in found:
        if not names:
            continue
        there = there or _Names(session, marker.ignores_case(session))
        exact = there.ignores_case is False
        if exact and directory.isascii() and "".join(names).isascii():
            continue
        for path in (joined(directory, name) for name in names):
            if exact and not _has_forms(path):
                continue
            other = there.other(path)
            if other:
                yield path, other


def _has_forms(path: str) -> bool:
    """Return whether `path` can be written in more than one Unicode form."""
    if path.isascii():
        return False
    return unicodedata.normalize("NFC", path) != unicodedata.normalize("NFD", path)


class _Names:
    """The names in directories at the destination; each directory is listed once."""

    def __init__(self, session: Session, ignores_case: bool | None) -> None:
        self._session = session
        self.ignores_case = ignores_case
        self._by_directory: dict[str, dict[str, set[str]] | ListingError] = {}

    def other(self, path: str) -> str | None:
        """Return the path at the destination that the copy of `path` would collide with, or None.

        That may be a directory above the copy.
        """
        settings = self._session.context.settings
        directory = settings.dst_dir
        for name in path[len(settings.src_dir) :].strip("/").split("/"):
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

    @staticmethod
    def _differ_in_form(name: str, similar: set[str]) -> bool:
        return not (name.isascii() and all(each.isascii() for each in similar))

    def _exists(self, path: str) -> bool:
        """Return whether `path` exists at the destination; True also if that is unknown."""
        settings = self._session.context.settings
        answer = self._session.client.exists(settings.dst_id, path)
        return answer is not False

    def _names(self, directory: str) -> dict[str, set[str]] | ListingError:
        """Return the names in a directory, grouped by what `files.fold` returns for them."""
        if directory not in self._by_directory:
            session = self._session
            found = session.client.list_directory(session.context.settings.dst_id, directory)
            if isinstance(found, ListingError):
                self._by_directory[directory] = found
            else:
                by_fold: dict[str, set[str]] = {}
                for name in (*found.files, *found.directories, *found.others):
                    by_fold.setdefault(fold(name), set()).add(name)
                self._by_directory[directory] = by_fold
        return self._by_directory[directory]
