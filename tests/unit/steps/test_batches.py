"""How files are grouped into delete tasks."""

import pytest

from globus_auto.steps.batches import halved_by_directory, take


def grouped(paths: list[str], most: int, directories: int) -> list[list[str]]:
    """Return `paths` split into groups."""
    groups, waiting = [], paths[::-1]
    while waiting:
        groups.append(take(waiting, most, directories))
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
    assert halved_by_directory(paths) == [paths[:3], paths[3:]]
    assert halved_by_directory(paths[:4]) == [paths[:3], paths[3:4]]


@pytest.mark.parametrize(
    ("paths", "halves"),
    [
        (["/s/a/1"], [["/s/a/1"]]),
        (["/s/a/1", "/s/b/2"], [["/s/a/1"], ["/s/b/2"]]),
        (["/s/a/1", "/s/a/2", "/s/b/3"], [["/s/a/1", "/s/a/2"], ["/s/b/3"]]),
        (["/s/a/1", "/s/b/2", "/s/c/3"], [["/s/a/1"], ["/s/b/2", "/s/c/3"]]),
    ],
)
def test_halves_have_half_of_the_directories_each(
    paths: list[str], halves: list[list[str]]
) -> None:
    assert halved_by_directory(paths) == halves


@pytest.mark.parametrize(
    ("most", "directories", "first"), [(9, 9, 4), (3, 9, 3), (9, 1, 2), (9, 2, 3), (1, 1, 1)]
)
def test_a_group_has_few_files_in_few_directories(most: int, directories: int, first: int) -> None:
    paths = ["/s/a/1", "/s/a/2", "/s/b/3", "/s/c/4"]
    waiting = paths[::-1]
    assert take(waiting, most, directories) == paths[:first]
    assert waiting[::-1] == paths[first:]
