"""Empty directories: those below SRC_DIR that hold nothing, or only empty directories."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple

from globus_auto.files import (
    OWN,
    below,
    is_below_any,
    joined,
    keep_marker_finder,
    matcher,
    with_parents,
)
from globus_auto.steps.rules import is_stable
from globus_auto.steps.session import Session
from globus_auto.steps.source import entered, walk_source
from globus_auto.steps.units import Units
from globus_auto.text import utf8
from globus_auto.walk import DirectoryListing, ListingError, ListingResult


class Found(NamedTuple):
    """The topmost empty `trees`, all `directories` that contain nothing, and the rest of an answer.

    `can_rename`: Globus can rename at the source. `marked` are the directories with a KEEP marker:
    neither these nor any below are in `trees`.
    """

    trees: list[str]
    directories: list[str]
    can_rename: bool
    marked: frozenset[str]


def find_empty(session: Session, candidates: Collection[str] | None = None) -> Found:
    """Return what is empty below SRC_DIR; with `candidates`, only these and directories above them.

    Leave out what a symbolic link leads to: it may be outside SRC_DIR.
    """
    settings = session.context.settings
    root, began = settings.src_dir, int(time.time())
    excluded, enter = matcher(settings.exclude), entered(settings)
    quarantined = {path.rpartition("/")[2] for path in session.store.quarantined}
    has_marker = keep_marker_finder(settings.keep_markers)
    only, unable, empty = None, [], []
    marked: set[str] = set()
    if candidates is not None:
        only = {path for each in candidates for path in with_parents(each) if below(path, root)}
        only.add(root)
    reached = {root}

    def is_content(name: str, mtime: int) -> bool:
        own = name.startswith(OWN) and name not in quarantined
        kept = has_marker([name])
        return own or kept or excluded(name) or not is_stable(mtime, began, settings.settle_seconds)

    def listings() -> Iterator[ListingResult]:
        # One by one: those of a million files would take 200 MiB.
        results = walk_source(session, only, fingerprints=False)
        for result in session.progress.scan(results, root):
            if isinstance(result, DirectoryListing):
                unable.extend([] if result.rename_supported else [result.path])
                empty.extend([result.path] if result.empty else [])
                if has_marker(result.all_names):
                    marked.add(result.path)
                if only is not None:
                    below_it = {
                        joined(result.path, name) for name in filter(enter, result.directories)
                    }
                    reached.update(below_it & only)
            yield result

    def is_reached(path: str) -> bool:
        way = (each for each in with_parents(path) if below(each, root))
        return only is None or reached.issuperset(way)

    trees = [path for path in topmost_empty_trees(listings(), root, is_content) if is_reached(path)]
    units = Units(settings.ready_markers, root)
    filled = _filled(session, units, marked) if units else set()

    def goes(path: str) -> bool:
        """Return whether a directory may go: one inside a unit goes after all files of that."""
        unit = units.of(path)
        return unit in (None, path) or utf8(unit) not in filled

    trees = [path for path in trees if not is_below_any(path, marked) and goes(path)]
    if not settings.src_local_dir:
        trees = [path for path in trees if path not in session.store.quarantined]
    directories = [path for path in empty if path != root and is_reached(path) and goes(path)]
    return Found(trees, directories, not unable, frozenset(marked))


def _filled(session: Session, units: Units, marked: set[str]) -> set[str]:
    """Return the units with files that are still to be sent or deleted.

    Those below `marked` stay, and ready markers as long as these do.
    """
    filled = set(session.context.read_health().held)
    for directory in session.store.files:
        unit = units.of(directory)
        if unit and not is_below_any(directory, marked):
            paths = (joined(directory, name) for name in session.store.files.read(directory))
            filled |= set() if all(map(units.is_marker, paths)) else {utf8(unit)}
    return filled


def topmost_empty_trees(
    results: Iterable[ListingResult], root: str, content: Callable[[str, int], bool]
) -> list[str]:
    """Return the topmost directories that hold nothing, or only empty directories; never `root`.

    `results` are those of a walk of all of `root`. `content` returns, for a directory's name and
    mtime (seconds UTC), whether the directory counts as content and stays. A directory that cannot
    be listed stays as well.
    """
    inside: dict[str, list[str]] = {}
    left: set[str] = set()
    for result in results:
        if isinstance(result, ListingError):
            continue
        for name, mtime in result.directories.items():
            if content(name, mtime):
                left.add(joined(result.path, name))
        if not (result.files or result.others or result.unsendable):
            inside[result.path] = [joined(result.path, name) for name in result.directories]
    empty_trees: set[str] = set()
    # Longer paths first, so that subdirectories are decided before their parent.
    for path in sorted(inside, key=len, reverse=True):
        if path not in left and empty_trees.issuperset(inside[path]):
            empty_trees.add(path)
    empty_trees.discard(root)
    return sorted(path for path in empty_trees if path.rpartition("/")[0] not in empty_trees)


def empty_trees_of(
    roots: list[str], results: Iterable[ListingResult], has_marker: Callable[[Iterable[str]], bool]
) -> list[str]:
    """Return those of `roots` in which a walk of all of them found nothing but directories.

    `has_marker` returns whether one of the names in a directory is a KEEP marker.
    """
    found: dict[str, list[ListingResult]] = {root: [] for root in roots}
    for result in results:
        root = next(path for path in with_parents(result.path) if path in found)
        found[root].append(result)
    return [root for root in roots if found[root] and is_empty_tree(found[root], has_marker)]


def gone(results: Iterable[ListingResult]) -> set[str]:
    """Return the paths of directories that do not exist."""
    return {each.path for each in results if isinstance(each, ListingError) and each.gone}


def is_empty_tree(
    results: Iterable[ListingResult], has_marker: Callable[[Iterable[str]], bool]
) -> bool:
    """Return whether a walk of a directory found nothing, or only empty directories."""
    return all(
        isinstance(result, DirectoryListing)
        and not (result.files or result.others or result.unsendable)
        and not any(name.startswith(OWN) for name in result.directories)
        and not has_marker(result.directories)
        for result in results
    )
