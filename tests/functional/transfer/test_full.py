"""--full: one recursive task for all files, whether they were sent before or not."""

import pytest

from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, files


def test_full_compares_everything_with_the_destination_again(lab: Lab) -> None:
    lab.given_transferred("a.txt", "d/b.txt")
    (lab.destination / "a.txt").unlink()
    (lab.destination / "d/b.txt").write_text("DATA")
    lab.advance(5)
    lab.write("new.txt")
    assert lab.transfer("--full") == 0
    (document,) = lab.submitted()
    assert [
        (item["source_path"], item["destination_path"], item["recursive"])
        for item in document["DATA"]
    ] == [("/src", "/dst", True)]
    assert files(lab.destination) == files(lab.source)
    store = lab.store()
    numbers = {path: lab.record(path).task for path in ("/src/a.txt", "/src/d/b.txt")}
    assert set(numbers.values()) < {*store.tasks}, "what was delivered stays delivered"
    assert not any(store.tasks[number].in_progress for number in numbers.values())
    new = lab.task_of("/src/new.txt")
    assert new.recursive and new.in_progress
    assert lab.records() == {"/src/a.txt", "/src/d/b.txt", "/src/new.txt"}


def test_full_sends_all_in_one_task_despite_files_per_task(lab: Lab) -> None:
    lab.configure(FILES_PER_TASK=1)
    lab.given_transferred("a.txt", "b.txt", "c.txt")
    assert lab.transfer("--full") == 0
    assert len(lab.submitted()) == 1


def test_full_waits_for_transfers_in_progress(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    """New files are sent as usual, and an alert says that --full waits."""
    lab.given_transferred("a.txt")
    lab.world.completion = CompletionPolicy.after_polls(2)
    lab.write("b.txt")
    assert lab.transfer() == 0
    lab.world.requests.clear()
    lab.write("c.txt")
    assert lab.transfer("--full") == 1
    (document,) = lab.submitted()  # new files are sent as usual
    assert [item["source_path"] for item in document["DATA"]] == ["/src/c.txt"]
    assert "--full was postponed: 1 transfer of /src is in progress." in capfd.readouterr().err
    assert lab.alerts().keys() == {"full"}
    while lab.store().tasks_in_progress("transfer"):
        lab.transfer()
    assert lab.transfer("--full") == 0
    assert lab.alerts() == {}


def test_everything_is_deferred_during_a_recursive_task(lab: Lab) -> None:
    lab.given_transferred("a.txt")
    lab.world.completion = CompletionPolicy.after_polls(3)
    assert lab.transfer("--full") == 0
    lab.advance(5)
    lab.write("b.txt")
    lab.write("d/c.txt")
    lab.write("a.txt", "changed", age=3)
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert len(lab.submitted()) == 1
    assert [lab.transfer() for _ in range(6)] == [0] * 6
    # The recursive task copied the later files, too; the second task found them equal.
    assert len(lab.submitted()) == 2
    assert files(lab.destination) == files(lab.source)


def test_full_records_no_deferred_file(lab: Lab) -> None:
    lab.given_transferred("a.txt")
    lab.configure(SETTLE_SECONDS=60)
    lab.advance(100)
    lab.write("busy.txt", age=5)
    lab.write("a.txt", "being written", age=5)
    old = lab.store().record("/src/a.txt")
    assert lab.transfer("--full") == 0
    assert lab.submitted() == []  # all files are deferred
    lab.write("quiet.txt", age=100)
    assert lab.transfer("--full") == 0
    assert lab.store().record("/src/a.txt") == old
    assert lab.records() == {"/src/a.txt", "/src/quiet.txt"}
    lab.advance(100)
    assert lab.transfer() == lab.transfer() == 0
    assert lab.records() == {"/src/a.txt", "/src/busy.txt", "/src/quiet.txt"}


def test_a_first_full_run_is_one_task_despite_deferred_files(lab: Lab) -> None:
    lab.configure(SETTLE_SECONDS=60)
    lab.write("quiet.txt", age=100)
    lab.write("busy.txt", age=5)
    assert lab.transfer("--full") == 0
    assert [item["recursive"] for item in lab.submitted()[0]["DATA"]] == [True]
    assert lab.records() == {"/src/quiet.txt"}


def test_full_has_filter_rules_for_excluded_names(lab: Lab) -> None:
    """So it has for the reserved names, .globus_auto*."""
    lab.configure(EXCLUDE=["*.tmp", "scratch"])
    quarantine = ".globus_auto_empty.0123456789ab"
    lab.given_transferred("a.txt", "b.tmp", "scratch/c", "d/scratch/e")
    lab.write(f"d/{quarantine}/late.txt")
    lab.write("d/.globus_auto.notes")
    assert lab.transfer("--full") == 1
    assert f"/src/d/{quarantine} was renamed to check" in lab.alerts()["quarantine"]
    (document,) = lab.submitted()
    assert [(rule["method"], rule["name"]) for rule in document["filter_rules"]] == [
        ("exclude", "*.tmp"),
        ("exclude", "scratch"),
        ("exclude", ".globus_auto*"),
    ]
    assert files(lab.destination).keys() == {"a.txt"}
    assert lab.records() == {"/src/a.txt"}
    # A later run does not send it under that name, either.
    assert lab.transfer() == lab.transfer() == 1
    assert files(lab.destination).keys() == {"a.txt"}
    (lab.source / "d" / quarantine).rename(lab.source / "d" / "found")
    assert lab.transfer() == lab.transfer() == 0
    assert files(lab.destination).keys() == {"a.txt", "d/found/late.txt"}
    assert "quarantine" not in lab.alerts()


def test_the_first_run_leaves_quarantines_out_and_names_them(lab: Lab) -> None:
    quarantine = lab.source / "d" / ".globus_auto_empty.0123456789ab"
    lab.write("a.txt")
    lab.write(f"d/{quarantine.name}/late.txt")
    assert lab.transfer() == 1
    assert "It contains late.txt." in lab.alerts()["quarantine"]
    assert lab.records() == {"/src/a.txt"}
    assert files(lab.destination).keys() == {"a.txt"}
    quarantine.rename(lab.source / "d" / "found")
    assert lab.transfer() == lab.transfer() == 0
    assert files(lab.destination).keys() == {"a.txt", "d/found/late.txt"}
    assert lab.alerts() == {}


def test_full_does_not_restart_keep_days(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    lab.configure(KEEP_DAYS=2)
    lab.given_transferred("a.txt")
    lab.advance(86_400)
    (lab.destination / "a.txt").unlink()
    assert lab.transfer("--full", "-n") == 0
    assert "one recursive task" in capfd.readouterr().out
    assert [lab.transfer("--full"), lab.transfer()] == [0, 0]
    (document,) = lab.submitted()
    assert [item["recursive"] for item in document["DATA"]] == [True]
    assert files(lab.destination) == {"a.txt": b"data"}
    assert lab.delete() == 0
    assert files(lab.source) == {"a.txt": b"data"}
    lab.advance(86_400)
    assert lab.delete() == 0
    assert files(lab.source) == {}


def test_full_submits_nothing_if_all_files_are_deferred(lab: Lab) -> None:
    lab.given_transferred("a.txt")
    lab.advance(5)
    lab.configure(SETTLE_SECONDS=60)
    lab.write("a.txt", "changed", age=3)
    assert lab.transfer("--full") == 0
    assert lab.submitted() == []


def test_a_dry_full_run_prints_new_files_and_its_one_task(
    lab: Lab, capfd: pytest.CaptureFixture[str]
) -> None:
    """It says that the task compares everything with the destination."""
    lab.given_transferred("a.txt", "b.txt")
    lab.write("c.txt")
    assert lab.transfer("--full", "-n", "-v") == 0
    shown = capfd.readouterr().out.splitlines()
    assert [line for line in shown if line.startswith("  transfer /")] == [
        "  transfer /src/c.txt (4 bytes): new",
    ]
    assert "one recursive task, which compares every file with the destination" in shown
    assert lab.submitted() == []


def test_a_dry_full_run_to_another_destination_prints_everything(
    lab: Lab, capfd: pytest.CaptureFixture[str]
) -> None:
    lab.configure(DST_DIR="/dst/one")
    lab.given_transferred("a.txt", "b.txt")
    lab.configure(DST_DIR="/dst/two")
    assert lab.transfer("--full", "-n", "-v") == 0
    shown = capfd.readouterr().out.splitlines()
    reason = "transferred elsewhere before, and --full asks for everything"
    assert [line for line in shown if line.startswith("  transfer /")] == [
        f"  transfer /src/a.txt (4 bytes): {reason}",
        f"  transfer /src/b.txt (4 bytes): {reason}",
    ]
    assert lab.submitted() == []
    assert [lab.transfer("--full"), lab.transfer()] == [0, 0]
    assert files(lab.destination / "two").keys() == {"a.txt", "b.txt"}


def test_files_below_a_directory_that_full_skips_are_sent_again(lab: Lab) -> None:
    lab.given_transferred("a.txt", "df.txt")
    lab.write("d/b.txt")
    lab.write("d/e/c.txt")
    lab.world.skip_paths("/src/d")
    assert lab.transfer("--full") == 0
    lab.world.skipped_paths.clear()
    assert lab.transfer() == 1  # it polls that they were skipped, and sends them
    assert [item["source_path"] for item in lab.submitted()[-1]["DATA"]] == [
        "/src/d/b.txt",
        "/src/d/e/c.txt",
    ]
    assert lab.transfer() == 0
    assert files(lab.destination) == files(lab.source)


def test_a_skipped_file_without_a_record_affects_no_others(lab: Lab) -> None:
    """It appeared after the scan, and a recursive task skipped it."""
    lab.write("a")
    lab.world.skip_paths("/src/late")
    lab.world.faults.add_hook("transfer", lambda _request: lab.write("late"))
    assert lab.transfer() == 0
    lab.world.skipped_paths.clear()
    assert lab.transfer() == 1
    assert [item["source_path"] for item in lab.submitted()[-1]["DATA"]] == ["/src/late"]
