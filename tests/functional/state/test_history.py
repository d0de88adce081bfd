"""Whatever is deleted has its lines in the history first: delivered, then deleted."""

import hashlib
import json
from typing import Any

import pytest

from globus_auto import history
from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, files
from tests.processes import no_file_above


def facts(lab: Lab) -> list[dict[str, Any]]:
    """Return all facts in the history."""
    return [json.loads(line) for line in history.lines(f"{lab.state}/history")]


def require_accounted(lab: Lab, *deleted: str) -> None:
    """Check that just these files were deleted, each with the lines of its fingerprint."""
    delivered = set()
    gone = set()
    for fact in facts(lab):
        key = (fact["path"], fact["size"], fact["mtime"])
        if fact["event"] == "delivered":
            delivered.add(key)
        elif fact["event"] == "deleted":
            assert key in delivered, f"{key} was deleted before it was delivered"
            gone.add(fact["path"])
    assert gone == set(deleted)


def break_history(lab: Lab) -> None:
    """Let no line be added any more; keep those that are there."""
    place = lab.state / "history"
    if place.is_dir():
        place.rename(lab.state / "kept")
    place.write_bytes(b"")


def mend_history(lab: Lab) -> None:
    """Let lines be added again."""
    (lab.state / "history").unlink()
    if (lab.state / "kept").is_dir():
        (lab.state / "kept").rename(lab.state / "history")


def test_a_delivery_has_its_task_its_copy_and_its_checksum(lab: Lab) -> None:
    path = lab.write("d/a", "content")
    assert (lab.transfer(), lab.transfer()) == (0, 0)
    (task,) = lab.world.tasks.values()
    assert facts(lab) == [
        {
            "at": "2026-11-23T10:00:00Z",
            "event": "delivered",
            "path": "/src/d/a",
            "size": 7,
            "mtime": int(path.stat().st_mtime),
            "task": task.id,
            "copy": f"{lab.dst.id}:/dst/d/a",
            "checksum": f"md5:{hashlib.md5(b'content').hexdigest()}",
        }
    ]


def test_a_copy_that_was_there_already_has_no_checksum(lab: Lab) -> None:
    lab.given_transferred("a")
    (lab.state / "datastore").unlink()
    assert (lab.transfer(), lab.transfer()) == (0, 0)
    assert [(fact["event"], fact["checksum"] is None) for fact in facts(lab)] == [
        ("delivered", False),
        ("delivered", True),
    ]


def test_a_copy_that_is_missing_is_lost_and_delivered_again(lab: Lab) -> None:
    lab.given_transferred("a", "b")
    (lab.destination / "a").unlink()
    assert (lab.delete(), lab.transfer(), lab.delete()) == (1, 0, 0)
    assert [(fact["event"], fact["path"]) for fact in facts(lab)] == [
        ("delivered", "/src/a"),
        ("delivered", "/src/b"),
        ("lost", "/src/a"),
        ("deleted", "/src/b"),
        ("delivered", "/src/a"),
        ("deleted", "/src/a"),
    ]


def test_a_dry_run_adds_nothing(lab: Lab) -> None:
    lab.write("a")
    assert lab.transfer() == 0
    for program in (lab.transfer, lab.delete):
        assert program("-n") == 0
    assert not (lab.state / "history").exists()


@pytest.mark.parametrize("removed", [False, True], ids=["of an earlier version", "removed"])
def test_records_without_lines_get_them(lab: Lab, removed: bool) -> None:
    lab.given_transferred("a", "b")
    for path in (lab.state / "history").iterdir():
        path.unlink()
    if removed:
        (lab.state / "history").rmdir()
    else:
        place = lab.state / "datastore"
        text = place.read_text().replace(',"in_history":true', "")
        start = text.index('"sum"')
        digest = hashlib.sha256(text[:start].encode()).hexdigest()
        place.write_text(f'{text[:start]}"sum": "{digest}"}}\n')
    assert lab.delete() == 0
    require_accounted(lab, "/src/a", "/src/b")


def test_nothing_is_deleted_while_the_history_cannot_be_written(lab: Lab) -> None:
    lab.given_transferred("a", "d/b")
    break_history(lab)
    lab.write("c")
    assert (lab.delete(), lab.transfer(), lab.transfer(), lab.delete()) == (1, 1, 1, 1)
    assert files(lab.source).keys() == {"a", "d/b", "c"}
    assert files(lab.destination).keys() == {"a", "d/b", "c"}
    assert lab.alerts().keys() == {"history"}
    assert lab.submitted("delete") == []
    mend_history(lab)
    assert (lab.transfer(), lab.delete()) == (0, 0)
    assert lab.alerts() == {}
    require_accounted(lab, "/src/a", "/src/d/b", "/src/c")


def test_a_disk_too_full_for_the_deliveries_keeps_all_files(lab: Lab) -> None:
    """There would be room for the line of a single deletion."""
    lab.configure(FILES_PER_TASK=1)
    break_history(lab)
    lab.write_and_transfer(*(f"{number:02}" for number in range(20)))
    assert lab.transfer() == 1
    mend_history(lab)
    month = lab.state / "history" / "2026-11.jsonl"
    month.parent.mkdir(mode=0o700)
    filler = {"path": "/src/other", "size": 1, "mtime": 1, "event": "lost", "at": "x" * 100_000}
    month.write_text(json.dumps(filler) + "\n")
    with no_file_above(101_200):
        assert lab.delete() == 1
    assert lab.alerts().keys() == {"history"}
    assert len(files(lab.source)) == 20
    assert (lab.delete(), files(lab.source)) == (0, {})
    require_accounted(lab, *(f"/src/{number:02}" for number in range(20)))


@pytest.mark.parametrize("program", ["transfer", "delete"])
def test_a_deletion_whose_line_cannot_be_written_gets_it_later(lab: Lab, program: str) -> None:
    lab.given_transferred("a", "b")
    lab.world.faults.add_hook("delete", lambda _request: break_history(lab))
    assert lab.delete() == 1
    assert files(lab.source) == {}
    # The records stay, and no run concludes by itself that the files are gone.
    assert lab.records() == {"/src/a", "/src/b"}
    lab.configure(KEEP_DAYS=1)
    lab.write("c")
    assert lab.transfer() == 1
    assert lab.records() == {"/src/a", "/src/b", "/src/c"}
    mend_history(lab)
    assert getattr(lab, program)() == 0
    require_accounted(lab, "/src/a", "/src/b")
    assert lab.records() == {"/src/c"}
    assert not lab.store().tasks_in_progress("delete")
    assert lab.alerts() == {}


@pytest.mark.parametrize("route", ["delete", "task"])
@pytest.mark.parametrize("program", ["transfer", "delete"])
def test_after_a_kill_each_deletion_still_gets_its_line(lab: Lab, route: str, program: str) -> None:
    """The delete task ends without success, after one of its files was deleted."""
    lab.real_time()
    lab.given_transferred("a", "b")

    def deleting(_request: object) -> bool:
        return bool(lab.submitted("delete"))

    def delete_one(_request: object) -> None:
        (lab.source / "a").unlink()

    lab.world.completion = CompletionPolicy.after_polls(9)
    lab.world.faults.add_hook("delete", delete_one)
    lab.kill("delete", route, match=deleting)
    assert files(lab.source).keys() == {"b"}
    lab.world.completion = CompletionPolicy.at_once()
    assert getattr(lab, program)() == 0
    require_accounted(lab, "/src/a", *(["/src/b"] if program == "delete" else []))
    assert (lab.transfer(), lab.delete()) == (0, 0)
    require_accounted(lab, "/src/a", "/src/b")


def test_a_source_that_cannot_be_listed_leaves_a_deletion_open(lab: Lab) -> None:
    lab.real_time()
    lab.given_transferred("d/a", "d/b")
    lab.world.completion = CompletionPolicy.after_polls(9)
    lab.world.faults.add_hook("delete", lambda _request: (lab.source / "d/a").unlink())
    lab.kill("delete", "task", match=lambda _request: bool(lab.submitted("delete")))
    lab.world.completion = CompletionPolicy.at_once()
    refused = {"status": 403, "body": {"code": "PermissionDenied", "message": "no"}}
    for each in ("ls", "stat"):
        lab.world.faults.add(
            each,
            times=None,
            match=lambda request: request.query["path"].startswith("/src/d"),
            **refused,
        )
    assert lab.transfer() == 1
    assert lab.records() == {"/src/d/a", "/src/d/b"}
    lab.world.faults.clear()
    assert lab.transfer() == 0
    require_accounted(lab, "/src/d/a")
