"""Globus tasks: label them, submit them, and find them again."""

from __future__ import annotations

import hashlib
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from typing import Any, Literal

import globus_sdk
import msgspec

from globus_auto.datastore import OPEN, TaskRecord
from globus_auto.errors import CancelTimeout, EndlessList, InvalidResponse
from globus_auto.files import OWN
from globus_auto.globus.documents import Event, Shape, TaskDocument, TaskList
from globus_auto.settings import Settings

LISTED_AT_MOST = 1000  # tasks: globus_sdk's paginator for task_list stops there as well
LABEL_LENGTH, NAME_LENGTH = 128, 16  # characters
ID = re.compile(r"[\w-]{8,64}", re.ASCII)  # a UUID in everything that is published
CANCEL_SECONDS = 60
# A longer list does not end: no task has so many files, and Globus sends about a thousand a page.
ROWS_MOST = 10_000_000
PAGES_MOST = 100_000
EMPTY_PAGES = 3


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


def link(task_id: str) -> str:
    """Return the address of a task's page in the Globus web app."""
    return f"https://app.globus.org/activity/{task_id}"


def task_document(client: globus_sdk.TransferClient, task_id: str) -> TaskDocument:
    """Return the document of a task; raise InvalidResponse, or what the call raises."""
    document = checked(client.get_task(task_id).data, TaskDocument)
    if document.task_id != task_id:
        raise InvalidResponse(f"Globus was asked for task {task_id} and described another.")
    return document


def checked(data: Any, shape: type[Shape]) -> Shape:  # noqa: ANN401 - any JSON value
    """Return `data` from Globus as a `shape`; raise InvalidResponse if it does not fit."""
    try:
        return msgspec.convert(data, shape)
    except (msgspec.ValidationError, ValueError) as error:
        raise InvalidResponse(f"Globus sent no whole {shape.__name__}: {error}.") from error


def paged(pages: Iterable[Any], shape: type[Shape], most: int = ROWS_MOST) -> list[Shape]:
    """Return the documents of all `pages` of a list.

    Raise InvalidResponse if a document is incomplete, or if the list does not end: more than `most`
    documents or PAGES_MOST pages, a marker that comes twice, or EMPTY_PAGES pages in a row without
    any document although more are announced.
    """
    found: list[Shape] = []
    markers: set[object] = set()
    empty = 0
    try:
        for page in pages:
            data = page.data["DATA"]
            if not isinstance(data, list):
                raise InvalidResponse(f"Globus sent a list of {shape.__name__} that is none.")
            found += [checked(item, shape) for item in data]
            # globus_sdk requests the next page as long as there is a marker.
            marker = page.data.get("next_marker")
            empty = 0 if data else empty + 1
            endless = marker in markers or len(markers) >= PAGES_MOST or empty >= EMPTY_PAGES
            if len(found) > most or (marker is not None and endless):
                raise EndlessList(f"Globus sent a list of {shape.__name__} that does not end.")
            markers.add(marker)
    except (TypeError, KeyError, ValueError) as error:
        raise InvalidResponse(f"Globus sent no whole list of {shape.__name__}.") from error
    return found


def newest_event(
    client: globus_sdk.TransferClient, task_id: str, *, errors: bool = False
) -> Event | None:
    """Return the newest event of a task, with `errors` the newest error; None if there is none."""
    query = {"filter": "is_error:1"} if errors else None
    events = paged([client.task_event_list(task_id, limit=1, query_params=query)], Event)
    return events[0] if events else None


def waits(seconds: float) -> Iterator[None]:
    """Yield at once, then after growing pauses until they add up to `seconds`."""
    pause, slept = 0.5, 0.0
    yield
    while slept < seconds:
        time.sleep(pause)
        slept += pause
        pause = min(pause * 1.5, 10)
        yield


def wait(
    client: globus_sdk.TransferClient,
    task_id: str,
    seconds: float,
    progress: Callable[[TaskDocument], None] = lambda _document: None,
) -> TaskDocument:
    """Return a task's document once it is no longer ACTIVE, or its latest one after `seconds`.

    Call `progress` with each document on the way.
    """
    for _ in waits(seconds):
        document = task_document(client, task_id)
        progress(document)
        if document.status != "ACTIVE":
            break
    return document


def cancel(client: globus_sdk.TransferClient, task_id: str) -> TaskDocument:
    """Cancel a task and return its document once it has ended.

    Raise CancelTimeout if it has not ended after CANCEL_SECONDS.
    """
    client.cancel_task(task_id)
    for _ in waits(CANCEL_SECONDS):
        document = task_document(client, task_id)
        if document.status not in OPEN:
            return document
    raise CancelTimeout(f"Globus has not ended task {task_id} although asked to cancel it.")


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
    if task.recursive:
        document.add_item(task.source_dir, task.destination_dir, recursive=True)
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
    deadline = datetime.fromtimestamp(task.deadline or 0, timezone.utc)
    document = globus_sdk.DeleteData(
        task.destination,
        label=task.label,
        submission_id=task.submission_id,
        recursive=directories,
        ignore_missing=True,
        interpret_globs=False,
        deadline=deadline.isoformat(timespec="seconds"),
        notify_on_succeeded=False,
        notify_on_failed=False,
        notify_on_inactive=False,
    )
    for path in paths:
        document.add_item(path)
    return document
