"""The programs as processes: what they may do, and a terminal to run them on."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import resource
import select
import shutil
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.lab import Lab

UNPRIVILEGED = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
# What running the programs leaves in a clone; copies of the clone leave it out.
LEFT = (
    *(
        "__pycache__",
        "datastore",
        "datastore.delete",
        "datastore.health*",
        "history",
        "datastore.*lock",
        "datastore.v1",
    ),
    *("datastore.new", "refresh_token*", "*.log*"),
)


def command(program: str, config: Path, *options: str) -> list[str]:
    """Return the command line of a program."""
    return [sys.executable, "-m", f"globus_auto.{program}", "--config", str(config), *options]


def start(
    program: str, config: Path, *options: str, unprivileged: bool = False
) -> subprocess.Popen[str]:
    """Start a program; if `unprivileged`, file modes apply to root as well."""
    return subprocess.Popen(
        [
            *(UNPRIVILEGED if unprivileged and os.geteuid() == 0 else ()),
            *command(program, config, *options),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Let writing a file fail beyond this size, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def full_disk(directory: Path) -> Iterator[Path]:
    """Make a small disk at `directory`, fill it, and yield the file that fills it.

    What is in the directory is copied to the disk before that. Skip the test where nothing may be
    mounted.
    """
    before = directory.with_name("before")
    shutil.copytree(directory, before)
    command = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "tmpfs", str(directory)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        shutil.copytree(before, directory, dirs_exist_ok=True)
        filling = directory / "filling"
        with contextlib.suppress(OSError), open(filling, "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        yield filling
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


class Terminal:
    """A program on a terminal of its own, from which a test reads and to which it types."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self.process = process
        self.terminal = terminal
        self.shown = ""
        self.before = ""

    def _read(self) -> bool:
        """Read more output; return whether the program is still running."""
        assert select.select([self.terminal], [], [], 30)[0], f"silence after {self.shown!r}"
        try:
            self.shown += os.read(self.terminal, 65536).decode().replace("\r", "")
        except OSError:  # the last program on the terminal has exited
            return False
        return True

    def url(self) -> str:
        """Wait until the program asks for a code; return the address to log in at.

        It is "" if none is shown. `before` is then what was shown before.
        """
        while "Authorization Code here:" not in self.shown:
            assert self._read(), self.shown
        self.before, _, self.shown = self.shown.partition("Authorization Code here:")
        return str((re.findall(r"http://\S+", self.before) or [""])[-1])

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self.terminal, f"{text}\n".encode())

    def lines(self, *, colours: bool = False) -> list[str]:
        """Return what is left on the terminal, as lines; cleared ones are gone.

        With `colours`, the sequences that set colours and bold stay in the lines.
        """
        lines, row = [""], 0
        for part in re.split(r"(\n|\x1b\[[0-9;?]*[A-Za-z])", self.shown):
            if part == "\n":
                row += 1
                lines += [""] * (row == len(lines))
            elif part.endswith("A") and part.startswith("\x1b["):
                row -= int(part[2:-1] or 1)
            elif part == "\x1b[2K":
                lines[row] = ""
            elif not part.startswith("\x1b[") or (colours and part.endswith("m")):
                lines[row] += part
        return lines

    def code(self) -> int:
        """Wait until the program exits; return its exit code."""
        while self._read():
            pass
        return self.process.wait(30)


@contextlib.contextmanager
def on_terminal(
    lab: Lab, program: str, *options: str, columns: int = 80, no_color: str = ""
) -> Iterator[Terminal]:
    """Start a program on a terminal with so many columns; `no_color` is $NO_COLOR."""
    lab.real_time()
    # pytest-xdist sets COLUMNS in its workers.
    left_out = {"NO_COLOR", "COLUMNS", "LINES"}
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    if no_color:
        environment["NO_COLOR"] = no_color
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 50, columns, 0, 0))
    with subprocess.Popen(
        command(program, lab.config, *options),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**environment, "TERM": "xterm"},
    ) as process:
        os.close(theirs)
        try:
            yield Terminal(process, ours)
        finally:
            process.kill()
            os.close(ours)
