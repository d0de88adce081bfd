"""The example of a fixture in tests/README.md works as it is pasted."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.slow
def test_the_fixture_in_the_readme_works(tmp_path: Path) -> None:
    section = README.read_text(encoding="utf-8").partition(
        "## The sandbox for your own Globus code"
    )[2]
    code = re.search("```python\n(.*?)```", section, re.S)
    assert code
    (tmp_path / "test_example.py").write_text(code[1])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
