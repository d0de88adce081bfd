"""Every task is submitted exactly once, whatever is lost, killed or rejected."""

import gc
import signal
import threading
import uuid
from typing import Any

import pytest

from globus_auto.datastore import TaskRecord
from globus_auto.sandbox.faults import When
from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, another_destination, files
from tests.mail import Mailbox

HOUR = 3600


def documents(lab: Lab) -> dict[str, Any]:
    """Return the submitted documents by submission id; check that those of one id are identical."""
    found: dict[str, Any] = {}
    for document in lab.submitted():
        assert found.setdefault(document["submission_id"], document) == document
    return found


TASK_ID = str(uuid.UUID(int=1))  # no task has it


def refuse(code: str, status: int, **more: Any) -> dict[str, Any]:
    """Return a fault that rejects a submission."""
    return {"status": status, "body": {"code": code, "message": "planned", "request_id": "r1"}} | (
        more
    )


def unsubmitted(lab: Lab) -> list[TaskRecord]:
    """Return the unsubmitted tasks: those without a known task id."""
    return [task for task in lab.store().tasks.values() if task.task_id is None]


@pytest.fixture(name="ready")
def three_files_to_send(lab: Lab) -> Lab:
    """Return a lab that has transferred a file before, and now has three new ones."""
    lab.given_transferred("old.txt")
    for name in ("a.txt", "b.txt", "d/c.txt"):
        lab.write(name)
    return lab


@pytest.mark.parametrize("effect", [True, False], ids=["accepted", "not received"])
@pytest.mark.parametrize("first", [True, False], ids=["first run", "later run"])
def test_a_kill_before_the_answer_leads_to_one_task(lab: Lab, effect: bool, first: bool) -> None:
    """Whether Globus accepted the submission or never received it."""
    if not first:
        lab.given_transferred("old.txt")
    lab.write("a.txt")
    lab.write("d/b.txt")
    there = len(lab.world.tasks)
    lab.kill("transfer", "transfer", effect=effect)
    assert len(lab.world.tasks) == there + effect
    assert len(unsubmitted(lab)) == 1
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert len(lab.world.tasks) == there + 1
    assert len(documents(lab)) == 1
    assert files(lab.destination) == files(lab.source)
    assert [task.in_progress for task in lab.store().tasks.values()] == [False] * (there + 1)


def test_a_kill_before_the_task_is_saved_leads_to_one_task(lab: Lab) -> None:
    lab.write("a.txt")
    lab.kill("transfer", "submission_id")
    assert lab.datastore_bytes() is None
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert len(lab.world.tasks) == 1


AT_POLLING = ("task", "successful_transfers", "skipped_errors")
ROUTES = ("token", "task_list", "endpoint", "ls", "submission_id", "transfer", *AT_POLLING)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("route", ROUTES)
def test_a_signal_at_any_request_leads_to_one_task(
    ready: Lab, route: str, when: When, capfd: pytest.CaptureFixture[str]
) -> None:
    """The next runs finish the work, and no alert stays open."""
    lab = ready
    skips = route == "skipped_errors"
    if skips:
        lab.world.skip_paths("/src/a.txt")
    if route in AT_POLLING:
        assert lab.transfer() == 0
    lab.world.skipped_paths.clear()
    main = threading.main_thread().ident
    assert main
    lab.world.faults.add_hook(
        route, lambda _request: signal.pthread_kill(main, signal.SIGTERM), when=when
    )
    if route == "token":
        lab.clock.shift(7 * 24 * HOUR)
    # An exception in a callback of the garbage collector is lost, and hypothesis has a callback.
    gc.disable()
    try:
        assert lab.transfer() == 1
    finally:
        gc.enable()
    assert "was stopped by a signal" in capfd.readouterr().err
    assert [lab.transfer(), lab.transfer()] == [int(skips), 0]
    assert len(lab.world.tasks) == 2 + skips
    assert len(documents(lab)) == 1 + skips
    assert files(lab.destination) == files(lab.source)
    assert lab.alerts() == {}


@pytest.mark.parametrize("dropped", ["before", "after"])
def test_a_submission_is_repeated_at_once_if_its_answer_is_lost(ready: Lab, dropped: str) -> None:
    ready.world.faults.add("transfer", drop=dropped)
    assert ready.transfer() == 0
    answers = [request.status for request in ready.world.requests if request.route == "transfer"]
    assert answers == [None, 200 if dropped == "after" else 202]  # Duplicate, or Accepted
    assert len(documents(ready)) == 1
    assert len(ready.world.tasks) == 2
    assert unsubmitted(ready) == []


LOST = [
    pytest.param({"drop": "before"}, id="connection lost before"),
    pytest.param({"drop": "after"}, id="connection lost after"),
    pytest.param({"truncate": True}, id="half an answer"),
    pytest.param({"status": 202, "body": {"code": "Accepted"}}, id="no task_id"),
    pytest.param({"status": 202, "body": {"code": "Accepted", "task_id": "x"}}, id="odd task_id"),
    pytest.param({"status": 200, "body": {"task_id": TASK_ID}}, id="no code"),
    pytest.param({"status": 200, "body": {"code": "?", "task_id": TASK_ID}}, id="odd code"),
    pytest.param({"status": 200, "body": "[]"}, id="a list"),
    pytest.param({"status": 200, "body": ""}, id="nothing"),
    pytest.param({"status": 500, "body": {}}, id="server error"),
    pytest.param({"status": 503, "body": "<html>"}, id="unavailable"),
    pytest.param(refuse("TooManyRequests", 429), id="too many requests"),
    pytest.param(refuse("ClientError.AuthenticationFailed", 401), id="login"),
]


@pytest.mark.parametrize("fault", LOST)
def test_an_uncertain_submission_is_repeated_unaltered(ready: Lab, fault: dict[str, Any]) -> None:
    """Its status is unknown: the next run submits the same document, whatever has changed."""
    lab = ready
    lab.configure(FILES_PER_TASK=2)
    lab.world.faults.add("transfer", times=None, **fault)
    assert lab.transfer() == (3 if fault.get("status") == 401 else 1)
    assert len(unsubmitted(lab)) == 2
    assert "crash" not in lab.alerts()
    assert lab.records() == {f"/src/{name}" for name in ("old.txt", "a.txt", "b.txt", "d/c.txt")}
    lab.world.faults.clear()
    # Whatever has changed meanwhile, the document comes from the datastore.
    other = another_destination(lab)
    lab.configure(EXCLUDE=["a*", "*.tmp"], FILES_PER_TASK=1)
    lab.advance(60)
    lab.write("a.txt", "changed since", age=30)
    (lab.source / "b.txt").unlink()
    for _ in range(4):
        assert lab.transfer() in (0, 1)
    assert lab.transfer() == 0
    assert len(documents(lab)) == 2
    assert len(lab.world.tasks) == 3
    assert (lab.destination / "d/c.txt").exists()
    assert files(other) == {}
    assert lab.alerts() == {}


def test_a_document_does_not_depend_on_the_order_of_records(lab: Lab) -> None:
    lab.given_transferred("z/old.txt")
    lab.write("z/new.txt")
    lab.write("d/new.txt")
    lab.world.faults.add("transfer", times=None, drop="after")
    assert lab.transfer() == 1
    lab.world.faults.clear()
    assert lab.transfer() == 0
    assert len(documents(lab)) == 1
    assert files(lab.destination) == files(lab.source)


def test_a_recursive_task_is_repeated_with_its_own_patterns(lab: Lab) -> None:
    """EXCLUDE and the destination are those of the time when it was recorded."""
    lab.configure(EXCLUDE=["*.tmp"])
    lab.write("a.txt")
    lab.write("b.tmp")
    lab.world.faults.add("transfer", times=None, drop="after")
    assert lab.transfer() == 1
    lab.world.faults.clear()
    other = another_destination(lab)
    lab.configure(EXCLUDE=["a*"])
    lab.write("c.txt")
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert len(documents(lab)) == 2
    assert files(lab.destination).keys() == {"a.txt"}
    assert files(other).keys() == {"c.txt", "b.tmp"}


@pytest.mark.parametrize("accepted", [True, False])
def test_an_unsubmitted_task_reserves_its_destination(lab: Lab, accepted: bool) -> None:
    lab.write("a.txt")
    lab.world.faults.add_proxy("transfer", 504, times=None, after=accepted)
    assert lab.transfer() == 1
    if accepted:
        lab.world.faults.clear()
    lab.configure(DST_DIR="/dst/other")
    lab.write("b.txt")
    assert [lab.transfer(), lab.transfer()] == [2, 2]
    assert not (lab.destination / "other").exists()
    lab.world.faults.clear()
    lab.configure(DST_DIR="/dst")
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert files(lab.destination) == files(lab.source)


def test_a_failed_save_submits_nothing(ready: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    before = ready.datastore_bytes()
    (ready.state / "datastore.new").mkdir()
    assert ready.transfer() == 1
    assert "transfer.py cannot read or write" in capfd.readouterr().err
    assert (ready.datastore_bytes(), ready.submitted()) == (before, [])
    (ready.state / "datastore.new").rmdir()
    assert [ready.transfer(), ready.transfer()] == [0, 0]
    assert len(ready.world.tasks) == 2
    assert ready.alerts() == {}


def test_a_failed_save_after_the_answer_leads_to_one_task(ready: Lab) -> None:
    lab = ready
    obstacle = lab.state / "datastore.new"
    lab.world.faults.add_hook("transfer", lambda _request: obstacle.mkdir())
    assert lab.transfer() == 1
    assert len(unsubmitted(lab)) == 1
    obstacle.rmdir()
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert (len(lab.world.tasks), len(documents(lab))) == (2, 1)
    assert lab.alerts() == {}


def test_identical_paths_are_reported_only_after_stall_hours(
    lab: Lab, mailbox: Mailbox, capfd: pytest.CaptureFixture[str]
) -> None:
    """Until then the unsubmitted task is discarded quietly at each 409 Conflict."""
    lab.configure(STALL_HOURS=10)
    lab.world.task_list_lag = 90 * 24 * HOUR  # else the task would be listed, and waited for
    lab.world.completion = CompletionPolicy.after_polls(1000)
    lab.write("a.txt")
    assert lab.transfer() == 0
    (task,) = lab.world.tasks.values()
    (lab.state / "datastore").unlink()
    capfd.readouterr()
    for _ in range(2):
        assert lab.transfer() == 0
        assert (lab.store().tasks, len(lab.store().files)) == ({}, 0)
        lab.advance(4 * HOUR)
    assert (capfd.readouterr(), mailbox.messages) == (("", ""), [])
    lab.advance(4 * HOUR)
    assert lab.transfer() == 0
    (message,) = mailbox.texts()
    assert "Globus does not accept transfers of /src now" in message
    task.polls = 1000
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert "RESOLVED" in mailbox.texts()[1]
    assert lab.records() == {"/src/a.txt"}


def test_one_conflict_does_not_delay_the_other_tasks(ready: Lab) -> None:
    ready.configure(FILES_PER_TASK=1)
    ready.world.faults.add("transfer", **refuse("Conflict", 409))
    assert ready.transfer() == 0
    assert ready.records() == {"/src/old.txt", "/src/b.txt", "/src/d/c.txt"}
    assert [ready.transfer(), ready.transfer()] == [0, 0]
    assert files(ready.destination) == files(ready.source)


def test_too_many_pending_jobs_discards_the_remaining_tasks(
    ready: Lab, capfd: pytest.CaptureFixture[str]
) -> None:
    """It does so quietly, and the next run submits them."""
    ready.configure(FILES_PER_TASK=1)
    ready.world.faults.add(
        "transfer",
        match=lambda request: request.body["DATA"][0]["source_path"] == "/src/b.txt",
        **refuse("TooManyPendingJobs", 409),
    )
    assert ready.transfer() == 0
    assert (len(ready.submitted()), capfd.readouterr().err) == (2, "")
    assert ready.records() == {"/src/old.txt", "/src/a.txt"}
    assert [ready.transfer(), ready.transfer()] == [0, 0]
    assert files(ready.destination) == files(ready.source)
    assert ready.alerts() == {}


def test_halving_finds_the_file_that_globus_rejects(ready: Lab, mailbox: Mailbox) -> None:
    """Only that file is left, with an alert, and is tried once a day."""
    lab = ready
    lab.configure(FILES_PER_TASK=4)
    lab.write("poison")
    for number in range(5):
        lab.write(f"z{number}, in two other tasks")
    lab.world.faults.add(
        "transfer",
        times=None,
        match=lambda request: any("poison" in str(item) for item in request.body["DATA"]),
        **refuse("ClientError.BadRequest", 400),
    )
    assert lab.transfer() == 1
    assert [len(document["DATA"]) for document in lab.submitted()] == [4, 2, 2, 1, 1, 4, 1]
    assert files(lab.destination).keys() == files(lab.source).keys() - {"poison"}
    assert "/src/poison" not in lab.records()
    lab.world.requests.clear()
    lab.advance(23 * HOUR)
    assert (lab.transfer(), lab.submitted()) == (0, []), "it is tried once a day"
    (message,) = mailbox.texts()
    assert "Globus rejected the transfer of /src/poison" in message
    assert (
        "Globus says: planned. Code: ClientError.BadRequest (HTTP 400). Request id: r1." in message
    )
    assert lab.alerts().keys() == {"refused"}
    lab.advance(2 * HOUR)
    assert (lab.transfer(), len(lab.submitted())) == (1, 1)
    lab.world.faults.clear()
    lab.advance(25 * HOUR)
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert files(lab.destination) == files(lab.source)
    assert "RESOLVED" in mailbox.texts()[-1]


def test_a_malformed_recursive_task_is_discarded_as_a_whole(lab: Lab) -> None:
    lab.write("a.txt")
    lab.write("b.txt")
    lab.world.faults.add("transfer", **refuse("ClientError.BadRequest", 400))
    assert lab.transfer() == 1
    assert len(lab.submitted()) == 1
    assert lab.records() == set()


def test_interrupted_halves_lose_and_repeat_nothing(ready: Lab) -> None:
    lab = ready
    lab.world.faults.add("transfer", **refuse("ClientError.BadRequest", 400))
    lab.world.faults.add("transfer", times=None, drop="after")
    assert lab.transfer() == 1
    assert len(unsubmitted(lab)) == 2
    lab.world.faults.clear()
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert len(documents(lab)) == 3
    assert len(lab.world.tasks) == 3
    assert files(lab.destination) == files(lab.source)


REFUSED = [
    (refuse("ClientError.BadRequest", 400), 1, "refused"),
    (refuse("PermissionDenied", 403), 1, "refused"),
    (refuse("EndpointDeleted", 404), 2, "unknown endpoint"),
    (refuse("GCDisconnectedException", 409), 1, "endpoint"),
    (refuse("ConsentRequired", 403), 3, "consent"),
]


@pytest.mark.parametrize(("fault", "code", "kind"), REFUSED)
@pytest.mark.parametrize("first", [True, False], ids=["first run", "later run"])
def test_a_rejected_submission_is_discarded_with_an_alert(
    lab: Lab, fault: dict[str, Any], code: int, kind: str, first: bool
) -> None:
    if not first:
        lab.given_transferred("old.txt")
    lab.write("a.txt")
    if kind == "consent":
        fault["body"]["required_scopes"] = ["some scope"]
    lab.world.faults.add("transfer", **fault)
    assert lab.transfer() == code
    assert lab.alerts().keys() == {kind}
    assert "/src/a.txt" not in lab.records()
    assert unsubmitted(lab) == []
    if fault["status"] == 400:
        assert lab.transfer() == 0
        assert (len(documents(lab)), lab.alerts().keys()) == (1, {kind}), "it is tried once a day"
        lab.advance(25 * HOUR)
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert len(documents(lab)) == 2
    assert lab.alerts() == {}


def test_an_accepted_submission_resolves_a_rejection(lab: Lab) -> None:
    """Even though new files keep arriving."""
    lab.given_transferred("old.txt")
    lab.world.faults.add("transfer", **refuse("PermissionDenied", 403))
    lab.write("a.txt")
    assert lab.transfer() == 1
    lab.write("b.txt")
    assert lab.transfer() == 0
    assert lab.alerts() == {}


@pytest.mark.parametrize("size", [1, 2])
def test_a_general_rejection_ends_the_submissions_of_a_run(ready: Lab, size: int) -> None:
    """What Globus refuses for every file is tried once, not with each task."""
    ready.configure(FILES_PER_TASK=size)
    ready.world.faults.add("transfer", times=None, **refuse("PermissionDenied", 403))
    assert ready.transfer() == 1
    assert len(ready.submitted()) == 1
    assert ready.records() == {"/src/old.txt"}


@pytest.mark.parametrize(
    "fault", [{"drop": "before"}, {"status": 500}, {"truncate": True}, {"status": 200, "body": {}}]
)
def test_without_a_submission_id_nothing_is_submitted(ready: Lab, fault: dict[str, Any]) -> None:
    """Nothing is recorded, either."""
    before = ready.datastore_bytes()
    ready.world.faults.add("submission_id", times=None, **fault)
    assert ready.transfer() == 1
    assert (ready.datastore_bytes(), ready.submitted()) == (before, [])
    ready.world.faults.clear()
    assert ready.transfer() == 0
    assert ready.alerts() == {}


def test_a_dry_run_leaves_an_unsubmitted_task_alone(ready: Lab) -> None:
    ready.world.faults.add("transfer", times=None, drop="before")
    assert ready.transfer() == 1
    ready.world.faults.clear()
    ready.world.requests.clear()
    before = ready.datastore_bytes()
    assert ready.transfer("-n") == 0
    assert (ready.submitted(), ready.datastore_bytes()) == ([], before)


def test_no_more_tasks_are_begun_than_globus_takes(lab: Lab) -> None:
    lab.configure(FILES_PER_TASK=1)
    lab.write_and_transfer("first")
    lab.world.completion = CompletionPolicy.after_seconds(3 * HOUR)
    for number in range(130):
        lab.write(f"{number:03}")
    assert lab.transfer() == 0
    ids = [request for request in lab.world.requests if request.route == "submission_id"]
    assert (len(ids), len(lab.submitted())) == (101, 101)
    assert (lab.transfer(), len(lab.submitted()), lab.alerts()) == (0, 101, {})
    lab.advance(4 * HOUR)
    assert (lab.transfer(), len(lab.submitted()) > 101) == (0, True)
