"""What becomes of the files of a task, by what Globus says of it: row by row."""

import pytest

from globus_auto.sandbox.world import Pace
from tests.conftest import START, Lab, files

NAMES = ("a.txt", "b.txt", "c.txt")
PATHS = {f"/src/{name}" for name in NAMES}
HOUR = 3600


@pytest.fixture(name="task")
def task_under_way(lab: Lab):
    """Give a task at Globus that has a, b and c.txt of 4 bytes, and is still to be settled."""
    lab.sent("old.txt")
    for name in NAMES:
        lab.write(name)
    lab.world.pace = Pace.after_looks(2)
    assert lab.transfer() == 0
    lab.world.pace = Pace.at_once()
    lab.world.requests.clear()
    return list(lab.world.tasks.values())[-1]


def settle(lab, task, code=0):
    """Let the task be done, settle it, and return which of its paths are to be sent again."""
    task.looks = 2
    assert lab.transfer() == code
    return again(lab)


def fail(lab, task):
    """Let the task be done, but end as failed."""
    task.looks = 2
    lab.world.engine.advance()
    task.status = "FAILED"


def again(lab):
    """Return the source paths of what was submitted since the task."""
    return {item["source_path"] for document in lab.submitted() for item in document["DATA"]}


def refusal(code, status, **more):
    """Return a fault that refuses a call."""
    return {"status": status, "body": {"code": code, "message": "planned", **more}}


def test_succeeded_means_sent(lab: Lab, task):
    assert settle(lab, task) == set()
    (number,) = {lab.store().record(path).task for path in PATHS}
    record = lab.store().tasks[number]
    assert (record.status, record.task_id) == ("SUCCEEDED", task.id)
    assert record.ended_at == int(task.completed)
    assert files(lab.destination) == files(lab.source)


def test_succeeded_except_what_globus_skipped(lab: Lab, task, mailbox):
    lab.world.skip_paths("/src/b.txt")
    assert settle(lab, task, 1) == {"/src/b.txt"}
    assert "skipped in /src: b.txt (PERMISSION_DENIED)" in mailbox.texts()[0]
    assert "SUCCEEDED, delivered 2 of 3 files" in lab.log()
    assert not (lab.destination / "b.txt").exists()
    lab.world.skipped_paths.clear()
    assert lab.transfer() == 1  # skipped again, and sent again
    assert lab.transfer() == 0
    assert files(lab.destination) == files(lab.source)
    assert lab.alerts() == {}
    assert ["NEW" in text for text in mailbox.texts()] == [True, False]
    assert "RESOLVED" in mailbox.texts()[1]


def test_a_skipped_file_that_is_gone_at_the_next_look_is_no_alert(lab: Lab, task, capfd):
    (lab.source / "b.txt").unlink()
    assert settle(lab, task) == set()
    assert "/src/b.txt" not in lab.entries()
    assert (capfd.readouterr().err, lab.alerts()) == ("", {})


def test_all_pages_of_what_was_skipped_are_read(lab: Lab, task):
    lab.world.page_size = 1
    lab.world.skip_paths("/src/a.txt", "/src/c.txt")
    assert settle(lab, task, 1) == {"/src/a.txt", "/src/c.txt"}


def test_succeeded_below_a_skipped_directory_is_not_sent(lab: Lab):
    for name in ("a.txt", "d/b.txt", "d/e/c.txt", "d.txt"):
        lab.write(name)
    lab.world.skip_paths("/src/d")
    assert lab.transfer() == 0  # the first run: one recursive item
    assert lab.transfer() == 1
    assert [item["source_path"] for item in lab.submitted()[-1]["DATA"]] == [
        "/src/d/b.txt",
        "/src/d/e/c.txt",
    ]
    assert "skipped in /src: d (PERMISSION_DENIED)" in lab.alerts()["skipped"]


def test_a_first_run_that_skipped_everything_sends_everything_again(lab: Lab):
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
        pytest.param(refusal("PermissionDenied", 403), id="forbidden"),
        pytest.param(refusal("ClientError.NotFound", 404), id="no longer there"),
        pytest.param(refusal("ClientError.BadRequest", 400), id="refused"),
    ],
)
def test_skipped_paths_that_are_not_told_are_asked_for_for_an_hour(lab: Lab, task, fault):
    lab.world.skip_paths("/src/b.txt")
    lab.world.faults.add(SKIPPED, times=None, **fault)
    asked_for_an_hour(lab, task)


def test_a_history_that_is_gone_is_asked_for_for_an_hour(lab: Lab, task):
    lab.world.skip_paths("/src/b.txt")
    task.history_lost = True
    asked_for_an_hour(lab, task)


def asked_for_an_hour(lab, task):
    """See that nothing is concluded for an hour, and then that nothing was sent."""
    assert settle(lab, task) == set()
    lab.later(HOUR - 60)
    assert settle(lab, task) == set()
    assert [each.task_id for each in lab.store().tasks_in_progress("transfer").values()] == [
        task.id
    ]
    assert lab.alerts() == {}
    lab.later(120)
    assert settle(lab, task, 1) == PATHS
    assert "does not tell what a transfer of /src did" in lab.alerts()["failed"]


@pytest.mark.parametrize("path", ["/src/other.txt", "/elsewhere/a.txt"])
def test_skipped_paths_that_it_was_not_given_mean_nothing_was_sent(lab: Lab, task, path):
    lab.world.skip_paths("/src/b.txt")
    lab.world.faults.add(SKIPPED, status=200, body={"DATA": [{"source_path": path}]})
    task.looks = 2
    assert lab.transfer() in (0, 1)
    assert again(lab) == PATHS


def test_failed_sends_again_what_it_did_not_send(lab: Lab, task, mailbox):
    task.looks = 2
    lab.world.engine.advance()
    task.status, task.fatal_error = "FAILED", {"code": "NO_SPACE_LEFT", "description": "disk full"}
    task.successes.pop(1)
    assert settle(lab, task, 1) == {"/src/b.txt"}
    assert lab.store().tasks[lab.store().record("/src/a.txt").task].status == "FAILED"
    assert "failed (NO_SPACE_LEFT, disk full)" in mailbox.texts()[0]
    assert f"https://app.globus.org/activity/{task.id}" in mailbox.texts()[0]
    assert lab.transfer() == 0
    assert "RESOLVED" in mailbox.texts()[1]


@pytest.mark.parametrize("code", ["EXPIRED", "CANCELED"])
def test_expired_and_cancelled_mean_failed(lab: Lab, task, code):
    task.finish("FAILED", code, "planned")
    assert settle(lab, task, 1) == PATHS
    assert f"failed ({code}, planned)" in lab.alerts()["failed"]


def test_failed_without_a_fatal_error_tells_the_last_error_event(lab: Lab, task):
    task.tell("FILE_NOT_FOUND", "the first", is_error=True)
    task.tell("PERMISSION_DENIED", "the last", is_error=True)
    task.tell("PROGRESS", "no error")
    task.status, task.fatal_error = "FAILED", None
    assert settle(lab, task, 1) == PATHS
    assert "failed (PERMISSION_DENIED, permission denied: the last)" in lab.alerts()["failed"]


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 200, "body": {"DATA": []}}])
def test_failed_without_any_reason_is_an_alert_all_the_same(lab: Lab, task, fault):
    task.status, task.fatal_error = "FAILED", None
    lab.world.faults.add("event_list", times=None, **fault)
    assert settle(lab, task, 1) == PATHS
    assert "failed. What it did not send" in lab.alerts()["failed"]


def test_failed_does_not_count_a_file_of_another_size_as_sent(lab: Lab, task):
    (lab.source / "b.txt").write_text("longer than it was")
    fail(lab, task)
    lab.write("b.txt", "data")  # as it was when it was chosen
    assert settle(lab, task, 1) == {"/src/b.txt"}


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(refusal("ClientError.NotFound", 404), id="no longer there"),
        pytest.param(refusal("PermissionDenied", 403), id="forbidden"),
        pytest.param({"status": 200, "body": {"DATA": []}}, id="empty"),
        pytest.param(
            {"status": 200, "body": {"DATA": [{"source_path": None, "size": 4}]}}, id="null path"
        ),
    ],
)
def test_what_a_failed_task_sent_is_asked_for_for_an_hour(lab: Lab, task, fault):
    fail(lab, task)
    lab.world.faults.add("successful_transfers", times=None, **fault)
    asked_for_an_hour(lab, task)


@pytest.mark.parametrize("path", ["/src/{}", None])
def test_a_failed_task_that_tells_no_sizes_or_paths_has_sent_nothing(lab: Lab, task, path):
    fail(lab, task)
    told = [{"source_path": path and path.format(name)} for name in NAMES]
    lab.world.faults.add("successful_transfers", status=200, body={"DATA": told})
    assert settle(lab, task, 1) == PATHS


def test_failed_reads_all_pages_of_what_was_sent(lab: Lab, task):
    lab.world.page_size = 1
    fail(lab, task)
    assert settle(lab, task, 1) == set()


@pytest.mark.parametrize("gone", [True, False], ids=["404", "403"])
def test_a_task_that_globus_does_not_know_or_show_is_sent_again(lab: Lab, task, gone):
    if gone:
        del lab.world.tasks[task.id]
    else:
        lab.world.faults.add("task", **refusal("PermissionDenied", 403))
        task.finish("FAILED", "CANCELED")
    assert settle(lab, task) == PATHS
    assert lab.transfer() == 0
    assert files(lab.destination) == files(lab.source)


def test_a_suspended_task_stays_open_and_a_person_must_act(lab: Lab, task, mailbox):
    task.status = "INACTIVE"
    task.tell("CREDENTIALS_EXPIRED", "log in", is_error=True)
    assert settle(lab, task, 3) == set()
    assert lab.transfer() == 3
    (told,) = mailbox.texts()
    assert "CREDENTIALS_EXPIRED" in told
    assert f"https://app.globus.org/activity/{task.id}" in told
    assert [each.status for each in lab.store().tasks_in_progress("transfer").values()] == [
        "INACTIVE"
    ]
    task.status = "ACTIVE"
    assert settle(lab, task) == set()
    assert "RESOLVED" in mailbox.texts()[1]


def test_a_task_in_trouble_is_an_alert_in_the_second_run(lab: Lab, mailbox):
    lab.sent("old.txt")
    lab.world.stall_next("PERMISSION_DENIED", details="no write access")
    lab.write("a.txt")
    assert lab.transfer() == 0
    assert lab.transfer() == 0
    assert (mailbox.messages, lab.alerts()) == ([], {}), "it may pass"
    assert [lab.transfer(), lab.transfer()] == [1, 1]
    (told,) = mailbox.texts()
    assert "PERMISSION_DENIED, permission denied: no write access" in told
    (task,) = [each for each in lab.world.tasks.values() if each.is_open]
    assert f"https://app.globus.org/activity/{task.id}" in told
    task.plan = None
    assert lab.transfer() == 0
    assert "RESOLVED" in mailbox.texts()[1]
    assert files(lab.destination) == files(lab.source)


def test_a_task_without_news_for_stall_hours_is_an_alert(lab: Lab, task):
    lab.configure(STALL_HOURS=2)
    task.looks = -1000
    assert lab.transfer() == 0
    assert "event_list" not in [each.route for each in lab.world.requests], "it is too young"
    lab.later(2 * HOUR - 60)
    assert lab.transfer() == 0
    lab.later(120)
    assert lab.transfer() == 1
    assert "no news for 2 hours" in lab.alerts()["stalled"]
    task.tell("PROGRESS", "still at work")
    assert lab.transfer() == 0
    assert lab.alerts() == {}
    assert again(lab) == set()


UNCLEAR = [
    pytest.param({"status": 500, "body": {}}, id="server error"),
    pytest.param({"status": 502, "body": "<html>"}, id="gateway error"),
    pytest.param(refusal("TooManyRequests", 429), id="too many requests"),
    pytest.param({"drop": "before"}, id="dropped"),
    pytest.param({"drop": "after"}, id="dropped after the effect"),
    pytest.param({"truncate": True}, id="truncated"),
    pytest.param({"status": 200, "body": {}}, id="empty document"),
    pytest.param({"status": 200, "body": "null"}, id="null"),
    pytest.param({"status": 200, "body": ""}, id="empty answer"),
]


@pytest.mark.parametrize("route", ["task", SKIPPED, "successful_transfers"])
@pytest.mark.parametrize("fault", UNCLEAR)
def test_an_unclear_answer_concludes_nothing(lab: Lab, task, route, fault):
    task.looks = 2
    lab.world.engine.advance()
    if route == "successful_transfers":
        task.status = "FAILED"
    task.skipped.append(
        {"source_path": "/src/b.txt", "error_code": "PERMISSION_DENIED", "is_directory": False}
    )
    lab.write("new.txt")
    lab.world.faults.add(route, times=None, match=lambda request: task.id in request.path, **fault)
    assert lab.transfer() == 1
    assert "Nothing is concluded" in lab.alerts()["unclear"]
    assert again(lab) == {"/src/new.txt"}  # the run goes on
    assert lab.entries() == PATHS | {"/src/old.txt", "/src/new.txt"}
    (open_task, *_) = lab.store().tasks_in_progress("transfer").values()
    assert (open_task.task_id, open_task.ended_at) == (task.id, None)
    lab.world.faults.clear()
    lab.transfer()
    assert lab.transfer() == 0
    assert lab.alerts().keys() <= {"skipped"}
    assert lab.store().tasks_in_progress("transfer") == {}


@pytest.mark.parametrize("missing", ["subtasks_skipped_errors", "status", "task_id"])
@pytest.mark.parametrize("absent", [True, False], ids=["absent", "null"])
def test_a_task_document_without_a_field_it_must_have_concludes_nothing(
    lab: Lab, task, missing, absent
):
    body = {"task_id": task.id, "status": "SUCCEEDED", "subtasks_skipped_errors": 0}
    if absent:
        del body[missing]
    else:
        body[missing] = None
    lab.world.faults.add("task", status=200, body=body)
    assert lab.transfer() == 1
    assert (again(lab), len(lab.store().tasks_in_progress("transfer"))) == (set(), 1)


@pytest.mark.parametrize("changes", [{"status": "DONE"}, {"task_id": "another"}, {"status": 1}])
def test_a_task_document_that_makes_no_sense_concludes_nothing(lab: Lab, task, changes):
    body = {"task_id": task.id, "status": "SUCCEEDED", "subtasks_skipped_errors": 0} | changes
    lab.world.faults.add("task", status=200, body=body)
    assert lab.transfer() == 1
    assert (again(lab), len(lab.store().tasks_in_progress("transfer"))) == (set(), 1)


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
def test_a_login_that_globus_does_not_accept_ends_the_run_and_concludes_nothing(
    lab: Lab, task, status, more, kind
):
    fault = refusal("PermissionDenied", status)
    fault["body"] |= more
    lab.world.faults.add("task", times=None, **fault)
    before = lab.remembered()
    assert settle(lab, task, 3) == set()
    assert lab.alerts().keys() == {kind}
    assert lab.remembered() == before
    lab.world.faults.clear()
    assert settle(lab, task) == set()
    assert lab.alerts() == {}


@pytest.mark.parametrize("route", ["task", SKIPPED, "successful_transfers"])
def test_one_unclear_task_does_not_hold_up_the_others(lab: Lab, task, route):
    lab.write("d.txt")
    assert lab.transfer() == 0
    lab.world.requests.clear()
    task.looks = 2
    lab.world.engine.advance()
    task.skipped.append(
        {"source_path": "/src/b.txt", "error_code": "PERMISSION_DENIED", "is_directory": False}
    )
    lab.world.faults.add(route, times=None, status=500, match=lambda one: task.id in one.path)
    assert lab.transfer() == 1
    assert len(lab.store().tasks_in_progress("transfer")) == 1
    assert lab.store().tasks[lab.store().record("/src/d.txt").task].status == "SUCCEEDED"


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
def test_the_time_of_ending_is_utc_and_brought_within_reason(lab: Lab, task, said, ended):
    lab.clock.move_to(START + 600, tick=False)
    body = {"task_id": task.id, "status": "SUCCEEDED", "subtasks_skipped_errors": 0}
    body |= {"verify_checksum": True, "encrypt_data": True}
    lab.world.faults.add("task", status=200, body=body | {"completion_time": said})
    task.looks = 2
    assert lab.transfer() == 0
    assert lab.store().tasks[lab.store().record("/src/a.txt").task].ended_at == START + ended
