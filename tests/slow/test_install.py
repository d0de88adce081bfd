"""The sdist and the wheel; a plain `pip install`, whose console scripts do all the work."""

from __future__ import annotations

import email
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import msgspec
import pytest

from tests import ROOT
from tests.lab import Lab, files, tree
from tests.processes import LEFT

SITE = Path(f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages")
# What a run leaves in a clone.
SECRET = ("refresh_token", "datastore", "globus_auto.log")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the sdist of a clone in use, and the wheel made from that."""
    home = tmp_path_factory.mktemp("built")
    clone = home / "clone"
    ignore = shutil.ignore_patterns(
        *LEFT, ".git", ".venv", "build", "dist", "*.egg-info", ".?*_cache"
    )
    shutil.copytree(ROOT, clone, ignore=ignore)
    for name in SECRET:
        (clone / "globus_auto" / name).write_text("secret", encoding="utf-8")
    build = [sys.executable, "-m", "build", "--outdir", str(home / "dist"), str(clone)]
    subprocess.run(build, check=True, capture_output=True)
    shutil.rmtree(clone)
    return home / "dist"


@pytest.fixture(scope="module")
def scripts(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel with pip into a new environment; return the directory of its scripts.

    What it depends on comes from the environment of the tests.
    """
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, with_pip=True)
    (wheel,) = built.glob("*.whl")
    pip = [str(environment / "bin" / "pip"), "install", "-q", "--no-deps", str(wheel)]
    subprocess.run(pip, check=True, cwd=built)
    packages = Path(msgspec.__file__).parent.parent
    (environment / SITE / "dependencies.pth").write_text(f"{packages}\n", encoding="utf-8")
    return environment / "bin"


def run(*command: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command and check its exit code."""
    done = subprocess.run(command, capture_output=True, check=False, cwd="/", text=True)
    assert done.returncode == code, done
    return done


@pytest.mark.slow
def test_the_sdist_is_complete_and_its_tests_run(built: Path, tmp_path: Path) -> None:
    """It has all files of the repository, but nothing that a run leaves in a clone."""
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (top,) = tmp_path.iterdir()
    if (ROOT / ".git").exists():
        listed = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True)
        kept = set(listed.splitlines()) - {".gitignore"}
        assert [name for name in sorted(kept) if not (top / name).exists()] == []
    assert not [name for name in SECRET if (top / "globus_auto" / name).exists()]
    command = [sys.executable, "-m", "pytest", "-n", "0", "tests/documents", "tests/unit"]
    done = subprocess.run(command, cwd=top, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.slow
def test_the_wheel_has_documents_and_metadata_but_no_secrets(built: Path) -> None:
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        (described,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        metadata = email.message_from_bytes(wheel.read(described))
    assert [name for name in names if Path(name).name in SECRET] == []
    for name in ("README.md", "CHANGELOG.md", "crontab.example", "LICENSE", "py.typed"):
        assert [each for each in names if Path(each).name == name], name
    tops = {name.partition("/")[0].partition("-")[0] for name in names}
    assert tops == {"globus_auto"}, "no tests are installed"
    assert metadata["Author"] == "globus_auto contributors"
    assert "BSD-3-Clause" in (metadata["License"], metadata["License-Expression"])
    assert "Operating System :: POSIX :: Linux" in metadata.get_all("Classifier", [])
    text = metadata.get_payload()
    assert isinstance(text, str)
    links = re.findall(r"\]\(([^)]*)\)|^\[[^\]]*\]: (\S+)", text, re.MULTILINE)
    assert [link for pair in links for link in pair if link and not link.startswith("http")] == []


@pytest.mark.slow
def test_the_demo_runs_from_the_wheel(scripts: Path) -> None:
    done = run(str(scripts / "python"), "-m", "globus_auto.sandbox")
    assert "The demo succeeded" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("program", ["transfer", "delete"])
def test_an_installed_program_is_called_by_its_own_name(scripts: Path, program: str) -> None:
    """Nobody can run transfer.py or delete.py there."""
    name = f"globus-auto-{program}"
    script = str(scripts / name)
    shown = run(script, "--help").stdout
    assert shown.startswith(f"usage: {name} [options]")
    assert f"\n  {name} -n " in shown
    assert f"{program}.py" not in shown
    assert (
        f"{name}: error: unrecognized arguments: --bogus" in run(script, "--bogus", code=2).stderr
    )
    assert run(script, "--version").stdout.startswith(f"{name} ")


@pytest.mark.slow
def test_a_plain_pip_install_works_with_a_new_config_file(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, scripts: Path
) -> None:
    """Nothing is written into site-packages; cron's lines move the files."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    lab.real_time()
    site = scripts.parent / SITE
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
