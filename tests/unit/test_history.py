"""The history's files: nothing in them is lost, glued or written again."""

import gzip
import time
from pathlib import Path
from typing import Any

import pytest

from globus_auto import history
from globus_auto.history import Fact
from tests.processes import no_file_above

FACT = Fact(at="2026-11-23T10:00:00Z", event="delivered", path="/src/ü", size=3, mtime=7)
NOVEMBER, DECEMBER, IN_TEN_YEARS = 1_795_428_000, 1_798_000_000, 2_111_000_000


def paths(home: Path, needle: bytes = b"", since: str = "") -> list[str]:
    """Return the paths of all facts."""
    found = [history.parsed(line) for line in history.lines(str(home), needle, since)]
    return [fact.path for fact in found if fact]


def add(home: Path, *names: str) -> None:
    """Add facts with these paths."""
    history.append(str(home), [Fact(at="", event="deleted", path=name) for name in names])


def months(home: Path) -> list[str]:
    """Return the names of the files."""
    return sorted(path.name for path in home.iterdir())


def test_a_line_has_all_keys_in_order_and_can_be_read_back(tmp_path: Path) -> None:
    history.append(str(tmp_path), [FACT])
    (line,) = history.lines(str(tmp_path))
    assert line.decode() == (
        '{"at":"2026-11-23T10:00:00Z","event":"delivered","path":"/src/ü","size":3,"mtime":7,'
        '"task":null,"copy":null,"checksum":null}'
    )
    assert history.parsed(line) == FACT


def test_there_is_no_history_before_the_first_line(tmp_path: Path) -> None:
    assert list(history.lines(str(tmp_path / "none"))) == []


def test_each_month_has_a_file_and_earlier_ones_are_compressed(tmp_path: Path, clock: Any) -> None:
    add(tmp_path, "one")
    clock.move_to(DECEMBER)
    add(tmp_path, "two")
    add(tmp_path, "three")
    assert months(tmp_path) == ["2026-11.jsonl.gz", "2026-12.jsonl"]
    assert paths(tmp_path) == ["one", "two", "three"]
    assert paths(tmp_path, since="2026-12") == ["two", "three"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())


def test_a_clock_that_jumps_ten_years_and_back_keeps_the_order(tmp_path: Path, clock: Any) -> None:
    for number, moment in enumerate((NOVEMBER, IN_TEN_YEARS, DECEMBER)):
        clock.move_to(moment)
        add(tmp_path, str(number))
    assert months(tmp_path) == ["2026-11.jsonl.gz", "2036-11.jsonl"]
    assert paths(tmp_path) == ["0", "1", "2"]


@pytest.mark.usefixtures("clock")
def test_a_compressed_month_is_never_written_again(tmp_path: Path) -> None:
    (tmp_path / "2026-12.jsonl.gz").write_bytes(gzip.compress(b'{"at":"","event":"deleted"'))
    before = (tmp_path / "2026-12.jsonl.gz").read_bytes()
    add(tmp_path, "one")
    assert months(tmp_path) == ["2026-12.jsonl.gz", "2027-01.jsonl"]
    assert (tmp_path / "2026-12.jsonl.gz").read_bytes() == before


def test_a_kill_while_a_month_is_compressed_loses_nothing(tmp_path: Path, clock: Any) -> None:
    """Before the rename there is half a new file, and after it both files."""
    add(tmp_path, "one")
    whole = (tmp_path / "2026-11.jsonl").read_bytes()
    (tmp_path / "2026-11.jsonl.gz.new").write_bytes(b"half")
    assert paths(tmp_path) == ["one"]
    (tmp_path / "2026-11.jsonl.gz").write_bytes(gzip.compress(whole))
    assert paths(tmp_path) == ["one"]
    clock.move_to(DECEMBER)
    add(tmp_path, "two")
    assert months(tmp_path)[-1] == "2026-12.jsonl"
    assert not (tmp_path / "2026-11.jsonl").exists()
    assert paths(tmp_path) == ["one", "two"]


@pytest.mark.usefixtures("clock")
def test_a_torn_line_is_closed_and_no_other_is_lost(tmp_path: Path) -> None:
    add(tmp_path, "one")
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    for torn in (b'{"at":"x","event":"del', b"\0\0\0", b"\xff\xfe"):
        file.write_bytes(whole + torn)
        add(tmp_path, "two")
        assert paths(tmp_path) == ["one", "two"]
        assert file.read_bytes().count(b"\n") == 3


@pytest.mark.parametrize("needle", [b"", b'"path":"b', b"no such", b"deleted"])
def test_lines_are_found_wherever_blocks_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needle: bytes
) -> None:
    names = [letter * number for number in range(1, 40) for letter in "ab"]
    add(tmp_path, *names)
    expected = paths(tmp_path, needle)
    for size in (1, 7, 64, 100, 4096):
        monkeypatch.setattr(history, "BLOCK", size)
        assert paths(tmp_path, needle) == expected
    wanted = {b"": 78, b'"path":"b': 39, b"no such": 0, b"deleted": 78}
    assert len(expected) == wanted[needle]


def test_a_failed_write_adds_no_line(tmp_path: Path) -> None:
    add(tmp_path, "one")

    def facts() -> Any:
        for number in range(30_000):  # more than one block
            yield Fact(at="", event="deleted", path=f"/src/{number}")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        history.append(str(tmp_path), facts())
    assert paths(tmp_path) == ["one"]


def test_a_damaged_compressed_month_is_read_as_far_as_possible(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: Any
) -> None:
    add(tmp_path, *[f"/{time.time()}{number}" for number in range(50_000)])
    clock.move_to(DECEMBER)
    add(tmp_path, "two")
    closed = tmp_path / "2026-11.jsonl.gz"
    closed.write_bytes(closed.read_bytes()[:-2000])
    found = paths(tmp_path)
    assert 10_000 < len(found) < 50_001
    assert found[-1] == "two"
    assert "Cannot read all of" in caplog.text


def test_room_for_lines_is_looked_for_and_given_back(tmp_path: Path) -> None:
    add(tmp_path, "one")
    (file,) = tmp_path.iterdir()
    before = file.read_bytes()
    history.reserve(str(tmp_path), 100_000)
    assert file.read_bytes() == before
    with no_file_above(50_000), pytest.raises(OSError, match="File too large"):
        history.reserve(str(tmp_path), 100_000)
    assert file.read_bytes() == before
