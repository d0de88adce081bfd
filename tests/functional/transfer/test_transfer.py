"""What starts a transfer, what does not, and what is submitted."""

import os
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import START, Lab, files, put


def items(document: Any) -> dict[str, str]:
    """Return the items of a document as {path at the source: path at the destination}."""
    return {item["source_path"]: item["destination_path"] for item in document["DATA"]}


@pytest.mark.parametrize(
    ("name", "content", "age"),
    [
        pytest.param("new.txt", "data", 60, id="a new file"),
        pytest.param("a/b/c/d/e/f/new.txt", "data", 60, id="a file in a new deep directory"),
        pytest.param("d/b.txt", "data and more", 60, id="a changed file"),
        pytest.param("d/b.txt", "DATA", 50, id="a changed file of equal size, later"),
        pytest.param("d/b.txt", "DATA", 70, id="a changed file of equal size, earlier"),
        pytest.param("d/b.txt", "", 50, id="a file emptied"),
        pytest.param("d/b.txt", "data", 50, id="a file touched"),
        pytest.param("Ärger 1/ß ü\t'\"*?[x].txt", "data", 60, id="an odd name"),
    ],
)
def test_a_new_or_changed_file_starts_exactly_one_task(
    lab: Lab, name: str, content: str, age: int
) -> None:
    lab.write("d/b.txt")
    lab.given_transferred("a.txt")
    lab.advance(1)
    path = lab.write(name, content, age + 1)
    assert [lab.transfer() for _ in range(3)] == [0, 0, 0]
    (document,) = lab.submitted()
    assert items(document) == {f"/src/{name}": f"/dst/{name}"}
    assert [item["recursive"] for item in document["DATA"]] == [False]
    assert files(lab.destination) == files(lab.source)
    record = lab.store().record(f"/src/{name}")
    assert record
    assert (record.size, record.mtime) == (len(content), int(path.stat().st_mtime))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda lab: (lab.source / "e/f/g").mkdir(parents=True), id="empty directory"),
        pytest.param(
            lambda lab: lab.configure(
                DST_ID=lab.world.add_endpoint(lab.destination, name="other", mount="/dst").id
            ),
            id="DST_ID",
        ),
        pytest.param(lambda lab: lab.configure(DST_DIR="/dst/other"), id="DST_DIR"),
        pytest.param(lambda lab: (lab.source / "d/b.txt").unlink(), id="source file deleted"),
        pytest.param(lambda lab: shutil.rmtree(lab.source / "d"), id="source directory deleted"),
        pytest.param(lambda lab: (lab.destination / "copy/d/b.txt").unlink(), id="gone there"),
        pytest.param(lambda lab: shutil.rmtree(lab.destination / "copy/d"), id="gone there, all"),
        pytest.param(lambda lab: put(lab.destination / "copy/d/b.txt", "x", 1), id="altered there"),
        pytest.param(lambda lab: (lab.source / "a.txt").chmod(0o600), id="mode"),
        pytest.param(lambda lab: lab.advance(40 * 86_400), id="time"),
        pytest.param(lambda lab: lab.configure(EXCLUDE=["*.txt"]), id="excluded afterwards"),
        pytest.param(lambda _lab: None, id="nothing at all"),
    ],
)
def test_without_a_new_or_changed_file_nothing_happens(
    lab: Lab, change: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    """No task is submitted, and nothing is written, printed or mailed."""
    lab.configure(DST_DIR="/dst/copy")
    lab.write("d/b.txt")
    lab.given_transferred("a.txt")
    change(lab)
    before, there = lab.datastore_bytes(), files(lab.destination)
    written = (lab.state / "datastore").stat()
    assert lab.transfer() == 0
    assert lab.submitted() == lab.submitted("submission_id") == []
    assert lab.datastore_bytes() == before
    after = (lab.state / "datastore").stat()
    assert (after.st_mtime_ns, after.st_ino) == (written.st_mtime_ns, written.st_ino)
    assert files(lab.destination) == there
    assert capfd.readouterr() == ("", "")
    assert lab.alerts() == {}


def test_every_transfer_has_the_safe_options(lab: Lab) -> None:
    """Checksums, encryption and kept times are on; mails and deletions by Globus are off."""
    lab.given_transferred("a.txt")
    put(lab.destination / "theirs.txt", "not ours", START)
    put(lab.source / "b.txt", "data", START - 60)
    assert lab.transfer() == 0
    for document in [
        *lab.submitted(),
        lab.world.tasks[next(iter(lab.world.tasks))].submission.document,
    ]:
        expected = {
            "sync_level": 3,
            **dict.fromkeys(("verify_checksum", "encrypt_data", "preserve_timestamp"), True),
            "skip_source_errors": True,
            **dict.fromkeys(
                (f"notify_on_{on}" for on in ("succeeded", "failed", "inactive")), False
            ),
        }
        assert {name: document[name] for name in expected} == expected
        assert not document.get("delete_destination_extra")
        assert (document["source_endpoint"], document["destination_endpoint"]) == (
            lab.src.id,
            lab.dst.id,
        )
    assert (lab.destination / "theirs.txt").read_text() == "not ours"
    assert (lab.destination / "b.txt").stat().st_mtime == (START - 60)


def test_every_task_has_a_label_of_its_own(lab: Lab) -> None:
    for name in ("a", "b", "c"):
        lab.write(name)
        assert lab.transfer() == 0
    labels = {task.submission.label for task in lab.world.tasks.values()}
    assert len(labels) == len(lab.world.tasks) == 3
    assert {task.label for task in lab.store().tasks.values()} == labels


def test_the_first_run_sends_everything_as_one_recursive_item(lab: Lab) -> None:
    lab.write("a.txt")
    lab.write("d/e/b.txt")
    assert lab.transfer() == 0
    (document,) = lab.submitted()
    (item,) = document["DATA"]
    assert (item["source_path"], item["destination_path"], item["recursive"]) == (
        "/src",
        "/dst",
        True,
    )
    assert lab.records() == {"/src/a.txt", "/src/d/e/b.txt"}
    assert files(lab.destination) == files(lab.source)


def test_the_first_run_of_an_empty_source_does_nothing(
    lab: Lab, capfd: pytest.CaptureFixture[str]
) -> None:
    (lab.source / "empty").mkdir()
    assert lab.transfer() == 0
    assert lab.submitted() == []
    assert lab.datastore_bytes() is None
    assert capfd.readouterr() == ("", "")


def test_the_first_run_sends_items_if_a_file_is_deferred(lab: Lab) -> None:
    lab.configure(SETTLE_SECONDS=60)
    lab.write("d/quiet.txt", age=61)
    lab.write("d/busy.txt", age=10)
    assert lab.transfer() == 0
    assert [items(document) for document in lab.submitted()] == [
        {"/src/d/quiet.txt": "/dst/d/quiet.txt"}
    ]
    assert files(lab.destination).keys() == {"d/quiet.txt"}


def test_a_task_has_at_most_files_per_task_files(lab: Lab) -> None:
    lab.configure(FILES_PER_TASK=2)
    lab.given_transferred("first")
    names = [f"d/{number}" for number in range(5)]
    for name in names:
        lab.write(name)
    assert [lab.transfer() for _ in range(2)] == [0, 0]
    sizes = [len(document["DATA"]) for document in lab.submitted()]
    assert sizes == [2, 2, 1]
    assert sorted(path for one in lab.submitted() for path in items(one)) == [
        f"/src/{name}" for name in names
    ]
    assert files(lab.destination) == files(lab.source)


def test_a_file_changed_during_its_task_is_deferred(lab: Lab) -> None:
    """It is sent once the task has ended."""
    lab.given_transferred("a.txt")
    lab.world.completion = CompletionPolicy.after_polls(2)
    lab.advance(5)
    lab.write("a.txt", "second", age=3)
    assert lab.transfer() == 0
    lab.advance(5)
    lab.write("a.txt", "the third", age=3)
    assert lab.transfer() == 0  # the task is in progress
    assert len(lab.submitted()) == 1
    lab.world.completion = CompletionPolicy.at_once()
    assert [lab.transfer() for _ in range(3)] == [0, 0, 0]
    assert len(lab.submitted()) == 2
    assert (lab.destination / "a.txt").read_text() == "the third"


def test_a_task_in_progress_keeps_the_records_of_gone_files(lab: Lab) -> None:
    lab.given_transferred("a.txt")
    lab.world.completion = CompletionPolicy.after_polls(2)
    lab.write("b.txt")
    assert lab.transfer() == 0
    (lab.source / "b.txt").unlink()
    (lab.source / "a.txt").unlink()
    lab.write("c.txt")
    assert lab.transfer() == 0
    assert lab.records() == {"/src/b.txt", "/src/c.txt"}


def test_excluded_files_and_directories_are_not_sent(lab: Lab) -> None:
    lab.configure(EXCLUDE=["*.tmp", ".*", "scratch"])
    for name in ("a.txt", "a.tmp", ".hidden", "scratch/b.txt", "d/scratch/b.txt", "d/.x", "d/c"):
        lab.write(name)
    assert lab.transfer() == 0
    assert files(lab.destination).keys() == {"a.txt", "d/c"}
    assert lab.records() == {"/src/a.txt", "/src/d/c"}
    lab.write("e.txt")
    lab.write("e.tmp")
    assert [lab.transfer() for _ in range(2)] == [0, 0]
    assert files(lab.destination).keys() == {"a.txt", "d/c", "e.txt"}
    listed = {request.query["path"] for request in lab.world.requests if request.route == "ls"}
    assert not any("scratch" in path for path in listed)


def test_files_excluded_afterwards_keep_their_records(lab: Lab) -> None:
    lab.given_transferred("a.txt", "d/b.tmp", "e.tmp")
    before = lab.records()
    lab.configure(EXCLUDE=["*.tmp", "d"])
    lab.write("c.txt")
    assert lab.transfer() == 0
    assert lab.records() == before | {"/src/c.txt"}


def test_a_file_is_deferred_until_stable_for_settle_seconds(
    lab: Lab, capfd: pytest.CaptureFixture[str]
) -> None:
    lab.configure(SETTLE_SECONDS=300)
    lab.write("old", age=1000)
    lab.given_transferred("older")
    lab.write("busy", age=100)
    assert lab.transfer() == 0
    assert lab.submitted() == []
    assert capfd.readouterr() == ("", "")
    lab.advance(201)
    assert lab.transfer() == 0
    assert (lab.destination / "busy").exists()


def test_a_missing_destination_directory_is_made_by_globus(lab: Lab) -> None:
    lab.configure(DST_DIR="/dst/new/deep")
    lab.write("d/a.txt")
    assert lab.transfer() == 0
    assert files(lab.destination / "new/deep") == files(lab.source)


def test_a_dry_run_changes_nothing_here_or_there(
    lab: Lab, capfd: pytest.CaptureFixture[str]
) -> None:
    lab.given_transferred("a.txt")
    lab.write("b.txt")
    lab.write("a.txt", "changed", age=30)
    before, there, health = lab.datastore_bytes(), files(lab.destination), lab.health()
    assert lab.transfer("-n", "-v") == 0
    assert {request.method for request in lab.world.requests if request.route != "token"} == {"GET"}
    assert (lab.datastore_bytes(), files(lab.destination), lab.health()) == (before, there, health)
    out, err = capfd.readouterr()
    assert [line for line in out.splitlines() if line.startswith("  transfer /")] == [
        "  transfer /src/a.txt (7 bytes): changed: 4 bytes before, 7 now",
        "  transfer /src/b.txt (4 bytes): new",
    ]
    assert "/src/a.txt" not in err


def test_a_dry_run_polls_without_recording_the_results(
    lab: Lab, capfd: pytest.CaptureFixture[str]
) -> None:
    lab.world.fail_next()
    lab.write("a.txt")
    assert lab.transfer() == 0
    before, health = lab.datastore_bytes(), lab.health()
    assert lab.transfer("--dry-run", "-v") == 1
    assert (lab.datastore_bytes(), lab.health()) == (before, health)
    assert "transfer /src/a.txt (4 bytes): new" in capfd.readouterr().out
    assert len(lab.world.tasks) == 1


def test_the_first_dry_run_leaves_no_datastore(lab: Lab) -> None:
    lab.write("a.txt")
    assert lab.transfer("-n") == 0
    assert lab.world.tasks == {}
    assert set(os.listdir(lab.state)) <= {"globus_auto.log", "refresh_token", "refresh_token.lock"}


def test_verbose_shows_each_decision_and_why(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    lab.given_transferred("a.txt", "d/gone")
    (lab.source / "d/gone").unlink()
    lab.write("b.txt")
    assert lab.transfer("-v") == 0
    shown = capfd.readouterr().err
    assert "Send /src/b.txt (4 bytes): new; task " in shown
    assert "Forget /src/d/gone: gone from the source" in shown


def test_forgotten_files_that_come_back_are_new(lab: Lab) -> None:
    lab.given_transferred("a.txt", "b.txt")
    (lab.source / "a.txt").rename(lab.home / "away")
    lab.write("c.txt")
    assert lab.transfer() == 0
    assert lab.records() == {"/src/b.txt", "/src/c.txt"}
    (lab.home / "away").rename(lab.source / "a.txt")
    assert lab.transfer() == 0
    assert items(lab.submitted()[-1]) == {"/src/a.txt": "/dst/a.txt"}


def test_wait_ends_when_all_tasks_have_ended(lab: Lab) -> None:
    lab.world.completion = CompletionPolicy.after_polls(3)
    lab.write("a.txt")
    assert lab.transfer("--wait") == 0
    assert (lab.destination / "a.txt").exists()
    assert [task.status for task in lab.store().tasks.values()] == ["SUCCEEDED"]


def test_wait_for_a_task_that_fails_ends_with_an_alert(lab: Lab) -> None:
    lab.world.completion = CompletionPolicy.after_polls(3)
    lab.world.fail_next()
    lab.write("a.txt")
    assert lab.transfer("--wait") == 1
    assert lab.records() == set()
    assert "ENDPOINT_ERROR" in lab.alerts()["failed"]


def test_ended_tasks_without_file_records_are_dropped(lab: Lab) -> None:
    lab.given_transferred("a.txt", "b.txt")
    (first,) = lab.store().tasks
    lab.advance(5)
    lab.write("a.txt", "changed", age=3)
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert len(lab.store().tasks) == 2
    lab.advance(5)
    lab.write("b.txt", "changed", age=3)
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert len(lab.store().tasks) == 2
    assert first not in lab.store().tasks
