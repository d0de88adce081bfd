"""The datastore's file, and that of the batch being deleted; upgrades of earlier versions."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import logging
import os
import pickletools
import re
from collections.abc import Iterator

import msgspec

from globus_auto.datastore import Datastore, Files, SavedFields, TaskRecord
from globus_auto.errors import DamagedDatastore, NewerDatastore, OlderDatastore
from globus_auto.files import private, write_atomically

log = logging.getLogger(__name__)

VERSION = 2
SUM = re.compile(rb'"sum": "([0-9a-f]{64})"}\n?')
WRITTEN = re.compile(rb'\s*{\s*"version":\s*(\d+)')
# How the files of shelve, dbm and bsddb begin: a number at an offset, in either byte order.
MAGIC = {
    "gdbm": (0, range(0x13579ACD, 0x13579AD2)),
    "Berkeley DB": (12, (0x00061561, 0x00053162)),
}
PICKLED = 1000  # so many operations of pickle in a row are no coincidence


class _Document(SavedFields, kw_only=True):
    """The file: `files` has a JSON object for each directory, which is not decoded."""

    files: dict[str, msgspec.Raw]


def load(path: str) -> Datastore | None:
    """Return the datastore at `path`, or None if there is no such file.

    Upgrade a datastore of version 1, so that its ended tasks are polled again. Raise NewerDatastore
    if it has a newer version, OlderDatastore if the programs for Python 2.7 wrote it; raise
    DamagedDatastore if it is cut short, altered, unreadable or of another shape.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        if older := _files_of_dbm(path):
            raise OlderDatastore(path, "dbm", older) from None
        return None
    except OSError as error:
        raise DamagedDatastore(path, error.strerror or str(error)) from error
    written = WRITTEN.match(data)
    if written and int(written[1]) > VERSION:
        raise NewerDatastore(path, int(written[1]), VERSION)
    end = SUM.fullmatch(data, max(data.rfind(b'"sum"'), 0))
    if not end and (form := _older_form(data)):
        raise OlderDatastore(path, form, [path])
    if not end:
        raise DamagedDatastore(path, "it is cut short, or has no sum at its end")
    if hashlib.sha256(memoryview(data)[: end.start()]).hexdigest().encode() != end[1]:
        raise DamagedDatastore(path, "checksum mismatch")
    try:
        document = msgspec.json.decode(data, type=_Document)
        files = Files(document.files)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedDatastore(path, str(error)) from error
    missing = {number for directory in files for number in files.tasks(directory)}
    missing -= document.tasks.keys()
    if missing:
        raise DamagedDatastore(path, f"records refer to missing tasks {missing}")
    saved = {name: getattr(document, name) for name in SavedFields.__struct_fields__}
    store = Datastore(**saved, files=files)
    if store.version == 1:
        _upgrade(store)
    return store


def _older_form(data: bytes) -> str:
    """Return how the older programs wrote `data`: by shelve, dbm or pickle; "" if they did not."""
    for form, (offset, numbers) in MAGIC.items():
        word = data[offset : offset + 4]
        if int.from_bytes(word, "little") in numbers or int.from_bytes(word, "big") in numbers:
            return form
    if data.startswith(b"SQLite format 3\0"):
        return "SQLite"
    try:
        # This reads a pickle, and executes nothing of it.
        for _ in itertools.islice(pickletools.genops(data), PICKLED):
            pass
    except Exception:  # noqa: BLE001 - any kind, for what is no pickle
        return ""
    return "pickle"


def _files_of_dbm(path: str) -> list[str]:
    """Return the files in which dbm keeps a database `path`; none if there is no such database."""
    ends = [end for end in (".dat", ".dir", ".pag", ".bak", ".db") if os.path.isfile(path + end)]
    is_there = ".db" in ends or (".dir" in ends and (".dat" in ends or ".pag" in ends))
    return [path + end for end in ends if is_there]


def _upgrade(store: Datastore) -> None:
    """Upgrade `store` from version 1 to version 2.

    Version 1 concluded more from the success of a task than it shows. So each ended task is polled
    again, and files that Globus can no longer report as delivered are transferred again.
    """
    store.version = 2
    store.upgraded = store.changed = True
    for task in store.tasks.values():
        if task.kind != "transfer" or task.task_id is None:
            continue
        store.add_mapping(task)
        if not task.in_progress:
            task.status = "ACTIVE"


def save(path: str, store: Datastore) -> bool:
    """Replace the file at `path` by `store`; return whether anything was written.

    Write nothing if nothing has changed since it was loaded or saved. Keep a file of version 1 as
    `path`.v1. Raise OSError if the file cannot be written; then it is unchanged.
    """
    digest = hashlib.sha256()
    # Twice through all of it costs less than to hold a second copy.
    for chunk in _chunks(store):
        digest.update(chunk)
    unchanged = digest.copy()
    unchanged.update(_generation(store.generation))
    if unchanged.hexdigest() == store.sum:
        return False
    generation = _generation(store.generation + 1)
    digest.update(generation)
    end = f'"sum": "{digest.hexdigest()}"}}\n'.encode()
    if store.upgraded:
        with open(path, "rb") as old:
            write_atomically(f"{path}.v1", old)
        store.upgraded = False
    write_atomically(path, itertools.chain(_chunks(store), (generation, end)))
    store.generation += 1
    store.sum = digest.hexdigest()
    store.changed = False
    return True


class Deletion(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The batch being deleted: its delete task, and since when the datastore was not saved.

    What the history says was deleted since `since`, in seconds since 1970 UTC, has records in the
    saved datastore that must be dropped.
    """

    since: int
    task: TaskRecord | None


def begin_deletion(path: str, since: int, task: TaskRecord | None) -> None:
    """Record `task` in the file at `path` before it is submitted; None once Globus rejected it."""
    write_atomically(path, [msgspec.json.encode(Deletion(since=since, task=task)), b"\n"])


def add_task_id(path: str, task_id: str) -> None:
    """Add the id of the submitted task to the file at `path`."""
    with open(path, "ab", opener=private) as file:
        file.write(msgspec.json.encode(task_id) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def end_deletion(path: str) -> None:
    """Remove the file at `path`: the datastore has been saved since."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)


def load_deletion(path: str) -> Deletion | None:
    """Return the batch that an interrupted run was deleting; None if there is none.

    One that cannot be read is left out: Globus's list shows its task as well.
    """
    try:
        with open(path, "rb") as file:
            first, _, rest = file.read().partition(b"\n")
        deletion = msgspec.json.decode(first, type=Deletion)
        # The machine may have stopped while the id was added.
        if deletion.task and rest.endswith(b"\n"):
            deletion.task.task_id = msgspec.json.decode(rest, type=str)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        log.info("Cannot read %s: %s", path, error)
        return None
    return deletion


def _generation(number: int) -> bytes:
    return b'"generation": %d,\n ' % number


def _chunks(store: Datastore) -> Iterator[bytes]:
    """Yield `store` as bytes, one directory a line, without "generation" and "sum" at the end."""
    encode = msgspec.json.Encoder(order="deterministic").encode
    tasks = {str(number): store.tasks[number] for number in sorted(store.tasks)}
    yield b'{"version": %d,\n "source": %s,\n' % (store.version, encode(store.source))
    yield b' "config": %s,\n "mappings": %s,\n' % (encode(store.config), encode(store.mappings))
    yield b' "tasks": %s,\n "asides": %s,\n' % (encode(tasks), encode(store.quarantined))
    yield b' "files": {'
    comma = b"\n"
    for directory in sorted(store.files):
        yield b"%s  %s: %s" % (comma, encode(directory), store.files.line(directory))
        comma = b",\n"
    yield b"},\n "
