"""What a task meets when it does not go well, as an exception."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from globus_auto.sandbox.endpoints import printable

EVENT_CODES = {
    errno.ENOENT: "FILE_NOT_FOUND",
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "PERMISSION_DENIED"),
    errno.EISDIR: "IS_A_DIRECTORY",
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST), "NOT_A_DIRECTORY"),
    errno.ENOSPC: "NO_SPACE_LEFT",
    errno.EDQUOT: "QUOTA_EXCEEDED",
}


@dataclass(eq=False)
class TroubleError(Exception):
    """What a task reports as an event, and tries again unless it is `fatal`.

    `at_source`: a source path is to blame. `halts`: nothing else of the task can be done now.
    """

    code: str
    details: str
    at_source: bool = False
    halts: bool = False
    fatal: bool = False


@contextmanager
def blame(path: str, *, at_source: bool = False) -> Iterator[None]:
    """Turn what the disk says about `path` into an event code."""
    try:
        yield
    except OSError as error:
        code = EVENT_CODES.get(error.errno or 0, "ENDPOINT_ERROR")
        if at_source and isinstance(error, NotADirectoryError):
            code = "FILE_NOT_FOUND"
        details = f"{printable(path)}: {error.strerror}"
        raise TroubleError(code, details, at_source=at_source) from error
