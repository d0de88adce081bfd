"""delete.py deletes exactly the verified files, by explicit path, and nothing else."""

import time
from typing import Any

import pytest

from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, deleted, files, tree


def probed(lab: Lab) -> Lab:
    """Return the laboratory after it has deleted a file."""
    lab.write_and_transfer("first")
    assert lab.delete() == 0
    assert files(lab.source) == {}
    return lab


def test_exactly_the_verified_files_are_deleted(lab: Lab) -> None:
    lab.write_and_transfer("a", "run/b", "run/changed")
    lab.write("run/changed", "changed since")
    lab.write("run/new", "never sent")
    (lab.source / "run" / "link").symlink_to("b")
    before = files(lab.destination)
    assert lab.delete() == 0
    assert deleted(lab) == [["/src/a", "/src/run/b"]]
    assert files(lab.source) == {
        "run/changed": b"changed since",
        "run/new": b"never sent",
        "run/link": "-> b",
    }
    assert files(lab.destination) == before
    assert lab.records() == {"/src/run/changed"}
    assert lab.history("deleted") == ["/src/a", "/src/run/b"]


def test_nothing_to_delete_submits_and_writes_nothing(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    probed(lab)
    path = lab.state / "datastore"
    before = path.stat()
    count = len(lab.world.requests)
    capsys.readouterr()
    assert lab.delete() == 0
    assert {each.method for each in lab.world.requests[count:]} <= {"GET"}
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert capsys.readouterr() == ("", "")


def test_a_delete_task_has_explicit_paths_and_a_deadline(lab: Lab) -> None:
    """Globs and the mails of Globus are off; the deadline is DELETE_DEADLINE_MINUTES."""
    lab.configure(DELETE_DEADLINE_MINUTES=7, DELETE_EMPTY_DIRS=False)
    lab.write_and_transfer("run/a")
    began = time.time()
    lab.delete()
    document = lab.submitted("delete")[-1]
    assert document["DATA"] == [{"DATA_TYPE": "delete_item", "path": "/src/run/a"}]
    assert (document["recursive"], document["ignore_missing"]) == (False, True)
    assert document["interpret_globs"] is False
    assert not any(document[f"notify_on_{event}"] for event in ("succeeded", "failed", "inactive"))
    (task,) = (task for task in lab.world.tasks.values() if task.submission.document == document)
    assert task.submission.deadline
    assert 7 * 60 - 1 <= task.submission.deadline - began <= 7 * 60 + 60


def test_each_group_is_listed_just_before_it_is_deleted(lab: Lab) -> None:
    lab.configure(FILES_PER_TASK=2, DELETE_EMPTY_DIRS=False)
    lab.write_and_transfer("a", "b", "run/c", "run/d", "run/e")
    lab.delete()
    assert deleted(lab) == [["/src/a", "/src/b"], ["/src/run/c", "/src/run/d"], ["/src/run/e"]]
    steps = [
        each.query.get("path", "delete")
        for each in lab.world.requests
        if each.route == "delete" or (each.route == "ls" and "/src" in each.query["path"])
    ]
    run = ["/src", "/src/run", "delete"]
    assert steps[-8:] == ["/src", "delete", *run, *run]
    assert files(lab.source) == {}


def test_a_group_without_verified_files_delays_no_other(lab: Lab) -> None:
    lab.configure(FILES_PER_TASK=1)
    lab.write_and_transfer("a", "b")
    lab.write("a", "changed")
    assert lab.delete() == 0
    assert files(lab.source).keys() == {"a"}


def test_a_file_changed_while_another_group_is_deleted_stays(lab: Lab) -> None:
    probed(lab).configure(FILES_PER_TASK=1)
    lab.write_and_transfer("a", "b")
    lab.world.faults.add_hook("delete", lambda _request: lab.write("b", "changed meanwhile"))
    assert lab.delete() == 0
    assert files(lab.source) == {"b": b"changed meanwhile"}


ODD = ["a*", "a?", "[ab]", "back\\slash", "'", '"', "-rf", "--", " lead", "trail ", "$(x)", "~"]
ODD += ["é\u0301", "日本", "\U0001f52c", "%2e", "a&b=c#d", ".hidden", "tab\there", "-d ir/*"]


def test_odd_names_are_deleted_literally(lab: Lab) -> None:
    lab.write_and_transfer(*ODD)
    assert files(lab.destination).keys() == set(ODD)
    like = {"ab", "ac", "a", "b", "backslash", "-d ir/other"}
    for name in like:
        lab.write(name)
    assert lab.delete() == 0
    assert files(lab.source).keys() == like


def test_nothing_outside_of_the_source_directory_is_deleted(lab: Lab) -> None:
    lab.write_and_transfer("a", "sub/b", "subway/c")
    lab.configure(SRC_DIR="/src/sub", DST_DIR="/dst/sub")
    assert lab.delete() == 0
    assert files(lab.source).keys() == {"a", "subway/c"}
    assert lab.records() == {"/src/a", "/src/subway/c"}


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_copy_is_verified_where_it_was_sent(elsewhere: bool, lab: Lab) -> None:
    """Even after DST_ID or DST_DIR has changed."""
    lab.configure(DST_DIR="/dst/old")
    lab.write_and_transfer("a", "b")
    (lab.destination / "old" / "b").unlink()
    if elsewhere:
        other = lab.home / "other"
        other.mkdir()
        lab.configure(DST_ID=lab.world.add_endpoint(other, name="other", mount="/new").id)
    (lab.destination / "new").mkdir()
    lab.configure(DST_DIR="/new" if elsewhere else "/dst/new")
    assert lab.delete() == 1
    assert files(lab.source).keys() == {"b"}


def test_without_verification_the_destination_is_not_asked(lab: Lab) -> None:
    lab.configure(VERIFY_DESTINATION=False)
    lab.write_and_transfer("a", "run/b")
    (lab.destination / "a").unlink()
    assert lab.delete() == 0
    assert files(lab.source) == {}
    listed = [each.query for each in lab.world.requests if each.route == "ls"]
    there = [query for query in listed if query["path"].startswith("/dst")]
    # A listing of one name shows that it can be reached; then only the marker is requested.
    assert all(query.get("limit") == "1" or "filter" in query for query in there)


def test_without_verification_a_changed_file_still_stays(lab: Lab) -> None:
    lab.configure(VERIFY_DESTINATION=False)
    lab.write_and_transfer("a")
    lab.write("a", "changed")
    assert lab.delete() == 0
    assert files(lab.source) == {"a": b"changed"}


def test_a_dry_run_prints_deletions_and_changes_nothing(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.write_and_transfer("a", "b")
    lab.write("b", "changed")
    (lab.source / "empty" / "deep").mkdir(parents=True)
    (lab.destination / "c").touch()
    before = (lab.state / "datastore").read_bytes(), tree(lab.source), tree(lab.destination)
    lists = sorted(path.name for path in lab.state.iterdir())
    count = len(lab.world.requests)
    capsys.readouterr()
    assert lab.delete("-n", "-v") == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "delete: 1 file, 16 bytes",
        "remove: 1 empty directory",
        "keep: 1 file",
        "  1 file: it has changed since it was transferred",
        "/src: keep 1 file; delete 1 file, 16 bytes",
        "  keep /src/b: it has changed since it was transferred: 16 bytes before, 7 now",
        "  delete /src/a (16 bytes): its copy is verified",
        "remove /src/empty: empty directory",
    ]
    assert "/src/b" not in err, "each file is shown once"
    after = (lab.state / "datastore").read_bytes(), tree(lab.source), tree(lab.destination)
    assert after == before
    assert sorted(path.name for path in lab.state.iterdir()) == lists
    assert {each.route for each in lab.world.requests[count:] if each.method == "POST"} <= {"token"}


def test_a_dry_run_keeps_the_record_of_a_missing_copy(lab: Lab) -> None:
    lab.write_and_transfer("a", "b")
    (lab.destination / "a").unlink()
    assert lab.delete("-n") == 1
    assert lab.records() == {"/src/a", "/src/b"}


@pytest.mark.parametrize("plan", ["stall_next", "fail_next"])
def test_an_unsuccessful_delete_task_keeps_its_records(plan: str, lab: Lab, mailbox: Any) -> None:
    """It is cancelled if it stalls, and is an alert; the other groups are deleted."""
    probed(lab).configure(FILES_PER_TASK=2)
    lab.write_and_transfer("a", "b", "c")
    getattr(lab.world, plan)(kind="DELETE", details="read-only disk")
    began = time.time()
    assert lab.delete() == 1
    waited = time.time() - began
    assert 120 <= waited < 140 if plan == "stall_next" else waited < 10
    assert not any(task.in_progress for task in lab.world.tasks.values())
    assert deleted(lab)[1:] == [["/src/a", "/src/b"], ["/src/c"]], "the other group is deleted"
    assert files(lab.source).keys() == {"a", "b"}
    assert lab.records() == {"/src/a", "/src/b"}
    assert not lab.store().tasks_in_progress("delete")
    (mail,) = mailbox.texts()
    assert "Globus did not delete" in mail
    assert ("Globus says: endpoint error. Code: ENDPOINT_ERROR." in mail) == (plan == "fail_next")
    lab.advance(60)
    assert lab.delete() == 0
    assert files(lab.source) == {}
    assert "RESOLVED" in mailbox.messages[-1]


def test_a_run_stops_after_ten_failed_delete_tasks(lab: Lab) -> None:
    probed(lab).configure(FILES_PER_TASK=1)
    names = "abcdefghijkl"
    lab.write_and_transfer(*names)
    for _ in range(10):
        lab.world.fail_next(kind="DELETE")
    assert lab.delete() == 1
    assert deleted(lab)[1:] == [[f"/src/{name}"] for name in names[:10]]
    assert files(lab.source).keys() == set(names)


def test_an_inactive_delete_task_is_cancelled(lab: Lab) -> None:
    probed(lab)
    lab.write_and_transfer("a")
    lab.world.completion = CompletionPolicy.after_polls(9)

    def suspend(request: Any) -> None:
        task = lab.world.tasks[request.path.rpartition("/")[2]]
        task.status = "INACTIVE" if task.in_progress else task.status

    lab.world.faults.add_hook("task", suspend, times=None)
    assert lab.delete() == 1
    assert not any(task.in_progress for task in lab.world.tasks.values())
    assert files(lab.source).keys() == {"a"}


def test_a_slow_delete_task_is_waited_for(lab: Lab) -> None:
    probed(lab)
    lab.write_and_transfer("a")
    lab.world.completion = CompletionPolicy.after_seconds(90)
    assert lab.delete() == 0
    assert files(lab.source) == {}


def test_a_rejected_delete_task_leaves_no_record(lab: Lab) -> None:
    probed(lab)
    lab.write_and_transfer("a")
    lab.world.faults.add("delete", status=403, body={"code": "PermissionDenied"})
    assert lab.delete() == 1
    assert files(lab.source).keys() == {"a"}
    assert not lab.store().tasks_in_progress("delete")
    assert lab.delete() == 0
    assert files(lab.source) == {}


def test_a_lost_answer_about_a_delete_task_does_no_harm(lab: Lab) -> None:
    probed(lab)
    lab.write_and_transfer("a")
    lab.world.faults.add("delete", drop="after")
    assert lab.delete() == 0
    assert files(lab.source) == {}
    kinds = [task.submission.kind for task in lab.world.tasks.values()]
    assert kinds.count("DELETE") == len({each["submission_id"] for each in lab.submitted("delete")})


def test_only_directories_with_deletable_files_are_listed(lab: Lab) -> None:
    probed(lab).configure(DELETE_EMPTY_DIRS=False)
    lab.write_and_transfer("run1/a", "run1/deep/b", "run2/kept", "run3/deep/er/kept")
    assert lab.transfer() == 0
    lab.configure(EXCLUDE=["kept"])
    lab.write("run4/new")
    lab.world.requests.clear()
    assert lab.delete() == 0
    assert files(lab.source).keys() == {"run2/kept", "run3/deep/er/kept", "run4/new"}
    listed = {request.query["path"] for request in lab.world.requests if request.route == "ls"}
    copies = {"/dst", "/dst/run1", "/dst/run1/deep"}
    assert listed == copies | {"/src", "/src/run1", "/src/run1/deep"}
