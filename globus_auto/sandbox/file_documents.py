"""The documents of files and directories, as listings and stat show them."""

from __future__ import annotations

import functools
import grp
import os
import pwd
import stat
from collections.abc import Callable
from typing import Any

from globus_auto.sandbox.documents import Document, moment

TYPES = {stat.S_IFDIR: "dir", stat.S_IFREG: "file", stat.S_IFIFO: "pipe"}
TYPES |= {stat.S_IFCHR: "chr", stat.S_IFBLK: "blk"}


def printable(name: str) -> str:
    """Return `name` with U+FFFD for what is not UTF-8, so that JSON can hold it."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "replace")


def file_document(name: str, local_path: str, status: os.stat_result) -> Document:
    """Return the file document of what is at `local_path`; `status` is its lstat.

    A symlink is shown with the type and size of its target, and its own size in the link fields. A
    dangling one is an invalid_symlink.
    """
    facts, target, kind = _file_facts(status), None, None
    link: Document = dict.fromkeys(facts)
    if stat.S_ISLNK(status.st_mode):
        link, target = facts, printable(os.readlink(local_path))
        try:
            status = os.stat(local_path)
            facts = _file_facts(status)
        except OSError:
            kind = "invalid_symlink"
    return {
        "DATA_TYPE": "file",
        "name": printable(name),
        "type": kind or TYPES.get(stat.S_IFMT(status.st_mode), "other"),
        "permissions": f"{stat.S_IMODE(status.st_mode):04o}",
        **facts,
        "link_target": target,
        **{f"link_{fact}": value for fact, value in link.items()},
    }


def _file_facts(status: os.stat_result) -> Document:
    return {
        "size": status.st_size,
        "last_modified": moment(status.st_mtime_ns // 1_000_000_000, " "),
        "user": _account_name(pwd.getpwuid, status.st_uid),
        "group": _account_name(grp.getgrgid, status.st_gid),
    }


@functools.cache
def _account_name(look_up: Callable[[int], tuple[Any, ...]], number: int) -> str:
    try:
        return str(look_up(number)[0])
    except KeyError:
        return str(number)
