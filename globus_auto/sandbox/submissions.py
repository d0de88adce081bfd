"""Transfer and delete documents, checked: from the JSON of a client to an `Order`.

Fields and their defaults are those of docs.globus.org/api/transfer/task_submit. A field that this
local Globus does not honour is refused by name, never accepted and ignored.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from globus_auto.sandbox.documents import Document, RefusalError, bad_request, parse_moment
from globus_auto.sandbox.endpoints import check_path

Kind = Literal["TRANSFER", "DELETE"]
Check = Callable[[Any, str], Any]


@dataclass(frozen=True)
class Item:
    """One item of a task; `recursive` None means that the type is found out when it is its turn."""

    source: str
    destination: str
    recursive: bool | None


@dataclass(frozen=True)
class Order:
    """A task as it was asked for: the document, and all of its fields, checked.

    `deadline` in seconds since 1970. `options` has every field of the document's kind; what was
    absent or null is None.
    """

    kind: Kind
    document: Document
    options: dict[str, Any]
    items: tuple[Item, ...]
    source_id: str
    destination_id: str | None

    @property
    def submission_id(self) -> str:
        """The id under which it may be submitted again."""
        return str(self.options["submission_id"])

    @property
    def label(self) -> str | None:
        """The label that the user gave it."""
        return None if self.options["label"] is None else str(self.options["label"])

    @property
    def deadline(self) -> float | None:
        """The deadline that the user gave it."""
        return None if self.options["deadline"] is None else float(self.options["deadline"])

    @property
    def endpoint_ids(self) -> list[str]:
        """The ids of the endpoints that it needs."""
        return [self.source_id] + ([self.destination_id] if self.destination_id else [])

    def same_paths(self, other: Order) -> bool:
        """Whether both transfer the same paths between the same endpoints."""
        mine, theirs = (
            (
                order.kind,
                order.endpoint_ids,
                {(item.source, item.destination) for item in order.items},
            )
            for order in (self, other)
        )
        return self.kind == "TRANSFER" and mine == theirs


def read(kind: Kind, document: Document) -> Order:
    """Return the order in a document; raise RefusalError naming what is wrong in it."""
    transfer = kind == "TRANSFER"
    options = _read(document, TRANSFER if transfer else DELETE)
    if not options["DATA"]:
        suffix = ".NoTransferItems" if transfer else ""
        message = f"A {kind.lower()} requires at least one item"
        raise RefusalError(f"ClientError.BadRequest{suffix}", message)
    data = [_read(item, TRANSFER_ITEM if transfer else DELETE_ITEM) for item in options.pop("DATA")]
    if transfer:
        items = [
            Item(each["source_path"], each["destination_path"], each["recursive"]) for each in data
        ]
        ends = (options["source_endpoint"], options["destination_endpoint"])
    else:
        items = [Item(each["path"], "", None) for each in data]
        ends = (options["endpoint"], None)
    return Order(kind, document, options, tuple(items), *ends)


def _read(document: object, checks: dict[str, Check]) -> dict[str, Any]:
    """Return every field of `checks`, checked; a name with `*` must be there."""
    if not isinstance(document, dict):
        raise bad_request(f"{document!r} is not a JSON object")
    names = {name.rstrip("*"): name for name in checks}
    for name in document:
        if name not in names:
            raise bad_request(f"'{name}': this field is not supported by the local Globus")
    fields = {}
    for name, marked in names.items():
        value = document.get(name)
        if value is None and marked != name:
            raise bad_request(f"'{name}': missing")
        fields[name] = None if value is None else checks[marked](value, name)
    return fields


def _only(*allowed: object) -> Check:
    """Accept nothing but these values; what else Globus knows is not imitated."""

    def check(value: object, name: str) -> object:
        if not any(value == each and type(value) is type(each) for each in allowed):
            raise bad_request(f"'{name}': {value!r} is not supported by the local Globus")
        return value

    return check


def _uuid(value: object, name: str) -> str:
    try:
        return str(uuid.UUID(str(value)))
    except ValueError as error:
        raise bad_request(f"'{name}': {value!r} is not a UUID") from error


def _label(value: object, name: str) -> str:
    fine = isinstance(value, str) and value == value.strip() and value.isprintable()
    if not isinstance(value, str) or not fine or len(value) > 128:
        raise bad_request(f"'{name}': {value!r} is not a label of at most 128 characters")
    return value


def _pattern(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise bad_request(f"'{name}': {value!r} is not a text")
    return value


def _list(value: object, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise bad_request(f"'{name}': {value!r} is not a list")
    return value


def _rules(value: object, name: str) -> list[dict[str, Any]]:
    return [_read(rule, FILTER_RULE) for rule in _list(value, name)]


_flag = _only(False, True)
FILTER_RULE: dict[str, Check] = {
    "DATA_TYPE*": _only("filter_rule"),
    "method*": _only("include", "exclude"),
    "name*": _pattern,
    "type": _only("file", "dir"),
}
TRANSFER_ITEM: dict[str, Check] = {
    "DATA_TYPE*": _only("transfer_item"),
    "source_path*": check_path,
    "destination_path*": check_path,
    "recursive": _flag,
}
DELETE_ITEM: dict[str, Check] = {"DATA_TYPE*": _only("delete_item"), "path*": check_path}
COMMON: dict[str, Check] = {
    "submission_id*": _uuid,
    "label": _label,
    "deadline": parse_moment,
    "DATA*": _list,
    **dict.fromkeys(
        ("notify_on_succeeded", "notify_on_failed", "notify_on_inactive"), _only(False)
    ),
}
TRANSFER: dict[str, Check] = {
    **COMMON,
    **dict.fromkeys(("verify_checksum", "encrypt_data", "preserve_timestamp"), _flag),
    **dict.fromkeys(("skip_source_errors", "fail_on_quota_errors"), _flag),
    **dict.fromkeys(("delete_destination_extra", "store_base_path_info"), _only(False)),
    "DATA_TYPE*": _only("transfer"),
    "source_endpoint*": _uuid,
    "destination_endpoint*": _uuid,
    "sync_level": _only(0, 1, 2, 3),
    "filter_rules": _rules,
    "recursive_symlinks": _only("ignore"),
}
DELETE: dict[str, Check] = {
    **COMMON,
    **dict.fromkeys(("recursive", "ignore_missing", "interpret_globs"), _flag),
    "DATA_TYPE*": _only("delete"),
    "endpoint*": _uuid,
}
