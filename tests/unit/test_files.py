"""Names and paths: patterns of EXCLUDE, and names that differ only in case or form."""

import itertools
import unicodedata

import pytest

from globus_auto.files import (
    MARKER,
    below,
    colliding_names,
    joined,
    marker_name,
    matcher,
    matches,
    with_parents,
)


@pytest.mark.parametrize(
    ("patterns", "fits", "fits_not"),
    [
        ([], [], ["a", ""]),
        (["*.tmp", ".*"], ["a.tmp", ".hidden", ".a.tmp"], ["a.tmp2", "a.TMP", "tmp"]),
        (["[ab]?"], ["a1", "bx"], ["c1", "a", "a12"]),
        (["a\nb*"], ["a\nbc"], ["a"]),
        (["Ä*"], ["Ärger"], ["ärger"]),
    ],
)
def test_patterns_match_one_whole_name_as_in_a_shell(
    patterns: list[str], fits: list[str], fits_not: list[str]
) -> None:
    excluded = matcher(patterns)
    assert [name for name in fits + fits_not if excluded(name)] == fits


@pytest.mark.parametrize(
    ("path", "found"),
    [("/src/a", False), ("/src/x.d/a", True), ("/src/a/x.d", True), ("/src", False)],
)
def test_a_path_is_excluded_by_any_name_below_the_root_only(path: str, found: bool) -> None:
    assert matches(path, "/src", matcher(["x.*", "src"])) is found


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


@pytest.mark.parametrize(
    ("path", "directory", "found"),
    [
        ("/src", "/src", True),
        ("/src/a/b", "/src", True),
        ("/srcs/a", "/src", False),
        ("/src", "/src/a", False),
        ("/src/a", "/", True),
        ("/src/a", "/src/", True),
    ],
)
def test_a_path_is_below_a_directory_by_whole_names(path: str, directory: str, found: bool) -> None:
    assert below(path, directory) is found


@pytest.mark.parametrize(
    ("directory", "name", "path"),
    [("/src", "a", "/src/a"), ("/", "a", "/a"), ("/src", "", "/src")],
)
def test_a_path_has_one_slash_between_its_names(directory: str, name: str, path: str) -> None:
    assert joined(directory, name) == path


def test_the_directories_above_a_path_end_before_the_root() -> None:
    assert list(with_parents("/src/a/b")) == ["/src/a/b", "/src/a", "/src"]


def test_each_source_directory_has_a_marker_of_its_own() -> None:
    sources = [("id", "/src"), ("id", "/src/a"), ("other", "/src"), ("id", "/src\udcff")]
    names = {marker_name(*source) for source in sources}
    assert len(names) == len(sources)
    assert all(map(MARKER.fullmatch, names))
