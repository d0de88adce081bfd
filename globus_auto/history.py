"""The history: one line for each fact about a file, in one file for each month, never changed.

A line is a JSON object, see `Fact`. Months are `YYYY-MM.jsonl`; once a later month has begun, a
month is compressed and never written again. The datastore's lock protects the files.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import io
import logging
import os
import re
import shutil
import time
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Literal

import msgspec

from globus_auto.files import private, sync_directory

log = logging.getLogger(__name__)

MONTH = re.compile(r"(\d{4,}-\d{2})\.jsonl(\.gz)?")
BLOCK = 1 << 20  # bytes read or written at once

Event = Literal["delivered", "lost", "deleted", "pruned"]


class Fact(msgspec.Struct, kw_only=True, gc=False, frozen=True):
    """What happened to a file: `event`. At the time `at` (ISO 8601, UTC) a run learnt of it.

    delivered: Globus has transferred the file with this fingerprint (`size` in bytes, `mtime` in
    seconds since 1970 UTC) to `copy`, in the task with id `task`; lost: that copy no longer counts;
    deleted: the file was deleted from the source; pruned: an empty directory was deleted. `copy` is
    "COLLECTION_ID:PATH". `checksum` is Globus's, as "ALGORITHM:HEX"; null if Globus found the copy
    equal and copied nothing. What is unknown is null.
    """

    at: str
    event: Event
    path: str
    size: int | None = None
    mtime: int | None = None
    task: str | None = None
    copy: str | None = None
    checksum: str | None = None


def moment(seconds: float) -> str:
    """Return a time in seconds since 1970 UTC as a history line has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def append(directory: str, facts: Iterable[Fact]) -> None:
    """Add a line for each of `facts` to the newest month, and make sure that they are on the disk.

    Raise OSError if that fails; then no line was added. A month that is over is compressed first.
    """
    encode = msgspec.json.Encoder().encode
    with _opened(directory) as file:
        end = file.seek(0, os.SEEK_END)
        try:
            # What a crash has torn off gets a line of its own, which readers skip.
            data = bytearray(b"" if _is_whole(file, end) else b"\n")
            for fact in facts:
                data += encode(fact) + b"\n"
                if len(data) > BLOCK:
                    _write(file, data)
                    data.clear()
            _write(file, data)
            os.fsync(file.fileno())
        except BaseException:
            with contextlib.suppress(OSError):
                file.truncate(end)
            raise


def check(directory: str) -> None:
    """Raise OSError if no line can be added to the history in `directory`."""
    append(directory, ())


def reserve(directory: str, size: int) -> None:
    """Raise OSError if there is no room on the disk for lines of `size` bytes, where that shows."""
    if not hasattr(os, "posix_fallocate"):
        return
    with _opened(directory) as file:
        end = file.seek(0, os.SEEK_END)
        try:
            os.posix_fallocate(file.fileno(), end, size)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
        finally:
            file.truncate(end)


def lines(directory: str, needle: bytes = b"", since: str = "") -> Iterator[bytes]:
    """Yield all lines that contain `needle`, oldest month first, without checking them.

    With `since` ("YYYY-MM"), leave out files that can only have older lines. Log a warning about a
    file that cannot be read to its end.
    """
    for month, path in sorted(_months(directory).items()):
        if month < since:
            continue
        opened = gzip.open if path.endswith(".gz") else open
        try:
            with opened(path, "rb") as file:
                yield from _containing(file, needle)
        except (OSError, EOFError, zlib.error) as error:
            log.warning("Cannot read all of %s: %s", path, error)


def parsed(line: bytes) -> Fact | None:
    """Return the fact of a line; None if it is damaged."""
    try:
        return msgspec.json.decode(line, type=Fact)
    except (msgspec.MsgspecError, ValueError):
        return None


def unique(facts: Iterable[Fact]) -> Iterator[Fact]:
    """Yield each fact once, as it was told first: a crash may have repeated its line."""
    seen: set[int] = set()
    for fact in facts:
        # There may be millions, so no keys are kept.
        key = hash((fact.event, fact.path, fact.size, fact.mtime, fact.task))
        if key not in seen:
            seen.add(key)
            yield fact


def _containing(file: io.BufferedIOBase, needle: bytes) -> Iterator[bytes]:
    """Yield the whole lines of `file` that contain `needle`."""
    rest = b""
    while block := file.read(BLOCK):
        block = rest + block
        end = block.rfind(b"\n") + 1
        block, rest = block[:end], block[end:]
        if not needle:
            yield from block.splitlines()
            continue
        found = block.find(needle)
        while found >= 0:
            stop = block.index(b"\n", found)
            yield block[block.rfind(b"\n", 0, found) + 1 : stop]
            found = block.find(needle, stop)
    if needle in rest and rest:
        yield rest


def _months(directory: str) -> dict[str, str]:
    """Return the path of the file of each month; of one that is being compressed the old one."""
    found: dict[str, str] = {}
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        # Names with .gz come last, and so replace no other.
        for name in sorted(os.listdir(directory)):
            match = MONTH.fullmatch(name)
            if match:
                found.setdefault(match[1], os.path.join(directory, name))
    return found


@contextlib.contextmanager
def _opened(directory: str) -> Iterator[BinaryIO]:
    """Yield the file that lines go to, and compress all earlier months.

    That is the newest month that there is, or a later one: so the order of the files is that of
    their lines, even if the clock was wrong for a while.
    """
    os.makedirs(directory, mode=0o700, exist_ok=True)
    months = _months(directory)
    month = max([time.strftime("%Y-%m", time.gmtime()), *months])
    while months.get(month, "").endswith(".gz"):
        month = _next(month)
    path = os.path.join(directory, f"{month}.jsonl")
    for earlier, old in months.items():
        if earlier < month and not old.endswith(".gz"):
            _compress(old)
    with open(path, "ab+", buffering=0, opener=private) as file:
        if month not in months:
            sync_directory(directory)
        yield file


def _next(month: str) -> str:
    year, number = map(int, month.split("-"))
    return f"{year + number // 12}-{number % 12 + 1:02}"


def _compress(path: str) -> None:
    """Replace `path` by a compressed file; killed at any moment, one of both is whole."""
    new = f"{path}.gz.new"
    with open(path, "rb") as old, open(new, "wb", opener=private) as file:
        with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as compressed:
            shutil.copyfileobj(old, compressed, BLOCK)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, f"{path}.gz")
    sync_directory(os.path.dirname(path))
    os.remove(path)


def _is_whole(file: BinaryIO, end: int) -> bool:
    """Return whether `file` is empty or ends with a whole line."""
    if not end:
        return True
    file.seek(end - 1)
    return file.read(1) == b"\n"


def _write(file: BinaryIO, data: bytearray) -> None:
    with memoryview(data) as rest:
        written = 0
        while written < len(rest):
            written += file.write(rest[written:])
