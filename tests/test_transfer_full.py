"""--full: everything as one recursive task, whether it was sent before or not."""

from globus_auto.sandbox.world import Pace
from tests.conftest import Lab, files


def test_full_compares_everything_with_the_destination_again(lab: Lab):
    lab.sent("a.txt", "d/b.txt")
    (lab.destination / "a.txt").unlink()
    (lab.destination / "d/b.txt").write_text("DATA")
    lab.later(5)
    lab.write("new.txt")
    assert lab.transfer("--full") == 0
    (document,) = lab.submitted()
    assert [
        (item["source_path"], item["destination_path"], item["recursive"])
        for item in document["DATA"]
    ] == [("/src", "/dst", True)]
    assert files(lab.destination) == files(lab.source)
    store = lab.store()
    numbers = {path: store.record(path).task for path in ("/src/a.txt", "/src/d/b.txt")}
    assert set(numbers.values()) < {*store.tasks}, "what was delivered stays delivered"
    assert not any(store.tasks[number].open for number in numbers.values())
    new = store.tasks[store.record("/src/new.txt").task]
    assert new.recursive and new.open
    assert lab.entries() == {"/src/a.txt", "/src/d/b.txt", "/src/new.txt"}


def test_full_sends_all_in_one_task_however_many_files_a_task_may_have(lab: Lab):
    lab.configure(FILES_PER_TASK=1)
    lab.sent("a.txt", "b.txt", "c.txt")
    assert lab.transfer("--full") == 0
    assert len(lab.submitted()) == 1


def test_full_waits_while_a_transfer_is_open_and_says_so(lab: Lab, capfd):
    lab.sent("a.txt")
    lab.world.pace = Pace.after_looks(2)
    lab.write("b.txt")
    assert lab.transfer() == 0
    lab.world.requests.clear()
    lab.write("c.txt")
    assert lab.transfer("--full") == 1
    (document,) = lab.submitted()  # what is new is sent as usual
    assert [item["source_path"] for item in document["DATA"]] == ["/src/c.txt"]
    assert "--full waits: 1 transfers of /src are under way" in capfd.readouterr().err
    assert lab.alerts().keys() == {"full"}
    while lab.store().tasks_in_progress("transfer"):
        lab.transfer()
    assert lab.transfer("--full") == 0
    assert lab.alerts() == {}


def test_while_a_full_task_is_open_everything_waits(lab: Lab):
    lab.sent("a.txt")
    lab.world.pace = Pace.after_looks(3)
    assert lab.transfer("--full") == 0
    lab.later(5)
    lab.write("b.txt")
    lab.write("d/c.txt")
    lab.write("a.txt", "changed", age=3)
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert len(lab.submitted()) == 1
    assert [lab.transfer() for _ in range(6)] == [0] * 6
    # The full task, when it was its turn, took everything along; checksums show it.
    assert len(lab.submitted()) == 2
    assert files(lab.destination) == files(lab.source)


def test_full_gives_no_entry_to_a_file_that_has_to_wait(lab: Lab):
    lab.sent("a.txt")
    lab.configure(SETTLE_SECONDS=60)
    lab.later(100)
    lab.write("busy.txt", age=5)
    lab.write("a.txt", "being written", age=5)
    old = lab.store().record("/src/a.txt")
    assert lab.transfer("--full") == 0
    assert lab.submitted() == []  # nothing but files that wait
    lab.write("quiet.txt", age=100)
    assert lab.transfer("--full") == 0
    assert lab.store().record("/src/a.txt") == old
    assert lab.entries() == {"/src/a.txt", "/src/quiet.txt"}
    lab.later(100)
    assert lab.transfer() == lab.transfer() == 0
    assert lab.entries() == {"/src/a.txt", "/src/busy.txt", "/src/quiet.txt"}


def test_a_first_full_run_is_one_task_though_something_has_to_wait(lab: Lab):
    lab.configure(SETTLE_SECONDS=60)
    lab.write("quiet.txt", age=100)
    lab.write("busy.txt", age=5)
    assert lab.transfer("--full") == 0
    assert [item["recursive"] for item in lab.submitted()[0]["DATA"]] == [True]
    assert lab.entries() == {"/src/quiet.txt"}


def test_full_excludes_by_filter_rules_what_is_excluded_and_names_of_its_own(lab: Lab):
    lab.configure(EXCLUDE=["*.tmp", "scratch"])
    aside = ".globus_auto_empty.0123456789ab"
    lab.sent("a.txt", "b.tmp", "scratch/c", "d/scratch/e")
    lab.write(f"d/{aside}/late.txt")
    lab.write("d/.globus_auto.notes")
    assert lab.transfer("--full") == 1
    assert f"/src/d/{aside} was moved aside" in lab.alerts()["aside"]
    (document,) = lab.submitted()
    assert [(rule["method"], rule["name"]) for rule in document["filter_rules"]] == [
        ("exclude", "*.tmp"),
        ("exclude", "scratch"),
        ("exclude", ".globus_auto*"),
    ]
    assert files(lab.destination).keys() == {"a.txt"}
    assert lab.entries() == {"/src/a.txt"}
    # Nor does a later run send it under that name.
    assert lab.transfer() == lab.transfer() == 1
    assert files(lab.destination).keys() == {"a.txt"}
    (lab.source / "d" / aside).rename(lab.source / "d" / "found")
    assert lab.transfer() == lab.transfer() == 0
    assert files(lab.destination).keys() == {"a.txt", "d/found/late.txt"}
    assert "aside" not in lab.alerts()


def test_the_first_run_leaves_directories_set_aside_alone_and_names_them(lab: Lab):
    aside = lab.source / "d" / ".globus_auto_empty.0123456789ab"
    lab.write("a.txt")
    lab.write(f"d/{aside.name}/late.txt")
    assert lab.transfer() == 1
    assert "It has late.txt." in lab.alerts()["aside"]
    assert lab.entries() == {"/src/a.txt"}
    assert files(lab.destination).keys() == {"a.txt"}
    aside.rename(lab.source / "d" / "found")
    assert lab.transfer() == lab.transfer() == 0
    assert files(lab.destination).keys() == {"a.txt", "d/found/late.txt"}
    assert lab.alerts() == {}


def test_full_does_not_begin_keep_days_anew(lab: Lab, capfd):
    lab.configure(KEEP_DAYS=2)
    lab.sent("a.txt")
    lab.later(86_400)
    (lab.destination / "a.txt").unlink()
    assert lab.transfer("--full", "-n") == 0
    assert "one recursive task" in capfd.readouterr().out
    assert [lab.transfer("--full"), lab.transfer()] == [0, 0]
    (document,) = lab.submitted()
    assert [item["recursive"] for item in document["DATA"]] == [True]
    assert files(lab.destination) == {"a.txt": b"data"}
    assert lab.delete() == 0
    assert files(lab.source) == {"a.txt": b"data"}
    lab.later(86_400)
    assert lab.delete() == 0
    assert files(lab.source) == {}


def test_full_submits_nothing_where_all_has_to_wait(lab: Lab):
    lab.sent("a.txt")
    lab.later(5)
    lab.configure(SETTLE_SECONDS=60)
    lab.write("a.txt", "changed", age=3)
    assert lab.transfer("--full") == 0
    assert lab.submitted() == []


def test_a_dry_full_run_prints_what_is_new_and_that_all_goes_along(lab: Lab, capfd):
    lab.sent("a.txt", "b.txt")
    lab.write("c.txt")
    assert lab.transfer("--full", "-n") == 0
    shown = capfd.readouterr().out.splitlines()
    assert [line for line in shown if line.startswith("transfer /")] == [
        "transfer /src/c.txt (4 bytes): new",
    ]
    assert "one recursive task, which compares every file with the destination" in shown
    assert lab.submitted() == []


def test_a_dry_full_run_to_another_destination_prints_everything(lab: Lab, capfd):
    lab.configure(DST_DIR="/dst/one")
    lab.sent("a.txt", "b.txt")
    lab.configure(DST_DIR="/dst/two")
    assert lab.transfer("--full", "-n") == 0
    shown = capfd.readouterr().out.splitlines()
    reason = "transferred elsewhere before, and --full asks for everything"
    assert [line for line in shown if line.startswith("transfer /")] == [
        f"transfer /src/a.txt (4 bytes): {reason}",
        f"transfer /src/b.txt (4 bytes): {reason}",
    ]
    assert lab.submitted() == []
    assert [lab.transfer("--full"), lab.transfer()] == [0, 0]
    assert files(lab.destination / "two").keys() == {"a.txt", "b.txt"}


def test_a_full_task_skipping_a_directory_sends_what_is_below_again(lab: Lab):
    lab.sent("a.txt", "df.txt")
    lab.write("d/b.txt")
    lab.write("d/e/c.txt")
    lab.world.skip_paths("/src/d")
    assert lab.transfer("--full") == 0
    lab.world.skipped_paths.clear()
    assert lab.transfer() == 1  # told that they were skipped, and sends them
    assert [item["source_path"] for item in lab.submitted()[-1]["DATA"]] == [
        "/src/d/b.txt",
        "/src/d/e/c.txt",
    ]
    assert lab.transfer() == 0
    assert files(lab.destination) == files(lab.source)


def test_what_a_full_task_skipped_that_nobody_knew_says_nothing_of_the_rest(lab: Lab):
    lab.write("a")
    lab.world.skip_paths("/src/late")
    lab.world.faults.hook("transfer", lambda _asked: lab.write("late"))
    assert lab.transfer() == 0
    lab.world.skipped_paths.clear()
    assert lab.transfer() == 1
    assert [item["source_path"] for item in lab.submitted()[-1]["DATA"]] == ["/src/late"]
