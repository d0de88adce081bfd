"""README.md names what exists, and all of it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import globus_auto
from globus_auto import delete, settings, transfer, utils
from globus_auto.config_file import SettingsError, read_settings
from globus_auto.report.status import status_document
from tests import PACKAGE, ROOT
from tests.catalogue import every_alert
from tests.mutants import MUTANTS

README = (ROOT / "README.md").read_text(encoding="utf-8")
LINES = README.splitlines()
# What is code: between backticks, also across lines, or indented.
CODE = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", README)]
BLOCKS = [line.strip() for line in LINES if line.startswith("    ")]
PARSERS = {"transfer": transfer.parser, "delete": delete.parser}
# What stands for an argument.
ARGUMENTS = {"FILE": "pair.py", "DAYS": "30", "PATTERN": "*.h5", "DIR": "/data"}


def rows(title: str) -> list[list[str]]:
    """Return the cells of the tables of a section, without the heads."""
    section = README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    cells = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:1] == "|"]
    rules = [number for number, row in enumerate(cells) if set("".join(row)) <= set("-|")]
    return [row for number, row in enumerate(cells) if not {number, number + 1} & {*rules}]


def commands() -> Iterator[tuple[str, list[str]]]:
    """Yield each program that the README calls, with its options."""
    for code in (*CODE, *BLOCKS):
        for program, rest in re.findall(r"\b(transfer|delete)\.py((?: [^|#`]+)?)", code):
            if rest.strip().startswith("-") and "--version" not in rest:
                yield program, [ARGUMENTS.get(each, each) for each in shlex.split(rest)]


def test_the_test_command_is_the_one_that_ci_runs() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    [command] = [line.strip() for line in contributing.splitlines() if "[test]" in line]
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_the_readme_is_short() -> None:
    """Without its tables, and the config files of the examples."""
    text = re.sub("^```python\n.*?^```\n", "", README, flags=re.DOTALL | re.MULTILINE)
    assert len([line for line in text.splitlines() if not line.startswith("|")]) < 250
    assert [line for line in LINES if len(line) > 100 and line[:1] not in "| "] == []


def test_the_readme_names_every_setting_and_no_other() -> None:
    """The table has all of them, as config.py has them."""
    named = set(re.findall(r"\b([A-Z]+(?:_[A-Z]+)+)\b", README))
    named -= {"GLOBUS_CLIENT_SECRET", "DO_NOT_DELETE"}
    assert named <= settings.FIELDS.keys()
    text = (PACKAGE / "config.py").read_text(encoding="utf-8")
    defaults = re.findall(r"^([A-Z_]+)(?::[^=]+)? = (.+)$", text, re.MULTILINE)
    assert [tuple(row[:2]) for row in rows("Settings")] == [
        (f"`{name}`", f"`{default}`") for name, default in defaults
    ]
    assert {name for name, _ in defaults} == settings.FIELDS.keys()


def test_every_command_in_the_readme_is_accepted() -> None:
    accepted = [(program, PARSERS[program](), given) for program, given in commands()]
    assert len(accepted) > 20
    for program, parser, given in accepted:
        utils.parsed(parser, given)
        if program == "transfer":
            transfer.refuse_combinations(parser, parser.parse_args(given))


def test_the_readme_names_every_option_and_no_other() -> None:
    options = set(re.findall(r"--[a-z-]+", transfer.parser().format_help()))
    named = {each for code in (*CODE, *BLOCKS) for each in re.findall(r"(?<!\S)--[a-z-]+", code)}
    # Those of rsync and of the sandbox.
    assert named - options == {"--remove-source-files", "--source", "--destination"}
    # -n, -v and --help need no explanation there.
    assert options - named == {"--dry-run", "--verbose", "--help"}


def test_the_readme_names_extras_and_files_that_exist() -> None:
    extras = set(
        re.findall(r"^        \"(\w+)\": ", (ROOT / "setup.py").read_text("utf-8"), re.MULTILINE)
    )
    assert extras >= set(re.findall(r"'\.\[(\w+)\]'", README)) == {"sandbox", "alerts", "test"}
    named = {code for code in CODE if re.fullmatch(r"[\w./]+\.(md|py|example)", code)}
    named |= {code for code in CODE if code.startswith("tests/")}
    named |= set(re.findall(r"\]\((\w[^):]*)\)", README))
    assert {"crontab.example", "globus_auto/config.py", "tests/terminal.svg"} <= named
    programs = {"transfer.py", "delete.py", "config.py"}
    assert [name for name in sorted(named - programs) if not (ROOT / name).exists()] == []


def test_the_config_file_in_the_readme_is_valid(tmp_path: Path) -> None:
    """It has ten lines; only its CODE_PATH is that of somebody else."""
    begin = next(
        number for number, line in enumerate(LINES) if line.startswith("       SRC_DIR = ")
    )
    lines = [line.strip() for line in LINES[begin : begin + 10]]
    (tmp_path / "em1.py").write_text("\n".join(lines), encoding="utf-8")
    assert LINES[begin + 10] == ""
    with pytest.raises(SettingsError) as wrong:
        read_settings(str(tmp_path / "em1.py"))
    assert wrong.value.problems == ["CODE_PATH = '/home/you/em1.state/' is not a directory."]
    assert wrong.value.usable.keep_days == 7


def test_every_alert_has_its_row_and_every_row_its_alert() -> None:
    """A row shows the exit code, or that it is a note."""
    listed = {
        (kind, row[0].rpartition("(")[2].rstrip(" )"))
        for row in rows("Alerts")
        for kind in re.findall(r"\*([a-z ]+)\*", row[0])
    }
    assert listed == {
        (alert.kind, "note" if alert.severity == "note" else str(alert.code))
        for alert in every_alert()
    }
    assert LINES[-1].startswith("| *"), "the table is the last"


def test_the_row_of_an_alert_has_all_its_subjects_and_no_other() -> None:
    listed = {
        (kind, row[0].rpartition("(")[2].rstrip(" )"), row[1])
        for row in rows("Alerts")
        for kind in re.findall(r"\*([a-z ]+)\*", row[0])
    }
    missing, titles = [], set()
    for alert in every_alert():
        code = "note" if alert.severity == "note" else str(alert.code)
        (subjects,) = [each for *row, each in listed if row == [alert.kind, code]]
        missing += [alert.title] if alert.title not in subjects.split("; ") else []
        titles.add(alert.title)
    assert missing == []
    assert {title for row in rows("Alerts") for title in row[1].split("; ")} == titles


def test_the_readme_lists_every_word_of_a_subject() -> None:
    text = (PACKAGE / "alerts" / "message.py").read_text(encoding="utf-8")
    words = set(re.findall(r'"([A-Z]{2}[A-Z ]+)"', text)) - {"NEW"}
    listed = {row[0].strip("`") for row in rows("What you will see")}
    assert listed == words


def test_the_readme_lists_every_exit_code_and_no_other() -> None:
    listed = {int(row[0]) for row in rows("Exit codes") if row[0].isdigit()}
    assert listed == {alert.code for alert in every_alert()}


def test_the_readme_lists_the_keys_of_the_json_status() -> None:
    cells = "".join("".join(row) for row in rows("Exit codes") if row[0].startswith("`"))
    named = set(re.findall(r"`([a-z_]+)`", cells))
    documented = set(re.findall(r'"([a-z_]+)":', status_document.__doc__ or ""))
    # What is in them is explained by their names.
    assert documented - named <= {"path", "modified"}
    assert named <= documented | {"alerts", "troubles"}


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
