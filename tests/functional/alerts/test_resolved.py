"""A run resolves an alert only after it has checked its subject and found it good."""

import pytest

from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, files


def test_a_skipped_file_is_an_alert_until_its_next_task_ends(lab: Lab) -> None:
    lab.write("b.txt")
    lab.world.skip_paths("/src/b.txt")
    assert lab.transfer() == 0
    lab.world.skipped_paths.clear()
    lab.world.completion = CompletionPolicy.after_polls(2)
    assert lab.transfer() == 1
    for _ in range(2):
        assert lab.alerts().keys() == {"skipped"}
        assert lab.transfer() == 0
    assert files(lab.destination).keys() == {"b.txt"}
    assert lab.transfer() == 0
    assert lab.alerts() == {}


def test_a_copy_sent_again_is_resolved_in_a_busy_directory(lab: Lab) -> None:
    """New files that arrive before each run do not keep the alert open."""
    lab.given_transferred("a", "b")
    (lab.destination / "a").unlink()
    assert lab.delete() == 1
    lab.world.completion = CompletionPolicy.after_polls(1)
    for number, alerts in enumerate([{"not at the destination"}] * 2 + [set()] * 2):
        lab.write(f"new{number}")
        assert (lab.transfer(), lab.alerts().keys()) == (0, alerts)


def test_delete_raises_no_alert_for_a_skipped_file_now_gone(lab: Lab) -> None:
    lab.world.skip_paths("/src/a")
    lab.write_and_transfer("a", "b")
    (lab.source / "a").unlink()
    assert lab.delete() == 0
    assert lab.alerts() == {}
    assert files(lab.source) == {}


@pytest.mark.parametrize("program", ["transfer", "delete"])
def test_a_failed_transfer_is_an_alert_until_a_task_succeeds(lab: Lab, program: str) -> None:
    lab.world.fail_next()
    lab.write_and_transfer("a")
    assert lab.delete() == 1
    assert lab.alerts().keys() == {"failed"}
    assert lab.delete() == 0
    assert lab.alerts().keys() == {"failed"}, "nothing has shown that it is resolved"
    lab.world.completion = CompletionPolicy.after_polls(1)
    assert lab.transfer() == 0
    assert lab.delete() == 0
    assert lab.alerts().keys() == {"failed"}, "its task is in progress"
    assert getattr(lab, program)() == 0
    assert lab.alerts() == {}


def test_one_successful_task_does_not_hide_failed_ones(lab: Lab) -> None:
    lab.given_transferred("first")
    for name in ("one", "two"):
        lab.configure(SRC_DIR=f"/src/{name}", DST_DIR=f"/dst/{name}", FILES_PER_TASK=1)
        lab.world.fail_next()
        lab.write_and_transfer(f"{name}/a", f"{name}/b")
        assert lab.delete() == 1
    alerts = lab.health()["alerts"]
    assert [each["about"] for each in alerts if not each["over"]] == ["/src/one", "/src/two"]


@pytest.mark.parametrize("route", ["task", "successful_transfers"])
def test_an_unknown_status_resolves_no_alert_about_tasks(lab: Lab, route: str) -> None:
    lab.world.stall_next()
    lab.write_and_transfer("a")
    assert [lab.transfer(), lab.transfer()] == [0, 1]
    assert lab.alerts().keys() == {"stalled"}
    (task,) = lab.world.tasks.values()
    task.planned_failure = None
    lab.world.faults.add(route, times=None, status=500)
    assert lab.transfer() == 1
    assert lab.alerts().keys() == {"stalled", "unknown status"}
    lab.world.faults.clear()
    assert lab.transfer() == 0
    assert lab.alerts() == {}


def test_a_failed_delete_task_is_an_alert_until_one_succeeds(lab: Lab) -> None:
    lab.write_and_transfer("first")
    assert lab.delete() == 0
    lab.write_and_transfer("a")
    lab.world.fail_next(kind="DELETE")
    assert lab.delete() == 1
    assert lab.alerts().keys() == {"delete failed"}
    lab.configure(KEEP_DAYS=1)
    assert lab.delete() == 0
    lab.configure(KEEP_DAYS=0)
    lab.write("a", "changed")
    assert lab.delete() == 0
    assert lab.alerts().keys() == {"delete failed"}, "there was nothing to delete"
    assert (lab.transfer(), lab.delete()) == (0, 0)
    assert files(lab.source) == {}
    assert lab.alerts() == {}


def test_a_reset_resolves_a_failed_delete_task(lab: Lab) -> None:
    """Without records there is nothing to delete."""
    lab.write_and_transfer("first")
    assert lab.delete() == 0
    lab.write_and_transfer("a")
    lab.world.fail_next(kind="DELETE")
    assert lab.delete() == 1
    (lab.state / "datastore").unlink()
    assert lab.delete() == 0
    assert lab.alerts() == {}


@pytest.mark.parametrize("program", ["transfer", "delete"])
def test_a_directory_that_cannot_be_restored_is_an_alert(lab: Lab, program: str) -> None:
    """Either program resolves it by giving the directory its name back."""
    (lab.source / "x").mkdir()

    def arrive(_request: object) -> None:
        for quarantine in lab.source.glob(".globus_auto_empty.*"):
            lab.write(f"{quarantine.name}/new", "new")

    lab.world.faults.add_hook("rename", arrive, when="after")
    body = {"code": "PermissionDenied", "message": "planned"}
    lab.world.faults.add(
        "rename", times=3, status=403, body=body, match=lambda one: "empty" in one.body["old_path"]
    )
    assert lab.delete() == 1
    assert lab.alerts().keys() == {"quarantine"}
    assert lab.delete() == 1
    assert lab.alerts().keys() == {"quarantine"}
    assert getattr(lab, program)() == 0
    assert lab.alerts() == {}
    assert files(lab.source) == {"x/new": b"new"}
