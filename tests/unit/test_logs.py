"""The log has no secret in it, and shows which lines are of a dry run."""

from __future__ import annotations

import logging
from pathlib import Path

from globus_auto import logs, text


def test_a_traceback_has_no_secret_in_it(tmp_path: Path) -> None:
    with logs.to_file(str(tmp_path / "log"), verbose=False):
        error = ValueError(text.register_secret("the secret of a client"))
        logging.getLogger("globus_auto.test").info("What follows", exc_info=error)
    assert (tmp_path / "log").read_text().endswith("INFO What follows\nValueError: [a secret]\n")


def test_each_line_of_a_dry_run_says_so(tmp_path: Path) -> None:
    with logs.to_file(str(tmp_path / "log"), verbose=False, dry=True):
        logging.getLogger("globus_auto.test").info("Scanned")
    assert (tmp_path / "log").read_text().endswith(" INFO dry run: Scanned\n")
