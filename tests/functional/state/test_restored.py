"""The delivered records of a datastore that was restored from a backup do not count."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest

from globus_auto.sandbox.submissions import read
from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, files, put
from tests.mail import Mailbox


def rewind(lab: Lab) -> Path:
    """Send `a`, back up CODE_PATH, send other content of `a`, and restore its first content.

    Return the backup. By its records the first content was delivered, but the destination has the
    other content, of equal size.
    """
    lab.configure(VERIFY_DESTINATION=False)
    lab.given_transferred("b")
    first = put(lab.source / "a", "first ", lab.write("c").stat().st_mtime)
    time = first.stat().st_mtime
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    backup = Path(shutil.copytree(lab.state, lab.home / "backup"))
    lab.advance(600)
    lab.write("a", "second")
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    put(first, "first ", time)
    return backup


def test_nothing_is_deleted_with_a_restored_datastore(lab: Lab, mailbox: Mailbox) -> None:
    shutil.copy(rewind(lab) / "datastore", lab.state)
    assert lab.delete() == 1
    assert files(lab.source).keys() == {"a", "b", "c"}
    assert lab.records() == set()
    (message,) = mailbox.texts()
    assert "it was restored from a backup" in message
    assert "so 3 files will be compared with the destination again" in message
    assert "Nothing to do." in message
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert files(lab.destination)["a"] == b"first "
    assert (files(lab.source), lab.alerts()) == ({}, {})
    lab.advance(100_000)
    assert lab.transfer() == 0
    assert len(mailbox.messages) == 1, "it ends silently"


def test_a_newer_task_at_globus_shows_a_restored_code_path(lab: Lab, mailbox: Mailbox) -> None:
    """The health file is as old as the datastore; Globus lists a newer task."""
    backup = rewind(lab)
    shutil.rmtree(lab.state)
    shutil.copytree(backup, lab.state)
    assert lab.delete() == 1
    assert files(lab.source).keys() == {"a", "b", "c"}
    assert lab.records() == set()
    (message,) = mailbox.texts()
    assert "it was restored from a backup" in message
    assert [lab.transfer(), lab.transfer(), lab.delete()] == [0, 0, 0]
    assert files(lab.destination)["a"] == b"first "
    assert (files(lab.source), len(mailbox.messages)) == ({}, 1)


@pytest.mark.parametrize("program", ["transfer", "delete"])
def test_a_missing_health_file_is_no_sign_of_a_restore(
    lab: Lab, mailbox: Mailbox, program: str
) -> None:
    lab.configure(KEEP_DAYS=1)
    lab.given_transferred("a", "b")
    before = lab.datastore_bytes()
    lab.advance(600)
    (lab.state / "datastore.health").unlink()
    assert getattr(lab, program)() == 0
    assert (lab.datastore_bytes(), mailbox.messages) == (before, [])
    assert lab.records() == {"/src/a", "/src/b"}


def test_a_new_datastore_starts_above_the_last_generation(lab: Lab) -> None:
    """Else a backup of the deleted datastore would look newer."""
    lab.given_transferred("a", "b")
    backup = lab.datastore_bytes()
    assert backup
    last = lab.store().generation
    assert lab.health()["generation"] == last
    (lab.state / "datastore").unlink()
    assert lab.transfer() == 0
    assert lab.store().generation > last
    assert lab.health()["generation"] == lab.store().generation
    (lab.state / "datastore").write_bytes(backup)
    assert lab.transfer() == 1
    assert "restored" in lab.alerts()


def test_the_generation_rises_with_each_save_above_the_highest(lab: Lab) -> None:
    lab.given_transferred("a")
    backup = lab.datastore_bytes()
    assert backup
    lab.given_transferred("b")
    highest = lab.health()["generation"]
    (lab.state / "datastore").write_bytes(backup)
    assert lab.delete() == 1
    assert lab.store().generation > highest
    assert lab.transfer() == 0, "it is reported once"


def test_a_restored_datastore_keeps_all_but_delivered_records(lab: Lab) -> None:
    """Mappings, tasks in progress and quarantined directories stay."""
    lab.configure(SRC_DIR="/src/one", DST_DIR="/dst/one")
    lab.given_transferred("one/a")
    assert lab.delete() == 0
    (lab.source / "one" / "x").mkdir()
    assert lab.transfer() == 0
    lab.write("one/stays")
    lab.world.faults.add("delete", status=503, times=None)
    assert lab.delete() == 1
    lab.world.faults.clear()
    lab.world.completion = CompletionPolicy.after_polls(9)
    lab.write("one/b")
    assert lab.transfer() == 0
    quarantines = lab.store().quarantined
    assert quarantines
    backup = lab.datastore_bytes()
    assert backup
    lab.advance(600)
    lab.write("one/c")
    assert lab.transfer() == 0
    (lab.state / "datastore").write_bytes(backup)
    assert lab.transfer("-n") == 1
    assert lab.transfer() == 1
    store = lab.store()
    assert [mapping.pair for mapping in store.mappings] == [("/src/one", lab.dst.id, "/dst/one")]
    assert store.quarantined == quarantines
    assert lab.task_of("/src/one/b").in_progress
    lab.world.completion = CompletionPolicy.at_once()
    for task in lab.world.tasks.values():
        task.completion = CompletionPolicy.at_once()
    assert [lab.transfer(), lab.transfer(), lab.delete()] == [0, 0, 0]
    assert files(lab.destination / "one").keys() == {"a", "b", "c", "stays"}
    assert files(lab.source) == {}


def test_a_task_in_progress_without_a_record_is_waited_for(lab: Lab) -> None:
    """It may still write copies: its files are not sent a second time, and nothing is deleted."""
    lab.given_transferred("a")
    backup = lab.datastore_bytes()
    assert backup
    lab.advance(600)
    lab.world.completion = CompletionPolicy.after_polls(4)
    lab.write_and_transfer("b")
    (lab.state / "datastore").write_bytes(backup)
    lab.world.requests.clear()
    assert lab.transfer() == 1
    assert lab.submitted() == []
    assert lab.delete() == 0
    assert files(lab.source).keys() == {"a", "b"}
    lab.world.completion = CompletionPolicy.at_once()
    for _ in range(5):
        lab.transfer()
    assert lab.delete() == 0
    assert (files(lab.source), files(lab.destination).keys()) == ({}, {"a", "b"})


def test_two_machines_one_after_the_other_lose_nothing(lab: Lab, mailbox: Mailbox) -> None:
    """Each has a CODE_PATH of its own, and the same directories."""
    here, there = f"{lab.state}/", f"{lab.home}/machine2/"
    (lab.home / "machine2").mkdir()
    lab.configure(VERIFY_DESTINATION=False)
    time = lab.write("a", "first ").stat().st_mtime
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    lab.advance(600)
    lab.configure(CODE_PATH=there)
    lab.write("a", "second")
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert files(lab.destination) == {"a": b"second"}
    lab.advance(600)
    put(lab.source / "a", "first ", time)
    lab.configure(CODE_PATH=here)
    assert lab.delete() == 1
    assert "restored from a backup" in mailbox.texts()[-1]
    assert files(lab.source) == {"a": b"first "}
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert (files(lab.source), files(lab.destination)) == ({}, {"a": b"first "})


def test_tasks_of_another_mapping_are_no_sign_of_a_restore(lab: Lab, mailbox: Mailbox) -> None:
    lab.configure(SRC_DIR="/src/one", DST_DIR="/dst/one")
    lab.given_transferred("one/a")
    lab.advance(600)
    (lab.home / "machine2").mkdir()
    lab.configure(SRC_DIR="/src/two", DST_DIR="/dst/two", CODE_PATH=f"{lab.home}/machine2/")
    lab.given_transferred("two/b")
    lab.advance(600)
    lab.configure(SRC_DIR="/src/one", DST_DIR="/dst/one", CODE_PATH=f"{lab.state}/")
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert (files(lab.source).keys(), mailbox.messages) == ({"two/b"}, [])


def test_a_task_in_progress_behind_1000_others_is_waited_for(lab: Lab) -> None:
    """Globus lists 1000 tasks in one answer, and other programs of this user may have more."""
    lab.world.completion = CompletionPolicy.after_polls(4)
    lab.write_and_transfer("a")
    lab.world.completion = CompletionPolicy.at_once()
    (owner,) = {task.owner for task in lab.world.tasks.values()}
    for _ in range(1001):
        item = {"DATA_TYPE": "delete_item", "path": "/src/not there"}
        document: dict[str, Any] = {"DATA_TYPE": "delete", "DATA": [item], "endpoint": lab.src.id}
        document |= {"submission_id": str(uuid.uuid4()), "ignore_missing": True}
        lab.world.engine.accept(read("DELETE", document), owner)
    (lab.state / "datastore").unlink()
    lab.world.requests.clear()
    lab.write("a", "newer")
    assert lab.transfer() == 0
    assert lab.submitted() == []
