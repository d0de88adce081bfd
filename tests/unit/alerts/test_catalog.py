"""The catalogue has all alerts: nothing else makes one."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from globus_auto.alerts.catalog import collections, files
from globus_auto.alerts.model import KINDS, Alert
from tests import PACKAGE
from tests.catalogue import MODULES, alerts_of, every_alert, functions

SOURCES = [path for path in PACKAGE.rglob("*.py") if "sandbox" not in path.parts]


def test_only_the_catalogue_makes_alerts() -> None:
    catalogue = {Path(str(module.__file__)).name for module in MODULES}
    made = {
        path.name
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Alert"
    }
    assert made == catalogue


def test_every_function_of_the_catalogue_is_used() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in SOURCES)
    unused = [each.__name__ for each in functions() if f".{each.__name__}(" not in code]
    assert unused == []


@pytest.mark.parametrize("function", functions(), ids=lambda function: function.__name__)
def test_an_alert_reads_well(function: Callable[..., Alert]) -> None:
    """One line of sentences, with a short title, and what works again unless it ends silently."""
    for alert in alerts_of(function):
        assert alert.severity == "alert" or alert.code == 0
        assert alert.kind in KINDS
        assert 5 < len(alert.title) <= 35
        assert not alert.title.endswith(".")
        assert alert.text.isprintable()
        assert "  " not in alert.text
        assert len(alert.text) < 600
        assert not alert.recovery or alert.recovery.endswith(".")
        # What people say; the kind `endpoint` is a name.
        for word in ("concluded", "endpoint", "trouble", "aside", "under way", "1 files"):
            assert word not in alert.text, word


def test_what_is_resolved_is_of_a_kind_of_the_catalogue() -> None:
    """Kinds are given to `resolve` as they are, or by a loop over them."""
    resolved = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("alerts.resolve"):
                resolved |= {each.value for each in node.args[:1] if isinstance(each, ast.Constant)}
            elif isinstance(node, ast.For) and ast.unparse(node.target) == "kind":
                resolved |= set(ast.literal_eval(node.iter))
    assert resolved <= set(KINDS)
    # None may stay open for ever.
    assert set(KINDS) - resolved == set()


def test_every_kind_is_one_of_the_catalogue() -> None:
    assert {alert.kind for alert in every_alert()} == set(KINDS)


@pytest.mark.parametrize("reason", ["Permission denied (/mnt/x).", "Code: PERMISSION_DENIED."])
def test_who_is_denied_access_is_not_sent_to_look_for_a_mount(reason: str) -> None:
    for alert in (
        files.source_unlisted("/src", reason),
        files.directory_unlisted("/src/d", reason),
        collections.collection_unlisted("id", "the source collection id", "/src", reason),
        collections.local_dir_unlisted("id", "the source collection id", "/mnt", reason),
        files.destination_unlisted("id", "the collection id", "/dst", ["/dst"], reason),
    ):
        assert "access to it" in alert.text
        assert "mounted" not in alert.text
