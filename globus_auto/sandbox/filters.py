"""Which documents of a list are shown, and in which order: `filter` and `orderby` of Transfer.

A filter is clauses `field:values` joined by `/`, all of which must hold. Values are joined by
commas: `a` or `=a` is that text, `~a*` a pattern, `!a` and `!~a*` are their opposites
(docs.globus.org/api/transfer/file_operations and .../task). A directory may be given several
filters; what any of them lets through is shown, as `globus ls --recursive --filter` needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase

from globus_auto.sandbox.documents import Document, bad_request, parse_moment

Test = Callable[[Document], bool]

TIMES = ("last_modified", "request_time", "completion_time")
FILE_FILTERS = ("name", "type", "last_modified")
FILE_ORDERS = (*FILE_FILTERS, "size", "permissions", "user", "group")
TASK_FIELDS = ("status", "type", "task_id", "label", "request_time", "completion_time")


def files(
    entries: list[Document], *, show_hidden: bool, wanted: list[str], orderby: str
) -> list[Document]:
    """Return the entries of a directory that are asked for, by name unless `orderby` says else."""
    if not show_hidden:
        entries = [entry for entry in entries if not entry["name"].startswith(".")]
    tests = [_compile(text, FILE_FILTERS) for text in wanted]
    if tests:
        entries = [entry for entry in entries if any(test(entry) for test in tests)]
    return _sort(entries, orderby or "name", FILE_ORDERS)


def tasks(found: list[Document], filter_: str, orderby: str) -> list[Document]:
    """Return the tasks asked for, newest first; transfers only unless the filter names a type."""
    if not any(clause.startswith("type:") for clause in filter_.split("/")):
        filter_ += "/type:TRANSFER"
    test = _compile(filter_, TASK_FIELDS)
    chosen = [document for document in reversed(found) if test(document)]
    return _sort(chosen, orderby or "request_time DESC", TASK_FIELDS)


def _compile(filter_: str, fields: tuple[str, ...]) -> Test:
    """Return what tests all clauses of a filter."""
    tests = []
    for clause in filter(None, filter_.split("/")):
        field, _, values = clause.partition(":")
        if field not in fields or not values:
            raise bad_request(f"'filter': the clause {clause} is not supported")
        tests.append((_time_test if field in TIMES else _text_test)(field, values))
    return lambda document: all(test(document) for test in tests)


def _text_test(field: str, values: str) -> Test:
    """Test a text: some wanted value fits (if any is wanted) and no unwanted one does."""
    wanted = [value for value in values.split(",") if not value.startswith("!")]
    unwanted = [value[1:] for value in values.split(",") if value.startswith("!")]

    def fits(text: str, value: str) -> bool:
        if not value.startswith("~"):
            return text == value.removeprefix("=")
        if field == "label":  # the only one in which patterns ignore case
            text, value = text.lower(), value.lower()
        return fnmatchcase(text, value[1:])

    def test(document: Document) -> bool:
        text = document[field] or ""
        liked = not wanted or any(fits(text, value) for value in wanted)
        return liked and not any(fits(text, value) for value in unwanted)

    return test


def _time_test(field: str, values: str) -> Test:
    """Test a time: `from,to`, either of which may be empty."""
    start, _, end = values.partition(",")
    lower = parse_moment(start, field) if start else float("-inf")
    upper = parse_moment(end, field) if end else float("inf")
    return lambda document: (
        document[field] is not None and lower <= parse_moment(document[field], field) <= upper
    )


def _sort(found: list[Document], orderby: str, fields: tuple[str, ...]) -> list[Document]:
    """Return the documents sorted by `field [ASC|DESC]`, several joined by commas; empty first."""
    for part in reversed(orderby.split(",")):
        field, _, direction = part.strip().partition(" ")
        if field not in fields or direction not in ("", "ASC", "DESC"):
            raise bad_request(f"'orderby': {part!r} is not supported")
        keys = {id(each): (each[field] is not None, each[field]) for each in found}
        found = sorted(found, key=lambda each: keys[id(each)], reverse=direction == "DESC")
    return found
