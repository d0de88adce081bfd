"""Paths, names of globus_auto's own, fingerprints, and private, atomic writing."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import re
import shlex
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Set
from fnmatch import translate
from pathlib import Path

import msgspec

# Names that begin so are never sent, and never pruned as empty directories.
OWN = ".globus_auto"
# The name of a directory while delete.py checks whether it is empty; random digits follow.
QUARANTINE = f"{OWN}_empty."
MARKER = re.compile(re.escape(OWN) + r"\.[0-9a-f]{12}")
LINKS_MOST = 40  # on the way to a file, as Linux allows


class FileVersion(msgspec.Struct, array_like=True, gc=False, frozen=True):
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


def is_below_any(path: str, directories: Set[str]) -> bool:
    """Return whether `path` is one of `directories`, or anywhere below one."""
    return not directories.isdisjoint(with_parents(path))


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


def unsafe(path: str) -> str | None:
    """Return why others could change or replace what is at the absolute `path`, or None.

    Others are all users except this one and root. No directory on the way may be writable by them
    unless its sticky bit is set; what is at `path` may never be. Links are followed, and their
    owners count as well. A path that does not exist is judged by the directories that do. Raise
    OSError if a directory on the way cannot be searched.
    """
    path = path.rstrip("/")
    place, names, links = "/", path.split("/")[::-1], 0
    while True:
        while names and names[-1] in ("", "."):
            names.pop()
        try:
            status = os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if problem := _open_to_others(place, status, path if names else ""):
            return problem
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > LINKS_MOST:
                return None  # Nobody can open it.
            target = os.readlink(place)
            names += target.split("/")[::-1]
            place = "/" if target.startswith("/") else os.path.dirname(place)
            continue
        if not names:
            return None
        name = names.pop()
        place = os.path.dirname(place) if name == ".." else os.path.join(place, name)


def in_safe_directory(path: str) -> bool:
    """Return whether nobody else could put a link in place of the file at `path`."""
    home = os.path.dirname(path)
    return os.path.isabs(home) and os.path.isdir(home) and not unsafe(home)


def unsafe_file(path: str) -> str | None:
    """Return why others could change or replace the file at `path`, which is written, or None.

    Its directory may not be writable by others even with a sticky bit: a link that they put there
    would be followed. Raise OSError if a directory on the way cannot be searched.
    """
    return unsafe(os.path.dirname(path)) or unsafe(path)


def _open_to_others(place: str, status: os.stat_result, path: str) -> str | None:
    """Return why others could change `place` itself or, if not "", `path` below it, or None."""
    mode, owner = status.st_mode, status.st_uid
    so = f", so others could replace {path}" if path else ""
    # In a container that maps only this user, the owner of / is root.
    if owner not in (os.getuid(), 0, os.stat("/").st_uid):
        so = so or ", who could change it"
        fix = "Use one of your own, or run the programs as that user."
        return f"{place} belongs to another user (uid {owner}){so}. {fix}"
    if stat.S_ISLNK(mode) or (path and mode & stat.S_ISVTX):
        return None
    other = ", or use another directory" if stat.S_ISDIR(mode) else ""
    if mode & stat.S_IWOTH:
        return f"{place} is writable by everybody{so}. Run `chmod o-w {shlex.quote(place)}`{other}."
    if mode & stat.S_IWGRP and not is_private(status):
        group = _group_name(status.st_gid)
        return (
            f"{place} is writable by a group ({group}){so}."
            f" Run `chmod g-w {shlex.quote(place)}`{other}."
        )
    return None


def is_private(status: os.stat_result) -> bool:
    """Return whether the group of a file consists of its owner alone.

    That is the group that useradd makes for each user, where umask 002 is usual. OpenSSH in Debian
    accepts files that it may write to, and no others. Not everybody whose primary group this is
    can be listed, so its name must be that of the owner.
    """
    try:
        user, group = pwd.getpwuid(status.st_uid), grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    return group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return f"gid {gid}"


def readable_by_others(path: str) -> bool:
    """Return whether other users than its owner and root can read the file at `path`."""
    try:
        status = os.stat(path)
        is_open = status.st_mode & stat.S_IROTH or (
            status.st_mode & stat.S_IRGRP and not is_private(status)
        )
        searchable = stat.S_IXOTH | stat.S_IXGRP
        above = Path(os.path.realpath(path)).parents
        return bool(is_open) and all(each.stat().st_mode & searchable for each in above)
    except OSError:
        return False


def fold(name: str) -> str:
    """Return `name` without differences of case and Unicode form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _fold_all(names: list[str]) -> list[str]:
    """Return what `fold` returns for each of `names`; none contains a NUL.

    To fold all at once is much faster than one by one.
    """
    return fold("\0".join(names)).split("\0") if names else []


def colliding_names(names: list[str]) -> set[str]:
    """Return those of `names` that are equal to another one after `fold`.

    `names` may come from several directories that could be one directory at the destination.
    """
    folded = _fold_all(names)
    if len({*folded}) == len(names):
        return set()
    seen: dict[str, list[str]] = {}
    for name, same in zip(names, folded, strict=True):
        seen.setdefault(same, []).append(name)
    return {name for group in seen.values() if len(group) > 1 for name in group}


def matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return a function that checks whether a name matches any of the shell `patterns`."""
    joined = "|".join(translate(pattern) for pattern in patterns)
    fits = re.compile(joined or "(?!)").match
    return lambda name: fits(name) is not None


def keep_marker_finder(patterns: Iterable[str]) -> Callable[[Iterable[str]], bool]:
    """Return a function that checks whether one of the names in a directory is a KEEP marker.

    It matches a shell pattern, whatever its case and Unicode form. globus_auto's own names do not
    count.
    """
    fits = matcher(map(fold, patterns))

    def find(names: Iterable[str]) -> bool:
        others = [name for name in names if not name.startswith(OWN)]
        return any(map(fits, _fold_all(others)))

    return find


def matches(path: str, root: str, excluded: Callable[[str], bool]) -> bool:
    """Return whether a name on the way from the directory `root` to `path` is excluded."""
    return any(excluded(name) for name in path[len(root) :].split("/") if name)
