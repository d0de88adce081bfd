"""The promises of the README, one by one."""

import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import time_machine

from globus_auto.sandbox.world import CompletionPolicy
from tests import PACKAGE
from tests.lab import Lab, files, tree
from tests.mail import Mailbox
from tests.processes import LEFT


def test_the_source_is_copied_and_then_cleared(lab: Lab) -> None:
    """The destination becomes a superset of the source."""
    names = {"a.txt", "d/b.txt", "d/e/ü ß.txt"}
    lab.given_transferred(*names)
    assert files(lab.destination).keys() == names
    lab.advance(10)
    assert lab.delete() == 0
    assert files(lab.source) == {}
    lab.write("late.txt")
    assert lab.transfer() == 0
    assert files(lab.destination).keys() == names | {"late.txt"}


def test_the_package_has_the_promised_files() -> None:
    named = {"config.py", "delete.py", "__init__.py", "transfer.py", "utils.py"}
    assert named <= {path.name for path in PACKAGE.iterdir()}


@pytest.fixture(name="copy")
def package_with_an_edited_config(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory with the programs, in which only config.py was edited."""
    folder = lab.home / "globus_auto"
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("sandbox", *LEFT))
    monkeypatch.delenv("GLOBUS_CLIENT_SECRET")
    text = (folder / "config.py").read_text(encoding="utf-8")
    for name, value in {
        **{name: lab.settings[name] for name in ("SRC_DIR", "DST_DIR", "SRC_ID", "DST_ID")},
        "CLIENT_ID": lab.world.identity.add_native_app(),
        "CODE_PATH": f"{folder}/",
        "PYTHON_PATH": sys.executable,
    }.items():
        text, count = re.subn(rf'^{name} = ""$', f"{name} = {value!r}", text, flags=re.MULTILINE)
        assert count == 1
    (folder / "config.py").write_text(text, encoding="utf-8")
    lab.clock.move_to(time_machine.escape_hatch.time.time())  # child processes use the real time
    return folder


def on_a_terminal(lab: Lab, command: list[str], cwd: Path) -> str:
    """Run a command on a terminal and log in; return the address of the login."""
    ours, theirs = pty.openpty()
    with (
        subprocess.Popen(command, cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs) as process,
        os.fdopen(ours, "r+b", 0) as tty,
    ):
        os.close(theirs)
        shown = b""
        while not (prompt := re.search(rb"(http://\S+)\s[^/]*ode here", shown)):
            shown += tty.read(4096)
        address = prompt[1].decode()
        tty.write(lab.world.identity.code_for(address).encode() + b"\n")
        try:
            while tty.read(4096):
                pass
        except OSError:  # the other end is closed
            pass
    assert process.returncode == 0
    return address


def by_cron(command: list[str]) -> tuple[int, str]:
    """Run a command without a terminal, as cron does; return its exit code and output."""
    done = subprocess.run(
        command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("first", ["transfer.py", "delete.py"])
def test_the_first_run_logs_in_and_cron_needs_no_user_afterwards(
    lab: Lab, copy: Path, first: str
) -> None:
    """Only config.py was edited; the programs run in their directory and keep their state there."""
    lab.write("a.txt")
    lab.write("d/b.txt")
    address = on_a_terminal(lab, [sys.executable, first], copy)
    (client_id,) = re.findall(r"client_id=([-0-9a-f]{36})", address)
    assert f"CLIENT_ID = {client_id!r}" in (copy / "config.py").read_text(encoding="utf-8")
    assert (copy / "refresh_token").is_file()
    lab.world.identity.expire_access_tokens()
    for program in ("transfer.py", "delete.py"):
        assert by_cron([sys.executable, str(copy / program)]) == (0, "")
    assert (copy / "datastore").is_file()
    assert files(lab.destination).keys() == {"a.txt", "d/b.txt"}
    assert tree(lab.source) == {}
    assert len(lab.submitted()) == len({one["label"] for one in lab.submitted()}) == 1


def test_the_first_run_records_and_sends_the_files(lab: Lab) -> None:
    path = lab.write("d/a.txt", "12345")
    assert lab.transfer() == 0
    record = lab.store().record("/src/d/a.txt")
    assert record
    assert (record.size, record.mtime) == (5, int(path.stat().st_mtime))
    assert files(lab.destination) == {"d/a.txt": b"12345"}


@pytest.mark.parametrize("which", ["src", "dst"])
@pytest.mark.parametrize("program", ["transfer", "delete"])
def test_an_endpoint_that_is_not_ready_sends_an_error_mail(
    lab: Lab, mailbox: Mailbox, which: str, program: str
) -> None:
    lab.given_transferred("a.txt")
    getattr(lab, which).connected = False
    assert getattr(lab, program)() == 1
    assert f"collection {getattr(lab, which).name}" in mailbox.texts()[0]
    assert files(lab.source).keys() == {"a.txt"}


def test_error_mail_has_the_set_sender_and_recipients(lab: Lab, mailbox: Mailbox) -> None:
    lab.configure(EMAIL_SENDER="me@lab.org", EMAIL_RECIPIENTS=["you@lab.org", "she@lab.org"])
    lab.src.connected = False
    assert lab.transfer() == 1
    (mail,) = mailbox.messages
    assert "From: me@lab.org" in mail
    assert "To: you@lab.org, she@lab.org" in mail


def test_deleting_on_either_side_does_not_affect_the_other(lab: Lab) -> None:
    lab.given_transferred("a.txt", "b.txt", "c.txt")
    (lab.source / "a.txt").unlink()
    (lab.destination / "b.txt").unlink()
    lab.write("new.txt")
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert files(lab.source).keys() == {"b.txt", "c.txt", "new.txt"}
    assert files(lab.destination).keys() == {"a.txt", "c.txt", "new.txt"}


def test_a_transfer_replaces_only_files_of_the_same_name(lab: Lab) -> None:
    for name, content in {"theirs.txt": "1", "d/theirs.txt": "2", "d/ours.txt": "old"}.items():
        (lab.destination / name).parent.mkdir(exist_ok=True)
        (lab.destination / name).write_text(content)
    lab.given_transferred("d/ours.txt")
    assert lab.transfer("--full") == 0
    assert files(lab.destination) == {
        "theirs.txt": b"1",
        "d/theirs.txt": b"2",
        "d/ours.txt": b"data",
    }


def test_a_transfer_is_validated_by_checksum_and_encrypted(lab: Lab) -> None:
    path = lab.write("a.txt", "right")
    (lab.destination / "a.txt").write_text("wrong")  # size and mtime are equal
    os.utime(lab.destination / "a.txt", (path.stat().st_mtime,) * 2)
    assert lab.transfer() == 0
    assert (lab.destination / "a.txt").read_text() == "right"
    (document,) = lab.submitted()
    assert (document["verify_checksum"], document["encrypt_data"]) == (True, True)


def test_only_a_new_or_a_changed_file_starts_a_transfer(lab: Lab) -> None:
    lab.given_transferred("a.txt")
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert len(lab.submitted()) == 0
    lab.write("b.txt")
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert len(lab.submitted()) == 1
    lab.write("a.txt", "changed", age=30)
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert len(lab.submitted()) == 2
    assert files(lab.destination) == files(lab.source)


def test_an_empty_directory_starts_no_transfer(lab: Lab) -> None:
    lab.given_transferred("a.txt")
    (lab.source / "empty/er").mkdir(parents=True)
    assert lab.transfer() == 0
    assert lab.submitted() == []


def test_changing_only_the_destination_id_starts_no_transfer(lab: Lab) -> None:
    lab.given_transferred("a.txt")
    lab.configure(DST_ID=lab.world.add_endpoint(lab.destination, "other", mount="/dst").id)
    assert lab.transfer() == 0
    assert lab.submitted() == []


def test_files_can_be_deleted_once_their_transfer_is_complete(lab: Lab) -> None:
    lab.world.completion = CompletionPolicy.after_polls(1)
    lab.write("a.txt")
    assert lab.transfer() == 0
    lab.advance(10)
    assert lab.delete() == 0
    assert files(lab.source).keys() == {"a.txt"}
    assert lab.delete() == 0
    assert files(lab.source) == {}
    assert files(lab.destination).keys() == {"a.txt"}


def test_delete_removes_all_empty_directories_transferred_or_not(lab: Lab) -> None:
    lab.given_transferred("d/e/a.txt", "f/b.txt")
    for name in ("new/empty", "f/empty", "empty"):
        (lab.source / name).mkdir(parents=True)
    lab.write("young.txt")
    lab.advance(10)
    assert lab.delete() == 0
    assert lab.source.is_dir()
    assert tree(lab.source).keys() == {"young.txt"}


def test_only_the_contents_of_the_source_directory_are_copied(lab: Lab) -> None:
    lab.write("run/a.txt")
    lab.write("beside.txt")
    lab.configure(SRC_DIR="/src/run", DST_DIR="/dst")
    assert lab.transfer() == 0
    assert files(lab.destination).keys() == {"a.txt"}


def test_the_source_name_may_be_part_of_the_destination_path(lab: Lab) -> None:
    lab.write("run/a.txt")
    lab.configure(SRC_DIR="/src/run", DST_DIR="/dst/run")
    assert lab.transfer() == 0
    assert files(lab.destination).keys() == {"run/a.txt"}


def test_after_setup_only_the_two_directories_are_edited(lab: Lab) -> None:
    for run in ("run1", "run2"):
        lab.write(f"{run}/a.txt", run)
        lab.configure(SRC_DIR=f"/src/{run}", DST_DIR=f"/dst/{run}")
        assert lab.transfer() == 0
        lab.advance(10)
        assert lab.delete() == 0
    assert files(lab.destination) == {"run1/a.txt": b"run1", "run2/a.txt": b"run2"}
    assert files(lab.source) == {}


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("CODE_PATH", "/somewhere"),
        ("CODE_PATH", "somewhere/"),
        ("PYTHON_PATH", "config.py"),
        ("SRC_DIR", "relative"),
        ("DST_DIR", "relative"),
        ("SRC_ID", "my laptop"),
        ("DST_ID", "archive"),
        ("CLIENT_ID", "me"),
    ],
)
def test_malformed_paths_and_ids_are_refused(
    lab: Lab,
    setting: str,
    value: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Paths must be absolute, CODE_PATH must end in a slash, and IDs must be UUIDs."""
    monkeypatch.chdir(lab.home)  # where there is a config.py
    lab.configure(**{setting: value})
    assert lab.transfer() == 2
    assert setting in capfd.readouterr().err
    assert lab.world.requests == []


def test_deleting_the_datastore_sends_everything_again(lab: Lab) -> None:
    lab.given_transferred("a.txt", "d/b.txt")
    (lab.state / "datastore").unlink()
    assert lab.transfer() == 0
    assert len(lab.submitted()) == 1
    assert lab.records() == {"/src/a.txt", "/src/d/b.txt"}
    assert {task.label for task in lab.store().tasks.values()} == {lab.submitted()[0]["label"]}


def test_without_a_datastore_nothing_is_deleted(lab: Lab) -> None:
    lab.given_transferred("a.txt")
    (lab.state / "datastore").unlink()
    assert lab.delete() == 0
    assert files(lab.source).keys() == {"a.txt"}
