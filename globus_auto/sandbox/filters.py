"""The `filter` and `orderby` parameters of Transfer.

A filter has clauses `field:values` joined by `/`, all of which must match. Values are joined by
commas: `a` or `=a` is that text, `~a*` a pattern, `!a` and `!~a*` are their opposites
(docs.globus.org/api/transfer/file_operations and .../task). A listing may have several filters; an
entry that matches any of them is shown, as `globus ls --recursive --filter` requires.
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
    """Return the requested entries of a directory, by name unless `orderby` says otherwise."""
    if not show_hidden:
        entries = [entry for entry in entries if not entry["name"].startswith(".")]
    tests = [_compile(text, FILE_FILTERS) for text in wanted]
    if tests:
        entries = [entry for entry in entries if any(test(entry) for test in tests)]
    return _sort(entries, orderby or "name", FILE_ORDERS)


def tasks(found: list[Document], filter_: str, orderby: str) -> list[Document]:
    """Return the requested tasks, newest first; only transfers unless the filter names a type."""
    if not any(clause.startswith("type:") for clause in filter_.split("/")):
        filter_ += "/type:TRANSFER"
    test = _compile(filter_, TASK_FIELDS)
    matched = [document for document in reversed(found) if test(document)]
    return _sort(matched, orderby or "request_time DESC", TASK_FIELDS)


def _compile(filter_: str, fields: tuple[str, ...]) -> Test:
    """Return the test for all clauses of a filter."""
    tests = []
    for clause in filter(None, filter_.split("/")):
        field, _, values = clause.partition(":")
        if field not in fields or not values:
            raise bad_request(f"'filter': the clause {clause} is not supported")
        tests.append((_time_test if field in TIMES else _text_test)(field, values))
    return lambda document: all(test(document) for test in tests)


def _text_test(field: str, values: str) -> Test:
    """Return a test for text: a wanted value matches (if there is one), and no unwanted one."""
    wanted = [value for value in values.split(",") if not value.startswith("!")]
    unwanted = [value[1:] for value in values.split(",") if value.startswith("!")]

    def matches(text: str, value: str) -> bool:
        if not value.startswith("~"):
            return text == value.removeprefix("=")
        if field == "label":  # the only field whose patterns ignore case
            text, value = text.lower(), value.lower()
        return fnmatchcase(text, value[1:])

    def test(document: Document) -> bool:
        text = document[field] or ""
        included = not wanted or any(matches(text, value) for value in wanted)
        return included and not any(matches(text, value) for value in unwanted)

    return test


def _time_test(field: str, values: str) -> Test:
    """Return a test for a time: `from,to`, either of which may be empty."""
    start, _, end = values.partition(",")
    lower = parse_moment(start, field) if start else float("-inf")
    upper = parse_moment(end, field) if end else float("inf")
    return lambda document: (
        document[field] is not None and lower <= parse_moment(document[field], field) <= upper
    )


def _sort(found: list[Document], orderby: str, fields: tuple[str, ...]) -> list[Document]:
    """Return the documents sorted by `field [ASC|DESC]`, several joined by commas; null first."""
    for part in reversed(orderby.split(",")):
        field, _, direction = part.strip().partition(" ")
        if field not in fields or direction not in ("", "ASC", "DESC"):
            raise bad_request(f"'orderby': {part!r} is not supported")
        keys = {id(each): (each[field] is not None, each[field]) for each in found}
        found = sorted(found, key=lambda each: keys[id(each)], reverse=direction == "DESC")
    return found
