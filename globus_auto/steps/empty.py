"""Empty directories: those below SRC_DIR that hold nothing, or only empty directories."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from globus_auto.files import OWN, is_below_any, joined, keep_marker_finder, matcher, with_parents
from globus_auto.steps.rules import is_stable
from globus_auto.steps.session import Session
from globus_auto.steps.source import walk_source
from globus_auto.walk import DirectoryListing, ListingError, ListingResult


def empty_directories(session: Session) -> tuple[list[str], bool, set[str]]:
    """Return the topmost empty trees below SRC_DIR, and whether Globus can rename there.

    Then return the directories with a KEEP marker: neither these nor any below are empty trees.
    """
    settings = session.context.settings
    excluded = matcher(settings.exclude)
    began = int(time.time())

    quarantined = {path.rpartition("/")[2] for path in session.store.quarantined}

    def is_content(name: str, mtime: int) -> bool:
        own = name.startswith(OWN) and name not in quarantined
        kept = has_marker([name])
        return own or kept or excluded(name) or not is_stable(mtime, began, settings.settle_seconds)

    has_marker = keep_marker_finder(settings.keep_markers)
    unable: list[str] = []
    marked: set[str] = set()

    def listings() -> Iterator[ListingResult]:
        # One by one: those of a million files would take 200 MiB.
        for result in session.progress.scan(walk_source(session), settings.src_dir):
            if isinstance(result, DirectoryListing) and not result.rename_supported:
                unable.append(result.path)
            if isinstance(result, DirectoryListing) and has_marker(result.all_names):
                marked.add(result.path)
            yield result

    empty_trees = topmost_empty_trees(listings(), settings.src_dir, is_content)
    empty_trees = [path for path in empty_trees if not is_below_any(path, marked)]
    if not settings.src_local_dir:
        empty_trees = [
            directory for directory in empty_trees if directory not in session.store.quarantined
        ]
    return empty_trees, not unable, marked


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
