"""Labels of tasks: from a label a later run knows which tasks are its own."""

from __future__ import annotations

import re

import msgspec
import pytest

from globus_auto.globus import tasks
from globus_auto.settings import Settings

ID = "0a1b2c3d-0000-4000-8000-123456789abc"
SETTINGS = Settings(src_id="s", src_dir="/data", dst_id="d", dst_dir="/copy")


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["source", "destination"], "source to destination"),
        (["our source", "a/b: c"], "our_source to a_b_c"),
        (["", "数据"], "_ to _"),
        (["x" * 500, "y"], f"{'x' * 16} to y"),
        (["source"], "source"),
        ([f"collection {letter}" * 9 for letter in "abcdefgh"], "collection_acoll to "),
    ],
)
@pytest.mark.parametrize("kind", ["transfer", "delete"])
def test_a_label_names_the_collections_and_is_found_again(
    kind: str, names: list[str], shown: str
) -> None:
    label = tasks.new_label(kind, SETTINGS, names, ID)
    assert shown in label
    assert re.fullmatch(r"[A-Za-z0-9._ -]{20,128}", label), "what Globus accepts"
    assert tasks.parse_label(label) == (kind, tasks.mapping_id(SETTINGS), ID)


@pytest.mark.parametrize(
    "label",
    [
        None,
        "",
        "globus_auto",
        "globus_auto transfer x",
        "backup of the archive x y",
        "GLOBUS_AUTO a b c",
    ],
)
def test_a_label_of_another_program_is_not_ours(label: str | None) -> None:
    assert tasks.parse_label(label) is None


@pytest.mark.parametrize("name", ["src_id", "src_dir", "dst_id", "dst_dir"])
def test_each_mapping_has_an_id_of_its_own(name: str) -> None:
    found = tasks.mapping_id(SETTINGS)
    assert re.fullmatch("[0-9a-f]{12}", found)
    assert tasks.mapping_id(msgspec.structs.replace(SETTINGS, **{name: "/other"})) != found
