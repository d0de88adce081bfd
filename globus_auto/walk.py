"""Listings of directories, and the walk over many of them at once."""

from __future__ import annotations

import contextlib
import itertools
import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple, TypeAlias

from globus_auto.files import FileVersion, joined

# Seconds to wait for workers when a scan stops early; one of them may be in a call that hangs.
STOP_SECONDS = 1.0
UNSENDABLE = re.compile("[\r\n\ufffd\ud800-\udfff]")
ListingResult: TypeAlias = "DirectoryListing | ListingError"


class DirectoryListing(NamedTuple):
    """The content of one directory: plain files, directories with their mtimes, and the rest.

    mtimes are in seconds UTC. `others` maps symlinks, devices and sockets to what they are.
    `unsendable` are the names that Globus cannot transfer; they are in none of the other fields.
    `unknown` are files in `others` whose fingerprint is unknown, each with what Globus sent of it:
    an impossible size or time.
    """

    path: str
    files: dict[str, FileVersion]
    directories: dict[str, int]
    others: dict[str, str]
    unsendable: list[str]
    unknown: dict[str, str] = {}  # noqa: RUF012 - nobody changes the default
    rename_supported: bool = True

    @property
    def empty(self) -> bool:
        """Whether the directory contains nothing at all."""
        return not (self.files or self.directories or self.others or self.unsendable)

    @property
    def all_names(self) -> Iterator[str]:
        """All names, also those that Globus cannot transfer."""
        return itertools.chain(self.files, self.directories, self.others, self.unsendable)

    @property
    def names_of_files(self) -> set[str]:
        """All names but those of directories."""
        return {*self.files, *self.others, *self.unsendable}

    @property
    def names(self) -> set[str]:
        """All names that Globus can transfer."""
        return {*self.files, *self.directories, *self.others}


class ListingError(NamedTuple):
    """What could not be listed, and why: the text, and the `code` of Globus if there is one.

    `gone`: there is no such directory. `collides`: another name in the directory of the file could
    be the same file at the destination.
    """

    path: str
    reason: str
    gone: bool = False
    collides: bool = False
    code: str = ""


Lister: TypeAlias = Callable[[str], ListingResult]
# Whether a directory is left out of a walk, by its path and mtime.
Skips: TypeAlias = Callable[[str, int], bool]


def no_skips(_path: str, _mtime: int) -> bool:
    """Return that no directory is left out."""
    return False


def sendable(name: str) -> bool:
    """Return whether Globus can transfer this name: no CR or LF, and valid UTF-8.

    In a name from Globus, U+FFFD replaces bytes that are not UTF-8. Source:
    docs.globus.org/api/transfer, "file_operations" and "task_submit", on paths.
    """
    return not UNSENDABLE.search(name)


def walk(
    open_lister: Callable[[], AbstractContextManager[Lister]],
    roots: Iterable[str],
    enter: Callable[[str], bool] = lambda _name: False,
    workers: Callable[[], int] = lambda: 1,
    skips: Skips = no_skips,
) -> Iterator[ListingResult]:
    """Yield the listings of `roots` and of all directories below them for which `enter` is true.

    `enter` is called with the name of a directory, `skips` with the path and the mtime of each that
    is entered: those for which it is true are left out. `workers` returns how many directories to
    list at once from now on; with several, the listings come in the order of the answers. A
    directory that cannot be listed does not stop the others. Raise what a lister raises.
    """
    waiting = sorted(roots, reverse=True)
    for result in _listed(open_lister, waiting, workers):
        if isinstance(result, DirectoryListing):
            for name, mtime in result.directories.items():
                if enter(name) and not skips(path := joined(result.path, name), mtime):
                    waiting.append(path)
        yield result


def _listed(
    open_lister: Callable[[], AbstractContextManager[Lister]],
    waiting: list[str],
    workers: Callable[[], int],
) -> Iterator[ListingResult]:
    """Yield the listings of the paths `waiting`, the last one first; the caller may add to them.

    Where one worker is enough, no thread is started.
    """
    jobs: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    results: queue.SimpleQueue[ListingResult | BaseException] = queue.SimpleQueue()
    stopped = threading.Event()
    threads: list[threading.Thread] = []

    def work() -> None:
        try:
            with open_lister() as list_one:
                while (path := jobs.get()) is not None and not stopped.is_set():
                    results.put(list_one(path))
        except BaseException as error:  # noqa: BLE001 - raised again where the results are read
            results.put(error)

    in_work = 0
    with contextlib.ExitStack() as opened:
        alone: Lister | None = None
        try:
            while waiting or in_work:
                most = workers()
                if most == 1 and not in_work:
                    alone = alone or opened.enter_context(open_lister())
                    yield alone(waiting.pop())
                    continue
                while waiting and in_work < most:
                    jobs.put(waiting.pop())
                    in_work += 1
                    if in_work > len(threads):
                        # Daemon threads, so that a hanging call does not keep an interrupted
                        # program from exiting.
                        threads.append(threading.Thread(target=work, daemon=True))
                        threads[-1].start()
                result = results.get()
                if isinstance(result, BaseException):
                    raise result
                in_work -= 1
                yield result
        except BaseException:
            stopped.set()
            raise
        finally:
            for _ in threads:
                jobs.put(None)
            # Each worker closes its connections when its call has ended, so wait for them.
            end = time.monotonic() + STOP_SECONDS
            # A scan that is not closed explicitly may be ended by any thread, even one of these.
            for thread in set(threads) - {threading.current_thread()}:
                thread.join(max(end - time.monotonic(), 0) if stopped.is_set() else None)
