"""Tasks of Globus: how they are named, submitted, and found again."""

from __future__ import annotations

import hashlib
import logging
import re
import socket
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import Any, Literal

import globus_sdk
import msgspec

from globus_auto.datastore import TaskRecord
from globus_auto.settings import Settings
from globus_auto.watching import InvalidResponse, TaskDocument, checked

# Names that begin so are globus_auto's own: never sent, never removed as empty directories.
OWN = ".globus_auto"
# What delete.py calls a directory while it sees whether it is empty.
QUARANTINE = f"{OWN}_empty."
LISTED_AT_MOST = 1000  # tasks; globus_sdk's paginator of task_list knows no more
LABEL_LENGTH, NAME_LENGTH = 128, 16  # characters
ID = re.compile(r"[\w-]{8,64}", re.ASCII)  # a UUID, in all that is published

log = logging.getLogger(__name__)


class TaskList(msgspec.Struct):
    """A list of tasks, as Globus sends it."""

    DATA: list[dict[str, Any]]


def mapping_id(settings: Settings) -> str:
    """Return what labels name this pair of directories by."""
    pair = " ".join(settings.pair)
    return hashlib.sha256(pair.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def new_label(kind: str, settings: Settings, names: Iterable[str], submission_id: str) -> str:
    """Return the label of a task between the collections `names`, by which it is found again.

    Globus takes 128 characters (docs.globus.org/api/transfer/task_submit). Tasks are known by the
    last two words; host and collections are for people.
    """
    people = [re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:NAME_LENGTH] or "_" for name in names]
    host = re.sub(r"[^A-Za-z0-9._-]+", "_", socket.gethostname())[:NAME_LENGTH]
    start, end = f"{OWN.lstrip('.')} {kind}", f"{mapping_id(settings)} {submission_id}"
    room = LABEL_LENGTH - len(start) - len(end) - 2
    shown = f"{host} {' to '.join(people)}"[:room].rstrip()
    return f"{start} {shown} {end}"


def new_task(
    kind: Literal["transfer", "delete"],
    submission_id: str,
    *,
    label: str,
    scanned_at: int,
    source_dir: str,
    destination: str,
    destination_dir: str,
    recursive: bool = False,
    exclude: Iterable[str] = (),
    deadline: int | None = None,
) -> TaskRecord:
    """Return the record of a task that is about to be submitted; times in seconds UTC."""
    return TaskRecord(
        kind=kind,
        submission_id=submission_id,
        label=label,
        submitted_at=int(time.time()),
        scanned_at=scanned_at,
        recursive=recursive,
        exclude=list(exclude),
        source_dir=source_dir,
        destination=destination,
        destination_dir=destination_dir,
        deadline=deadline,
    )


def new_submission_id(client: globus_sdk.TransferClient) -> str:
    """Return a new id under which Globus accepts one task, however often it is submitted.

    Source: docs.globus.org/api/transfer/task_submit, "Get a submission id".
    """
    return _id(client.get_submission_id().data, "value")


def _id(document: object, key: str) -> str:
    value = document.get(key) if isinstance(document, dict) else None
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise InvalidResponse(f"Globus answered without a usable {key}.")
    return value


def submit(post: Callable[[Any], globus_sdk.GlobusHTTPResponse], document: dict[str, Any]) -> str:
    """Submit `document` by a client's method `post` and return the id of its task.

    Globus says Accepted once, and Duplicate, with the same task id, whenever this submission id
    comes again (docs.globus.org/api/transfer/task_submit). Raise InvalidResponse for another
    answer, and what the call raises.
    """
    answer = post(document).data
    if not isinstance(answer, dict) or answer.get("code") not in ("Accepted", "Duplicate"):
        raise InvalidResponse("Globus answered a submission neither Accepted nor Duplicate.")
    return _id(answer, "task_id")


def is_rejected(error: globus_sdk.TransferAPIError) -> bool:
    """Return whether Globus has rejected a request, so that it had no effect.

    Only an answer with a Globus error code is Globus's own: what a proxy or portal says leaves
    open what Globus has done. A body that is too large for one on the way never came to Globus.
    """
    if error.http_status == 413:
        return True
    if error.http_status in (401, 408, 429) or not error.code:
        return False
    return 400 <= error.http_status < 500


def parse_label(label: str | None) -> tuple[str, str, str] | None:
    """Return kind, mapping id and submission id as a label of globus_auto tells them, or None."""
    words = (label or "").split()
    if len(words) < 4 or words[0] != OWN.lstrip("."):
        return None
    return words[1], words[-2], words[-1]


def recent_tasks(client: globus_sdk.TransferClient, since: int) -> list[TaskDocument]:
    """Return globus_auto's tasks requested from `since` on (seconds UTC), oldest first.

    A day more is asked for, since clocks differ. Where there are more tasks than Globus lists at
    once, those in progress are asked for apart. Raise InvalidResponse, or what the call raises.
    Source: globus_sdk, TransferClient.task_list.
    """
    start = datetime.fromtimestamp(max(since - 86_400, 0), timezone.utc).replace(tzinfo=None)
    found = _listed(client, f"request_time:{start.isoformat(sep=' ', timespec='seconds')},")
    if len(found) >= LISTED_AT_MOST:
        found += _listed(client, "status:ACTIVE,INACTIVE")
    # What other programs have submitted is none of our business, whatever it looks like.
    ours = [each for each in found if str(each.get("label")).startswith(f"{OWN[1:]} ")]
    documents = {each.task_id: each for each in (checked(one, TaskDocument) for one in ours)}
    return list(documents.values())[::-1]


def _listed(client: globus_sdk.TransferClient, clause: str) -> list[dict[str, Any]]:
    """Return the documents of the newest tasks, transfers and deletes, to which a `clause` fits."""
    wanted = f"type:TRANSFER,DELETE/{clause}"
    page = client.task_list(limit=LISTED_AT_MOST, filter=wanted, orderby="request_time DESC")
    return checked(page.data, TaskList).DATA
