"""Locks: one run of each program at a time, and one program using the datastore at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from globus_auto import files
from globus_auto.errors import AlreadyRunning


@contextmanager
def locked(path: str, timeout: float) -> Iterator[None]:
    """Hold the lock at `path`; wait for it for up to `timeout` seconds without progress.

    The holder shows that with `show_progress`. The kernel releases a lock when the process ends, so
    none is ever stale. Raise AlreadyRunning if another process holds it, and OSError if the file
    system does not support locks.
    """
    with open(path, "a+", opener=files.private, encoding="ascii") as file:
        waited, seen = 0.0, os.fstat(file.fileno()).st_mtime_ns
        while not _taken(file):
            if waited >= timeout:
                raise _running(path, file, waited=timeout > 0)
            time.sleep(1)
            waited += 1
            if seen != (seen := os.fstat(file.fileno()).st_mtime_ns):
                waited = 0.0
        file.truncate(0)
        file.write(f"{os.getpid()} {int(time.time())}\n")
        file.flush()
        yield


def show_progress(path: str) -> None:
    """Show those who wait for the lock at `path` that this run, which holds it, makes progress."""
    with contextlib.suppress(OSError):
        os.utime(path)


def holder(path: str) -> tuple[int, int] | None:
    """Return PID and start (seconds UTC) of the run that holds the lock at `path`, or None.

    A lock whose process is gone is not touched, so that this hinders no run that starts now.
    """
    try:
        with open(path, encoding="ascii") as file:
            pid, since = map(int, file.read().split())
            os.kill(pid, 0)
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return pid, since
    except (OSError, ValueError, OverflowError):
        return None
    return None


def _taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _running(path: str, file: IO[str], *, waited: bool) -> AlreadyRunning:
    file.seek(0)
    pid, _, since = file.read().strip().partition(" ")
    # The file is empty between the moment the lock is taken and the write of the PID.
    return AlreadyRunning(
        path, pid or "unknown", int(since) if since.isdigit() else int(time.time()), waited
    )
