"""Each deliberate mistake of mutants.py fits the code and the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import PACKAGE, ROOT
from tests.mutants import MUTANTS, Misfit, Mutant

CODE = """
LIMIT = 5

def twice(number):
    return number + number

class Counter:
    def add(self):
        self.number += LIMIT
        return self.number

def add():
    return LIMIT
"""
FITTING = Mutant("a rule", "test_a", "a.py", "Counter.add", "return self.number", "pass")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.rule)
def test_every_mutant_fits_the_code(mutant: Mutant) -> None:
    assert mutant.make(PACKAGE) != (PACKAGE / mutant.file).read_text(encoding="utf-8")
    assert mutant.find_test(ROOT / "tests").exists()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a directory with a module and a test."""
    (tmp_path / "a.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "test_a.py").write_text("def test_a():\n    pass\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("function", "old", "made"),
    [
        ("LIMIT", "5", CODE.replace("5", "X")),
        ("add", "LIMIT", CODE.replace("return LIMIT", "return X")),
        ("Counter.add", "LIMIT", CODE.replace("+= LIMIT", "+= X")),
        ("Counter.add", "LIMIT\n    return", CODE.replace("LIMIT\n        return", "X")),
        ("Counter", "LIMIT", CODE.replace("+= LIMIT", "+= X")),
    ],
)
def test_a_mistake_is_made_in_its_function_only(
    home: Path, function: str, old: str, made: str
) -> None:
    assert FITTING._replace(function=function, old=old, new="X").make(home) == made


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"file": "b.py"}, "there is no b.py"),
        ({"function": "subtract"}, "0 definitions of subtract of a.py"),
        ({"function": "Counter.twice"}, "0 definitions of Counter.twice of a.py"),
        ({"function": "LIMIT.add"}, "0 definitions of LIMIT.add of a.py"),
        ({"old": "return 5"}, "the text is 0 times in Counter.add of a.py"),
        ({"function": "twice", "old": "number"}, "the text is 3 times in twice of a.py"),
        ({"test": "test_b"}, "test_b is in 0 files"),
    ],
)
def test_a_mutant_that_does_not_fit_names_its_rule(
    home: Path, changes: dict[str, str], why: str
) -> None:
    mutant = FITTING._replace(**changes)
    with pytest.raises(Misfit) as misfit:
        mutant.make(home)
        mutant.find_test(home)
    assert str(misfit.value) == f"a rule: {why}"


def test_a_function_that_is_defined_twice_does_not_fit(home: Path) -> None:
    (home / "a.py").write_text(CODE * 2, encoding="utf-8")
    with pytest.raises(Misfit, match="a rule: 2 definitions of twice"):
        FITTING._replace(function="twice", old="+", new="-").make(home)
