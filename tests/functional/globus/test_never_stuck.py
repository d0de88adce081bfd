"""A file or a task that Globus cannot handle never blocks the others."""

import pytest

from tests.lab import Lab, files

REFUSAL = {"code": "Planned", "message": "planned"}
HOUR = 3600


@pytest.mark.parametrize("code", [400, 403, 404, 500])
@pytest.mark.parametrize("route", ["task", "event_list"])
def test_a_task_that_globus_does_not_explain_stops_nothing_else(
    lab: Lab, route: str, code: int
) -> None:
    lab.given_transferred("old.txt")
    lab.world.stall_next("PERMISSION_DENIED")
    lab.write("a.txt")
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    lab.write("b.txt")
    lab.world.faults.add(route, times=None, status=code, body=REFUSAL)
    assert lab.transfer() == (0 if route == "task" and code in (403, 404) else 1)
    assert "b.txt" in files(lab.destination)
    if route == "task" and code in (400, 500):
        assert (
            f"Globus says: planned. Code: Planned (HTTP {code})." in lab.alerts()["unknown status"]
        )
    if route == "event_list":
        assert "Code: PERMISSION_DENIED." in lab.alerts()["stalled"]


def test_a_file_that_the_destination_rejects_blocks_no_others(lab: Lab) -> None:
    """A recursive task with such a file expires; the others are deleted all the same."""
    lab.given_transferred(*(f"{number}.txt" for number in range(30)))
    lab.write("bad.txt")
    (lab.destination / "bad.txt").mkdir()
    assert lab.transfer("--full") == 0
    for _ in range(4):
        lab.advance(4 * 24 * HOUR)
        assert lab.delete() == 1
        assert lab.transfer() in (0, 1)
    lab.delete()
    assert files(lab.source).keys() == {"bad.txt"}
    (lab.destination / "bad.txt").rmdir()
    lab.advance(4 * 24 * HOUR)
    assert [lab.transfer(), lab.transfer(), lab.delete()] == [1, 0, 0]
    assert (files(lab.source), lab.alerts(), lab.store().tasks) == ({}, {}, {})


def test_null_authorization_parameters_are_no_login_request(lab: Lab) -> None:
    """Globus may send that field as null in an error that asks nobody to log in."""
    lab.given_transferred("old.txt")
    lab.write("a.txt")
    fault = {"status": 502, "body": {"code": "EndpointError", "authorization_parameters": None}}
    lab.world.faults.add("ls", match=lambda request: request.query["path"] == "/src", **fault)
    lab.world.faults.add("transfer", **fault)
    assert [lab.transfer(), lab.alerts().keys()] == [1, {"source"}]
    assert [lab.transfer(), lab.alerts().keys()] == [1, {"service"}]
    assert [lab.transfer(), lab.alerts()] == [0, {}]


def test_null_optional_fields_keep_no_task_in_progress(lab: Lab) -> None:
    lab.given_transferred("old.txt")
    lab.world.stall_next("PERMISSION_DENIED")
    lab.write("a.txt")
    assert lab.transfer() == 0
    task = list(lab.world.tasks.values())[-1]
    fault = {"code": "ABEND", "description": None}
    body = {"task_id": task.id, "status": "FAILED", "effective_bytes_per_second": 12.5}
    lab.world.faults.add("task", status=200, body={**body, "fatal_error": fault})
    task.finish("FAILED", "ABEND")
    assert lab.transfer() == 1
    assert "failed. Files that it did not deliver" in lab.alerts()["failed"]
    assert [lab.transfer(), files(lab.destination)] == [0, files(lab.source)]
