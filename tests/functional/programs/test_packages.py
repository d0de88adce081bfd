"""An interpreter that lacks packages, or is too old: one sentence that says what to run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests import PACKAGE, ROOT

SITE = Path(msgspec.__file__).parent.parent
WAYS = {
    "transfer.py": [str(PACKAGE / "transfer.py"), "--version"],
    "delete.py": [str(PACKAGE / "delete.py"), "-n"],
    "module": ["-m", "globus_auto.transfer", "--help"],
    "demo": ["-m", "globus_auto.sandbox"],
}


def start(*arguments: str, packages: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run this interpreter in the clone, with only the `packages`."""
    environment = os.environ | {"PYTHONPATH": str(packages or "")}
    command = [sys.executable, "-S", *arguments]
    return subprocess.run(
        command, capture_output=True, check=False, cwd=ROOT, env=environment, text=True
    )


@pytest.mark.parametrize("way", WAYS)
def test_an_interpreter_without_packages_says_what_to_run(way: str) -> None:
    done = start(*WAYS[way])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(
        f"{sys.executable} lacks packages that globus_auto needs (globus_"
    )
    clone = f"'{ROOT}[sandbox]'" if way == "demo" else str(ROOT)
    assert f": run `{sys.executable} -m pip install -e {clone}`, or use " in done.stderr


@pytest.mark.parametrize("name", ["globus_sdk", "msgspec", "rich"])
def test_one_missing_package_is_named(tmp_path: Path, name: str) -> None:
    for package in SITE.iterdir():
        if package.name != name:
            (tmp_path / package.name).symlink_to(package)
    done = start(*WAYS["transfer.py"], packages=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert f" lacks packages that globus_auto needs ({name}): run `" in done.stderr
    assert done.stderr.count("\n") == 1
