"""--report: one page about the last days, offline."""

import pytest

from tests.lab import Lab, run_transfer

DAY = 86_400  # seconds


def test_the_page_says_what_was_delivered_and_how_things_stand(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.configure(KEEP_DAYS=1)
    lab.write("top", "1" * 1000, age=7200)
    lab.write("run1/a", "2" * 2000)
    lab.write("run1/b", "3" * 3000)
    assert (lab.transfer(), lab.transfer()) == (0, 0)
    lab.advance(2 * DAY)
    lab.write("run2/c", "4" * 4000)
    assert (lab.transfer(), lab.transfer(), lab.delete()) == (0, 0, 0)
    lab.write("waiting", "5" * 500)
    lab.dst.connected = False
    assert lab.transfer() == 1
    lab.world.requests.clear()
    code, page = run_transfer(lab, capsys, "--report")
    assert (code, lab.world.requests) == (0, [])
    assert (
        page
        == f"""globus_auto report: /src -> /dst
From 2026-11-18 10:00 UTC to 2026-11-25 10:00 UTC (7 days)

                                               delivered             deleted
directory                               files       size    files       size
run1                                        2     5.0 kB        2     5.0 kB
run2                                        1     4.0 kB        0    0 bytes
.                                           1     1.0 kB        1     1.0 kB
in all                                      4    10.0 kB        3     6.0 kB

Slowest delivery: 2.0 h after its modification: /src/top
Last complete scan, 2026-11-25 10:00 UTC: 4 files, 10.0 kB; not delivered: 0 files, 0 bytes
Kept by the last run of delete.py, 2026-11-25 10:00 UTC:
  1 file: transferred less than KEEP_DAYS ago
Open alerts:
  since 2026-11-25 10:00 UTC: {lab.alerts()["endpoint"]}
Last good run of transfer.py: 2026-11-25 10:00 UTC
Last good run of delete.py: 2026-11-25 10:00 UTC
"""
    )
    _, page = run_transfer(lab, capsys, "--report", "1")
    assert "in all                                      1     4.0 kB        3     6.0 kB" in page


def test_the_oldest_undelivered_file_is_named(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.configure(SETTLE_SECONDS=100)
    lab.write("old", age=90)
    lab.write("new", age=10)
    assert lab.transfer() == 0
    _, page = run_transfer(lab, capsys, "--report")
    assert "not delivered: 2 files, 8 bytes" in page
    assert "Oldest of these: /src/old, modified 2026-11-23 09:58 UTC" in page
    lab.advance(200)
    assert lab.transfer() == 0
    _, page = run_transfer(lab, capsys, "--report")
    assert "Oldest of these: /src/old" in page
    assert lab.transfer() == 0
    _, page = run_transfer(lab, capsys, "--report")
    assert "Oldest" not in page


def test_many_directories_share_one_row(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.given_transferred(*(f"run{number:02}/a" for number in range(40)), "a" * 50 + "/b")
    _, page = run_transfer(lab, capsys, "--report")
    lines = page.splitlines()
    assert "16 other directories                       16   64 bytes        0    0 bytes" in lines
    assert "in all                                     41  164 bytes        0    0 bytes" in lines
    assert f"{'a' * 32}...".ljust(36) in page
    assert all(len(line) <= 80 for line in lines[: lines.index("")] + lines[4:31])


def test_a_repeated_line_counts_once_and_a_damaged_one_not(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.given_transferred("a")
    (month,) = (lab.state / "history").iterdir()
    line = month.read_bytes()
    month.write_bytes(line + b"{torn\n" + line)
    _, page = run_transfer(lab, capsys, "--report")
    assert "in all                                      1    4 bytes        0    0 bytes" in page


def test_there_is_a_page_before_anything_was_sent(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    code, page = run_transfer(lab, capsys, "--report", "0.5")
    assert code == 0
    assert "(0.5 days)" in page
    assert "Last good run of transfer.py: never" in page


@pytest.mark.parametrize("days", ["0", "-1", "x", "nan", "1e9"])
def test_a_wrong_number_of_days_is_refused(lab: Lab, days: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        lab.transfer("--report", days)
