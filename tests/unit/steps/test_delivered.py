"""Which files of a task count as not transferred."""

import pytest

from globus_auto.datastore import TaskRecord
from globus_auto.globus import documents, tasks
from globus_auto.steps import delivered


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
def test_a_skipped_path_outside_its_task_drops_all_its_files(
    full: bool, skipped: str | None
) -> None:
    task = sent_from_src(recursive=full)
    paths = ["/src/a", "/src/b"]
    assert delivered.not_transferred(task, paths, [documents.SkippedError(skipped)]) == paths


def test_files_below_a_skipped_directory_count_as_skipped() -> None:
    task = sent_from_src(recursive=True)
    paths = ["/src/a", "/src/d/b", "/src/d/e/c", "/src/dd"]
    skipped = [documents.SkippedError("/src/d/")]
    assert delivered.not_transferred(task, paths, skipped) == ["/src/d/b", "/src/d/e/c"]


@pytest.mark.parametrize(
    ("recursive", "skipped", "lost"),
    [
        (False, [], []),
        (True, [], []),
        (False, ["/src/a"], ["/src/a"]),
        (True, ["/src/a", "/src/d/b"], ["/src/a", "/src/d/b"]),
        (True, ["/src/d"], ["/src/d/b", "/src/d/c"]),
        # Only a recursive task may skip what has no record, such as a symlink.
        (True, ["/src/link"], []),
        (False, ["/src/a", "/src/link"], ["/src/a", "/src/d/b", "/src/d/c"]),
        (True, ["/src"], ["/src/a", "/src/d/b", "/src/d/c"]),
    ],
)
def test_what_a_task_skipped_is_not_transferred(
    recursive: bool, skipped: list[str], lost: list[str]
) -> None:
    paths = ["/src/a", "/src/d/b", "/src/d/c"]
    errors = [documents.SkippedError(path) for path in skipped]
    task = sent_from_src(recursive=recursive)
    assert delivered.not_transferred(task, paths, errors) == lost


def test_without_a_list_of_skipped_paths_nothing_is_transferred() -> None:
    task = sent_from_src(recursive=False)
    assert delivered.not_transferred(task, ["/src/a"], None) == ["/src/a"]
