"""--init writes a config file to be filled in; a package that pip has installed has no other."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from globus_auto import transfer
from globus_auto.settings import FIELDS, Settings
from tests import PACKAGE
from tests.lab import Lab, files, tree
from tests.processes import LEFT, no_file_above


def init(file: Path | str) -> int:
    """Run transfer.py --init."""
    return transfer.main(["--init", str(file)])


def fill_in(lab: Lab, file: Path) -> None:
    """Set what a new config file leaves to be set, and use it."""
    text = file.read_text(encoding="utf-8")
    for name in ("SRC_DIR", "DST_DIR", "SRC_ID", "DST_ID", "CLIENT_ID"):
        text, count = re.subn(rf'(?m)^{name} = ""$', f"{name} = {lab.settings[name]!r}", text)
        assert count == 1, name
    file.write_text(text, encoding="utf-8")
    lab.config = file


def test_a_new_config_file_only_needs_to_be_filled_in(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its CODE_PATH and itself are private; the commands that are printed work with it."""
    file = lab.home / "it's 50 %, ü.py"
    assert init(file) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    home = lab.home / "it's 50 %, ü.state"
    assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(home.stat().st_mode)) == (0o600, 0o700)
    assert not list(home.iterdir())
    commands = [shlex.split(line, comments=True) for line in printed.out.splitlines()[2:]]
    program = [sys.executable, f"{PACKAGE}/transfer.py", "--config", str(file)]
    assert [command[:4] for command in commands] == [program] * 3
    assert [command[4:] for command in commands] == [["-n"], ["--check", "--probe"], ["--crontab"]]
    fill_in(lab, file)
    lab.write("a")
    for *_, last in commands:
        assert transfer.main(["--config", str(file), last] + ["--check"] * (last == "--probe")) == 0
    assert lab.transfer() == 0
    assert files(lab.destination) == {"a": b"data"}
    assert (home / "datastore").exists()


def test_a_new_config_file_shows_every_setting_with_its_default(tmp_path: Path) -> None:
    """Also those that are commented out."""
    assert init(tmp_path / "pair") == 0
    text = (tmp_path / "pair").read_text(encoding="utf-8")
    shown: dict[str, object] = {}
    exec(re.sub(r"(?m)^#([A-Z_]+ = )", r"\1", text), shown)
    defaults = {name: getattr(Settings(), field.name) for name, field in FIELDS.items()}
    assert {name: shown.get(name) for name in FIELDS} == {
        **defaults,
        "CODE_PATH": f"{tmp_path}/pair.state/",
    }


def taken(folder: Path) -> str:
    (folder / "new.py").write_text("KEEP_DAYS = 7\n", encoding="utf-8")
    return f"{folder}/new.py exists already: choose another file\n"


def dangling(folder: Path) -> str:
    (folder / "new.py").symlink_to("nowhere")
    return f"{folder}/new.py exists already: choose another file\n"


def used(folder: Path) -> str:
    (folder / "new.state").mkdir()
    return f"{folder}/new.state exists already: choose another file\n"


def missing(folder: Path) -> str:
    folder.rmdir()
    return f"{folder} is not a directory\n"


def exposed(folder: Path) -> str:
    folder.chmod(0o777)
    return f"{folder} is writable by everybody, so others could replace {folder}/new.py."


@pytest.mark.parametrize("given", [taken, dangling, used, missing, exposed])
def test_init_never_replaces_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: Callable[[Path], str]
) -> None:
    """Nor does it write where others could replace what it writes."""
    folder = tmp_path / "folder"
    folder.mkdir()
    sentence, before = given(folder), tree(tmp_path)
    with pytest.raises(SystemExit) as exited:
        init(folder / "new.py")
    assert (exited.value.code, tree(tmp_path)) == (2, before)
    assert f"transfer.py: error: {sentence}" in capsys.readouterr().err


def test_init_on_a_full_disk_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with no_file_above(100), pytest.raises(SystemExit) as exited:
        init(tmp_path / "new.py")
    assert (exited.value.code, tree(tmp_path)) == (2, {})
    assert f"error: {tmp_path}/new.py cannot be written: " in capsys.readouterr().err


@pytest.mark.parametrize("other", ["--config", "-n", "--check", "--full", "--login"])
def test_init_and_another_option_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], other: str
) -> None:
    value = ["x.py"] if other == "--config" else []
    with pytest.raises(SystemExit) as exited:
        transfer.main(["--init", str(tmp_path / "new.py"), other, *value])
    assert (exited.value.code, tree(tmp_path)) == (2, {})
    assert "--init" in capsys.readouterr().err


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a directory in which the package is as pip leaves it."""
    site = tmp_path / "site"
    shutil.copytree(PACKAGE, site / "globus_auto", ignore=shutil.ignore_patterns("sandbox", *LEFT))
    (site / "globus_auto-1.0.0.dist-info").mkdir()
    return site


def run_installed(site: Path, program: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a program of an installed package."""
    environment = {**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", f"globus_auto.{program}", *options]
    return subprocess.run(
        command, capture_output=True, check=False, cwd=site.parent, env=environment, text=True
    )


@pytest.mark.parametrize("program", ["transfer", "delete"])
def test_an_installed_package_needs_a_config_file(site: Path, program: str) -> None:
    """It writes nothing beside itself, even if its config.py is named."""
    before = tree(site)
    done = run_installed(site, program)
    assert (done.returncode, done.stdout) == (2, "")
    assert "use --init FILE, then --config FILE" in done.stderr
    done = run_installed(site, program, "--config", f"{site}/globus_auto/config.py")
    assert done.returncode == 2
    assert "must set CODE_PATH: each config file needs its own" in done.stderr
    assert tree(site) == before


def test_init_writes_nothing_beside_an_installed_package(site: Path) -> None:
    before = tree(site)
    done = run_installed(site, "transfer", "--init", f"{site}/globus_auto/mine.py")
    assert (done.returncode, tree(site)) == (2, before)
    assert f"{site} belongs to pip: choose a file elsewhere" in done.stderr
    done = run_installed(site, "transfer", "--init", f"{site.parent}/mine.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert (site.parent / "mine.py").exists()
