"""Polling: what happens to the records of a task, for each status that Globus reports."""

from typing import Any

import pytest

from globus_auto.sandbox.tasks import Task
from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import START, Lab, files
from tests.mail import Mailbox

NAMES = ("a.txt", "b.txt", "c.txt")
PATHS = {f"/src/{name}" for name in NAMES}
HOUR = 3600


@pytest.fixture(name="task")
def task_in_progress(lab: Lab) -> Task:
    """Return a task at Globus with a.txt, b.txt and c.txt of 4 bytes, which was not polled yet."""
    lab.given_transferred("old.txt")
    for name in NAMES:
        lab.write(name)
    lab.world.completion = CompletionPolicy.after_polls(2)
    assert lab.transfer() == 0
    lab.world.completion = CompletionPolicy.at_once()
    lab.world.requests.clear()
    return list(lab.world.tasks.values())[-1]


def poll(lab: Lab, task: Task, code: int = 0) -> set[str]:
    """End the task, poll it, and return which of its paths are sent again."""
    task.polls = 2
    assert lab.transfer() == code
    return sent_again(lab)


def fail(lab: Lab, task: Task) -> None:
    """End the task as failed, with all files copied."""
    task.polls = 2
    lab.world.engine.advance()
    task.status = "FAILED"


def sent_again(lab: Lab) -> set[str]:
    """Return the source paths of what was submitted since the task."""
    return {item["source_path"] for document in lab.submitted() for item in document["DATA"]}


def api_error(code: str | None, status: int, **more: Any) -> dict[str, Any]:
    """Return a fault that rejects a call."""
    return {"status": status, "body": {"code": code, "message": "planned", **more}}


def test_succeeded_means_delivered(lab: Lab, task: Task) -> None:
    assert poll(lab, task) == set()
    (number,) = {lab.record(path).task for path in PATHS}
    record = lab.store().tasks[number]
    assert (record.status, record.task_id) == ("SUCCEEDED", task.id)
    assert task.completed
    assert record.ended_at == int(task.completed)
    assert files(lab.destination) == files(lab.source)


def test_succeeded_means_delivered_except_skipped_files(
    lab: Lab, task: Task, mailbox: Mailbox
) -> None:
    lab.world.skip_paths("/src/b.txt")
    assert poll(lab, task, 1) == {"/src/b.txt"}
    assert "skipped 1 file in /src, which it could not read." in mailbox.texts()[0]
    assert "SUCCEEDED, delivered 2 of 3 files" in lab.log()
    assert not (lab.destination / "b.txt").exists()
    lab.world.skipped_paths.clear()
    assert lab.transfer() == 1  # skipped again, and sent again
    assert lab.transfer() == 0
    assert files(lab.destination) == files(lab.source)
    assert lab.alerts() == {}
    assert ["NEW" in text for text in mailbox.texts()] == [True, False]
    assert "RESOLVED" in mailbox.texts()[1]


def test_a_skipped_file_that_is_gone_is_no_alert(
    lab: Lab, task: Task, capfd: pytest.CaptureFixture[str]
) -> None:
    (lab.source / "b.txt").unlink()
    assert poll(lab, task) == set()
    assert "/src/b.txt" not in lab.records()
    assert (capfd.readouterr().err, lab.alerts()) == ("", {})


def test_all_pages_of_skipped_errors_are_read(lab: Lab, task: Task) -> None:
    lab.world.page_size = 1
    lab.world.skip_paths("/src/a.txt", "/src/c.txt")
    assert poll(lab, task, 1) == {"/src/a.txt", "/src/c.txt"}


def test_files_below_a_skipped_directory_are_sent_again(lab: Lab) -> None:
    for name in ("a.txt", "d/b.txt", "d/e/c.txt", "d.txt"):
        lab.write(name)
    lab.world.skip_paths("/src/d")
    assert lab.transfer() == 0  # the first run: one recursive item
    assert lab.transfer() == 1
    assert [item["source_path"] for item in lab.submitted()[-1]["DATA"]] == [
        "/src/d/b.txt",
        "/src/d/e/c.txt",
    ]
    assert "or exclude it by EXCLUDE: d (PERMISSION_DENIED)." in lab.alerts()["skipped"]


def test_everything_that_the_first_run_skipped_is_sent_again(lab: Lab) -> None:
    lab.write("a.txt")
    lab.write("d/b.txt")
    lab.world.skip_paths("/src")
    assert lab.transfer() == 0
    lab.world.skipped_paths.clear()
    assert [lab.transfer(), lab.transfer()] == [1, 0]
    assert files(lab.destination) == files(lab.source)


SKIPPED = "skipped_errors"


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"status": 200, "body": {"DATA": []}}, id="shorter than the count"),
        pytest.param({"status": 200, "body": {"DATA": [{"source_path": None}]}}, id="null path"),
        pytest.param(api_error("PermissionDenied", 403), id="forbidden"),
        pytest.param(api_error("ClientError.NotFound", 404), id="no longer there"),
        pytest.param(api_error("ClientError.BadRequest", 400), id="refused"),
    ],
)
def test_missing_skipped_errors_are_requested_for_an_hour(
    lab: Lab, task: Task, fault: dict[str, Any]
) -> None:
    lab.world.skip_paths("/src/b.txt")
    lab.world.faults.add(SKIPPED, times=None, **fault)
    asked_for_an_hour(lab, task)


def test_a_missing_task_history_is_requested_for_an_hour(lab: Lab, task: Task) -> None:
    lab.world.skip_paths("/src/b.txt")
    task.history_lost = True
    asked_for_an_hour(lab, task)


def asked_for_an_hour(lab: Lab, task: Task) -> None:
    """Check that no record changes for an hour, and that then all are dropped."""
    assert poll(lab, task) == set()
    lab.advance(HOUR - 60)
    assert poll(lab, task) == set()
    assert [each.task_id for each in lab.store().tasks_in_progress("transfer").values()] == [
        task.id
    ]
    assert lab.alerts() == {}
    lab.advance(120)
    assert poll(lab, task, 1) == PATHS
    assert "does not list what a transfer of /src has sent" in lab.alerts()["failed"]


@pytest.mark.parametrize("path", ["/src/other.txt", "/elsewhere/a.txt"])
def test_unknown_skipped_paths_mean_nothing_was_delivered(lab: Lab, task: Task, path: str) -> None:
    lab.world.skip_paths("/src/b.txt")
    lab.world.faults.add(SKIPPED, status=200, body={"DATA": [{"source_path": path}]})
    task.polls = 2
    assert lab.transfer() in (0, 1)
    assert sent_again(lab) == PATHS


def test_files_that_a_failed_task_missed_are_sent_again(
    lab: Lab, task: Task, mailbox: Mailbox
) -> None:
    task.polls = 2
    lab.world.engine.advance()
    task.status, task.fatal_error = "FAILED", {"code": "NO_SPACE_LEFT", "description": "disk full"}
    task.successes.pop(1)
    assert poll(lab, task, 1) == {"/src/b.txt"}
    assert lab.task_of("/src/a.txt").status == "FAILED"
    assert "Globus says: disk full. Code: NO_SPACE_LEFT." in mailbox.texts()[0]
    assert f"https://app.globus.org/activity/{task.id}" in mailbox.texts()[0]
    assert lab.transfer() == 0
    assert "RESOLVED" in mailbox.texts()[1]


@pytest.mark.parametrize("code", ["EXPIRED", "CANCELED"])
def test_expired_and_cancelled_mean_failed(lab: Lab, task: Task, code: str) -> None:
    task.finish("FAILED", code, "planned")
    assert poll(lab, task, 1) == PATHS
    assert f"Globus says: planned. Code: {code}." in lab.alerts()["failed"]


def test_a_failure_without_fatal_error_shows_the_last_error(lab: Lab, task: Task) -> None:
    task.add_event("FILE_NOT_FOUND", "the first", is_error=True)
    task.add_event("PERMISSION_DENIED", "the last", is_error=True)
    task.add_event("PROGRESS", "no error")
    task.status, task.fatal_error = "FAILED", None
    assert poll(lab, task, 1) == PATHS
    assert (
        "Globus says: permission denied: the last. Code: PERMISSION_DENIED."
        in lab.alerts()["failed"]
    )


def test_an_expired_task_shows_what_held_it_up(lab: Lab, task: Task) -> None:
    task.add_event("PERMISSION_DENIED", "the last", is_error=True)
    task.finish("FAILED", "EXPIRED", "planned")
    assert poll(lab, task, 1) == PATHS
    assert lab.alerts()["failed"].endswith("the last. Code: PERMISSION_DENIED.")


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 200, "body": {"DATA": []}}])
def test_a_failure_without_any_reason_is_an_alert_too(
    lab: Lab, task: Task, fault: dict[str, Any]
) -> None:
    task.status, task.fatal_error = "FAILED", None
    lab.world.faults.add("event_list", times=None, **fault)
    assert poll(lab, task, 1) == PATHS
    assert "failed. Files that it did not deliver" in lab.alerts()["failed"]


def test_a_failed_task_does_not_deliver_another_size(lab: Lab, task: Task) -> None:
    (lab.source / "b.txt").write_text("longer than it was")
    fail(lab, task)
    lab.write("b.txt", "data")  # as it was in the scan
    assert poll(lab, task, 1) == {"/src/b.txt"}


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(api_error("ClientError.NotFound", 404), id="no longer there"),
        pytest.param(api_error("PermissionDenied", 403), id="forbidden"),
        pytest.param({"status": 200, "body": {"DATA": []}}, id="empty"),
        pytest.param(
            {"status": 200, "body": {"DATA": [{"source_path": None, "size": 4}]}}, id="null path"
        ),
    ],
)
def test_lists_of_a_failed_task_are_requested_for_an_hour(
    lab: Lab, task: Task, fault: dict[str, Any]
) -> None:
    fail(lab, task)
    lab.world.faults.add("successful_transfers", times=None, **fault)
    asked_for_an_hour(lab, task)


@pytest.mark.parametrize("path", ["/src/{}", None])
def test_a_failed_task_without_sizes_or_paths_delivers_nothing(
    lab: Lab, task: Task, path: str | None
) -> None:
    fail(lab, task)
    rows = [{"source_path": path and path.format(name)} for name in NAMES]
    lab.world.faults.add("successful_transfers", status=200, body={"DATA": rows})
    assert poll(lab, task, 1) == PATHS


def test_all_pages_of_successful_transfers_are_read(lab: Lab, task: Task) -> None:
    lab.world.page_size = 1
    fail(lab, task)
    assert poll(lab, task, 1) == set()


@pytest.mark.parametrize("gone", [True, False], ids=["404", "403"])
def test_files_of_a_task_unknown_to_globus_are_sent_again(lab: Lab, task: Task, gone: bool) -> None:
    """Globus does not know it (404), or does not show it to this login (403)."""
    if gone:
        del lab.world.tasks[task.id]
    else:
        lab.world.faults.add("task", **api_error("PermissionDenied", 403))
        task.finish("FAILED", "CANCELED")
    assert poll(lab, task) == PATHS
    assert lab.transfer() == 0
    assert files(lab.destination) == files(lab.source)


def test_an_inactive_task_stays_in_progress_with_an_alert(
    lab: Lab, task: Task, mailbox: Mailbox
) -> None:
    """A person must act: the exit code is 3."""
    task.status = "INACTIVE"
    task.add_event("CREDENTIALS_EXPIRED", "log in", is_error=True)
    assert poll(lab, task, 3) == set()
    assert lab.transfer() == 3
    (message,) = mailbox.texts()
    assert "CREDENTIALS_EXPIRED" in message
    assert f"https://app.globus.org/activity/{task.id}" in message
    assert [each.status for each in lab.store().tasks_in_progress("transfer").values()] == [
        "INACTIVE"
    ]
    task.status = "ACTIVE"
    assert poll(lab, task) == set()
    assert "RESOLVED" in mailbox.texts()[1]


def test_a_task_with_an_error_is_an_alert_in_the_second_run(lab: Lab, mailbox: Mailbox) -> None:
    lab.given_transferred("old.txt")
    lab.world.stall_next("PERMISSION_DENIED", details="no write access")
    lab.write("a.txt")
    assert lab.transfer() == 0
    assert lab.transfer() == 0
    assert (mailbox.messages, lab.alerts()) == ([], {}), "it may pass"
    assert [lab.transfer(), lab.transfer()] == [1, 1]
    (message,) = mailbox.texts()
    assert "permission denied: no write access. Code: PERMISSION_DENIED." in message
    (task,) = [each for each in lab.world.tasks.values() if each.in_progress]
    assert f"https://app.globus.org/activity/{task.id}" in message
    task.planned_failure = None
    assert lab.transfer() == 0
    assert "RESOLVED" in mailbox.texts()[1]
    assert files(lab.destination) == files(lab.source)


def test_a_task_without_news_for_stall_hours_is_an_alert(lab: Lab, task: Task) -> None:
    lab.configure(STALL_HOURS=2)
    task.polls = -1000
    assert lab.transfer() == 0
    assert "event_list" not in [each.route for each in lab.world.requests], "it is too young"
    lab.advance(2 * HOUR - 60)
    assert lab.transfer() == 0
    lab.advance(120)
    assert lab.transfer() == 1
    assert (
        "Globus has reported nothing about a transfer from /src to /dst for 2 hours."
        in lab.alerts()["stalled"]
    )
    task.add_event("PROGRESS", "still at work")
    assert lab.transfer() == 0
    assert lab.alerts() == {}
    assert sent_again(lab) == set()


UNCLEAR = [
    pytest.param({"status": 500, "body": {}}, id="server error"),
    pytest.param({"status": 502, "body": "<html>"}, id="gateway error"),
    pytest.param(api_error("TooManyRequests", 429), id="too many requests"),
    pytest.param({"drop": "before"}, id="dropped"),
    pytest.param({"drop": "after"}, id="dropped after the effect"),
    pytest.param({"truncate": True}, id="truncated"),
    pytest.param({"status": 200, "body": {}}, id="empty document"),
    pytest.param({"status": 200, "body": "null"}, id="null"),
    pytest.param({"status": 200, "body": ""}, id="empty answer"),
]


@pytest.mark.parametrize("route", ["task", SKIPPED, "successful_transfers"])
@pytest.mark.parametrize("fault", UNCLEAR)
def test_an_unknown_status_changes_no_record(
    lab: Lab, task: Task, route: str, fault: dict[str, Any]
) -> None:
    task.polls = 2
    lab.world.engine.advance()
    if route == "successful_transfers":
        task.status = "FAILED"
    task.skipped.append(
        {"source_path": "/src/b.txt", "error_code": "PERMISSION_DENIED", "is_directory": False}
    )
    lab.write("new.txt")
    lab.world.faults.add(route, times=None, match=lambda request: task.id in request.path, **fault)
    assert lab.transfer() == 1
    assert (
        "No files were marked as sent or deleted because of this." in lab.alerts()["unknown status"]
    )
    assert sent_again(lab) == {"/src/new.txt"}  # the run goes on
    assert lab.records() == PATHS | {"/src/old.txt", "/src/new.txt"}
    (open_task, *_) = lab.store().tasks_in_progress("transfer").values()
    assert (open_task.task_id, open_task.ended_at) == (task.id, None)
    lab.world.faults.clear()
    lab.transfer()
    assert lab.transfer() == 0
    assert lab.alerts().keys() <= {"skipped"}
    assert lab.store().tasks_in_progress("transfer") == {}


@pytest.mark.parametrize("missing", ["subtasks_skipped_errors", "status", "task_id"])
@pytest.mark.parametrize("absent", [True, False], ids=["absent", "null"])
def test_a_task_document_without_a_required_field_is_invalid(
    lab: Lab, task: Task, missing: str, absent: bool
) -> None:
    body = {"task_id": task.id, "status": "SUCCEEDED", "subtasks_skipped_errors": 0}
    if absent:
        del body[missing]
    else:
        body[missing] = None
    lab.world.faults.add("task", status=200, body=body)
    assert lab.transfer() == 1
    assert (sent_again(lab), len(lab.store().tasks_in_progress("transfer"))) == (set(), 1)


@pytest.mark.parametrize("changes", [{"status": "DONE"}, {"task_id": "another"}, {"status": 1}])
def test_a_task_document_with_impossible_values_is_invalid(
    lab: Lab, task: Task, changes: dict[str, Any]
) -> None:
    body = {"task_id": task.id, "status": "SUCCEEDED", "subtasks_skipped_errors": 0} | changes
    lab.world.faults.add("task", status=200, body=body)
    assert lab.transfer() == 1
    assert (sent_again(lab), len(lab.store().tasks_in_progress("transfer"))) == (set(), 1)


@pytest.mark.parametrize(
    ("status", "more", "kind"),
    [
        (401, {}, "login"),
        (401, {"authorization_parameters": None}, "login"),
        (403, {"required_scopes": ["x"], "code": "ConsentRequired"}, "consent"),
        (403, {"required_scopes": None, "code": "ConsentRequired"}, "consent"),
        (403, {"authorization_parameters": {"session_message": "again"}}, "session"),
    ],
)
def test_a_rejected_login_ends_the_run(
    lab: Lab, task: Task, status: int, more: dict[str, Any], kind: str
) -> None:
    """No record changes, and one alert says what to do."""
    fault = api_error("PermissionDenied", status)
    fault["body"] |= more
    lab.world.faults.add("task", times=None, **fault)
    before = lab.datastore_bytes()
    assert poll(lab, task, 3) == set()
    assert lab.alerts().keys() == {kind}
    assert lab.datastore_bytes() == before
    lab.world.faults.clear()
    assert poll(lab, task) == set()
    assert lab.alerts() == {}


@pytest.mark.parametrize("route", ["task", SKIPPED, "successful_transfers"])
def test_one_task_of_unknown_status_does_not_delay_others(lab: Lab, task: Task, route: str) -> None:
    lab.write("d.txt")
    assert lab.transfer() == 0
    lab.world.requests.clear()
    task.polls = 2
    lab.world.engine.advance()
    task.skipped.append(
        {"source_path": "/src/b.txt", "error_code": "PERMISSION_DENIED", "is_directory": False}
    )
    lab.world.faults.add(route, times=None, status=500, match=lambda one: task.id in one.path)
    assert lab.transfer() == 1
    assert len(lab.store().tasks_in_progress("transfer")) == 1
    assert lab.task_of("/src/d.txt").status == "SUCCEEDED"


@pytest.mark.parametrize(
    ("said", "ended"),
    [
        ("2026-11-23T10:05:00+00:00", 300),
        ("2026-11-23 11:05:00+01:00", 300),
        ("2026-11-23T10:05:00", 300),
        ("2026-11-23T09:00:00+00:00", 0),  # before it was submitted
        ("2026-12-31T09:00:00+00:00", 600),  # after now
        (None, 600),
    ],
)
def test_the_end_of_a_task_is_utc_and_within_bounds(
    lab: Lab, task: Task, said: str | None, ended: int
) -> None:
    """It is not before the submission, nor after the poll."""
    lab.clock.move_to(START + 600, tick=False)
    body = {"task_id": task.id, "status": "SUCCEEDED", "subtasks_skipped_errors": 0}
    body |= {"verify_checksum": True, "encrypt_data": True}
    lab.world.faults.add("task", status=200, body=body | {"completion_time": said})
    task.polls = 2
    assert lab.transfer() == 0
    assert lab.task_of("/src/a.txt").ended_at == START + ended
