"""Task documents: ask Globus about tasks, wait for them, cancel them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from typing import Any, Literal, TypeVar

import globus_sdk
import msgspec

from globus_auto.datastore import OPEN
from globus_auto.wording import condensed

CANCEL_SECONDS = 60
# A longer list does not end: no task has so many files, and Globus sends about a thousand a page.
ROWS_MOST = 10_000_000
PAGES_MOST = 100_000
EMPTY_PAGES = 3
Shape = TypeVar("Shape")


class FatalError(msgspec.Struct):
    """Why a task failed, according to Globus."""

    code: str | None = None
    description: str | None = None


class TaskDocument(msgspec.Struct):
    """A task, as Globus describes it (docs.globus.org/api/transfer/task)."""

    task_id: str
    status: Literal["ACTIVE", "INACTIVE", "SUCCEEDED", "FAILED"]
    type: str | None = None
    label: str | None = None
    nice_status: str | None = None
    is_paused: bool | None = None
    fatal_error: FatalError | None = None
    completion_time: datetime | None = None
    request_time: datetime | None = None
    verify_checksum: bool | None = None
    encrypt_data: bool | None = None
    subtasks_skipped_errors: int | None = None
    subtasks_succeeded: int | None = None
    files: int | None = None
    files_transferred: int | None = None
    files_skipped: int | None = None
    bytes_transferred: int | None = None
    effective_bytes_per_second: float | None = None

    @property
    def progress(self) -> int:
        """A number that rises while the task makes progress."""
        figures = (
            self.files_transferred,
            self.files_skipped,
            self.bytes_transferred,
            self.subtasks_succeeded,
        )
        return sum(figure or 0 for figure in figures)


class Event(msgspec.Struct):
    """An event of a task."""

    code: str
    time: datetime
    description: str | None = None
    details: str | None = None


class SkippedError(msgspec.Struct):
    """A path that a task skipped because of an error; Globus hides the path from some roles."""

    source_path: str | None
    error_code: str | None = None


class SuccessfulTransfer(msgspec.Struct):
    """A file that a task transferred."""

    source_path: str | None
    size: int | None = None


class InvalidResponse(Exception):
    """Globus sent a response that shows nothing about the state of a task or file."""


class EndlessList(InvalidResponse):
    """Globus sent a list that does not end."""


class CancelTimeout(Exception):
    """A cancelled task did not end in time."""


def seconds(moment: datetime | None) -> int | None:
    """Return a time from Globus in whole seconds since 1970 UTC; without a zone it is UTC."""
    if moment is None:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() // 1)


def describe_error(code: str | None, description: str | None, details: str | None = None) -> str:
    """Return what Globus says of an error of a task: in words, then its code."""
    words = ": ".join(part for part in (description, condensed(details or "")) if part)
    parts = [f"Globus says: {words.rstrip('.')}"] if words else []
    parts += [f"Code: {code}"] if code else []
    return f"{'. '.join(parts)}." if parts else ""


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
