"""The catalogue has all alerts: nothing else makes one."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from globus_auto.alerts import Alert
from tests.catalogue import MODULES, alerts_of, functions

PACKAGE = Path(__file__).resolve().parents[1] / "globus_auto"


def test_only_the_catalogue_makes_alerts() -> None:
    catalogue = {Path(str(module.__file__)).name for module in MODULES}
    made = {
        path.name
        for path in PACKAGE.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Alert"
    }
    assert made == catalogue


def test_every_function_of_the_catalogue_is_used() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.glob("*.py"))
    unused = [each.__name__ for each in functions() if f".{each.__name__}(" not in code]
    assert unused == []


@pytest.mark.parametrize("function", functions(), ids=lambda function: function.__name__)
def test_an_alert_is_a_note_only_if_nobody_has_to_act(function: object) -> None:
    for alert in alerts_of(function):
        assert isinstance(alert, Alert)
        assert alert.severity == "alert" or alert.code == 0
