"""The catalogue has all alerts: nothing else makes one."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

from globus_auto.alerts.catalog import collections, files
from globus_auto.alerts.model import KINDS, Alert
from tests import PACKAGE
from tests.catalogue import MODULES, SAMPLES, alerts_of, every_alert, functions

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


DENIALS = [
    "Permission denied (/mnt/x).",
    "Code: PERMISSION_DENIED.",
    "Operation not permitted (/mnt/x).",
    "Globus says: Access denied. Code: EndpointError.",
    "Globus says: Path not allowed.",
]


@pytest.mark.parametrize("reason", DENIALS)
def test_who_is_denied_access_is_not_sent_to_look_for_a_mount(reason: str) -> None:
    for alert in (
        files.source_unlisted("/src", reason, local=False, swapped=False),
        files.directory_unlisted("/src/d", reason, local=False),
        collections.collection_unlisted("id", "the source collection", "SRC_DIR", "/src", reason),
        collections.local_dir_unlisted("id", "the source collection id", "/mnt", reason),
        files.destination_unlisted("id", "the collection id", "/dst", ["/dst"], reason),
    ):
        assert "access to it" in alert.text
        assert "mounted" not in alert.text


@pytest.mark.parametrize("denial", DENIALS)
def test_no_alert_about_a_denied_access_suggests_a_mount(denial: str) -> None:
    """Of all alerts that repeat what Globus or this machine says."""
    seen = 0
    for function in functions():
        parameters = inspect.signature(function).parameters
        given = {name: SAMPLES[each.annotation][0] for name, each in parameters.items()}
        said = given.keys() & {"reason", "details", "error"}
        text = function(**{**given, **dict.fromkeys(said, denial)}).text
        seen += bool(said)
        assert not said or "mount" not in text
    assert seen > 20


def test_directories_listed_on_this_machine_need_this_user() -> None:
    for alert in (
        files.source_unlisted("/src", "Permission denied (/mnt).", local=True, swapped=False),
        files.directory_unlisted("/src/d", "Permission denied (/mnt/d).", local=True),
    ):
        assert "Give the user who runs the programs on this machine access" in alert.text
        assert "Globus" not in alert.text
