"""READY_MARKERS: nothing of a unit is transferred before all its markers are there."""

from __future__ import annotations

import pytest

from tests.lab import Lab, files
from tests.mail import Mailbox

HOUR = 3600


@pytest.fixture
def units(lab: Lab) -> Lab:
    """Return a laboratory whose directories of a first level are units."""
    lab.configure(READY_MARKERS=["*/done"])
    return lab


def sent(lab: Lab) -> set[str]:
    """Return the names of the files at the destination."""
    return set(files(lab.destination))


def test_nothing_of_a_unit_goes_before_its_markers(units: Lab) -> None:
    units.configure(READY_MARKERS=["*/done", "*/*.ok"])
    units.write("note")
    units.write("one/a")
    units.write("one/deep/er/b")
    units.write("one/deep/done")
    assert units.transfer() == 0
    assert sent(units) == {"note"}
    units.write("one/done")
    assert units.transfer() == 0
    assert sent(units) == {"note"}
    units.write("one/x.ok")
    units.write("two/c")
    assert units.transfer() == 0
    ready = {"note", "one/a", "one/deep/er/b", "one/deep/done", "one/done", "one/x.ok"}
    assert sent(units) == ready
    assert units.alerts() == {}


def test_a_marker_that_vanishes_holds_back_what_is_not_yet_sent(units: Lab) -> None:
    units.write("one/a")
    units.write("one/done")
    assert units.transfer() == 0
    (units.source / "one" / "done").unlink()
    units.write("one/b")
    assert units.transfer() == 0
    assert sent(units) == {"one/a", "one/done"}


def test_a_directory_is_no_marker(units: Lab) -> None:
    """Empty, it would be removed while the unit stays, and what comes later would never be sent."""
    units.write("one/a")
    (units.source / "one" / "done").mkdir()
    assert units.transfer() == 0
    assert sent(units) == set()


def test_a_marker_that_is_excluded_counts(units: Lab) -> None:
    units.configure(EXCLUDE=["done"])
    units.write("one/a")
    units.write("one/done")
    assert units.transfer() == 0
    assert sent(units) == {"one/a"}


def test_src_dir_itself_may_be_the_unit(units: Lab) -> None:
    units.configure(READY_MARKERS=["done"])
    units.write("one/a")
    assert units.transfer() == 0
    assert sent(units) == set()
    units.write("done")
    assert units.transfer() == 0
    assert sent(units) == {"one/a", "done"}


@pytest.mark.parametrize("earlier", [False, True], ids=["first run", "later"])
def test_a_unit_that_is_not_listed_whole_stays(units: Lab, earlier: bool) -> None:
    if earlier:
        units.given_transferred("x")
    for name in ("one/a", "one/deep/b", "one/done", "two/c", "two/done"):
        units.write(name)
    units.world.faults.add(
        "ls",
        times=None,
        status=403,
        body={"code": "PermissionDenied", "message": "planned"},
        match=lambda request: request.query["path"] == "/src/one/deep",
    )
    assert units.transfer() == 1
    assert sent(units) - {"x"} == {"two/c", "two/done"}
    units.world.faults.clear()
    assert units.transfer() == 0
    assert sent(units) - {"x"} == {"one/a", "one/deep/b", "one/done", "two/c", "two/done"}


def test_a_first_run_has_one_recursive_item_for_each_ready_unit(units: Lab) -> None:
    for name in ("note", "one/a", "one/done", "one/d/b", "two/c", "three/done"):
        units.write(name)
    assert units.transfer() == 0
    (document,) = units.submitted()
    items = {
        (item["source_path"], item["recursive"])
        for item in document["DATA"]
        if "source_path" in item
    }
    assert items == {("/src/note", False), ("/src/one", True), ("/src/three", True)}
    assert units.transfer() == 0
    assert (len(units.records()), len(units.submitted())) == (5, 1)


def test_full_compares_the_units_that_are_ready(units: Lab) -> None:
    for name in ("note", "one/a", "one/done"):
        units.write(name)
    assert (units.transfer(), units.transfer()) == (0, 0)
    units.write("two/c")
    for name in ("note", "one/a"):
        (units.destination / name).unlink()
    assert units.transfer("--full") == 0
    assert sent(units) == {"note", "one/a", "one/done"}


def test_a_dry_run_says_what_a_unit_lacks(units: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    units.write("one/a")
    assert units.transfer("-n", "-v") == 0
    shown = capsys.readouterr().out
    assert "1 file, 4 bytes: new, but its unit is not ready" in shown
    assert "defer /src/one/a (4 bytes): new, but its unit is not ready: without done" in shown
    assert "recursive" not in shown


def test_a_unit_that_stays_without_its_marker_is_one_mail(units: Lab, mailbox: Mailbox) -> None:
    """Not while the instrument adds files, nor where all was sent before."""
    units.write("one/a")
    units.write("two/b")
    units.write("two/done")
    assert (units.transfer(), units.alerts()) == (0, {})
    units.advance(20 * HOUR)
    units.write("one/c")
    assert (units.transfer(), units.alerts()) == (0, {})
    (units.source / "two" / "done").unlink()
    units.advance(23 * HOUR)
    assert (units.transfer(), units.alerts()) == (0, {})
    units.advance(HOUR)
    assert units.transfer() == 0
    text = units.alerts()["unit"]
    assert text.startswith("/src/one is without done, so 2 files in it are not sent.")
    assert units.transfer() == 0
    units.write("one/done")
    assert (units.transfer(), units.alerts()) == (0, {})
    assert len(mailbox.texts()) == 2
