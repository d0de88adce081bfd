"""Globus's documents, as far as they are used."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from globus_auto.errors import EndlessList, InvalidResponse, Obstacle
from globus_auto.text import condensed, shortened

Shape = TypeVar("Shape")

ID = re.compile(r"[\w-]{8,64}", re.ASCII)  # a UUID in everything that is published
# A longer list does not end: no task has so many files, and Globus sends about a thousand a page.
ROWS_MOST = 10_000_000
PAGES_MOST = 100_000
EMPTY_PAGES = 3
# The codes with which a task ends before its work is done: an earlier error says why.
ENDINGS = ("CANCELED", "EXPIRED")


class FileDocument(msgspec.Struct):
    """A file or directory in a listing, as Globus sends it.

    Source: docs.globus.org/api/transfer/file_operations. `size` and `last_modified` may be
    anything: one file with an impossible time must not hide all others.
    """

    name: str
    type: str
    size: object = None
    last_modified: object = None
    link_target: str | None = None


class Fingerprint(msgspec.Struct):
    """What the fingerprint of a file is made of."""

    size: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
    last_modified: datetime


class FileList(msgspec.Struct):
    """A listing, as Globus sends it."""

    DATA: list[FileDocument]
    total: int
    rename_supported: bool | None = None


# Several threads that use a type for the first time can crash msgspec (0.22), as listings would.
for _shape in (FileList, Fingerprint):
    msgspec.json.Decoder(_shape)


class EndpointDocument(msgspec.Struct):
    """The document of a collection, as Globus sends it.

    Source: globus-sdk, TransferClient.get_endpoint.
    """

    id: str
    entity_type: str | None = None
    display_name: str | None = None
    gcp_connected: bool | None = None
    gcp_paused: bool | None = None
    non_functional: bool | None = None
    high_assurance: bool | None = None
    disable_verify: bool | None = None

    def __post_init__(self) -> None:
        """Shorten what people read."""
        self.display_name = self.display_name and shortened(self.display_name)

    @property
    def obstacle(self) -> Obstacle | None:
        """Why this collection cannot be used now, as far as its document shows."""
        if self.non_functional:
            return "server"
        # Null for all other kinds of collections, and for guest collections of Connect Personal.
        personal = (self.entity_type or "").startswith("GCP_mapped")
        if self.gcp_connected is False or (personal and self.gcp_connected is None):
            return "disconnected"
        return "paused" if self.gcp_paused else None


class TaskList(msgspec.Struct):
    """A list of tasks, as Globus sends it."""

    DATA: list[dict[str, Any]]


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

    def __post_init__(self) -> None:
        """Shorten what people read."""
        self.nice_status = self.nice_status and shortened(self.nice_status)

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

    @property
    def is_end(self) -> bool:
        """Whether it only says that the task ended before its work was done."""
        return self.code in ENDINGS


class SkippedError(msgspec.Struct):
    """A path that a task skipped because of an error; Globus hides the path from some roles."""

    source_path: str | None
    error_code: str | None = None


class SuccessfulTransfer(msgspec.Struct):
    """A file that a task transferred, and its checksum if Globus compared that.

    Source: globus-sdk, TransferClient.task_successful_transfers.
    """

    source_path: str | None
    size: int | None = None
    checksum: str | None = None
    checksum_algorithm: str | None = None

    @property
    def named_checksum(self) -> str | None:
        """The checksum with its algorithm, as "md5:HEX"."""
        if not self.checksum:
            return None
        return f"{(self.checksum_algorithm or 'unknown').lower()}:{self.checksum.lower()}"


def seconds(moment: datetime | None) -> int | None:
    """Return a time from Globus in whole seconds since 1970 UTC; without a zone it is UTC."""
    if moment is None:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() // 1)


def identifier(document: object, key: str) -> str:
    """Return the id that `document` has as `key`; raise InvalidResponse if it has none."""
    value = document.get(key) if isinstance(document, dict) else None
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise InvalidResponse(f"Globus answered without a usable {key}.")
    return value


def converted(data: Any, shape: type[Shape]) -> Shape:  # noqa: ANN401 - any JSON value
    """Return `data` from Globus as a `shape`; raise ValueError if it does not fit."""
    if data is None:
        # globus_sdk uses orjson if it is installed, which rejects a whole listing for one odd name.
        raise ValueError("the answer is not valid JSON")
    try:
        return msgspec.convert(data, shape)
    # In msgspec 0.19 a ValidationError is no ValueError.
    except (msgspec.ValidationError, RecursionError) as error:
        raise ValueError(condensed(str(error))) from error


def checked(data: Any, shape: type[Shape]) -> Shape:  # noqa: ANN401 - any JSON value
    """Return `data` from Globus as a `shape`; raise InvalidResponse if it does not fit."""
    try:
        return converted(data, shape)
    except ValueError as error:
        raise InvalidResponse(f"Globus sent no whole {shape.__name__}: {error}.") from error


def paged(
    fetch: Callable[[str | None], Any], shape: type[Shape], most: int = ROWS_MOST
) -> list[Shape]:
    """Return the documents of all pages of a list; `fetch` returns the page at a marker.

    Raise InvalidResponse if a document is incomplete, or if the list does not end: more than `most`
    documents or PAGES_MOST pages, a marker that comes twice, or EMPTY_PAGES pages in a row without
    any document although more are announced.
    """
    found: list[Shape] = []
    markers: set[object] = set()
    marker, empty = None, 0
    try:
        while True:
            page = fetch(marker)
            data = page["DATA"]
            if not isinstance(data, list):
                raise InvalidResponse(f"Globus sent a list of {shape.__name__} that is none.")
            found += [checked(item, shape) for item in data]
            marker = page.get("next_marker")
            empty = 0 if data else empty + 1
            endless = marker in markers or len(markers) >= PAGES_MOST or empty >= EMPTY_PAGES
            if len(found) > most or (marker is not None and endless):
                raise EndlessList(f"Globus sent a list of {shape.__name__} that does not end.")
            if marker is None:
                return found
            markers.add(marker)
    except (TypeError, KeyError, ValueError) as error:
        raise InvalidResponse(f"Globus sent no whole list of {shape.__name__}.") from error
