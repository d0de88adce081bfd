"""The tests, and the places that they read."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "globus_auto"

pytest.register_assert_rewrite("tests.lab", "tests.mail", "tests.processes")
