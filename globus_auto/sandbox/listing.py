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

FILE_TEXTS, FILE_TIMES = ("name", "type"), ("last_modified",)
FILE_ORDERS = (*FILE_TEXTS, *FILE_TIMES, "size", "permissions", "user", "group")
TASK_TEXTS = ("status", "type", "task_id", "label")
TASK_TIMES = ("request_time", "completion_time")


def files(
    entries: list[Document], *, show_hidden: bool, filters: list[str], orderby: str
) -> list[Document]:
    """Return the entries of a directory that are asked for, by name unless `orderby` says else."""
    if not show_hidden:
        entries = [entry for entry in entries if not entry["name"].startswith(".")]
    tests = [_test(_clauses(text), FILE_TEXTS, FILE_TIMES, fold=False) for text in filters]
    if tests:
        entries = [entry for entry in entries if any(test(entry) for test in tests)]
    return _ordered(entries, orderby or "name", FILE_ORDERS)


def tasks(found: list[Document], filter_: str, orderby: str) -> list[Document]:
    """Return the tasks asked for, newest first; transfers only unless the filter names a type."""
    clauses = _clauses(filter_)
    if not any(field == "type" for field, _ in clauses):
        clauses.append(("type", "TRANSFER"))
    test = _test(clauses, TASK_TEXTS, TASK_TIMES, fold=True)
    chosen = [document for document in reversed(found) if test(document)]
    return _ordered(chosen, orderby or "request_time DESC", (*TASK_TEXTS, *TASK_TIMES))


def events(found: list[Document], filter_: str) -> list[Document]:
    """Return a task's events, newest first; `filter_` is "", "is_error:1" or "is_error:0"."""
    if filter_ not in ("", "is_error:0", "is_error:1"):
        raise bad_request(f"'filter': {filter_!r} is not supported")
    return [each for each in reversed(found) if not filter_ or each["is_error"] is ("1" in filter_)]


def trimmed(found: list[Document], fields: list[str]) -> list[Document]:
    """Return the documents with these fields only."""
    try:
        return [{field: each[field] for field in fields} for each in found]
    except KeyError as error:
        raise bad_request(f"'fields': there is no field {error}") from error


def _clauses(text: str) -> list[tuple[str, str]]:
    """Return the (field, values) of a filter; an empty filter has none."""
    parts = [part.partition(":") for part in text.split("/") if part]
    return [(field, values) for field, _, values in parts]


def _test(
    clauses: list[tuple[str, str]], texts: tuple[str, ...], times: tuple[str, ...], *, fold: bool
) -> Test:
    """Return what tests all clauses; `fold`: patterns ignore case, as in the labels of tasks."""
    tests = []
    for field, values in clauses:
        if field not in (*texts, *times) or not values:
            raise bad_request(f"'filter': the clause {field}:{values} is not supported")
        tests.append(_text(field, values, fold=fold) if field in texts else _time(field, values))
    return lambda document: all(test(document) for test in tests)


def _text(field: str, values: str, *, fold: bool) -> Test:
    """Test a text: some wanted value fits (if any is wanted) and no unwanted one does."""
    wanted = [value for value in values.split(",") if not value.startswith("!")]
    unwanted = [value[1:] for value in values.split(",") if value.startswith("!")]

    def fits(text: str, value: str) -> bool:
        if not value.startswith("~"):
            return text == value.removeprefix("=")
        pattern = value[1:]
        return fnmatchcase(text.lower(), pattern.lower()) if fold else fnmatchcase(text, pattern)

    def test(document: Document) -> bool:
        text = document[field] or ""
        liked = not wanted or any(fits(text, value) for value in wanted)
        return liked and not any(fits(text, value) for value in unwanted)

    return test


def _time(field: str, values: str) -> Test:
    """Test a time: `from,to`, either of which may be empty."""
    start, _, end = values.partition(",")
    lower = parse_moment(start, field) if start else float("-inf")
    upper = parse_moment(end, field) if end else float("inf")
    return lambda document: (
        document[field] is not None and lower <= parse_moment(document[field], field) <= upper
    )


def _ordered(found: list[Document], orderby: str, fields: tuple[str, ...]) -> list[Document]:
    """Return the documents sorted by `field [ASC|DESC]`, several joined by commas; empty first."""
    for part in reversed(orderby.split(",")):
        field, _, direction = part.strip().partition(" ")
        if field not in fields or direction not in ("", "ASC", "DESC"):
            raise bad_request(f"'orderby': {part!r} is not supported")
        keys = [(each[field] is not None, each[field]) for each in found]
        order = sorted(range(len(found)), key=keys.__getitem__, reverse=direction == "DESC")
        found = [found[index] for index in order]
    return found
