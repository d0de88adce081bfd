"""Why a file is kept and which trees are empty: functions of plain data."""

import itertools
import unicodedata
from typing import Any

import pytest

from globus_auto.datastore import FileRecord, FileVersion, TaskRecord
from globus_auto.files import colliding_names
from globus_auto.globus import documents, tasks
from globus_auto.steps import batches, delivered, rules
from globus_auto.steps.empty import is_empty_tree, topmost_empty_trees
from globus_auto.steps.rules import KeepReason, KeepTerms, Reason
from globus_auto.walk import DirectoryListing, ListingError, ListingResult

NOW = 1_795_428_000
DAY = 86_400
FINE: dict[str, Any] = {
    "mtime": NOW - 100,
    "scanned_at": NOW - 50,
    "status": "SUCCEEDED",
    "ended_at": NOW - 40,
    "keep_days": 0,
    "excluded": False,
    "recursive_in_progress": False,
    "collides": False,
    "lost": False,
    "verified": True,
}
# In the order of precedence.
REASONS: list[tuple[dict[str, Any], KeepReason]] = [
    ({"status": "ACTIVE", "ended_at": None}, KeepReason.IN_PROGRESS),
    ({"recursive_in_progress": True}, KeepReason.IN_PROGRESS),
    ({"lost": True}, KeepReason.LOST_TASK),
    ({"mtime": NOW - 51}, KeepReason.RACY),
    ({"excluded": True}, KeepReason.EXCLUDED),
    ({"keep_days": 1}, KeepReason.KEEP_DAYS),
    ({"collides": True}, KeepReason.COLLISION),
    ({"verified": None}, KeepReason.UNVERIFIED),
    ({"verified": False}, KeepReason.UNVERIFIED),
]


def reason(**changes: Any) -> Reason | None:
    """Return why a file is kept that would be deleted without these changes."""
    case = FINE | changes
    task = TaskRecord(
        kind="transfer",
        submission_id="s",
        label="l",
        status=case["status"],
        submitted_at=case["scanned_at"],
        scanned_at=case["scanned_at"],
        ended_at=case["ended_at"],
        source_dir="/s",
        destination="d",
        destination_dir="/d",
        verify_checksum=case["verified"],
    )
    given = {name: case[name] for name in ("excluded", "recursive_in_progress", "collides", "lost")}
    record = FileRecord(10, case["mtime"], 1)
    why = rules.reason_to_keep(record, task, KeepTerms(NOW, case["keep_days"]), **given)
    return why and why.reason


def test_a_file_is_kept_for_the_first_reason_that_applies() -> None:
    """It is deleted only where none applies."""
    assert reason() is None
    for number in range(1, len(REASONS) + 1):
        for combination in itertools.combinations(REASONS, number):
            changes: dict[str, Any] = {}
            for change, _ in combination:
                changes |= change
            assert reason(**changes) is combination[0][1]


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"status": "FAILED"}, False),
        ({"status": "INACTIVE"}, True),
        ({"mtime": NOW - 52}, False),
        ({"mtime": NOW - 51}, True),
        ({"mtime": NOW}, True),
        ({"mtime": NOW - 50 + DAY}, True),
        ({"mtime": NOW - 50 + DAY + 1}, False),
        ({"mtime": -5}, False),
        ({"keep_days": 0, "ended_at": NOW + 500}, False),
        ({"keep_days": 0.5, "ended_at": NOW - DAY // 2}, False),
        ({"keep_days": 0.5, "ended_at": NOW - DAY // 2 + 1}, True),
        ({"keep_days": 2, "ended_at": None}, True),
        ({"keep_days": 2, "ended_at": NOW + 500}, True),
    ],
)
def test_the_bounds_of_the_reasons(changes: dict[str, Any], kept: bool) -> None:
    assert (reason(**changes) is not None) is kept


def test_only_an_equal_fingerprint_at_the_source_is_deleted() -> None:
    versions = [FileVersion(*both) for both in itertools.product((0, 1, 9), (-5, 0, 7))]
    for version, found in itertools.product(versions, [*versions, None]):
        record = FileRecord(version.size, version.mtime, 1)
        assert (rules.reason_at_source(record, found) is None) is (found == version)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], []),
        (["a", "b", "ab"], []),
        (["a", "A", "b"], ["A", "a"]),
        (["a", "a"], ["a"]),
        (["é", "e\u0301", "e"], ["e\u0301", "é"]),
        (["É", "e\u0301"], ["e\u0301", "É"]),
        (["ß", "ss", "SS", "s"], ["SS", "ss", "ß"]),
        (["\u212b", "å"], ["å", "\u212b"]),
        (["ﬁle", "file"], ["file", "ﬁle"]),
        (["Ω", "\u2126"], ["Ω", "\u2126"]),
    ],
)
def test_names_that_differ_only_in_case_or_form_are_found(
    names: list[str], expected: list[str]
) -> None:
    assert sorted(colliding_names(names)) == sorted(expected)


def test_all_spellings_of_a_name_are_found() -> None:
    letters = "aAßsSéÉåÅ\u212bΩω\u2126ﬁfiİıςσΣ日-\u0301\u030a"
    for name in map("".join, itertools.product(letters, repeat=2)):
        spellings = {name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))}
        spellings |= {name.casefold(), unicodedata.normalize("NFD", name.casefold())}
        found = colliding_names(sorted(spellings))
        assert found == (spellings if len(spellings) > 1 else set())


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
    calls = []
    outcomes = [directory("/r", "a"), directory("/r/a")]
    assert topmost_empty_trees(outcomes, "/r", lambda *named: calls.append(named) or True) == []
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
    ],
)
def test_a_quarantine_is_empty_only_if_all_of_it_was_listed(
    outcomes: list[ListingResult], empty: bool
) -> None:
    assert is_empty_tree(outcomes) is empty


def sent_from_src(*, recursive: bool) -> TaskRecord:
    """Return a transfer of files in /src to /dst."""
    return tasks.new_task(
        "transfer",
        "id",
        label="label",
        scanned_at=0,
        source_dir="/src",
        destination="d",
        destination_dir="/dst",
        recursive=recursive,
    )


@pytest.mark.parametrize(
    ("full", "skipped"),
    [
        (True, "/elsewhere/a"),
        (False, "/elsewhere/a"),
        (True, "/srcs/a"),
        (True, None),
        (False, None),
        (False, "/src/never given"),
    ],
)
def test_a_skipped_path_outside_its_task_drops_all_its_files(full, skipped) -> None:
    task = sent_from_src(recursive=full)
    paths = ["/src/a", "/src/b"]
    assert delivered.not_transferred(task, paths, [documents.SkippedError(skipped)]) == paths


def test_files_below_a_skipped_directory_count_as_skipped() -> None:
    task = sent_from_src(recursive=True)
    paths = ["/src/a", "/src/d/b", "/src/d/e/c", "/src/dd"]
    skipped = [documents.SkippedError("/src/d/")]
    assert delivered.not_transferred(task, paths, skipped) == ["/src/d/b", "/src/d/e/c"]


def grouped(paths: list[str], most: int, directories: int) -> list[list[str]]:
    """Return `paths` split into groups."""
    groups = []
    while paths:
        group, paths = batches.split(paths, most, directories)
        groups.append(group)
    return groups


def test_groups_are_bounded_in_files_and_directories() -> None:
    paths = [f"/d/{number:03}/{name}" for number in range(3) for name in "ab"]
    assert grouped(paths, 4, 9) == [paths[:4], paths[4:]]
    assert grouped(paths, 6, 9) == [paths]
    assert grouped([], 4, 9) == []
    assert grouped(paths, 1, 9) == [[path] for path in paths]
    many = [f"/d/{number:03}/{name}" for number in range(401) for name in "ab"]
    groups = grouped(many, 9999, 200)
    assert [len(group) for group in groups] == [400, 400, 2]
    assert [path for group in groups for path in group] == many


def test_a_slow_group_is_halved_by_its_directories() -> None:
    paths = ["/a/1", "/a/2", "/a/3", "/b/1", "/c/1"]
    assert batches.halved_by_directory(paths) == [paths[:3], paths[3:]]
    assert batches.halved_by_directory(paths[:4]) == [paths[:3], paths[3:4]]
