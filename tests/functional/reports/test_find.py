"""--find: the life of a file, offline."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.lab import Lab

LONG_AGO = -9_000_000  # seconds


def found(lab: Lab, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[str, str]:
    """Return what --find prints on stdout and on stderr; Globus is not asked anything."""
    capsys.readouterr()
    lab.world.requests.clear()
    assert lab.transfer("--find", *options) == 0
    assert lab.world.requests == []
    said = capsys.readouterr()
    return said.out, said.err


def test_the_life_of_a_file_is_told_from_delivery_to_deletion(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.advance(LONG_AGO)
    lab.given_transferred("run/a", "run/b")
    (lab.destination / "run/a").unlink()
    assert (lab.delete(), lab.transfer(), lab.transfer()) == (1, 0, 0)
    lab.advance(-LONG_AGO)
    assert lab.delete() == 0
    lab.write("run/a", "again", age=10)
    assert lab.transfer() == 0
    assert [path.suffix for path in sorted((lab.state / "history").iterdir())] == [".gz", ".jsonl"]
    said, wrong = found(lab, capsys, "run/a")
    assert wrong == ""
    transfers = [task for task in lab.world.tasks.values() if task.submission.kind == "TRANSFER"]
    lines = said.splitlines()
    assert lines[0] == "/src/run/a"
    assert [line.split()[1] for line in lines if line.startswith("  20")] == [
        "delivered",
        "lost",
        "delivered",
        "deleted",
    ]
    assert "delivered to destination:/dst/run/a (4 bytes, modified " in lines[1]
    assert "md5:" in lines[1]
    assert lines[2].strip() == f"https://app.globus.org/activity/{transfers[0].id}"
    assert lines[-1].startswith("  now: in progress since 2026-11-23 10:00 UTC, https://")
    assert "run/b" not in said


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("b.h5", {"/src/run1/b.h5", "/src/run2/b.h5"}),
        ("run1", {"/src/run1/a[1].h5", "/src/run1/b.h5"}),
        ("*.h5", {"/src/run1/a[1].h5", "/src/run1/b.h5", "/src/run2/b.h5"}),
        ("run?/b*", {"/src/run1/b.h5", "/src/run2/b.h5"}),
        ("/src/run[2-9]/*", {"/src/run2/b.h5"}),
        ("a[1].h5", {"/src/run1/a[1].h5"}),
        ("Größe", {"/src/Größe \" '"}),
        ('" ', {"/src/Größe \" '"}),
        ("*", {"/src/run1/a[1].h5", "/src/run1/b.h5", "/src/run2/b.h5", "/src/Größe \" '"}),
        ("B.H5", set()),
        ("[", {"/src/run1/a[1].h5"}),
    ],
)
def test_a_pattern_fits_the_end_or_any_part_of_a_path(
    lab: Lab, capsys: pytest.CaptureFixture[str], pattern: str, expected: set[str]
) -> None:
    lab.given_transferred("run1/a[1].h5", "run1/b.h5", "run2/b.h5", "Größe \" '")
    said, wrong = found(lab, capsys, pattern)
    assert {line for line in said.splitlines() if line.startswith("/")} == expected
    assert bool(wrong) == (not expected)
    lines, _ = found(lab, capsys, pattern, "--json")
    assert {json.loads(line)["path"] for line in lines.splitlines()} == expected


def test_json_has_the_lines_of_the_history_as_they_are(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.given_transferred("a", "b")
    assert lab.delete() == 0
    said, _ = found(lab, capsys, "src", "--json")
    (month,) = (lab.state / "history").iterdir()
    assert said == month.read_text()


def test_what_is_not_recorded_is_one_sentence_on_stderr(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.write("new")
    for options in ([], ["--json"]):
        assert found(lab, capsys, "new", *options) == (
            "",
            "Nothing that is recorded matches new; transfer.py -n shows what would be sent.\n",
        )


def test_damaged_lines_and_a_repeated_one_do_no_harm(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.given_transferred("a")
    (month,) = (lab.state / "history").iterdir()
    line = month.read_text()
    month.write_text(f'{line}{{"path":"/src/a"\n{line}\0\0/src/a\n')
    said, _ = found(lab, capsys, "a")
    assert said.count("delivered to") == 1
    assert said.endswith("now: delivered\n")


def test_a_line_that_a_crash_has_repeated_later_is_told_once(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.given_transferred("a")
    (month,) = (lab.state / "history").iterdir()
    line = month.read_text()
    month.write_text(line + line.replace("T10:00:00Z", "T10:30:00Z"))
    said, _ = found(lab, capsys, "a")
    assert said.count("delivered to") == 1


def test_a_list_for_md5sum_fits_the_destination(
    lab: Lab, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lab.given_transferred("a", "run/b", "Größe")
    lines, _ = found(lab, capsys, "*", "--json")
    sums = [json.loads(line) for line in lines.splitlines()]
    listing = tmp_path / "sums"
    listing.write_text(
        "".join(
            f"{each['checksum'].removeprefix('md5:')}  {each['path'].removeprefix('/src/')}\n"
            for each in sums
        )
    )
    md5sum = shutil.which("md5sum") or "md5sum"
    done = subprocess.run(
        [md5sum, "-c", listing], cwd=lab.destination, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout.count(b": OK")) == (0, 3)


def test_an_empty_pattern_is_refused(lab: Lab) -> None:
    with pytest.raises(SystemExit, match="2"):
        lab.transfer("--find", "")
