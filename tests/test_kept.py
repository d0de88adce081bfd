"""delete.py keeps what is not proven: -v shows the reason, and the file is still there."""

import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from globus_auto.sandbox.world import Pace
from tests.conftest import Lab, files, put

RACY = "modified within 2 s of the scan"
OPEN = "its transfer is in progress"
ALIKE = "another name differs from its name only in case or Unicode form"
MISSING = "its copy is missing at the destination"
CHANGED = "it has changed since it was transferred: "


@pytest.fixture
def delete(lab: Lab, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, str]]:
    """Give what runs delete.py -v and returns, by relative path, why files were kept."""

    def run(code: int = 0) -> dict[str, str]:
        assert lab.delete("-v") == code
        lines = capsys.readouterr().err.splitlines()
        kept = [line[len("Keep /src/") :] for line in lines if line.startswith("Keep /src/")]
        return dict(line.split(": ", 1) for line in kept)

    return run


Delete = Callable[..., dict[str, str]]


def test_a_file_stays_while_its_task_is_open(lab: Lab, delete: Delete) -> None:
    lab.sent("first")  # as a full task, of which another rule speaks
    lab.world.pace = Pace.after_looks(2)
    lab.send("a")
    assert delete() == {"a": OPEN}
    assert files(lab.source).keys() == {"a"}


def test_a_file_stays_while_a_full_task_has_everything(lab: Lab, delete: Delete) -> None:
    lab.configure(SETTLE_SECONDS=30)
    lab.send("a", "b")
    assert lab.transfer() == 0
    lab.write("a", "written to just now", age=1)
    lab.world.pace = Pace.after_looks(3)
    assert lab.transfer("--full") == 0
    store = lab.store()
    tasks = {path: store.tasks[store.record(path).task] for path in ("/src/a", "/src/b")}
    assert not tasks["/src/a"].open, "its last version is in an older task"
    assert not tasks["/src/b"].open, "a delivered record is not written over"
    (full,) = store.tasks_in_progress("transfer").values()
    assert full.recursive
    assert delete() == {"a": OPEN, "b": OPEN}
    assert files(lab.source).keys() == {"a", "b"}


def test_a_file_stays_that_was_written_within_two_seconds_of_the_look(
    lab: Lab, delete: Delete
) -> None:
    lab.send("a", age=0)
    assert delete() == {"a": RACY}
    assert files(lab.source).keys() == {"a"}


def test_a_file_with_a_time_in_the_far_future_is_not_racy(lab: Lab, delete: Delete) -> None:
    lab.send("a", age=-3 * 86400)
    assert delete() == {}
    assert files(lab.source) == {}


def test_what_is_excluded_stays_though_it_was_sent_before(lab: Lab, delete: Delete) -> None:
    lab.send("a.log", "old/b", "old/deep/c", "d")
    lab.configure(EXCLUDE=["*.log", "ol?"])
    assert set(delete().items()) == {
        (name, "it is excluded") for name in ("a.log", "old/b", "old/deep/c")
    }
    assert files(lab.source).keys() == {"a.log", "old/b", "old/deep/c"}


def test_a_sent_file_stays_for_keep_days_and_goes_then(lab: Lab, delete: Delete) -> None:
    lab.configure(KEEP_DAYS=1.5)
    lab.send("a")
    assert delete() == {"a": "transferred less than KEEP_DAYS ago"}
    lab.later(1.5 * 86400 - 60)
    assert delete().keys() == {"a"}
    lab.later(60)
    assert delete() == {}
    assert files(lab.source) == {}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("run.dat", "RUN.dat"),
        (unicodedata.normalize("NFC", "Börse"), unicodedata.normalize("NFD", "Börse")),
        ("straße", "STRASSE"),
        ("Run/a", "run/a"),
        ("Run/deep/a", "run/Deep/A"),
    ],
)
def test_names_that_may_be_one_at_the_destination_both_stay(
    one: str, other: str, lab: Lab, delete: Delete
) -> None:
    lab.send(one, other, "distinct", "run/distinct")
    assert delete() == {one: ALIKE, other: ALIKE}
    assert files(lab.source).keys() == {one, other}


def lose(lab: Lab) -> None:
    (lab.destination / "a").unlink()


def cut(lab: Lab) -> None:
    put(lab.destination / "a", "short", 1)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [(lose, MISSING), (cut, "its copy has another size: 5 bytes instead of 16")],
)
def test_a_file_that_is_not_whole_at_the_destination_is_sent_again_and_goes_then(
    harm: Callable[[Lab], None], reason: str, lab: Lab, delete: Delete
) -> None:
    lab.send("a", "b")
    harm(lab)
    assert delete(1) == {"a": reason}
    assert files(lab.source) == {"a": b"the content of a"}
    assert lab.entries() == set()
    assert lab.transfer() == 0
    lab.later(10)
    assert delete() == {}
    assert files(lab.source) == {}
    assert files(lab.destination) == {name: f"the content of {name}".encode() for name in "ab"}


def unmount(copy: Path) -> None:
    """Leave an empty mount point."""
    shutil.rmtree(copy)
    copy.mkdir()


@pytest.mark.parametrize("act", [shutil.rmtree, unmount, lambda copy: (copy / "a").unlink()])
def test_nothing_is_concluded_where_all_of_the_destination_is_missing_or_empty(
    act: Callable[[Path], None], lab: Lab, delete: Delete
) -> None:
    lab.configure(DST_DIR="/dst/copy")
    lab.send("a")
    assert lab.transfer() == 0, "the marker is there"
    act(lab.destination / "copy")
    assert delete(1) == {"a": MISSING}
    assert files(lab.source).keys() == {"a"}
    assert lab.entries() == {"/src/a"}
    assert [alert["kind"] for alert in lab.health()["alerts"]] == ["destination"]
    assert lab.transfer() == 0
    assert len(lab.submitted()) == 1, "a cleared destination starts nothing"


def no_longer_looked_at(lab: Lab) -> None:
    """Follow the advice of the alert."""
    lab.configure(VERIFY_DESTINATION=False)


def no_longer_there(lab: Lab) -> None:
    """Remove at the source by hand what the alert was about."""
    (lab.source / "a").unlink()
    lab.write("b", "which has not been sent yet")


@pytest.mark.parametrize("act", [no_longer_looked_at, no_longer_there])
def test_that_the_destination_is_missing_is_over_once_nothing_is_awaited_there(
    lab: Lab, act: Callable[[Lab], None]
) -> None:
    lab.configure(DST_DIR="/dst/copy")
    lab.send("a")
    (lab.destination / "copy/a").unlink()
    assert lab.delete() == 1
    act(lab)
    lab.configure(DST_DIR="/dst/other")
    assert (lab.transfer(), lab.delete()) == (0, 0)
    assert lab.alerts() == {}


def test_a_destination_that_comes_back_in_the_middle_of_a_run_is_no_alert(lab: Lab) -> None:
    lab.send("a")
    missing = {"code": "ClientError.NotFound", "message": "m", "request_id": "r", "resource": "/"}
    lab.world.faults.add(
        "ls", match=lambda asked: asked.query["path"] == "/dst", status=404, body=missing
    )
    assert lab.delete() == 0
    assert files(lab.source) == {}
    assert lab.alerts() == {}


def test_a_subdirectory_missing_at_the_destination_is_sent_again(lab: Lab, delete: Delete) -> None:
    lab.send("run/a", "b")
    shutil.rmtree(lab.destination / "run")
    assert delete(1) == {"run/a": MISSING}
    assert files(lab.source).keys() == {"run/a"}
    assert lab.entries() == set()


def too_large(lab: Lab, path: str) -> None:
    """Let a listing of `path` fail as that of a huge directory does."""
    document = {"code": "ExternalError.DirListingFailed.SizeLimit", "message": "m"}
    huge = {"status": 502, "body": document | {"request_id": "r", "resource": "/"}}
    lab.world.faults.add("ls", times=None, match=lambda asked: asked.query["path"] == path, **huge)


def test_where_the_destination_is_too_large_to_list_each_file_is_asked_for(
    lab: Lab, delete: Delete
) -> None:
    lab.send("run/a", "run/b")
    (lab.destination / "run" / "b").unlink()
    too_large(lab, "/dst/run")
    assert delete(1) == {"run/b": MISSING}
    assert files(lab.source).keys() == {"run/b"}


def test_what_the_destination_cannot_be_asked_for_stays_and_is_an_alert_until_it_can(
    lab: Lab, delete: Delete
) -> None:
    lab.send("run/a", "run/c", "b")
    too_large(lab, "/dst/run")
    lab.world.faults.add("stat", times=None, status=403, body={"code": "PermissionDenied"})
    kept = delete(1)
    assert kept.keys() == {"run/a", "run/c"}
    for reason in kept.values():
        assert reason.startswith("the destination could not be asked about its copy: 403")
    assert files(lab.source).keys() == {"run/a", "run/c"}
    assert lab.entries() == {"/src/run/a", "/src/run/c"}
    assert [each.route for each in lab.world.requests].count("stat") == 1, "one shows it for all"
    told = lab.alerts()["destination"]
    assert "does not tell what has arrived in /dst/run (403 PermissionDenied" in told
    lab.world.faults.clear()
    assert delete() == {}
    assert (files(lab.source), lab.alerts()) == ({}, {})


def test_what_the_source_cannot_be_asked_for_stays(lab: Lab, delete: Delete) -> None:
    lab.send("run/a", "run/b", "z/c")
    too_large(lab, "/src/run")
    lab.world.faults.add(
        "stat", status=403, body={}, match=lambda asked: asked.query["path"].endswith("/b")
    )
    kept = delete(0)
    assert kept.keys() == {"run/b"}
    assert kept["run/b"].startswith("the source could not be asked about it: 403")
    assert files(lab.source).keys() == {"run/b"}


def test_nothing_is_deleted_while_the_destination_does_not_answer(lab: Lab, delete: Delete) -> None:
    lab.send("a")
    lab.dst.connected = False
    delete(1)
    assert files(lab.source).keys() == {"a"}
    assert lab.entries() == {"/src/a"}


def test_a_destination_of_old_that_is_out_of_reach_stops_nothing_else(
    lab: Lab, delete: Delete
) -> None:
    lab.send("a")
    other = lab.home / "other"
    other.mkdir()
    endpoint = lab.world.add_endpoint(other, name="other", mount="/other")
    lab.configure(DST_ID=endpoint.id, DST_DIR="/other")
    lab.send("b")
    lab.dst.connected = False
    kept = delete(1)
    assert kept == {"a": f"the destination could not be asked about its copy: {lab.dst.id}"}
    assert files(lab.source).keys() == {"a"}
    assert lab.entries() == {"/src/a"}


REWRITES = [
    ("a longer content", 0, "7 bytes before, 16 now"),
    ("CONTENT", 5, "modified 5 seconds later"),
    ("CONTENT", -5, "modified 5 seconds earlier"),
]


@pytest.mark.parametrize(("content", "shift", "how"), REWRITES)
def test_a_file_changed_after_it_was_sent_stays(
    content: str, shift: float, how: str, lab: Lab, delete: Delete
) -> None:
    mtime = lab.write("a", "content").stat().st_mtime
    lab.send("b")
    put(lab.source / "a", content, mtime + shift)
    assert delete() == {"a": CHANGED + how}
    assert files(lab.source) == {"a": content.encode()}


def test_a_file_changed_while_the_destination_is_being_listed_stays(
    lab: Lab, delete: Delete
) -> None:
    lab.send("run/a", "b")
    lab.world.faults.hook(
        "ls",
        lambda _asked: lab.write("run/a", "changed meanwhile", age=0),
        match=lambda asked: asked.query["path"] == "/dst/run",
    )
    assert delete() == {"run/a": CHANGED + "20 bytes before, 17 now"}
    assert files(lab.source) == {"run/a": b"changed meanwhile"}


def remove(lab: Lab) -> None:
    (lab.source / "a").unlink()


def link(lab: Lab) -> None:
    (lab.source / "a").rename(lab.home / "elsewhere")
    (lab.source / "a").symlink_to(lab.home / "elsewhere")


def directory(lab: Lab) -> None:
    (lab.source / "a").unlink()
    lab.write("a/inside")


@pytest.mark.parametrize("act", [remove, link, directory])
def test_what_is_no_plain_file_any_more_stays(
    act: Callable[[Lab], None], lab: Lab, delete: Delete
) -> None:
    lab.send("a", "b")
    act(lab)
    before = {path: os.lstat(path).st_ino for path in lab.source.rglob("a*")}
    assert delete() == {"a": "it is gone from the source, or no longer a plain file"}
    assert {path: os.lstat(path).st_ino for path in lab.source.rglob("a*")} == before


def test_what_stands_behind_a_symlink_to_another_directory_stays(lab: Lab, delete: Delete) -> None:
    lab.configure(SRC_DIR="/src/data")
    lab.send("data/run/a", "data/b")
    (lab.source / "data" / "run").rename(lab.source / "moved")
    (lab.source / "data" / "run").symlink_to(lab.source / "moved")
    kept = delete()
    assert files(lab.source).keys() == {"data/run", "moved/a"}
    assert kept == {"data/run/a": "a symbolic link may lead to it"}


def test_what_globus_skipped_stays_and_is_sent_again(lab: Lab, delete: Delete) -> None:
    lab.world.skip_paths("/src/a")
    lab.send("a", "b")
    delete(1)
    assert files(lab.source).keys() == {"a"}
    lab.world.skipped_paths.clear()
    lab.send("c")
    assert delete() == {}
    assert files(lab.source) == {}


def fail(lab: Lab) -> None:
    lab.world.fail_next()


def forget(lab: Lab) -> None:
    lab.world.faults.hook("transfer", lambda _asked: lab.world.tasks.clear(), when="after")


LOST = "a task that Globus no longer shows may still be writing its copy"


@pytest.mark.parametrize(
    ("harm", "code", "kept"), [(fail, 1, {}), (forget, 0, {"a": LOST, "b": LOST})]
)
def test_the_files_of_a_failed_or_unknown_task_stay(
    harm: Callable[[Lab], None], code: int, kept: dict[str, str], lab: Lab, delete: Delete
) -> None:
    harm(lab)
    lab.send("a")
    delete(code)
    assert files(lab.source).keys() == {"a"}
    assert lab.entries() == set()
    lab.send("b")
    assert files(lab.destination).keys() == {"a", "b"}
    assert delete() == kept
    assert files(lab.source).keys() == kept.keys()
    lab.later(86_400 - 60)
    assert delete() == kept
    lab.later(60)
    assert delete() == {}
    assert files(lab.source) == {}


def test_what_a_lost_task_was_not_given_goes_as_usual(lab: Lab, delete: Delete) -> None:
    lab.sent("first")
    forget(lab)
    lab.send("a")
    assert delete() == {}, "it is learnt now"
    lab.send("b")
    assert lab.transfer() == 0
    assert delete() == {"a": LOST}
    assert files(lab.source).keys() == {"a"}


def test_a_twin_at_the_destination_that_others_put_there_keeps_nothing(
    lab: Lab, delete: Delete
) -> None:
    lab.send("a.txt")
    put(lab.destination / "A.TXT", "somebody else's", 1)
    assert delete() == {}
    assert files(lab.source) == {}


def test_a_file_stays_while_a_twin_that_was_not_sent_yet_stands_beside_it(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.send("A.txt")
    lab.write("a.txt")
    capsys.readouterr()
    assert lab.delete("-v") == 0
    assert set(files(lab.source)) == {"A.txt", "a.txt"}
    assert "Keep /src/A.txt: another name differs" in capsys.readouterr().err
