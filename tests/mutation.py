"""Try the deliberate mistakes of mutants.py: the test named for each must fail.

    python tests/mutation.py [WORD]

tries all of them, or those whose rule contains WORD. It works on a copy in a temporary directory
and takes some minutes. The exit code is 1 unless every mistake fits the code, and every test passes
without it and fails with it, by an assertion.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.mutants import MUTANTS, Misfit, Mutant  # noqa: E402
from tests.processes import LEFT  # noqa: E402 - started by path

PYTEST = (sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-m", "", "-p", "no:cacheprovider")
TIMEOUT = 120  # seconds for one test function
ASSERTION = re.compile(r"(\w+\.)*(AssertionError|assert\b|Failed: DID NOT RAISE)")


def outcome(test: str, path: Path, home: Path) -> str:
    """Run `test` of the file `path` in the copy at `home`.

    Return "passed", "failed", or another outcome.
    """
    report = home / "report.xml"
    report.unlink(missing_ok=True)
    try:
        done = subprocess.run(
            [*PYTEST, f"--junitxml={report}", f"{path}::{test}"],
            cwd=home,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(home)},
            capture_output=True,
            check=False,
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        return "TIMEOUT"
    if done.returncode == 0:
        return "passed"
    failures = [] if done.returncode != 1 else list(ElementTree.parse(report).iter("failure"))
    why = [failure.get("message", "") for failure in failures]
    if why and ASSERTION.match(why[0]):
        return "failed"
    return f"ENDED WITH {done.returncode} {why}"


def tried(mutant: Mutant, home: Path) -> str:
    """Make the mistake of `mutant` in the copy at `home`; return "noticed" if its test fails."""
    path = home / "globus_auto" / mutant.file
    code = path.read_text(encoding="utf-8")
    path.write_text(mutant.make(home / "globus_auto"), encoding="utf-8")
    ended = outcome(mutant.test, mutant.find_test(home / "tests"), home)
    path.write_text(code, encoding="utf-8")
    return {"failed": "noticed", "passed": "SURVIVED"}.get(ended, ended)


def fits(mutant: Mutant) -> bool:
    """Return whether the mutant fits the code and the tests; if it does not, print why."""
    try:
        mutant.make(ROOT / "globus_auto")
        mutant.find_test(ROOT / "tests")
    except Misfit as misfit:
        print(f"DOES NOT FIT: {misfit}", flush=True)
        return False
    return True


def main() -> int:
    """Try the selected mutants; return 1 if one does not fit or is not noticed."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    selected = [mutant for mutant in MUTANTS if word in mutant.rule]
    if not selected:
        print(f"No rule contains {word!r}")
        return 1
    mutants = [mutant for mutant in selected if fits(mutant)]
    good = mutants == selected
    with tempfile.TemporaryDirectory(prefix="mutation.") as directory:
        home = Path(directory)
        for name in ("globus_auto", "tests"):
            shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns(*LEFT))
        shutil.copy(ROOT / "pyproject.toml", home)
        for test, path in sorted({(each.test, each.find_test(home / "tests")) for each in mutants}):
            ended = outcome(test, path, home)
            if ended != "passed":
                good = False
                print(f"without any mistake: {ended} {test}", flush=True)
        for mutant in mutants:
            ended = tried(mutant, home)
            good &= ended == "noticed"
            print(f"{ended:9} {mutant.rule} ({mutant.file})", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
