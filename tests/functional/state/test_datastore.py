"""A datastore that is damaged, unreadable or cannot be saved stops the run, and loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab import Lab, files, untouched
from tests.mail import Mailbox
from tests.processes import no_file_above


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def alter(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"status":"SUCCEEDED"', b'"status":"FAILED"'))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def replace_by_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_a_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


@pytest.fixture
def transferred(lab: Lab, mailbox: Mailbox) -> Lab:
    """Return a laboratory with a delivered file that could be deleted, and a new one."""
    assert mailbox.messages == []
    lab.given_transferred("sent")
    lab.write("new")
    return lab


@pytest.mark.parametrize("damage", [cut, alter, empty, replace_by_a_directory, replace_by_a_loop])
def test_a_damaged_datastore_stops_both_programs(
    transferred: Lab,
    mailbox: Mailbox,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Path], None],
) -> None:
    """There is one alert, and nothing is transferred, deleted or written."""
    path = transferred.state / "datastore"
    damage(path)
    before = untouched(path), files(transferred.source), files(transferred.destination)
    capsys.readouterr()
    for program in (
        transferred.transfer,
        transferred.delete,
        transferred.delete,
        transferred.transfer,
    ):
        assert program() == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"{path} is damaged" in said
    assert (untouched(path), files(transferred.source), files(transferred.destination)) == before
    assert transferred.world.requests == []
    assert len(mailbox.messages) == 1
    assert "Restore it from a backup, or delete it" in mailbox.read(0).get_content()


def test_deleting_the_datastore_starts_over(transferred: Lab, mailbox: Mailbox) -> None:
    path = transferred.state / "datastore"
    empty(path)
    assert transferred.delete() == 3
    path.unlink()
    assert transferred.delete() == 0
    assert "RESOLVED" in mailbox.read(1).get_content()
    assert files(transferred.source).keys() == {"sent", "new"}, "nothing is known to have been sent"
    assert transferred.transfer() == 0
    assert transferred.submitted()[-1]["DATA"][0]["recursive"] is True
    assert transferred.delete() == 0
    assert files(transferred.source) == {}
    assert files(transferred.destination).keys() == {"sent", "new"}


@pytest.mark.slow
@pytest.mark.parametrize("program", ["transfer", "delete"])
def test_a_disk_that_fills_during_a_save_changes_nothing(
    lab: Lab, mailbox: Mailbox, capsys: pytest.CaptureFixture[str], program: str
) -> None:
    """One line says so, and an alert that the next run resolves."""
    lab.given_transferred(*(f"{number:050}" for number in range(80)))
    lab.write("first, to make the marker")
    assert (lab.transfer(), lab.delete()) == (0, 0)
    lab.given_transferred(*(f"{number:060}" for number in range(80)))
    (lab.state / "globus_auto.log").unlink()
    lab.write("new")
    before = lab.datastore_bytes(), files(lab.source), files(lab.destination)
    capsys.readouterr()
    with no_file_above(len(before[0] or b"")):
        assert getattr(lab, program)() == 1
    said = capsys.readouterr().err
    beginnings = {
        "transfer": f"state: transfer.py cannot read or write {lab.state}/, and stopped.",
        "delete": f"history: The history in {lab.state}/history cannot be written.",
    }
    assert said.startswith(beginnings[program])
    end = "Check the room on its disk, and its permissions. Reason: File too large.\n"
    assert end in said
    assert (lab.datastore_bytes(), files(lab.source), files(lab.destination)) == before
    assert lab.submitted("transfer") + lab.submitted("delete") == []
    assert "File too large" in mailbox.read(-1).get_content()
    assert getattr(lab, program)() == 0
    assert "RESOLVED" in mailbox.read(-1).get_content()


@pytest.mark.parametrize("program", ["transfer", "delete"])
@pytest.mark.parametrize(
    ("name", "mode", "code", "sentence"),
    [
        ("datastore", 0o000, 3, "cannot be read. Nothing was changed, sent or deleted."),
        ("", 0o555, 1, "cannot read or write {}/"),
    ],
)
def test_an_unreadable_or_unwritable_datastore_stops_the_run(
    transferred: Lab, mailbox: Mailbox, program: str, name: str, mode: int, code: int, sentence: str
) -> None:
    """One line says so, and one message; nothing changes."""
    path = transferred.state / name
    before = (
        transferred.datastore_bytes(),
        files(transferred.source),
        files(transferred.destination),
    )
    was = path.stat().st_mode
    path.chmod(mode)
    try:
        with transferred.start(program, unprivileged=True) as process:
            _, said = process.communicate()
    finally:
        path.chmod(was)
    assert process.returncode == code
    first, *more = said.splitlines()
    assert sentence.format(transferred.state) in first
    assert all(line.startswith("Cannot record which alerts were sent") for line in more)
    assert (
        transferred.datastore_bytes(),
        files(transferred.source),
        files(transferred.destination),
    ) == before
    assert transferred.submitted("transfer") + transferred.submitted("delete") == []
    assert len(mailbox.messages) == 1
