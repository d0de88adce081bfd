"""Try the deliberate mistakes of mutants.py: the test named for each must fail.

    python tests/mutation.py [WORD]

tries all of them, or those whose rule contains WORD. It works on a copy in a temporary directory
and takes some minutes. The exit code is 1 unless every test passes without a mistake and fails
with it, by an assertion.
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

from tests.mutants import MUTANTS, Mutant  # noqa: E402
from tests.processes import LEFT  # noqa: E402 - started by path

PYTEST = (sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-m", "", "-p", "no:cacheprovider")
TIMEOUT = 120  # seconds for one test function
ASSERTION = re.compile(r"(\w+\.)*(AssertionError|assert\b|Failed: DID NOT RAISE)")


def outcome(test: str, home: Path) -> str:
    """Run `test` in the copy at `home`; return "passed", "failed", or another outcome."""
    define = f"def {test}("
    found = [path for path in home.glob("tests/**/test_*.py") if define in path.read_text()]
    if len(found) != 1:
        return f"NAMED IN {len(found)} FILES"
    report = home / "report.xml"
    report.unlink(missing_ok=True)
    try:
        done = subprocess.run(
            [*PYTEST, f"--junitxml={report}", f"{found[0]}::{test}"],
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
    if code.count(mutant.old) != 1:
        return "DOES NOT FIT THE CODE"
    path.write_text(code.replace(mutant.old, mutant.new), encoding="utf-8")
    ended = outcome(mutant.test, home)
    path.write_text(code, encoding="utf-8")
    return {"failed": "noticed", "passed": "SURVIVED"}.get(ended, ended)


def main() -> int:
    """Try the selected mutants; return 1 if one is not noticed."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    mutants = [mutant for mutant in MUTANTS if word in mutant.rule]
    good = True
    with tempfile.TemporaryDirectory(prefix="mutation.") as directory:
        home = Path(directory)
        for name in ("globus_auto", "tests"):
            shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns(*LEFT))
        shutil.copy(ROOT / "pyproject.toml", home)
        for test in sorted({mutant.test for mutant in mutants}):
            ended = outcome(test, home)
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
