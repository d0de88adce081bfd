"""README.md names what exists, and all of it."""

from __future__ import annotations

import re

import pytest

import globus_auto
from globus_auto import settings, transfer, utils
from tests import PACKAGE, ROOT
from tests.catalogue import every_alert
from tests.mutants import MUTANTS

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_test_command_is_the_one_that_ci_runs() -> None:
    [command] = [line.strip() for line in README.splitlines() if "[test]" in line]
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_the_readme_names_every_setting_and_no_other() -> None:
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)", README))
    named -= {"GLOBUS_CLIENT_SECRET", "DO_NOT_DELETE"}
    assert named <= settings.FIELDS.keys()
    assert settings.FIELDS.keys() - named <= {"EXCLUDE"}


def test_the_readme_names_every_option_and_no_other() -> None:
    parser = utils.parser("transfer", "", "")
    transfer._add_options(parser)
    options = set(re.findall(r"--[a-z-]+", parser.format_help()))
    named = set(re.findall(r"`[^`\n]*?(--[a-z-]+)", README))
    serve = {"--source", "--destination", "--app", "--mount", "--bytes-per-second"}
    assert named - options <= serve
    # -n, -v and --help need no explanation there.
    unnamed = {"--dry-run", "--verbose", "--help"}
    assert options - set(re.findall(r"--[a-z-]+", README)) == unnamed


def test_every_alert_has_its_row_and_every_row_its_alert() -> None:
    """A row shows the exit code, or that it is a note."""
    section = README.partition("## When something goes wrong")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| *")]
    listed = {
        (kind, row.rpartition("(")[2].rstrip(" )"))
        for row in rows
        for kind in re.findall(r"\*([a-z ]+)\*", row)
    }
    assert listed == {
        (alert.kind, "note" if alert.severity == "note" else str(alert.code))
        for alert in every_alert()
    }


def test_the_row_of_an_alert_has_all_its_subjects_and_no_other() -> None:
    section = README.partition("## When something goes wrong")[2].partition("\n## ")[0]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| *")]
    listed = {
        (kind, row[0].rpartition("(")[2].rstrip(" )"), row[1])
        for row in rows
        for kind in re.findall(r"\*([a-z ]+)\*", row[0])
    }
    missing, titles = [], set()
    for alert in every_alert():
        code = "note" if alert.severity == "note" else str(alert.code)
        (subjects,) = [each for *row, each in listed if row == [alert.kind, code]]
        missing += [alert.title] if alert.title not in subjects.split("; ") else []
        titles.add(alert.title)
    assert missing == []
    assert {title for row in rows for title in row[1].split("; ")} == titles


def test_the_readme_lists_every_exit_code_and_no_other() -> None:
    section = README.partition("## Exit codes")[2].partition("\n## ")[0]
    listed = {int(code) for code in re.findall(r"^\| (\d) \|", section, re.MULTILINE)}
    assert listed == {alert.code for alert in every_alert()}


@pytest.mark.parametrize("document", ["tests/README.md"])
def test_every_test_that_is_named_exists(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    tests = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("tests/**/*.py"))
    named = set(re.findall(r"`(test_[a-z0-9_]+)`", text))
    assert len(named) > 20
    assert [name for name in sorted(named) if f"def {name}(" not in tests] == []


def test_every_file_of_the_package_is_in_the_map() -> None:
    listed = set(re.findall(r"\b([a-z_]+\.py|[a-z]+/)", globus_auto.__doc__ or ""))
    there = {path.name for path in PACKAGE.rglob("*.py") if "sandbox" not in path.parts}
    there |= {f"{path.name}/" for path in PACKAGE.rglob("*") if (path / "__init__.py").exists()}
    # The parts of the catalogue are named by topic; a user of the datastore has no need of them.
    parts = {path.name for path in PACKAGE.glob("alerts/catalog/*.py")}
    assert there - parts - {"__init__.py"} == listed - {"__init__.py"} - parts


def test_the_table_of_rules_matches_the_mutants() -> None:
    text = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
    section = text.partition("## Which test fails")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+) \| `(test_\w+)` \|$", section, re.MULTILINE)
    assert rows == [(mutant.rule, mutant.test) for mutant in MUTANTS]
