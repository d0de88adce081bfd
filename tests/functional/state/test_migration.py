"""Files of the older programs, for Python 2.7, in CODE_PATH: one sentence, and nothing is lost."""

from __future__ import annotations

import dbm.dumb
import pickle
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab import Lab, files, tree
from tests.mail import Mailbox


def write_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"/src/old": (4, 1510000000)}, 0))


def write_shelf(path: Path) -> None:
    """Write what shelve writes where Python has no other kind of dbm."""
    with dbm.dumb.open(str(path), "n") as shelf:
        shelf["/src/old"] = pickle.dumps((4, 1510000000), 0)


@pytest.mark.parametrize("write", [write_pickle, write_shelf])
def test_an_older_datastore_is_kept_until_it_is_moved_away(
    lab: Lab,
    mailbox: Mailbox,
    capsys: pytest.CaptureFixture[str],
    write: Callable[[Path], None],
) -> None:
    """The command that the alert shows is all that is needed."""
    lab.write("old")
    write(lab.state / "datastore")
    before = {name: content for name, content in files(lab.state).items() if "datastore" in name}
    for program in (lab.transfer, lab.delete, lab.transfer):
        assert program() == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("datastore: The older programs, for Python 2.7, wrote the datastore ")
    assert files(lab.state).items() >= before.items()
    assert (files(lab.destination), lab.world.requests) == ({}, [])
    assert lab.transfer("--check") == 3
    assert "The older programs" in capsys.readouterr().out.replace("\n", " ")
    assert len(mailbox.messages) == 1
    assert "ACTION NEEDED: datastore of the older programs" in mailbox.read(0)["Subject"]
    (command,) = re.findall(r"run `(cd .*?)`", said)
    subprocess.run(command, shell=True, check=True)
    assert files(lab.state / "datastore.old") == before
    assert lab.delete() == 0
    assert files(lab.source).keys() == {"old"}, "nothing is deleted before it is compared"
    assert (lab.transfer(), lab.delete()) == (0, 0)
    assert (files(lab.source), files(lab.destination)) == ({}, {"old": b"data"})


@pytest.mark.parametrize("around", ["{}", "{}\n", '"{}"', "'{}'\n"])
def test_a_bare_refresh_token_is_explained(
    logged_in: Lab, capsys: pytest.CaptureFixture[str], around: str
) -> None:
    """The alert does not repeat it, and the login works once the file is moved."""
    token = logged_in.state / "refresh_token"
    login = token.read_bytes()
    token.write_text(around.format("AgBn7dKlm0" * 10), encoding="ascii")
    bare = token.read_bytes()
    assert logged_in.transfer() == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"login: The token file {token} is from the older programs, for Python 2.7" in said
    assert f"Run on a terminal: `mv {token} {token}.old && " in said
    assert "AgBn7dKlm0" not in said + logged_in.log()
    assert (token.read_bytes(), tree(logged_in.destination)) == (bare, {})
    subprocess.run(f"mv {token} {token}.old", shell=True, check=True)
    token.write_bytes(login)
    assert logged_in.transfer() == 0
