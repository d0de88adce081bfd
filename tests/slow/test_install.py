"""A plain `pip install`: the console scripts, with a config file of their own, do all the work."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import msgspec
import pytest

from tests import ROOT
from tests.lab import Lab, files, tree
from tests.processes import LEFT


def installed(home: Path) -> Path:
    """Install the package with pip into a new environment; return the directory of its scripts.

    What it depends on comes from the environment of the tests.
    """
    checkout, environment = home / "checkout", home / "environment"
    shutil.copytree(
        ROOT / "globus_auto", checkout / "globus_auto", ignore=shutil.ignore_patterns(*LEFT)
    )
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, checkout)
    venv.create(environment, with_pip=True)
    pip = [str(environment / "bin" / "pip"), "install", "-q", "--no-deps", str(checkout)]
    subprocess.run(pip, check=True, cwd=home)
    shutil.rmtree(checkout)
    (site,) = environment.glob("lib/python*/site-packages")
    packages = Path(msgspec.__file__).parent.parent
    (site / "dependencies.pth").write_text(f"{packages}\n", encoding="utf-8")
    return environment / "bin"


def run(*command: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command and check its exit code."""
    done = subprocess.run(command, capture_output=True, check=False, cwd="/", text=True)
    assert done.returncode == code, done
    return done


@pytest.mark.slow
def test_a_plain_pip_install_works_with_a_new_config_file(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written into site-packages; cron's lines move the files."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    lab.real_time()
    scripts = installed(lab.home)
    (site,) = scripts.parent.glob("lib/python*/site-packages")
    transfer, delete = str(scripts / "globus-auto-transfer"), str(scripts / "globus-auto-delete")
    run(transfer, "--version")
    before = tree(site)
    for program in (transfer, delete):
        assert "use --init FILE, then --config FILE" in run(program, code=2).stderr
    config = lab.home / "pair.py"
    printed = run(transfer, "--init", str(config)).stdout.splitlines()
    commands = [shlex.split(line, comments=True) for line in printed[2:]]
    assert [command[:3] for command in commands] == [[transfer, "--config", str(config)]] * 3
    assert "SRC_DIR is not set in" in run(*commands[1], code=2).stderr
    text = config.read_text(encoding="utf-8")
    (lab.home / "pair.state" / "secret").write_text(lab.secret, encoding="utf-8")
    (lab.home / "pair.state" / "secret").chmod(0o600)
    for name in ("SRC_DIR", "DST_DIR", "SRC_ID", "DST_ID", "CLIENT_ID"):
        text = re.sub(rf'(?m)^{name} = ""$', f"{name} = {lab.settings[name]!r}", text)
    text = text.replace('#CLIENT_SECRET_FILE = ""', 'CLIENT_SECRET_FILE = "secret"')
    config.write_text(text, encoding="utf-8")
    monkeypatch.delenv("GLOBUS_CLIENT_SECRET")
    lab.write("a", age=3600)
    assert "transfer 1 file" in run(*commands[0]).stdout
    assert run(*commands[1]).stdout.splitlines()[-1] == "ready, 1 warning", "no mail is sent"
    lines = [
        line.split(" ", 5)[5]
        for line in run(*commands[2]).stdout.splitlines()
        if not line.startswith("#")
    ]
    assert [shlex.split(line)[0] for line in lines] == [transfer, delete, transfer, transfer]
    for line in (lines[0], lines[0], lines[1]):
        assert (done := run("/bin/sh", "-c", line)).stdout + done.stderr == ""
    assert (files(lab.destination), files(lab.source)) == ({"a": b"data"}, {})
    assert "a" in run(transfer, "--config", str(config), "--find", "a").stdout
    assert tree(site) == before
    assert os.path.dirname(sys.executable) != str(scripts)
