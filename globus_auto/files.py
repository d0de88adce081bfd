"""Paths, names of globus_auto's own, fingerprints, and private, atomic writing."""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from fnmatch import translate
from pathlib import Path

import msgspec

# Names that begin so are never sent, and never pruned as empty directories.
OWN = ".globus_auto"
# The name of a directory while delete.py checks whether it is empty; random digits follow.
QUARANTINE = f"{OWN}_empty."
MARKER = re.compile(re.escape(OWN) + r"\.[0-9a-f]{12}")


class FileVersion(msgspec.Struct, gc=False, frozen=True):
    """The fingerprint of a file: size in bytes, mtime in whole seconds since 1970 UTC."""

    size: int
    mtime: int


def joined(directory: str, name: str) -> str:
    """Return the path of `name` in `directory`, which is "/" or has no slash at its end."""
    return f"{directory.rstrip('/')}/{name}" if name else directory


def below(path: str, directory: str) -> bool:
    """Return whether `path` is `directory` or anywhere below it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def with_parents(path: str) -> Iterator[str]:
    """Yield `path` and every directory above it, except the root."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def write_atomically(path: str, chunks: Iterable[bytes]) -> None:
    """Replace the file at `path` by `chunks`, with mode 0600.

    Readers see the old content or the new one, never a mixture, even after a power failure. Raise
    OSError if the file cannot be written; then it is unchanged.
    """
    temporary = f"{path}.new"
    with open(temporary, "wb", opener=private) as file:
        file.writelines(chunks)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_directory(os.path.dirname(path) or ".")


def sync_directory(path: str) -> None:
    """Make sure that new and renamed files in the directory `path` survive a power failure."""
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def private(path: str, flags: int) -> int:
    """Open `path` for open(..., opener=private): mode 0600 whatever the umask."""
    descriptor = os.open(path, flags, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def marker_name(source_id: str, source_dir: str) -> str:
    """Return the name of the marker that identifies a source directory at a destination."""
    source = f"{source_id}:{source_dir}".encode("utf-8", "surrogateescape")
    return f"{OWN}.{hashlib.sha256(source).hexdigest()[:12]}"


def unsafe(path: Path) -> str | None:
    """Return why `path` must not be trusted, or None: others could make cron run their code.

    A group may write to it only if it is the owner's own group, as after a clone under umask 002.
    Raise OSError if `path` does not exist.
    """
    status = path.stat()
    mode = status.st_mode
    if mode & stat.S_IWOTH:
        return f"{path} is writable by everybody; run: chmod o-w {path}"
    if status.st_uid not in (os.getuid(), 0):
        return f"{path} belongs to another user (uid {status.st_uid}), who could change it."
    if mode & stat.S_IWGRP and status.st_gid != own_group(status.st_uid):
        return f"{path} is writable by a group; run: chmod g-w {path}"
    return None


def own_group(uid: int) -> int | None:
    """Return the id of a user's own group; None if there is no such user."""
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return None


def fold(name: str) -> str:
    """Return `name` without differences of case and Unicode form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def colliding_names(names: list[str]) -> set[str]:
    """Return those of `names` that are equal to another one after `fold`.

    `names` may come from several directories that could be one directory at the destination.
    """
    seen: dict[str, list[str]] = {}
    for name in names:
        seen.setdefault(fold(name), []).append(name)
    return {name for group in seen.values() if len(group) > 1 for name in group}


def matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return a function that checks whether a name matches any of the shell `patterns`."""
    joined = "|".join(translate(pattern) for pattern in patterns)
    fits = re.compile(joined or "(?!)").match
    return lambda name: fits(name) is not None


def matches(path: str, root: str, excluded: Callable[[str], bool]) -> bool:
    """Return whether a name on the way from the directory `root` to `path` is excluded."""
    return any(excluded(name) for name in path[len(root) :].split("/") if name)
