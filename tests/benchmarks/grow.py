"""Make a tree, or a datastore that knows it as sent, in a process of its own.

`python -m tests.benchmarks.grow tree DIR FILES PER_DIRECTORY`, `flat DIR DIRECTORIES
PER_DIRECTORY` or `datastore PATH SRC_ID SRC_DIR DST_ID DST_DIR`.
"""

from __future__ import annotations

import os
import sys
import time

from globus_auto import local, storage, walk
from globus_auto.datastore import Datastore, FileRecord, TaskRecord

OLD = 1_700_000_000  # seconds since 1970 UTC


def tree(root: str, files: int, per_directory: int) -> None:
    """Make `files` old files below `root`, in a hundred directories to a directory."""
    for directory in range(files // per_directory):
        path = f"{root}/run{directory // 100:03}/part{directory % 100:02}"
        _fill(path, per_directory, OLD + directory)


def flat(root: str, directories: int, per_directory: int) -> None:
    """Make `directories` beside each other, with old files."""
    for directory in range(directories):
        _fill(f"{root}/part{directory:05}", per_directory, OLD + directory)


def _fill(directory: str, files: int, mtime: int) -> None:
    os.makedirs(directory)
    for number in range(files):
        place = f"{directory}/scan{number:05}.h5"
        with open(place, "wb") as file:
            # Sparse, so that a million of them take no room but their names.
            file.truncate(1000 + number)
        os.utime(place, (mtime, mtime))


def remember(path: str, src_id: str, src_dir: str, dst_id: str, dst_dir: str) -> None:
    """Save a datastore at `path` as if all below `src_dir` had been sent and settled."""
    store = Datastore(source=src_id)
    now = int(time.time())
    store.tasks[1] = TaskRecord(
        kind="transfer",
        submission_id="00000000-0000-4000-8000-000000000001",
        task_id="00000000-0000-4000-8000-000000000002",
        status="SUCCEEDED",
        label="globus_auto benchmark",
        submitted_at=now,
        scanned_at=now,
        ended_at=now,
        requested_at=now,
        completed_at=now,
        verify_checksum=True,
        encrypt_data=True,
        in_history=True,
        source_dir=src_dir,
        destination=dst_id,
        destination_dir=dst_dir,
    )
    store.add_mapping(store.tasks[1])
    # Later runs submit tasks that this datastore does not have: it must not count as restored.
    store.mappings[0].newest = now + 86_400
    results = walk.walk(lambda: local.local_lister(src_dir, src_dir), [src_dir], lambda _name: True)
    for result in results:
        if isinstance(result, walk.DirectoryListing) and result.files:
            records = {
                name: FileRecord(version.size, version.mtime, 1)
                for name, version in result.files.items()
            }
            store.files.update(result.path, records)
    storage.save(path, store)


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    if what == "datastore":
        remember(*arguments)
    else:
        make = {"tree": tree, "flat": flat}[what]
        make(arguments[0], int(arguments[1]), int(arguments[2]))
