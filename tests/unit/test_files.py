"""Names and paths: patterns of EXCLUDE, and names that differ only in case or form.

And paths: who could replace or read what is there.
"""

import itertools
import os
import unicodedata
from pathlib import Path

import pytest

from globus_auto.files import (
    MARKER,
    below,
    colliding_names,
    is_below_any,
    joined,
    keep_marker_finder,
    marker_name,
    matcher,
    matches,
    readable_by_others,
    unsafe,
    unsafe_file,
    with_parents,
)
from tests.lab import searchable


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


FOREIGN = 12345  # a uid and gid that nobody has
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a file in two directories that only this user may write to."""
    path = tmp_path / "outer" / "inner" / "file"
    path.parent.mkdir(parents=True)
    path.write_text("", encoding="ascii")
    for each in (path, path.parent, path.parent.parent):
        each.chmod(0o600 if each == path else 0o700)
    return path


@pytest.mark.parametrize(
    ("which", "mode", "read", "written"),
    [
        ("file", 0o666, "writable by everybody", "writable by everybody"),
        ("file", 0o660, None, None),
        ("inner", 0o777, "so others could replace {file}", "{inner} is writable by everybody. Run"),
        ("inner", 0o1777, None, "{inner} is writable by everybody. Run"),
        ("inner", 0o770, None, None),
        ("outer", 0o777, "so others could replace {file}", "so others could replace {inner}"),
        ("outer", 0o1777, None, None),
    ],
)
def test_who_may_write_on_the_way_to_a_file_decides(
    place: Path, which: str, mode: int, read: str | None, written: str | None
) -> None:
    """A sticky bit is enough above what is read, and above the directory of what is written."""
    paths = {"file": place, "inner": place.parent, "outer": place.parent.parent}
    paths[which].chmod(mode)
    for check, expected in ((unsafe, read), (unsafe_file, written)):
        said = check(str(place))
        assert (said is None) == (expected is None), said
        if said and expected:
            assert expected.format(**paths) in said
            assert f"`chmod o-w {paths[which]}`" in said


@as_root
@pytest.mark.parametrize("which", ["file", "inner", "outer"])
def test_another_owner_or_group_on_the_way_counts(place: Path, which: str) -> None:
    path = {"file": place, "inner": place.parent, "outer": place.parent.parent}[which]
    os.chown(path, -1, FOREIGN)
    assert unsafe_file(str(place)) is None
    path.chmod(path.stat().st_mode | 0o020)
    said = unsafe_file(str(place))
    assert said and f"{path} is writable by a group (gid 12345)" in said
    assert f"`chmod g-w {path}`" in said
    os.chown(path, FOREIGN, 0)
    said = unsafe_file(str(place))
    assert said and f"{path} belongs to another user (uid 12345)" in said


@as_root
def test_links_count_with_their_owners_and_all_that_they_lead_through(place: Path) -> None:
    link = place.parent.parent / "link"
    for target in (str(place.parent), "../outer/./inner/", "inner/../inner"):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        assert unsafe_file(f"{link}/file") is None
    place.parent.chmod(0o777)
    assert unsafe(f"{link}/file")
    place.parent.chmod(0o700)
    os.lchown(link, FOREIGN, FOREIGN)
    said = unsafe(f"{link}/file")
    assert said and f"{link} belongs to another user (uid 12345), so others could" in said


def test_a_missing_path_and_a_circle_of_links_are_safe(place: Path) -> None:
    """Neither can be opened. A directory on the way to them counts."""
    circle = place.parent / "circle"
    circle.symlink_to("circle")
    missing = place.parent / "none" / "at all"
    assert [unsafe(str(path)) for path in (circle, missing)] == [None, None]
    place.parent.chmod(0o777)
    assert all(unsafe(str(path)) for path in (circle, missing))


def test_others_can_read_a_file_only_through_open_directories(place: Path) -> None:
    assert not readable_by_others(str(place))
    place.chmod(0o644)
    assert not readable_by_others(str(place)), "its directory is closed"
    with searchable(place.parent):
        assert readable_by_others(str(place))
        place.chmod(0o640)
        assert not readable_by_others(str(place)), "its group is the owner's own"


@pytest.mark.parametrize(
    ("patterns", "name", "marks"),
    [
        (["DO_NOT_DELETE*"], "DO_NOT_DELETE", True),
        (["DO_NOT_DELETE*"], "do_not_delete.txt", True),
        (["DO_NOT_DELETE*"], "Do_Not_Delete\n", True),
        (["DO_NOT_DELETE*"], "please DO_NOT_DELETE", False),
        (["do_not_delete"], "DO_NOT_DELETE.txt", False),
        (["keep", "hold"], "HOLD", True),
        (["Größe[A-C]"], "gro\u0308ssec", True),
        (["*"], ".globus_auto_empty.1", False),
        (["*"], "a", True),
        ([], "DO_NOT_DELETE", False),
    ],
)
def test_a_keep_marker_is_found_in_any_case_and_form(
    patterns: list[str], name: str, marks: bool
) -> None:
    found = keep_marker_finder(patterns)
    assert found(["other", name]) is (marks or patterns == ["*"])
    assert found([name]) is marks
    assert not found([])


@pytest.mark.parametrize(
    ("directories", "below"),
    [
        (set(), False),
        ({"/s"}, True),
        ({"/s/a"}, True),
        ({"/s/a/f"}, True),
        ({"/s/b", "/s/"}, False),
    ],
)
def test_a_path_below_any_of_some_directories(directories: set[str], below: bool) -> None:
    assert is_below_any("/s/a/f", directories) is below
