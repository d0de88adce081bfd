"""A terminal on which a program runs, with a test in place of the person."""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import sys
from collections.abc import Iterator

from tests.conftest import Lab


class Terminal:
    """A program on a terminal of its own, from which a test reads and to which it types."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self.process = process
        self.terminal = terminal
        self.shown = ""

    def _read(self) -> bool:
        """Read more output; return whether the program is still running."""
        assert select.select([self.terminal], [], [], 30)[0], f"silence after {self.shown!r}"
        try:
            self.shown += os.read(self.terminal, 65536).decode().replace("\r", "")
        except OSError:  # the last program on the terminal has exited
            return False
        return True

    def url(self) -> str:
        """Wait until the program asks for a code; return the address to log in at."""
        while "Authorization Code here:" not in self.shown:
            assert self._read(), self.shown
        before, _, self.shown = self.shown.partition("Authorization Code here:")
        return re.findall(r"http://\S+", before)[-1]

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self.terminal, f"{text}\n".encode())

    def code(self) -> int:
        """Wait until the program exits; return its exit code."""
        while self._read():
            pass
        return self.process.wait(30)


@contextlib.contextmanager
def on_terminal(lab: Lab, program: str, *options: str) -> Iterator[Terminal]:
    """Start a program on a terminal."""
    lab.real_time()
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", f"globus_auto.{program}", "--config", str(lab.config)]
    with subprocess.Popen(
        [*command, *options], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        try:
            yield Terminal(process, ours)
        finally:
            process.kill()
            os.close(ours)
