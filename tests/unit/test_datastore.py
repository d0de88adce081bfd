"""Mappings agree unless a file of one could overwrite one of the other."""

from __future__ import annotations

import itertools

import pytest

from globus_auto.datastore import Mapping

ALWAYS = ("/s", "/d")
PAIRS = [
    # Not nested at all.
    (("/s/a", "/d/a"), ("/s/b", "/d/b"), True),
    (("/s/a", "/d/x"), ("/s/a", "/d/y"), True),
    (("/s/a", "/d/x"), ("/s/b", "/d/xy"), True),
    # The same mapping, and mappings that put every path in the same place.
    (ALWAYS, ALWAYS, True),
    (ALWAYS, ("/s/a", "/d/a"), True),
    (ALWAYS, ("/s/a/b", "/d/a/b"), True),
    (("/s", "/"), ("/s/a", "/a"), True),
    # Another source to the same directory.
    (("/s/a", "/d"), ("/s/b", "/d"), False),
    (ALWAYS, ("/s/a", "/d"), False),
    # Inside the other destination, but not where the other mapping would put it.
    (ALWAYS, ("/s", "/d/a"), False),
    (ALWAYS, ("/s/a", "/d/b"), False),
    (ALWAYS, ("/t", "/d/a"), False),
    (ALWAYS, ("/sa", "/da"), True),
    (ALWAYS, ("/sa", "/d/a"), False),
    (("/s", "/"), ("/t", "/t"), False),
]


@pytest.mark.parametrize(("one", "other", "fine"), PAIRS)
def test_two_mappings_agree_if_no_file_can_overwrite_the_others(
    one: tuple[str, str], other: tuple[str, str], fine: bool
) -> None:
    ends = itertools.product(("x", "y"), repeat=2)
    for there, here in ends:
        first, second = (
            Mapping(source_dir=source, destination=place, destination_dir=destination)
            for (source, destination), place in ((one, there), (other, here))
        )
        expected = fine or there != here
        assert first.agrees_with(second) is expected
        assert second.agrees_with(first) is expected
