"""The documents that clients send, and the check that turns them into a `Submission`.

Fields and their defaults are those of docs.globus.org/api/transfer/task_submit. A field that the
sandbox does not support is rejected by name, never accepted and ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct, structs

from globus_auto.sandbox.documents import APIError, Document, bad_request, convert, parse_moment
from globus_auto.sandbox.endpoints import PATH, absolute

Kind = Literal["TRANSFER", "DELETE"]
ALGORITHMS = ("MD5", "SHA1", "SHA256", "SHA512")
Path = Annotated[str, Meta(pattern=PATH.pattern)]
Label = Annotated[str, Meta(max_length=128, pattern=r"\A(?!\s)[^\x00-\x1f\x7f]*(?<!\s)\Z")]
Flag = bool | None


class Mkdir(Struct, forbid_unknown_fields=True):
    """The document that creates a directory."""

    DATA_TYPE: Literal["mkdir"]
    path: Path
    local_user: str | None = None


class Rename(Struct, forbid_unknown_fields=True):
    """The document that renames a file or directory."""

    DATA_TYPE: Literal["rename"]
    old_path: Path
    new_path: Path
    local_user: str | None = None


class TaskUpdate(Struct, forbid_unknown_fields=True):
    """The document that changes the label or the deadline of a task."""

    DATA_TYPE: Literal["task"]
    label: Label | None = None
    deadline: str | None = None


class _FilterRule(Struct, forbid_unknown_fields=True):
    DATA_TYPE: Literal["filter_rule"]
    method: Literal["include", "exclude"]
    name: str
    type: Literal["file", "dir"] | None = None


class _TransferItem(Struct, forbid_unknown_fields=True):
    DATA_TYPE: Literal["transfer_item"]
    source_path: Path
    destination_path: Path
    recursive: Flag = None
    external_checksum: str | None = None
    checksum_algorithm: str | None = None


class _DeleteItem(Struct, forbid_unknown_fields=True):
    DATA_TYPE: Literal["delete_item"]
    path: Path


class _Document(Struct, forbid_unknown_fields=True, kw_only=True):
    submission_id: UUID
    label: Label | None = None
    deadline: str | None = None
    notify_on_succeeded: Flag = None
    notify_on_failed: Flag = None
    notify_on_inactive: Flag = None
    skip_activation_check: Flag = None  # older clients send it; it has no effect
    store_base_path_info: Flag = None


class _Transfer(_Document, kw_only=True):
    DATA_TYPE: Literal["transfer"]
    DATA: list[_TransferItem]
    source_endpoint: UUID
    destination_endpoint: UUID
    sync_level: Literal[0, 1, 2, 3] | None = None
    verify_checksum: Flag = None
    encrypt_data: Flag = None
    preserve_timestamp: Flag = None
    skip_source_errors: Flag = None
    fail_on_quota_errors: Flag = None
    delete_destination_extra: Flag = None
    source_local_user: str | None = None
    destination_local_user: str | None = None
    recursive_symlinks: Literal["ignore"] | None = None
    filter_rules: list[_FilterRule] | None = None


class _Delete(_Document, kw_only=True):
    DATA_TYPE: Literal["delete"]
    DATA: list[_DeleteItem]
    endpoint: UUID
    recursive: Flag = None
    ignore_missing: Flag = None
    interpret_globs: Flag = None
    local_user: str | None = None


@dataclass(frozen=True)
class Item:
    """One item of a task; with `recursive` None its type is determined when it is processed.

    `missing`: the source was not found, so the item does not count among the files of its task.
    `checksum` is the one that the file must have, `algorithm` is the algorithm of its checksums.
    """

    source: str
    destination: str
    recursive: bool | None
    missing: bool = False
    checksum: str | None = None
    algorithm: str = ALGORITHMS[0]


@dataclass(frozen=True)
class Submission:
    """A submitted task: the document, and all of its fields, checked.

    `options` has every field of this kind of document, None where it was absent or null. `deadline`
    is in seconds since 1970. `endpoint_ids` are the source and, of a transfer, the destination.
    """

    kind: Kind
    document: Document
    options: dict[str, Any]
    items: list[Item]
    endpoint_ids: list[str]
    submission_id: str
    label: str | None
    deadline: float | None

    def same_paths(self, other: Submission) -> bool:
        """Whether both transfer the same paths between the same endpoints."""
        mine, theirs = (
            {(item.source, item.destination) for item in submission.items}
            for submission in (self, other)
        )
        same_endpoints = self.endpoint_ids == other.endpoint_ids
        return self.kind == other.kind == "TRANSFER" and same_endpoints and mine == theirs


def read(kind: Kind, document: Document) -> Submission:
    """Return the submission in a document; raise APIError naming the field that is wrong."""
    fields: _Transfer | _Delete
    if kind == "TRANSFER":
        fields = convert(document, _Transfer)
        endpoints = [fields.source_endpoint, fields.destination_endpoint]
        items = [_transfer_item(one) for one in fields.DATA]
    else:
        fields = convert(document, _Delete)
        endpoints = [fields.endpoint]
        items = [Item(absolute(one.path), "", None) for one in fields.DATA]
    if not items:
        code = "ClientError.BadRequest" + (".NoTransferItems" if kind == "TRANSFER" else "")
        raise APIError(code, f"A {kind.lower()} requires at least one item")
    return Submission(
        kind=kind,
        document=document,
        options=structs.asdict(fields),
        items=items,
        endpoint_ids=[str(each) for each in endpoints],
        submission_id=str(fields.submission_id),
        label=fields.label,
        deadline=None if fields.deadline is None else parse_moment(fields.deadline, "deadline"),
    )


def _transfer_item(one: _TransferItem) -> Item:
    algorithm = (one.checksum_algorithm or ALGORITHMS[0]).upper()
    if algorithm not in ALGORITHMS:
        raise bad_request(f"'checksum_algorithm': the sandbox has only {', '.join(ALGORITHMS)}")
    if one.external_checksum is not None and one.recursive:
        raise bad_request("'external_checksum': a directory has none")
    return Item(
        absolute(one.source_path),
        absolute(one.destination_path),
        one.recursive,
        checksum=one.external_checksum,
        algorithm=algorithm,
    )
