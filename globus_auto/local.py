"""Local listings: list the source where it is mounted on this machine.

The results are the same as those through Globus, thousands of times faster.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext

from globus_auto.files import FileVersion, joined
from globus_auto.walk import (
    UNSENDABLE,
    DirectoryListing,
    Lister,
    ListingError,
    ListingResult,
    Skips,
    no_skips,
    sendable,
    walk,
)

# In place of the fingerprint of a file where none is read.
NO_FINGERPRINT = FileVersion(-1, -1)
# Seconds of listing after which it is clear how slow a mount is, and the most threads for it.
MEASURED_SECONDS, THREADS_MOST = 0.5, 16
# Fewer threads gain little, and a busy machine may make a fast mount look as slow as that.
THREADS_LEAST = 4


def walk_mounted(
    local_dir: str,
    root: str,
    roots: Iterable[str],
    enter: Callable[[str], bool],
    skips: Skips = no_skips,
    *,
    fingerprints: bool = True,
) -> Iterator[ListingResult]:
    """Yield the listings of `walk.walk`, with several threads where the mount is slow.

    `fingerprints` is as for `local_lister`. Raise OSError if `local_dir`, where `root` is mounted,
    cannot be read.
    """
    threads, seconds, worked = 1, 0.0, 0.0

    def measured(path: str) -> ListingResult:
        nonlocal threads, seconds, worked
        began, worked_before = time.monotonic(), time.thread_time()
        result = list_one(path)
        # Several threads wait for each other, so only one alone can measure the mount.
        if threads == 1:
            seconds += time.monotonic() - began
            worked += time.thread_time() - worked_before
            if seconds >= MEASURED_SECONDS:
                threads = useful_threads(seconds, worked)
                seconds = worked = 0.0
        return result

    with local_lister(local_dir, root, fingerprints=fingerprints) as list_one:
        yield from walk(lambda: nullcontext(measured), roots, enter, lambda: threads, skips)


def useful_threads(seconds: float, worked: float) -> int:
    """Return how many threads keep a processor busy.

    One alone `worked` for that part of the `seconds` that its listings took.
    """
    number = int(seconds / max(worked, seconds / THREADS_MOST))
    return number if number >= THREADS_LEAST else 1


@contextmanager
def local_lister(local_dir: str, root: str, *, fingerprints: bool = True) -> Iterator[Lister]:
    """Yield a lister of `root` and all directories below it, which are mounted at `local_dir`.

    Without `fingerprints`, files are only told from the rest, which is several times faster.
    Raise OSError if `local_dir` cannot be read.
    """
    top = os.stat(local_dir)
    ancestors = {root: frozenset([(top.st_dev, top.st_ino)])} if local_dir else {}

    def list_one(path: str) -> ListingResult:
        here = local_dir + path[len(root) :]
        # Without them, as where single directories are listed, nothing is below twice.
        above = ancestors.pop(path, frozenset())
        found = DirectoryListing(path, {}, {}, {}, [])
        # A run without changes spends most of its time in this loop: names are bound once, and a
        # status is indexed as a tuple. So times are whole seconds, rounded down, as int.
        files, places, is_plain = found.files, {}, stat.S_ISREG
        mode, size, mtime = stat.ST_MODE, stat.ST_SIZE, stat.ST_MTIME
        try:
            with _opened(here) as entries:
                for entry in entries:
                    if not fingerprints and entry.is_file(follow_symlinks=False):
                        files[entry.name] = NO_FINGERPRINT
                        continue
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if is_plain(status[mode]):  # type: ignore[arg-type]
                        version = FileVersion(status[size], status[mtime])  # type: ignore[arg-type]
                        files[entry.name] = version
                    else:
                        places[entry.name] = status.st_dev, status.st_ino
                        _sort_in(found, entry.name, status, above)
        except (FileNotFoundError, NotADirectoryError):
            return ListingError(path, "there is no such directory", gone=True)
        except OSError as error:
            return ListingError(path, f"{error.strerror} ({here})")
        _set_apart_unsendable(found)
        for name in found.directories:
            ancestors[joined(path, name)] = above | {places[name]}
        return found

    yield list_one


@contextmanager
def _opened(directory: str) -> Iterator[Iterator[os.DirEntry[str]]]:
    """Yield the entries of a directory by its descriptor, a third faster than by path."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with os.scandir(descriptor) as entries:
            yield entries
    finally:
        os.close(descriptor)


def _sort_in(
    found: DirectoryListing, name: str, status: os.stat_result, above: frozenset[tuple[int, int]]
) -> None:
    """Add to `found` what is not a plain file; `above` are the directories that lead there."""
    mode = status.st_mode
    if not stat.S_ISDIR(mode):
        kinds = {stat.S_IFLNK: "symlink", stat.S_IFCHR: "chr", stat.S_IFBLK: "blk"}
        found.others[name] = kinds.get(
            stat.S_IFMT(mode), "pipe" if stat.S_ISFIFO(mode) else "other"
        )
    elif (status.st_dev, status.st_ino) in above:
        found.others[name] = "loop"
    else:
        found.directories[name] = int(status[stat.ST_MTIME])


def _set_apart_unsendable(found: DirectoryListing) -> None:
    """Move the names that Globus cannot transfer to `found.unsendable`."""
    for names in (found.files, found.directories, found.others):
        # One look at all names is much faster than one at each, and ASCII needs no search.
        text = "".join(names)
        if (not text.isascii() or "\n" in text or "\r" in text) and UNSENDABLE.search(text):
            for name in [name for name in names if not sendable(name)]:
                found.unsendable.append(name)
                del names[name]
