"""delete.py keeps every file that is not verified, and -v shows the reason."""

import logging
import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, files, put, too_large

RACY = "modified within 2 s of the scan"
OPEN = "its transfer is in progress"
ALIKE = "another name differs from its name only in case or Unicode form"
MISSING = "its copy is missing at the destination"
CHANGED = "it has changed since it was transferred: "


@pytest.fixture
def delete(lab: Lab, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, str]]:
    """Return a function that runs delete.py -v and returns the reason for each kept file."""

    def run(code: int = 0) -> dict[str, str]:
        assert lab.delete("-v") == code
        lines = capsys.readouterr().err.splitlines()
        kept = [line[len("Keep /src/") :] for line in lines if line.startswith("Keep /src/")]
        return dict(line.split(": ", 1) for line in kept)

    return run


Delete = Callable[..., dict[str, str]]


def test_a_file_stays_while_its_task_is_in_progress(lab: Lab, delete: Delete) -> None:
    lab.given_transferred("first")  # with a recursive task, for which there is another rule
    lab.world.completion = CompletionPolicy.after_polls(2)
    lab.write_and_transfer("a")
    assert delete() == {"a": OPEN}
    assert files(lab.source).keys() == {"a"}


def test_all_files_stay_while_a_recursive_task_is_in_progress(lab: Lab, delete: Delete) -> None:
    lab.configure(SETTLE_SECONDS=30)
    lab.write_and_transfer("a", "b")
    assert lab.transfer() == 0
    lab.write("a", "written to just now", age=1)
    lab.world.completion = CompletionPolicy.after_polls(3)
    assert lab.transfer("--full") == 0
    store = lab.store()
    tasks = {path: lab.task_of(path) for path in ("/src/a", "/src/b")}
    assert not tasks["/src/a"].in_progress, "its record is that of an older task"
    assert not tasks["/src/b"].in_progress, "a delivered record is not overwritten"
    (full,) = store.tasks_in_progress("transfer").values()
    assert full.recursive
    assert delete() == {"a": OPEN, "b": OPEN}
    assert files(lab.source).keys() == {"a", "b"}


def test_a_file_modified_within_2_s_of_the_scan_stays(lab: Lab, delete: Delete) -> None:
    lab.write_and_transfer("a", age=0)
    assert delete() == {"a": RACY}
    assert files(lab.source).keys() == {"a"}


def test_a_file_with_a_future_mtime_is_not_racy(lab: Lab, delete: Delete) -> None:
    lab.write_and_transfer("a", age=-3 * 86400)
    assert delete() == {}
    assert files(lab.source) == {}


def test_an_excluded_file_stays_though_it_was_sent_before(lab: Lab, delete: Delete) -> None:
    lab.write_and_transfer("a.log", "old/b", "old/deep/c", "d")
    lab.configure(EXCLUDE=["*.log", "ol?"])
    assert set(delete().items()) == {
        (name, "it is excluded") for name in ("a.log", "old/b", "old/deep/c")
    }
    assert files(lab.source).keys() == {"a.log", "old/b", "old/deep/c"}


def test_a_delivered_file_is_deleted_after_keep_days(lab: Lab, delete: Delete) -> None:
    lab.configure(KEEP_DAYS=1.5)
    lab.write_and_transfer("a")
    assert delete() == {"a": "transferred less than KEEP_DAYS ago"}
    lab.advance(1.5 * 86400 - 60)
    assert delete().keys() == {"a"}
    lab.advance(60)
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
def test_names_that_differ_only_in_case_or_form_both_stay(
    one: str, other: str, lab: Lab, delete: Delete
) -> None:
    lab.write_and_transfer(one, other, "distinct", "run/distinct")
    # Until one is there, the other one waits if its name has two Unicode forms.
    assert lab.transfer() == 0
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
def test_a_missing_or_truncated_copy_is_sent_again(
    harm: Callable[[Lab], None], reason: str, lab: Lab, delete: Delete
) -> None:
    """The file is deleted once its new copy is verified."""
    lab.write_and_transfer("a", "b")
    harm(lab)
    assert delete(1) == {"a": reason}
    assert files(lab.source) == {"a": b"the content of a"}
    assert lab.records() == set()
    assert lab.transfer() == 0
    lab.advance(10)
    assert delete() == {}
    assert files(lab.source) == {}
    assert files(lab.destination) == {name: f"the content of {name}".encode() for name in "ab"}


def unmount(copy: Path) -> None:
    """Leave an empty directory, as an unmounted disk does."""
    shutil.rmtree(copy)
    copy.mkdir()


@pytest.mark.parametrize("act", [shutil.rmtree, unmount, lambda copy: (copy / "a").unlink()])
def test_a_missing_or_empty_destination_drops_no_records(
    act: Callable[[Path], None], lab: Lab, delete: Delete
) -> None:
    """Its disk may not be mounted: one alert, and nothing is deleted or sent again."""
    lab.configure(DST_DIR="/dst/copy")
    lab.write_and_transfer("a")
    assert lab.transfer() == 0, "the marker is there"
    act(lab.destination / "copy")
    assert delete(1) == {"a": MISSING}
    assert files(lab.source).keys() == {"a"}
    assert lab.records() == {"/src/a"}
    assert [alert["kind"] for alert in lab.health()["alerts"]] == ["destination"]
    assert lab.transfer() == 0
    assert len(lab.submitted()) == 1, "a cleared destination starts no transfer"


def no_longer_verified(lab: Lab) -> None:
    """Turn verification off, as the alert advises."""
    lab.configure(VERIFY_DESTINATION=False)


def no_longer_there(lab: Lab) -> None:
    """Remove the file of the alert at the source by hand."""
    (lab.source / "a").unlink()
    lab.write("b", "which has not been sent yet")


@pytest.mark.parametrize("act", [no_longer_verified, no_longer_there])
def test_a_missing_destination_is_resolved_once_not_needed(
    lab: Lab, act: Callable[[Lab], None]
) -> None:
    """It is needed while the copy of some file has to be verified there."""
    lab.configure(DST_DIR="/dst/copy")
    lab.write_and_transfer("a")
    (lab.destination / "copy/a").unlink()
    assert lab.delete() == 1
    act(lab)
    lab.configure(DST_DIR="/dst/other")
    assert (lab.transfer(), lab.delete()) == (0, 0)
    assert lab.alerts() == {}


def test_a_destination_that_returns_during_a_run_is_no_alert(lab: Lab) -> None:
    lab.write_and_transfer("a")
    missing = {"code": "ClientError.NotFound", "message": "m", "request_id": "r", "resource": "/"}
    lab.world.faults.add(
        "ls", match=lambda request: request.query["path"] == "/dst", status=404, body=missing
    )
    assert lab.delete() == 0
    assert files(lab.source) == {}
    assert lab.alerts() == {}


def test_a_subdirectory_missing_at_the_destination_is_sent_again(lab: Lab, delete: Delete) -> None:
    lab.write_and_transfer("run/a", "b")
    shutil.rmtree(lab.destination / "run")
    assert delete(1) == {"run/a": MISSING}
    assert files(lab.source).keys() == {"run/a"}
    assert lab.records() == set()


def test_copies_in_a_huge_directory_are_verified_one_by_one(lab: Lab, delete: Delete) -> None:
    """Globus cannot list a directory that is too large."""
    lab.write_and_transfer("run/a", "run/b")
    (lab.destination / "run" / "b").unlink()
    too_large(lab, "/dst/run")
    assert delete(1) == {"run/b": MISSING}
    assert files(lab.source).keys() == {"run/b"}


def test_a_file_whose_copy_cannot_be_verified_stays(lab: Lab, delete: Delete) -> None:
    """It is an alert until the destination answers."""
    lab.write_and_transfer("run/a", "run/c", "b")
    too_large(lab, "/dst/run")
    lab.world.faults.add("stat", times=None, status=403, body={"code": "PermissionDenied"})
    kept = delete(1)
    assert kept.keys() == {"run/a", "run/c"}
    for reason in kept.values():
        assert reason.startswith(
            "the destination could not be asked about its copy: Code: PermissionDenied"
        )
    assert files(lab.source).keys() == {"run/a", "run/c"}
    assert lab.records() == {"/src/run/a", "/src/run/c"}
    assert [each.route for each in lab.world.requests].count("stat") == 1, "one shows it for all"
    text = lab.alerts()["destination"]
    assert "/dst/run at the destination collection" in text
    lab.world.faults.clear()
    assert delete() == {}
    assert (files(lab.source), lab.alerts()) == ({}, {})


def test_a_file_that_cannot_be_checked_at_the_source_stays(lab: Lab, delete: Delete) -> None:
    lab.write_and_transfer("run/a", "run/b", "z/c")
    too_large(lab, "/src/run")
    lab.world.faults.add(
        "stat", status=403, body={}, match=lambda request: request.query["path"].endswith("/b")
    )
    kept = delete(0)
    assert kept.keys() == {"run/b"}
    assert kept["run/b"].startswith("the source could not be asked about it: HTTP status: 403")
    assert files(lab.source).keys() == {"run/b"}


def test_nothing_is_deleted_while_the_destination_is_offline(lab: Lab, delete: Delete) -> None:
    lab.write_and_transfer("a")
    lab.dst.connected = False
    delete(1)
    assert files(lab.source).keys() == {"a"}
    assert lab.records() == {"/src/a"}


def test_an_unreachable_earlier_destination_stops_nothing_else(lab: Lab, delete: Delete) -> None:
    lab.write_and_transfer("a")
    other = lab.home / "other"
    other.mkdir()
    endpoint = lab.world.add_endpoint(other, name="other", mount="/other")
    lab.configure(DST_ID=endpoint.id, DST_DIR="/other")
    lab.write_and_transfer("b")
    lab.dst.connected = False
    kept = delete(1)
    assert kept == {"a": f"the destination could not be asked about its copy: {lab.dst.id}"}
    assert files(lab.source).keys() == {"a"}
    assert lab.records() == {"/src/a"}


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
    lab.write_and_transfer("b")
    put(lab.source / "a", content, mtime + shift)
    assert delete() == {"a": CHANGED + how}
    assert files(lab.source) == {"a": content.encode()}


def test_a_file_changed_while_its_copy_is_verified_stays(lab: Lab, delete: Delete) -> None:
    lab.write_and_transfer("run/a", "b")
    lab.world.faults.add_hook(
        "ls",
        lambda _request: lab.write("run/a", "changed meanwhile", age=0),
        match=lambda request: request.query["path"] == "/dst/run",
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
def test_a_path_that_is_no_longer_a_plain_file_stays(
    act: Callable[[Lab], None], lab: Lab, delete: Delete
) -> None:
    lab.write_and_transfer("a", "b")
    act(lab)
    before = {path: os.lstat(path).st_ino for path in lab.source.rglob("a*")}
    assert delete() == {"a": "it is gone from the source, or no longer a plain file"}
    assert {path: os.lstat(path).st_ino for path in lab.source.rglob("a*")} == before


def test_a_file_behind_a_symlinked_directory_stays(lab: Lab, delete: Delete) -> None:
    lab.configure(SRC_DIR="/src/data")
    lab.write_and_transfer("data/run/a", "data/b")
    (lab.source / "data" / "run").rename(lab.source / "moved")
    (lab.source / "data" / "run").symlink_to(lab.source / "moved")
    kept = delete()
    assert files(lab.source).keys() == {"data/run", "moved/a"}
    assert kept == {"data/run/a": "a symbolic link may lead to it"}


def test_a_file_that_globus_skipped_stays_and_is_sent_again(lab: Lab, delete: Delete) -> None:
    lab.world.skip_paths("/src/a")
    lab.write_and_transfer("a", "b")
    delete(1)
    assert files(lab.source).keys() == {"a"}
    lab.world.skipped_paths.clear()
    lab.write_and_transfer("c")
    assert delete() == {}
    assert files(lab.source) == {}


def fail(lab: Lab) -> None:
    lab.world.fail_next()


def forget(lab: Lab) -> None:
    lab.world.faults.add_hook("transfer", lambda _request: lab.world.tasks.clear(), when="after")


LOST = "a task that Globus no longer shows may still be writing its copy"


@pytest.mark.parametrize(
    ("harm", "code", "kept"), [(fail, 1, {}), (forget, 0, {"a": LOST, "b": LOST})]
)
def test_the_files_of_a_failed_or_unknown_task_stay(
    harm: Callable[[Lab], None], code: int, kept: dict[str, str], lab: Lab, delete: Delete
) -> None:
    harm(lab)
    lab.write_and_transfer("a")
    delete(code)
    assert files(lab.source).keys() == {"a"}
    assert lab.records() == set()
    lab.write_and_transfer("b")
    assert files(lab.destination).keys() == {"a", "b"}
    assert delete() == kept
    assert files(lab.source).keys() == kept.keys()
    lab.advance(86_400 - 60)
    assert delete() == kept
    lab.advance(60)
    assert delete() == {}
    assert files(lab.source) == {}


def test_files_that_a_lost_task_did_not_have_go_as_usual(lab: Lab, delete: Delete) -> None:
    lab.given_transferred("first")
    forget(lab)
    lab.write_and_transfer("a")
    assert delete() == {}, "this run is the first to see it"
    lab.write_and_transfer("b")
    assert lab.transfer() == 0
    assert delete() == {"a": LOST}
    assert files(lab.source).keys() == {"a"}


def test_a_similar_name_at_the_destination_keeps_nothing(lab: Lab, delete: Delete) -> None:
    """Others put a file there whose name differs only in case."""
    lab.write_and_transfer("a.txt")
    put(lab.destination / "A.TXT", "somebody else's", 1)
    assert delete() == {}
    assert files(lab.source) == {}


def test_a_file_stays_while_a_similar_name_is_not_yet_sent(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two names that differ only in case may be one at the destination."""
    lab.write_and_transfer("A.txt")
    lab.write("a.txt")
    capsys.readouterr()
    assert lab.delete("-v") == 0
    assert set(files(lab.source)) == {"A.txt", "a.txt"}
    assert "Keep /src/A.txt: another name differs" in capsys.readouterr().err


def test_keep_days_is_the_reason_only_after_the_others_whoever_looks(
    lab: Lab, delete: Delete
) -> None:
    """The counts are the same with a log file by file and without one."""
    lab.configure(KEEP_DAYS=1)
    lab.write_and_transfer("a", "b", "out/c", "d.tmp")
    lab.write_and_transfer("racy", age=0)
    lab.configure(KEEP_DAYS=1, EXCLUDE=["*.tmp", "out"])
    days, out = "transferred less than KEEP_DAYS ago", "it is excluded"
    assert delete() == {"a": days, "b": days, "out/c": out, "d.tmp": out, "racy": RACY}
    shown = lab.health()["kept"]["files"]
    logger = logging.getLogger("globus_auto.steps.session")
    logger.setLevel(logging.INFO)
    try:
        assert lab.delete() == 0
    finally:
        logger.setLevel(logging.NOTSET)
    assert lab.health()["kept"]["files"] == shown == {days: 2, out: 2, RACY: 1}
