"""The log has no secret in it."""

from __future__ import annotations

import logging
from pathlib import Path

from globus_auto import logs, text


def test_a_traceback_has_no_secret_in_it(tmp_path: Path) -> None:
    with logs.to_file(str(tmp_path / "log"), verbose=False):
        error = ValueError(text.register_secret("the secret of a client"))
        logging.getLogger("globus_auto.test").info("What follows", exc_info=error)
    assert (tmp_path / "log").read_text().endswith("INFO What follows\nValueError: [a secret]\n")
