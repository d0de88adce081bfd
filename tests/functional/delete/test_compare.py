"""VERIFY_DESTINATION = "checksum": contents are compared before files are deleted."""

import os
from pathlib import Path
from typing import Any

import pytest

from globus_auto.sandbox.engine import PlannedFailure
from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, files

DAY = 86_400  # seconds
HOUR = 3600


@pytest.fixture
def checked(lab: Lab) -> Lab:
    """Return a laboratory whose files are compared, with two delivered ones."""
    lab.configure(VERIFY_DESTINATION="checksum")
    lab.given_transferred("a", "d/b")
    return lab


def alter(path: Path) -> None:
    """Flip one byte; size and mtime stay."""
    status = path.stat()
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def compared(lab: Lab) -> list[list[str]]:
    """Return the paths of each comparison that was submitted."""
    return [
        [item["source_path"] for item in body["DATA"]]
        for body in lab.submitted()
        if " compare " in body["label"]
    ]


def test_files_are_deleted_by_the_run_after_their_comparison(checked: Lab) -> None:
    assert checked.delete() == 0
    assert compared(checked) == [["/src/a", "/src/d/b"]]
    assert files(checked.source).keys() == {"a", "d/b"}
    assert checked.delete() == 0
    assert files(checked.source) == {}
    assert len(compared(checked)) == 1
    (document,) = checked.submitted()
    assert (document["sync_level"], document["verify_checksum"]) == (3, True)
    assert checked.history("delivered") == ["/src/a", "/src/d/b"]
    assert (checked.delete(), checked.store().tasks.keys() != set()) == (0, True)
    checked.advance(DAY + 1)
    assert checked.delete() == 0
    assert checked.store().tasks == {}


def test_a_copy_with_a_flipped_byte_is_repaired_before_the_deletion(checked: Lab) -> None:
    alter(checked.destination / "a")
    assert checked.delete() == 0
    assert checked.delete() == 1
    assert "1 copy had changed at the destination" in checked.alerts()["repaired"]
    assert files(checked.source).keys() == {"a"}
    assert files(checked.destination)["a"] == b"data"
    assert checked.delete() == 0
    assert checked.alerts() == {}
    checked.advance(DAY)
    assert (checked.delete(), checked.delete()) == (0, 0)
    assert files(checked.source) == {}
    assert compared(checked) == [["/src/a", "/src/d/b"], ["/src/a"]]
    assert checked.history("delivered") == ["/src/a", "/src/d/b"]


def test_a_source_rewritten_with_equal_size_and_time_stays(checked: Lab) -> None:
    alter(checked.source / "a")
    altered = files(checked.source)["a"]
    assert (checked.delete(), checked.delete()) == (0, 1)
    assert "1 file in /src no longer has the content" in checked.alerts()["altered"]
    for _ in range(3):
        checked.advance(DAY)
        assert (checked.transfer(), checked.delete()) == (0, 1)
    assert files(checked.source) == {"a": altered}
    assert files(checked.destination)["a"] == altered
    assert len(compared(checked)) == 1
    os.utime(checked.source / "a")
    checked.advance(10)
    assert (checked.transfer(), checked.transfer(), checked.delete()) == (0, 0, 0)
    assert checked.alerts() == {}
    assert (checked.delete(), files(checked.source)) == (0, {})


def test_it_cannot_be_told_which_side_changed_without_a_checksum(lab: Lab) -> None:
    """Globus found the first copy equal, so the history has no checksum of it."""
    lab.given_transferred("a")
    (lab.state / "datastore").unlink()
    (lab.state / "history").rename(lab.state / "lost")
    lab.configure(VERIFY_DESTINATION="checksum")
    assert (lab.transfer(), lab.transfer()) == (0, 0)
    alter(lab.destination / "a")
    assert (lab.delete(), lab.delete()) == (0, 1)
    assert lab.alerts().keys() == {"altered"}
    assert "a" in files(lab.source)


def test_a_file_that_changes_openly_is_no_alert(checked: Lab) -> None:
    checked.world.completion = CompletionPolicy.after_polls(1)
    checked.world.faults.add_hook("transfer", lambda _request: checked.write("a", "new!", age=30))
    assert [checked.delete() for _ in range(3)] == [0, 0, 0]
    assert checked.alerts() == {}
    assert files(checked.source) == {"a": b"new!"}
    checked.world.completion = CompletionPolicy.at_once()
    assert (checked.transfer(), checked.transfer(), checked.delete(), checked.delete()) == (
        *(0, 0, 0, 0),
    )
    assert (files(checked.source), files(checked.destination)["a"]) == ({}, b"new!")


@pytest.mark.parametrize("how", ["fails", "expires", "vanishes", "never arrives", "rejected"])
def test_a_comparison_without_a_result_is_repeated_a_day_later(checked: Lab, how: str) -> None:
    if how == "fails":
        checked.world.planned_failures.append(PlannedFailure("NO_SPACE_LEFT", fatal=True))
    elif how == "expires":
        checked.world.completion = CompletionPolicy.after_seconds(10 * DAY)
    elif how == "never arrives":
        checked.world.faults.add("transfer", drop="before", times=6)
    elif how == "rejected":
        body = {"code": "PermissionDenied", "message": "planned"}
        checked.world.faults.add("transfer", status=403, body=body)
    checked.delete()
    if how == "vanishes":
        checked.world.tasks.clear()
    checked.world.completion = CompletionPolicy.at_once()
    first = len(compared(checked))
    codes = [checked.delete() for _ in range(2)]
    assert files(checked.source).keys() == {"a", "d/b"}
    assert len(compared(checked)) == first
    checked.advance(2 * DAY)
    codes += [checked.delete(), checked.delete(), checked.delete()]
    if how == "expires":
        # It has ended just now.
        assert files(checked.source).keys() == {"a", "d/b"}
        checked.advance(DAY)
        codes += [checked.delete(), checked.delete()]
    assert files(checked.source) == {}, codes
    assert len(compared(checked)) == first + 1
    assert checked.alerts() == {}
    assert (1 in codes) == (how in ("fails", "expires"))


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("route", ["submission_id", "transfer", "task", "successful_transfers"])
def test_a_kill_at_any_step_never_deletes_what_differs(lab: Lab, route: str, when: Any) -> None:
    lab.real_time()
    lab.configure(VERIFY_DESTINATION="checksum")
    lab.given_transferred("a", "b", "c")
    alter(lab.destination / "a")
    alter(lab.source / "b")
    if route in ("task", "successful_transfers"):
        assert lab.delete() == 0
    lab.kill("delete", route, effect=when == "after")
    for _ in range(3):
        assert lab.delete() in (0, 1)
        assert {"a", "b"} <= files(lab.source).keys()
    assert files(lab.source).keys() <= {"a", "b", "c"}
    for _ in range(3):
        lab.advance(DAY + HOUR)
        assert {lab.delete() for _ in range(2)} <= {0, 1}
    assert files(lab.source).keys() == {"b"}
    assert files(lab.destination)["a"] == b"data"
    assert "altered" in lab.alerts()
    assert len([path for paths in compared(lab) for path in paths if path == "/src/a"]) <= 3


def test_a_dry_run_starts_no_comparison(checked: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert checked.delete("-n") == 0
    assert "Globus has not compared it with its copy today" in capsys.readouterr().out
    assert compared(checked) == []
