"""Collisions: paths that differ only in case or Unicode form, and may be one at the destination.

A destination may ignore case, as on macOS and Windows, or the Unicode form of names. There, a file
whose name differs from an earlier file's only in that would overwrite the copy of the earlier file,
which may be the only copy left. If a directory has such a name, files of both get into one, where
nothing shows later which of them a copy is of.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable, Iterable, Iterator

from globus_auto import history
from globus_auto.files import below, fold, joined, with_parents
from globus_auto.steps import marker
from globus_auto.steps.session import Session
from globus_auto.walk import ListingError

log = logging.getLogger(__name__)


def may_merge(session: Session) -> bool:
    """Return whether a recursive task might overwrite copies of another spelling.

    It transfers what Globus finds when it walks, and no scan has compared that with the names at
    the destination. So it is only for one that does not ignore case, or does not exist yet.
    """
    ignores_case = marker.ignores_case(session)
    # A dry run makes no marker ("unknown"), which a run would use to find out.
    return ignores_case or (ignores_case is None and session.marker in ("there", "refused"))


def distrust_merged(session: Session) -> None:
    """Drop the records of recursive tasks that this run saw end, if their destination ignores case.

    They began when it did not exist. What came after the scan may have overwritten the copy of
    another spelling. If the files are sent one by one, Globus copies only what differs.
    """
    store, settings = session.store, session.context.settings
    numbers = [
        number
        for number, task in store.tasks.items()
        if task.recursive and task.pair == settings.mapping and task.task_id in session.ended
    ]
    if numbers and may_merge(session):
        paths = [path for each in store.paths_by_task(numbers).values() for path in each]
        log.info("Files to send again, as case may be ignored there: %d", len(paths))
        for path in paths:
            store.drop(path)
        session.save()


def find_collisions(
    session: Session, found: Callable[[], Iterable[tuple[str, list[str]]]]
) -> Iterator[tuple[str, str | None]]:
    """Yield the path of each file whose copy would collide, with the colliding path there.

    That is None for a file whose copy may collide with one that is being sent, or sent first.

    `found` yields directories, each with sorted names of files at the source that are to be sent.
    List only directories at the destination in which a collision is possible.
    """
    there: _Names | None = None
    firsts: _Firsts | None = None
    for directory, names in found():
        if not names:
            continue
        there = there or _Names(session, marker.ignores_case(session))
        exact = there.ignores_case is False
        if exact and directory.isascii() and "".join(names).isascii():
            continue
        if firsts is None:
            firsts = _Firsts(session, (path for path, files in found() if files))
            there.remember(firsts)
        for path, first in firsts.of(directory, names):
            if exact and not _has_forms(path):
                continue
            other = there.other(path)
            if other or (first and not there.has(first)):
                yield path, other


def _has_forms(path: str) -> bool:
    """Return whether `path` can be written in more than one Unicode form."""
    if path.isascii():
        return False
    return unicodedata.normalize("NFC", path) != unicodedata.normalize("NFD", path)


class _Firsts:
    """The paths of which the destination must have a copy before it gets a second spelling.

    They are those of the files that are being sent, of the `directories` with files to send, and of
    all directories above them. Once a copy of the first is there, the destination shows whether the
    second would collide with it.
    """

    def __init__(self, session: Session, directories: Iterable[str]) -> None:
        self._root, store = session.context.settings.src_dir, session.store
        self._spellings = {fold(self._root): self._root}
        for paths in store.paths_by_task(store.tasks_in_progress("transfer")).values():
            self._add(paths)
        self._add(directories)

    def _add(self, paths: Iterable[str]) -> None:
        """Add `paths` below SRC_DIR, and the directories above them."""
        for each in paths:
            for path in with_parents(each) if below(each, self._root) else ():
                folded = fold(path)
                if self._spellings.get(folded) == path:
                    break  # those above have been added with it
                self._spellings.setdefault(folded, path)

    def of(self, directory: str, names: list[str]) -> Iterator[tuple[str, str | None]]:
        """Yield the path of each of the files `names`, with the first of its spellings.

        That may be the path of a directory above it; None if the file is the first.
        """
        ways = [path for path in with_parents(directory) if below(path, self._root)]
        others = [first for path in ways if (first := self._spellings[fold(path)]) != path]
        above = others[-1] if others else None
        files: dict[str, str] = {}
        for path in (joined(directory, name) for name in names):
            folded = fold(path)
            first = above or self._spellings.get(folded) or files.setdefault(folded, path)
            yield path, first if first != path else None

    def __contains__(self, directory: str) -> bool:
        """Return whether `directory` may be one with files that are sent, or above one."""
        return fold(directory) in self._spellings


class _Names:
    """The names in directories at the destination; each directory is listed once."""

    def __init__(self, session: Session, ignores_case: bool | None) -> None:
        self._session, self._settings = session, session.context.settings
        self.ignores_case = ignores_case
        self._by_directory: dict[str, dict[str, set[str]] | ListingError] = {}
        self._existing: dict[str, bool] = {}
        self._gone = session.marker == "nowhere"

    def remember(self, firsts: _Firsts) -> None:
        """If the destination is missing, assume what was delivered: it may only be unmounted."""
        settings = self._settings
        for line in history.lines(settings.history_path, b'"delivered"') if self._gone else ():
            fact = history.parsed(line)
            for path in with_parents(fact.path) if fact and fact.event == "delivered" else ():
                above, _, name = path.rpartition("/")
                if path == settings.src_dir or not below(path, settings.src_dir):
                    break
                if above in firsts:
                    place = joined(settings.dst_dir, "/".join(self._below_root(above)))
                    names = self._by_directory.setdefault(place, {})
                    if isinstance(names, dict):
                        names.setdefault(fold(name), set()).add(name)

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

    def has(self, path: str) -> bool:
        """Return whether the destination lists the copy of `path` in this spelling."""
        directory = self._settings.dst_dir
        *above, last = self._below_root(path)
        for name in above:
            directory = joined(directory, name)
        names = self._names(directory)
        return not isinstance(names, ListingError) and last in names.get(fold(last), ())

    def _below_root(self, path: str) -> list[str]:
        """Return the names on the way from SRC_DIR to `path`."""
        return [name for name in path[len(self._settings.src_dir) :].split("/") if name]

    @staticmethod
    def _differ_in_form(name: str, similar: set[str]) -> bool:
        return not (name.isascii() and all(each.isascii() for each in similar))

    def _exists(self, path: str) -> bool:
        """Return whether `path` exists at the destination; True also if that is unknown."""
        if self._gone:
            return True
        if path not in self._existing:
            answer = self._session.client.exists(self._settings.dst_id, path)
            self._existing[path] = answer is not False
        return self._existing[path]

    def _names(self, directory: str) -> dict[str, set[str]] | ListingError:
        """Return the names in a directory, grouped by what `files.fold` returns for them."""
        if self._gone:
            gone = ListingError(directory, "it does not exist", gone=True)
            return self._by_directory.get(directory, gone)
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
