"""Which directories are empty, by their listings."""

import itertools
from typing import Any

import pytest

from globus_auto.files import FileVersion, keep_marker_finder
from globus_auto.steps.empty import is_empty_tree, topmost_empty_trees
from globus_auto.walk import DirectoryListing, ListingError, ListingResult

NOW = 1_795_428_000


def directory(path: str, *names: str, **more: Any) -> DirectoryListing:
    """Return a listing of directories that are an hour old; `more` overrides its fields."""
    fields: dict[str, Any] = {"files": {}, "others": {}, "unsendable": []}
    return DirectoryListing(path, directories=dict.fromkeys(names, NOW - 3600), **(fields | more))


FILE = {"files": {"f": FileVersion(0, 0)}}


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([directory("/r")], []),
        ([directory("/r", "a"), directory("/r/a")], ["/r/a"]),
        ([directory("/r", "a"), directory("/r/a", "b"), directory("/r/a/b")], ["/r/a"]),
        (
            [directory("/r", "a", "b"), directory("/r/a"), directory("/r/b", **FILE)],
            ["/r/a"],
        ),
        (
            [directory("/r", "a"), directory("/r/a", "b", **FILE), directory("/r/a/b")],
            ["/r/a/b"],
        ),
        ([directory("/r", "a"), directory("/r/a", others={"l": "symlink"})], []),
        ([directory("/r", "a"), directory("/r/a", unsendable=["x\n"])], []),
        ([directory("/r", "a"), ListingError("/r/a", "no")], []),
        ([directory("/r", "a"), ListingError("/r/a", "none", gone=True)], []),
        (
            [
                directory("/r", "a"),
                directory("/r/a", "b", "c"),
                directory("/r/a/b"),
                ListingError("/r/a/c", "no"),
            ],
            ["/r/a/b"],
        ),
        ([directory("/r", "a", "ab"), directory("/r/ab"), directory("/r/a", **FILE)], ["/r/ab"]),
        ([directory("/r", "a", "x"), directory("/r/a"), directory("/r/x")], ["/r/a"]),
        (
            [directory("/r", "a"), directory("/r/a", "x", "b"), directory("/r/a/b")],
            ["/r/a/b"],
        ),
        ([directory("/r", "x"), directory("/r/x", "b"), directory("/r/x/b")], ["/r/x/b"]),
    ],
)
def test_the_topmost_empty_trees_are_found(
    outcomes: list[ListingResult], expected: list[str]
) -> None:
    for order in itertools.permutations(outcomes):
        assert topmost_empty_trees(order, "/r", lambda name, _mtime: name == "x") == expected


def test_the_caller_decides_which_directories_are_content() -> None:
    """It is asked with the name and the modification time of each directory."""
    calls: list[tuple[str, int]] = []

    def is_content(name: str, mtime: int) -> bool:
        calls.append((name, mtime))
        return True

    outcomes = [directory("/r", "a"), directory("/r/a")]
    assert topmost_empty_trees(outcomes, "/r", is_content) == []
    assert calls == [("a", NOW - 3600)]


@pytest.mark.parametrize(
    ("outcomes", "empty"),
    [
        ([directory("/a")], True),
        ([directory("/a", "b"), directory("/a/b")], True),
        ([directory("/a", "b"), ListingError("/a/b", "no")], False),
        ([directory("/a", "b"), ListingError("/a/b", "gone", gone=True)], False),
        ([ListingError("/a", "gone", gone=True)], False),
        ([directory("/a", "b"), directory("/a/b", **FILE)], False),
        ([directory("/a", others={"p": "pipe"})], False),
        ([directory("/a", unsendable=["\n"])], False),
        ([directory("/a", "Keep"), directory("/a/Keep")], False),
        ([directory("/a", ".globus_auto_empty.1"), directory("/a/.globus_auto_empty.1")], False),
    ],
)
def test_a_quarantine_is_empty_only_if_all_of_it_was_listed(
    outcomes: list[ListingResult], empty: bool
) -> None:
    assert is_empty_tree(outcomes, keep_marker_finder(["KEEP"])) is empty
