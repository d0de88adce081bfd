"""The errors that a task meets, as an exception."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from globus_auto.sandbox import texts
from globus_auto.sandbox.endpoints import Endpoint
from globus_auto.sandbox.file_documents import printable

EVENT_CODES = {
    errno.ENOENT: "FILE_NOT_FOUND",
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "PERMISSION_DENIED"),
    errno.EISDIR: "IS_A_DIRECTORY",
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST), "NOT_A_DIRECTORY"),
    errno.ENOSPC: "NO_SPACE_LEFT",
    errno.EDQUOT: "QUOTA_EXCEEDED",
}
ERRNOS = {code: number for number, code in reversed(EVENT_CODES.items())}


@dataclass(eq=False)
class TaskError(Exception):
    """An error that a task reports as an event, and retries unless it is `fatal`.

    `details` are those of the event, `reply` is the answer of the GridFTP server. `at_source`: the
    error is about a source path. `blocks_task`: no other item of the task can be done now.
    """

    code: str
    details: str
    reply: str = ""
    at_source: bool = False
    blocks_task: bool = False
    fatal: bool = False


def command_error(
    code: str,
    endpoint: Endpoint,
    command: str,
    path: str,
    *,
    at_source: bool = False,
    fatal: bool = False,
    error: OSError | None = None,
) -> TaskError:
    """Return the error of a GridFTP command that failed on a path, because of `error` if given.

    Without `error`, the errno is the one that belongs to the event code.
    """
    number = (error and error.errno) or ERRNOS.get(code, errno.EINVAL)
    text = (error and error.strerror) or os.strerror(number)
    reply = texts.reply(code, command, number, text)
    details = texts.event_details(endpoint, command, printable(path), reply)
    return TaskError(code, details, reply, at_source=at_source, fatal=fatal)


@contextmanager
def convert_os_errors(
    endpoint: Endpoint, command: str, path: str, *, at_source: bool = False
) -> Iterator[None]:
    """Turn an OSError about a path into the TaskError of a GridFTP command."""
    try:
        yield
    except OSError as error:
        code = EVENT_CODES.get(error.errno or 0, "ENDPOINT_ERROR")
        if at_source and isinstance(error, NotADirectoryError):
            code = "FILE_NOT_FOUND"
        raise command_error(
            code, endpoint, command, path, at_source=at_source, error=error
        ) from error
