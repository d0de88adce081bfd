"""What transfer and delete tasks do to files, and what they report."""

import os
import time
from typing import NoReturn

import globus_sdk
import pytest
import time_machine

from tests.sandbox.conftest import Site, api_error


def test_a_file_is_copied_with_its_checksum_and_mtime(site: Site) -> None:
    """Missing parent directories are created."""
    os.utime(site.write("a b/ü.txt", b"12345"), (1_600_000_000.7, 1_600_000_000.7))
    task = site.transfer(
        ("/a b/ü.txt", "/deep/er/ü.txt", False), verify_checksum=True, preserve_timestamp=True
    )
    assert (site.dst / "deep/er/ü.txt").read_bytes() == b"12345"
    assert (site.dst / "deep/er/ü.txt").stat().st_mtime == 1_600_000_000
    found = site.client.get_task(task)
    assert (found["status"], found["nice_status"], found["is_ok"]) == ("SUCCEEDED", None, None)
    assert (found["files"], found["files_transferred"], found["subtasks_total"]) == (1, 1, 2)
    assert (found["subtasks_succeeded"], found["bytes_transferred"]) == (2, 5)
    (sent,) = site.client.task_successful_transfers(task)
    assert (sent["checksum"], sent["size"]) == ("827ccb0eea8a706c4c34a16891f84e7b", 5)
    assert site.event_codes(task) == ["SUCCEEDED", "PROGRESS", "STARTED"]


def test_a_directory_is_merged_according_to_filter_rules(site: Site) -> None:
    """Symlinks and special files in it are left out."""
    for name in ("keep.txt", "drop.tmp", "sub/keep.dat", "skip/inside.txt", "empty/x.tmp"):
        site.write(name)
    (site.src / "link").symlink_to("keep.txt")
    os.mkfifo(site.src / "pipe")
    (site.dst / "all").mkdir()
    (site.dst / "all/older").write_text("older")
    data = globus_sdk.TransferData(site.source.id, site.destination.id)
    data.add_item("/", "/all", recursive=True)
    data.add_filter_rule("keep*", method="include", type="file")
    data.add_filter_rule("skip", type="dir")
    data.add_filter_rule("*.tmp")
    site.client.submit_transfer(data)
    arrived = sorted(str(path.relative_to(site.dst)) for path in site.dst.rglob("*"))
    assert arrived == [
        "all",
        "all/empty",
        "all/keep.txt",
        "all/older",
        "all/sub",
        "all/sub/keep.dat",
    ]


def test_an_item_without_recursive_is_a_file_or_directory(site: Site) -> None:
    """An item that is a symlink is followed."""
    site.write("dir/file", b"1")
    (site.src / "link").symlink_to("dir/file")
    task = site.transfer(("/dir", "/dir"), ("/link", "/link"))
    assert (site.dst / "dir/file").read_bytes() == (site.dst / "link").read_bytes() == b"1"
    assert not (site.dst / "link").is_symlink()
    assert site.client.get_task(task)["directories"] == 1


@pytest.mark.parametrize(
    ("level", "sent"),
    [
        (None, ["same", "bigger", "newer", "older", "other", "absent"]),
        ("exists", ["absent"]),
        ("size", ["bigger", "absent"]),
        ("mtime", ["newer", "absent"]),
        ("checksum", ["bigger", "other", "absent"]),
    ],
)
def test_a_sync_level_skips_files_that_are_equal(
    site: Site, level: str | None, sent: list[str]
) -> None:
    names = ["same", "bigger", "newer", "older", "other", "absent"]
    for name in names:
        path = site.write(name, {"bigger": b"12345", "other": b"4321"}.get(name, b"1234"))
        os.utime(path, (1000 + 60 * ((name == "newer") - (name == "older")),) * 2)
        if name != "absent":
            (site.dst / name).write_bytes(b"1234")
            os.utime(site.dst / name, (1000, 1000))
    options = {} if level is None else {"sync_level": level}
    task = site.transfer(*((f"/{name}", f"/{name}", False) for name in names), **options)
    assert site.transferred(task) == [f"/{name}" for name in sent]
    found = site.client.get_task(task)
    assert (found["files"], found["files_skipped"]) == (6, 6 - len(sent))
    assert (found["subtasks_total"], found["subtasks_succeeded"]) == (12, 12)
    assert found["bytes_checksummed"] == (16 if level == "checksum" else 0)


def test_skip_source_errors_skips_paths_that_fail(site: Site) -> None:
    for name in ("good", "denied", "dir/inside"):
        site.write(name)
    site.world.skip_paths("/denied")
    items = [("/good", "/good"), ("/denied", "/denied"), ("/gone", "/gone"), ("/dir", "/dir")]
    items.append(("/good/below", "/below"))
    task = site.transfer(*((*item, False) for item in items), skip_source_errors=True)
    found = site.client.get_task(task)
    assert (found["status"], found["subtasks_skipped_errors"]) == ("SUCCEEDED", 4)
    assert (found["files"], found["files_transferred"]) == (1, 1)
    assert (found["subtasks_total"], found["subtasks_succeeded"]) == (6, 2)
    assert site.transferred(task) == ["/good"]
    assert site.skipped_errors(task) == {
        "/denied": "PERMISSION_DENIED",
        "/gone": "FILE_NOT_FOUND",
        "/dir/": "FILE_NOT_FOUND",
        "/good/below": "FILE_NOT_FOUND",
    }
    flags = {
        each["source_path"]: each["is_directory"] for each in site.client.task_skipped_errors(task)
    }
    assert [path for path, is_directory in flags.items() if is_directory] == ["/dir/"]
    assert "SKIPPED_ERRORS" in site.event_codes(task)


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (("/gone", "/x", False), "FILE_NOT_FOUND"),
        (("/dir", "/x", False), "IS_A_DIRECTORY"),
        (("/good", "/x", True), "NOT_A_DIRECTORY"),
        (("/pipe", "/x"), "NOT_A_FILE"),
        (("/good", "/taken", False), "IS_A_DIRECTORY"),
        (("/good", "/file/below", False), "NOT_A_DIRECTORY"),
        (("/dir", "/file", True), "NOT_A_DIRECTORY"),
    ],
)
def test_an_error_keeps_a_task_active_until_its_deadline(
    site: Site, item: tuple[str, str, bool] | tuple[str, str], code: str
) -> None:
    site.write("good")
    site.write("dir/inside")
    os.mkfifo(site.src / "pipe")
    (site.dst / "taken").mkdir()
    (site.dst / "file").write_text("")
    with time_machine.travel(time.time(), tick=False) as clock:
        task = site.transfer(("/good", "/arrived", False), item, deadline="2100-01-01")
        found = site.client.get_task(task)
        assert (found["status"], found["nice_status"], found["is_ok"]) == ("ACTIVE", code, False)
        assert (found["faults"], found["subtasks_pending"], found["subtasks_retrying"]) == (1, 1, 0)
        assert api_error(site.client.task_successful_transfers, task)[0] == 400
        assert api_error(site.client.task_skipped_errors, task)[0] == 400
        assert site.event_codes(task) == [code, "STARTED"]
        clock.move_to("2100-01-02T00:00:00+00:00")
        found = site.client.get_task(task)
    assert (found["status"], found["fatal_error"]["code"]) == ("FAILED", "EXPIRED")
    assert found["subtasks_expired"] == 1
    with time_machine.travel("2100-01-03T00:00:00+00:00", tick=False):
        assert site.transferred(task) == ["/good"]


def test_a_missing_file_is_copied_once_it_appears(site: Site) -> None:
    task = site.transfer(("/late", "/late", False))
    found = site.client.get_task(task)
    counters = [found[f"subtasks_{name}"] for name in ("total", "pending", "retrying", "succeeded")]
    assert (found["status"], found["files"], found["faults"]) == ("ACTIVE", 0, 1)
    assert counters == [1, 1, 0, 0]
    site.write("late")
    assert site.client.get_task(task)["status"] == "SUCCEEDED"


def test_a_full_disk_has_its_own_error_code(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write("good")

    def full(*_arguments: object, **_options: object) -> NoReturn:
        raise OSError(errno, "full")

    monkeypatch.setattr(os, "makedirs", full)
    errno = 28
    stuck = site.client.get_task(site.transfer(("/good", "/a", False)))
    assert (stuck["status"], stuck["nice_status"]) == ("ACTIVE", "NO_SPACE_LEFT")
    errno = 122
    failed = site.client.get_task(site.transfer(("/good", "/b"), fail_on_quota_errors=True))
    assert failed["fatal_error"]["code"] == "QUOTA_EXCEEDED"


def test_a_file_is_never_copied_onto_itself(site: Site) -> None:
    site.write("file", b"1234")
    same = site.world.add_endpoint(site.src, "same place")
    data = globus_sdk.TransferData(site.source.id, same.id)
    data.add_item("/file", "/file")
    task = site.client.submit_transfer(data)["task_id"]
    assert site.client.get_task(task)["nice_status"] == "ENDPOINT_ERROR"
    assert (site.src / "file").read_bytes() == b"1234"


def test_a_delete_removes_files_directories_and_symlinks(site: Site) -> None:
    for name in ("file", "dir/inside", "kept/inside", "two/a.tmp", "two/b.tmp", "two/c", "*"):
        site.write(name)
    (site.src / "link").symlink_to("kept")
    task = site.delete("/file", "/link", "/gone", ignore_missing=True)
    assert site.client.get_task(task)["status"] == "SUCCEEDED"
    assert sorted(os.listdir(site.src)) == ["*", "dir", "kept", "two"]
    found = site.client.get_task(site.delete("/dir"))
    assert (found["status"], found["fatal_error"]["code"]) == ("FAILED", "IS_A_DIRECTORY")
    assert (found["destination_endpoint_id"], found["type"]) == (None, "DELETE")
    found = site.client.get_task(site.delete("/gone"))
    assert (found["fatal_error"]["code"], found["subtasks_failed"]) == ("FILE_NOT_FOUND", 1)
    site.delete("/dir", "/*", recursive=True)
    assert sorted(os.listdir(site.src)) == ["kept", "two"]
    site.delete("/two/*.tmp", r"/two/\*", interpret_globs=True, ignore_missing=True)
    assert os.listdir(site.src / "two") == ["c"]
    site.delete("/two/c", interpret_globs=True)
    assert os.listdir(site.src / "two") == []
    for path in ("/", "/link/../../.."):
        stuck = site.client.get_task(site.delete(path, recursive=True))
        assert (stuck["status"], stuck["nice_status"]) == ("ACTIVE", "PERMISSION_DENIED")
    assert (site.src / "kept/inside").exists()


def test_recursive_items_do_not_see_missed_paths(site: Site) -> None:
    """Clearing missed_paths makes them visible again."""
    for name in ("seen/file", "gone/file", "seen/gone.txt", "item.txt"):
        site.write(name)
    site.world.miss_paths("/gone/", "/seen/gone.txt", "/item.txt")
    task = site.transfer(("/", "/all/", True), skip_source_errors=True)
    found = site.client.get_task(task)
    assert (found["status"], found["files"], found["directories"]) == ("SUCCEEDED", 1, 2)
    assert (site.transferred(task), site.skipped_errors(task)) == (["/seen/file"], {})
    assert site.event_codes(task) == ["SUCCEEDED", "PROGRESS", "STARTED"]
    assert site.transferred(site.transfer(("/item.txt", "/item.txt", False))) == ["/item.txt"]
    site.world.missed_paths.clear()
    task = site.transfer(("/", "/all/", True))
    assert len(site.transferred(task)) == 4
