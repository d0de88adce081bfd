"""Globus tasks: label them, submit them, and find them again."""

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
from globus_auto.names import OWN
from globus_auto.settings import Settings
from globus_auto.watching import InvalidResponse, TaskDocument, checked

LISTED_AT_MOST = 1000  # tasks: globus_sdk's paginator for task_list stops there as well
LABEL_LENGTH, NAME_LENGTH = 128, 16  # characters
ID = re.compile(r"[\w-]{8,64}", re.ASCII)  # a UUID in everything that is published

log = logging.getLogger(__name__)


class TaskList(msgspec.Struct):
    """A list of tasks, as Globus sends it."""

    DATA: list[dict[str, Any]]


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
    """Return the record of a task that is about to be submitted; times are in seconds UTC."""
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
    """Submit `document` with the client's method `post`; return the task id.

    Globus answers Accepted the first time, and Duplicate, with the same task id, whenever the same
    submission id comes again (docs.globus.org/api/transfer/task_submit). Raise InvalidResponse for
    any other answer, and what the call raises.
    """
    answer = post(document).data
    if not isinstance(answer, dict) or answer.get("code") not in ("Accepted", "Duplicate"):
        raise InvalidResponse("Globus answered a submission neither Accepted nor Duplicate.")
    return _id(answer, "task_id")


def is_rejected(error: globus_sdk.TransferAPIError) -> bool:
    """Return whether Globus rejected a request, so that the request had no effect.

    Only an answer with a Globus error code comes from Globus; an answer from a proxy or portal
    leaves open what Globus did. A 413 is the exception: a body that is too large for a server on
    the way never reached Globus.
    """
    if error.http_status == 413:
        return True
    if error.http_status in (401, 408, 429) or not error.code:
        return False
    return 400 <= error.http_status < 500


def parse_label(label: str | None) -> tuple[str, str, str] | None:
    """Return kind, mapping id and submission id from a label of globus_auto, or None."""
    words = (label or "").split()
    if len(words) < 4 or words[0] != OWN.lstrip("."):
        return None
    return words[1], words[-2], words[-1]


def recent_tasks(client: globus_sdk.TransferClient, since: int) -> list[TaskDocument]:
    """Return globus_auto's tasks requested at or after `since` (seconds UTC), oldest first.

    Ask for one day more, since clocks differ. If there are more tasks than Globus lists at once,
    ask for those in progress separately. Raise InvalidResponse, and what the call raises. Source:
    globus_sdk, TransferClient.task_list.
    """
    start = datetime.fromtimestamp(max(since - 86_400, 0), timezone.utc).replace(tzinfo=None)
    found = _listed(client, f"request_time:{start.isoformat(sep=' ', timespec='seconds')},")
    if len(found) >= LISTED_AT_MOST:
        found += _listed(client, "status:ACTIVE,INACTIVE")
    # Tasks of other programs are not checked: an odd one must not stop this run.
    ours = [each for each in found if str(each.get("label")).startswith(f"{OWN[1:]} ")]
    documents = {each.task_id: each for each in (checked(one, TaskDocument) for one in ours)}
    return list(documents.values())[::-1]


def _listed(client: globus_sdk.TransferClient, clause: str) -> list[dict[str, Any]]:
    """Return the documents of the newest transfer and delete tasks that match a filter `clause`."""
    wanted = f"type:TRANSFER,DELETE/{clause}"
    page = client.task_list(limit=LISTED_AT_MOST, filter=wanted, orderby="request_time DESC")
    return checked(page.data, TaskList).DATA
