"""Globus tasks: their labels, records, and the documents to submit."""

from __future__ import annotations

import hashlib
import re
import socket
import time
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Literal

import globus_sdk
import msgspec

from globus_auto.datastore import TaskRecord
from globus_auto.files import OWN
from globus_auto.settings import Settings

LABEL_LENGTH, NAME_LENGTH = 128, 16  # characters


def mapping_id(settings: Settings) -> str:
    """Return the id of this pair of directories that labels contain, a hash."""
    pair = " ".join(settings.pair)
    return hashlib.sha256(pair.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def new_label(kind: str, settings: Settings, names: Iterable[str], submission_id: str) -> str:
    """Return the label of a new task between the collections `names`.

    Globus allows 128 characters (docs.globus.org/api/transfer/task_submit). The last two words,
    mapping id and submission id, identify the task; host and collections are for people.
    """
    people = [re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:NAME_LENGTH] or "_" for name in names]
    host = re.sub(r"[^A-Za-z0-9._-]+", "_", socket.gethostname())[:NAME_LENGTH]
    start, end = f"{OWN.lstrip('.')} {kind}", f"{mapping_id(settings)} {submission_id}"
    room = LABEL_LENGTH - len(start) - len(end) - 2
    shown = f"{host} {' to '.join(people)}"[:room].rstrip()
    return f"{start} {shown} {end}"


def new_task(
    kind: Literal["transfer", "delete", "compare"],
    submission_id: str,
    *,
    label: str,
    scanned_at: int,
    source_dir: str,
    destination: str,
    destination_dir: str,
    recursive: bool = False,
    exclude: Iterable[str] = (),
    roots: list[str] | None = None,
    deadline: int | None = None,
) -> TaskRecord:
    """Return the record of a task that is about to be submitted; times are in seconds UTC."""
    return TaskRecord(
        kind=kind,
        submission_id=submission_id,
        label=label,
        submitted_at=int(time.time()),
        scanned_at=scanned_at,
        recursive=recursive,
        exclude=list(exclude),
        roots=msgspec.UNSET if roots is None else roots,
        source_dir=source_dir,
        destination=destination,
        destination_dir=destination_dir,
        deadline=deadline,
    )


def parse_label(label: str | None) -> tuple[str, str, str] | None:
    """Return kind, mapping id and submission id from a label of globus_auto, or None."""
    words = (label or "").split()
    if len(words) < 4 or words[0] != OWN.lstrip("."):
        return None
    return words[1], words[-2], words[-1]


def is_ours(label: object) -> bool:
    """Return whether the label of a task is one of globus_auto's."""
    return str(label).startswith(f"{OWN.lstrip('.')} ")


def link(task_id: str) -> str:
    """Return the address of a task's page in the Globus web app."""
    return f"https://app.globus.org/activity/{task_id}"


def _deadline(seconds: int) -> str:
    """Return a deadline in seconds since 1970 UTC as Globus takes it."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")


def transfer_document(
    source: str, task: TaskRecord, paths: Iterable[str]
) -> globus_sdk.TransferData:
    """Return the document to submit for `task`, whose files are `paths`.

    It depends only on the records and on `source`, the id of the source collection, so that a task
    can be submitted again unaltered.
    """
    document = globus_sdk.TransferData(
        source,
        task.destination,
        label=task.label,
        submission_id=task.submission_id,
        sync_level="checksum",
        verify_checksum=True,
        encrypt_data=True,
        preserve_timestamp=True,
        skip_source_errors=True,
        delete_destination_extra=False,
        notify_on_succeeded=False,
        notify_on_failed=False,
        notify_on_inactive=False,
    )
    if task.deadline:
        document["deadline"] = _deadline(task.deadline)
    if task.recursive:
        for root in [f"{task.source_dir}/"] if task.roots is msgspec.UNSET else task.roots:
            path = root.rstrip("/")
            document.add_item(path, task.destination_of(path), recursive=path != root)
        for pattern in [*task.exclude, f"{OWN}*"]:
            document.add_filter_rule(pattern, method="exclude")
    else:
        for path in paths:
            document.add_item(path, task.destination_of(path), recursive=False)
    return document


def delete_document(
    task: TaskRecord, paths: Iterable[str], *, directories: bool
) -> globus_sdk.DeleteData:
    """Return the document of a task that deletes only `paths`: files or empty `directories`."""
    document = globus_sdk.DeleteData(
        task.destination,
        label=task.label,
        submission_id=task.submission_id,
        recursive=directories,
        ignore_missing=True,
        interpret_globs=False,
        deadline=_deadline(task.deadline or 0),
        notify_on_succeeded=False,
        notify_on_failed=False,
        notify_on_inactive=False,
    )
    for path in paths:
        document.add_item(path)
    return document
