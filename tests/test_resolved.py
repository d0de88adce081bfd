"""An alert is over when a run has looked at just that and found it well, and not before."""

import pytest

from globus_auto.sandbox.world import Pace
from tests.conftest import Lab, files


def test_a_skipped_file_is_an_alert_until_its_next_task_has_ended(lab: Lab) -> None:
    lab.write("b.txt")
    lab.world.skip_paths("/src/b.txt")
    assert lab.transfer() == 0
    lab.world.skipped_paths.clear()
    lab.world.pace = Pace.after_looks(2)
    assert lab.transfer() == 1
    for _ in range(2):
        assert lab.alerts().keys() == {"skipped"}
        assert lab.transfer() == 0
    assert files(lab.destination).keys() == {"b.txt"}
    assert lab.transfer() == 0
    assert lab.alerts() == {}


def test_a_skipped_file_that_is_gone_is_no_alert_of_delete_either(lab: Lab) -> None:
    lab.world.skip_paths("/src/a")
    lab.send("a", "b")
    (lab.source / "a").unlink()
    assert lab.delete() == 0
    assert lab.alerts() == {}
    assert files(lab.source) == {}


@pytest.mark.parametrize("program", ["transfer", "delete"])
def test_a_failed_transfer_is_an_alert_until_a_task_succeeds(lab: Lab, program: str) -> None:
    lab.world.fail_next()
    lab.send("a")
    assert lab.delete() == 1
    assert lab.alerts().keys() == {"failed"}
    assert lab.delete() == 0
    assert lab.alerts().keys() == {"failed"}, "nothing has shown that it is over"
    lab.world.pace = Pace.after_looks(1)
    assert lab.transfer() == 0
    assert lab.delete() == 0
    assert lab.alerts().keys() == {"failed"}, "its task is open"
    assert getattr(lab, program)() == 0
    assert lab.alerts() == {}


def test_one_task_that_succeeds_does_not_hide_that_others_failed(lab: Lab) -> None:
    lab.sent("first")
    for name in ("one", "two"):
        lab.configure(SRC_DIR=f"/src/{name}", DST_DIR=f"/dst/{name}", FILES_PER_TASK=1)
        lab.world.fail_next()
        lab.send(f"{name}/a", f"{name}/b")
        assert lab.delete() == 1
    alerts = lab.health()["alerts"]
    assert [each["about"] for each in alerts if not each["over"]] == ["/src/one", "/src/two"]


@pytest.mark.parametrize("route", ["task", "successful_transfers"])
def test_while_one_task_is_unclear_no_trouble_of_tasks_is_over(lab: Lab, route: str) -> None:
    lab.world.stall_next()
    lab.send("a")
    assert [lab.transfer(), lab.transfer()] == [0, 1]
    assert lab.alerts().keys() == {"stalled"}
    (task,) = lab.world.tasks.values()
    task.plan = None
    lab.world.faults.add(route, times=None, status=500)
    assert lab.transfer() == 1
    assert lab.alerts().keys() == {"stalled", "unknown status"}
    lab.world.faults.clear()
    assert lab.transfer() == 0
    assert lab.alerts() == {}


def test_a_delete_that_failed_is_an_alert_until_one_succeeds(lab: Lab) -> None:
    lab.send("first")
    assert lab.delete() == 0
    lab.send("a")
    lab.world.fail_next(kind="DELETE")
    assert lab.delete() == 1
    assert lab.alerts().keys() == {"delete failed"}
    lab.configure(KEEP_DAYS=1)
    assert lab.delete() == 0
    lab.configure(KEEP_DAYS=0)
    lab.write("a", "changed")
    assert lab.delete() == 0
    assert lab.alerts().keys() == {"delete failed"}, "there was nothing to try it on"
    assert (lab.transfer(), lab.delete()) == (0, 0)
    assert files(lab.source) == {}
    assert lab.alerts() == {}


def test_a_delete_that_failed_is_over_where_nothing_is_known_to_be_deleted(lab: Lab) -> None:
    lab.send("first")
    assert lab.delete() == 0
    lab.send("a")
    lab.world.fail_next(kind="DELETE")
    assert lab.delete() == 1
    (lab.state / "datastore").unlink()
    assert lab.delete() == 0
    assert lab.alerts() == {}


@pytest.mark.parametrize("program", ["transfer", "delete"])
def test_a_directory_that_could_not_be_put_back_is_an_alert_until_it_is(
    lab: Lab, program: str
) -> None:
    (lab.source / "x").mkdir()

    def arrive(_request: object) -> None:
        for aside in lab.source.glob(".globus_auto_empty.*"):
            lab.write(f"{aside.name}/new", "new")

    lab.world.faults.hook("rename", arrive, when="after")
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
