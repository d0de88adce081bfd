"""The words of the field: a word means one thing in code, messages, settings and documents."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from globus_auto import delete, transfer
from tests import PACKAGE, ROOT

FILES = sorted(PACKAGE.rglob("*.py"))

# Words that no identifier has, and what to write instead.
IDENTIFIERS = {
    "look looks looked looking": "scan, walk, list",
    "choose choosing chosen": "classify",
    "settle settled settling": "poll",
    "intent intents withdraw withdrawn": "unsubmitted task; discard",
    "unclear inconclusive": "unknown status, InvalidResponse",
    "prove proven proof proving arrived": "verify, verified",
    "entry entries": "record",
    "known this": "settings, context",
    "alike twin twins": "names that differ only in case or Unicode form",
    "aside asides bare tidy": "quarantine; empty tree; prune",
    "barren away": "missing or empty; offline",
    "pace patience": "RateLimiter; timeout",
    "outcome outcomes": "DirectoryListing, ListingError",
    "findings well standing told": "alerts; resolve; open alert; notified",
    "deliver": "send",
    "busy hide discreet": "AlreadyRunning; register_secret; redact",
    "inquiry inquire": "read-only command",
    "door order": "Route; Submission",
}
# Where such a word is the ordinary one, by the end of the path.
ALLOWED = {
    "entry": ("listing.py", "client.py", "mount.py", "local.py", "filters.py"),  # of a directory
    "entries": ("mount.py", "local.py", "filters.py", "catalog_files.py", "catalog/files.py"),
    "look": ("sandbox/file_documents.py",),  # look_up
}
# Words that no text has; `takes too long` and `looks unchanged` are plain English.
TEXTS = re.compile(
    r"\b(?:anew|beside that|as it should|by itself|of which|none of these|a person must"
    r"|stands?(?! for)|takes(?! too)|tells?|told|gives|(?<!as )well(?!-)"
    r"|look(?:s|ed|ing)? at|prove[sn]?|proof|proving|provably|settle[sd]?|settling"
    r"|intents?|withdrawn?|withdraws|under way|barren|twins?|tidy|tidied|tidies"
    r"|(?:set|put|moved?) aside|put back|still so|lasting|nothing is concluded|local globus)\b",
    re.IGNORECASE,
)
# The modules whose strings people read.
SPOKEN = ("alerts", "catalog", "check", "report", "settings", "transfer", "delete", "utils")


def identifiers(path: Path) -> Iterator[str]:
    """Yield the names that a file defines: functions, classes, parameters, variables."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def words(identifier: str) -> set[str]:
    """Return the words of an identifier, in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", identifier)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_identifiers_have_the_words_of_the_field(path: Path) -> None:
    instead = {word: better for row, better in IDENTIFIERS.items() for word in row.split()}
    found = {
        f"{name}: {instead[word]}"
        for name in identifiers(path)
        for word in words(name) & instead.keys()
        if name.lower() != "settle_seconds" and not str(path).endswith(ALLOWED.get(word, ()))
    }
    assert sorted(found) == []


def strings(path: Path) -> Iterator[str]:
    """Yield the strings of a file that people may read: none of the docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value.value = ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.value


def texts() -> Iterator[tuple[str, str]]:
    """Yield what people read, by where it is from."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    # Keys of JSON, modules and settings are names.
    prose = re.sub(r"<!-- figures -->.*<!-- /figures -->|`[^`\n]*`", "", readme, flags=re.DOTALL)
    yield "README.md", prose
    for name in ("CHANGELOG.md", "crontab.example", "globus_auto/config.py"):
        yield name, (ROOT / name).read_text(encoding="utf-8")
    for path in FILES:
        name = str(path.relative_to(PACKAGE))
        if "sandbox" not in name and any(word in name for word in SPOKEN):
            yield name, "\n".join(strings(path))


@pytest.mark.parametrize(("name", "text"), [pytest.param(*each, id=each[0]) for each in texts()])
def test_texts_are_plain_english(name: str, text: str) -> None:
    assert [text[max(0, at.start() - 40) : at.end() + 20] for at in TEXTS.finditer(text)] == [], (
        name
    )


@pytest.mark.parametrize("program", [transfer, delete])
def test_help_is_plain_english(program: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["--help"])
    assert TEXTS.findall(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It is looked at anew.", ["looked at", "anew"]),
        ("The copy is proven; nothing is concluded.", ["proven", "nothing is concluded"]),
        ("Take SETTLE_SECONDS, as well as a well-known run that takes too long.", []),
    ],
)
def test_words_of_the_first_version_are_found(text: str, found: list[str]) -> None:
    assert TEXTS.findall(text) == found
    assert words("calm_untilSettled") == {"calm", "until", "settled"}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="an sdist")
def test_the_repository_has_nothing_besides_at_its_top_level() -> None:
    """A slip of the shell, such as `2>0`, leaves a file that the next commit may take."""
    listed = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    assert {name.partition("/")[0] for name in listed} == {
        *("globus_auto", "tests", "README.md", "CHANGELOG.md", "CONTRIBUTING.md"),
        *("crontab.example", "setup.py", "pyproject.toml", ".ci", ".gitignore"),
        ".pre-commit-config.yaml",
    }
