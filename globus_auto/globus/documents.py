"""Globus's documents, as far as they are used."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Literal, TypeVar

import msgspec

Shape = TypeVar("Shape")


class FileDocument(msgspec.Struct):
    """A file or directory in a listing, as Globus sends it.

    Source: docs.globus.org/api/transfer/file_operations.
    """

    name: str
    type: str
    size: int | None = None
    last_modified: datetime | None = None
    link_target: str | None = None


class FileList(msgspec.Struct):
    """A listing, as Globus sends it."""

    DATA: list[FileDocument]
    total: int
    rename_supported: bool | None = None


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


def seconds(moment: datetime | None) -> int | None:
    """Return a time from Globus in whole seconds since 1970 UTC; without a zone it is UTC."""
    if moment is None:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() // 1)
