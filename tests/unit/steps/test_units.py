"""What a unit is, and which of its markers are missing."""

from __future__ import annotations

import pytest

from globus_auto.alerts import Held
from globus_auto.steps.overdue import still_held
from globus_auto.steps.units import Units


@pytest.mark.parametrize(
    ("patterns", "directory", "unit"),
    [
        ([], "/src/run1", None),
        (["*/done"], "/src", None),
        (["*/done"], "/src/run1", "/src/run1"),
        (["*/done"], "/src/run1/a/b", "/src/run1"),
        (["run*/done"], "/src/run1/a", "/src/run1"),
        (["run*/done"], "/src/other", None),
        (["*/*/done"], "/src/lab/run1/a", "/src/lab/run1"),
        (["*/*/done"], "/src/lab", None),
        (["lab/*/done", "*/run1/ok"], "/src/x/run1", "/src/x/run1"),
        (["lab/*/done", "*/run1/ok"], "/src/x/run2", None),
        (["*/done"], "/other/run1", None),
        (["done"], "/src", "/src"),
        (["done"], "/src/run1", "/src"),
        (["*/done"], "/src/.globus_auto_empty.1/a", None),
    ],
)
def test_the_unit_of_a_directory(patterns: list[str], directory: str, unit: str | None) -> None:
    units = Units(patterns, "/src")
    assert units.of(directory) == unit
    assert units.of_file(f"{directory}/x") == unit
    assert bool(units) == bool(patterns)


@pytest.mark.parametrize(
    ("patterns", "unit", "names", "missing"),
    [
        (["*/done"], "/src/run1", {"done", "a"}, []),
        (["*/done"], "/src/run1", {"a", "done.txt"}, ["done"]),
        (["*/*.done"], "/src/run1", {"x.done"}, []),
        (["*/done", "*/ok"], "/src/run1", {"ok"}, ["done"]),
        (["run*/done", "flow*/ok"], "/src/run1", {"done"}, []),
        (["run*/done", "*/ok"], "/src/run1", set(), ["done", "ok"]),
        (["done"], "/src", {"run1"}, ["done"]),
    ],
)
def test_the_markers_that_are_missing(
    patterns: list[str], unit: str, names: set[str], missing: list[str]
) -> None:
    assert Units(patterns, "/src").missing(unit, names) == missing


@pytest.mark.parametrize(
    ("path", "is_marker"),
    [
        ("/src/run1/done", True),
        ("/src/run1/a", False),
        ("/src/run1/a/done", False),
        ("/src/done", False),
    ],
)
def test_markers_are_in_the_unit_itself(path: str, is_marker: bool) -> None:
    assert Units(["*/done"], "/src").is_marker(path) is is_marker


@pytest.mark.parametrize(
    ("before", "since"),
    [
        (None, 1000),
        (Held(files=2, newest=50, since=100), 100),
        (Held(files=1, newest=50, since=100), 1000),
        (Held(files=2, newest=40, since=100), 1000),
        (Held(files=2, newest=50, since=2000), 1000),
    ],
)
def test_since_when_a_unit_holds_the_same_files(before: Held | None, since: int) -> None:
    assert still_held(before, 2, 50, 1000) == Held(files=2, newest=50, since=since)
