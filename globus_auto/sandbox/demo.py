"""The demo: both programs, run as a user runs them, in the sandbox with real files."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from globus_auto.sandbox.server import Sandbox
from globus_auto.sandbox.world import World

SAMPLES = {
    "run 1/scan_0001.h5": b"\x89HDF\r\n" * 20_000,
    "run 1/deep/er/notes.txt": b"The second sample drifted.\n",
    "Größe und Maß/測定.csv": b"t,x\n0,1\n1,4\n",
    "it's [odd] *.dat": bytes(range(256)),
}
CHANGED = "run 1/deep/er/notes.txt"
CONFIG = """\
SRC_DIR = "/beamline"
DST_DIR = "/archive/beamline"
SRC_ID = "{source}"
DST_ID = "{destination}"
CLIENT_ID = "{client}"
CODE_PATH = "{home}/"
"""
INTRODUCTION = (
    "Both programs run here as cron would run them, against an emulator of Globus on this machine."
    " They move real files in a temporary directory. For each file, the tables show the first"
    " digits of its MD5 checksum, which Globus compares as well."
)
DIGITS = 12
LINK = "`latest` never moves: symbolic links are neither transferred nor deleted."
MARKER = "The marker shows which source is transferred to this directory."
# What to try next: options of this Python, and why. SOURCE and DESTINATION are to be replaced.
SERVE = ("globus_auto.sandbox", "serve", "--source", "SOURCE", "--destination", "DESTINATION")
INIT = ("globus_auto.transfer", "--init", "pair.py")
CHECK = ("globus_auto.transfer", "--config", "pair.py", "--check")
NEXT = {
    SERVE: "Serve two directories as if they were collections of Globus (use copies of your data):",
    INIT: "Write a config file with all settings, for that rehearsal or for Globus itself:",
    CHECK: "Once you have set what pair.py asks for, check all that a run needs:",
}
AGE = 60  # seconds: old enough that no scan takes a file for one still being written

console = Console(highlight=False)


class DemoError(Exception):
    """The demo failed; the text says why."""


def demo() -> int:
    """Run the demo in a temporary directory; return 0, or 1 after printing what failed."""
    console.print(INTRODUCTION)
    with tempfile.TemporaryDirectory(prefix="globus_auto_demo.") as home:
        stage = Stage(Path(home).resolve())
        with Sandbox(stage.world) as sandbox:
            try:
                _run_programs(stage, sandbox.environment())
            except DemoError as error:
                console.print(f"\nFAILED: {error}", style="bold red", markup=False)
                return 1
    console.print("\nThe demo succeeded. Try one of these next:", style="bold")
    python = os.path.relpath(sys.executable)
    if python.startswith(os.pardir):
        python = sys.executable
    for arguments, purpose in NEXT.items():
        console.print(f"\n{purpose}", style="cyan")
        _print_raw(f"  {shlex.join([python, '-m', *arguments])}")
    return 0


class Stage:
    """Two directories, the world that serves them, and a config for both programs."""

    def __init__(self, home: Path) -> None:
        self.source = home / "beamline"
        self.destination = home / "archive"
        state = home / "globus_auto"
        for directory in (self.source, self.destination, state):
            directory.mkdir(mode=0o700)
        self.world = World()
        source = self.world.add_endpoint(self.source, name="beamline", mount="/beamline")
        destination = self.world.add_endpoint(
            self.destination,
            name="archive",
            entity_type="GCSv5_mapped_collection",
            mount="/archive",
        )
        client, self.secret = self.world.identity.add_service_account()
        self.config = state / "beamline.py"
        self.config.write_text(
            CONFIG.format(source=source.id, destination=destination.id, client=client, home=state),
            encoding="utf-8",
        )

    def write(self, name: str, content: bytes, age: float) -> None:
        """Write a file at the source, last modified `age` seconds ago."""
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (time.time() - age, time.time() - age))

    def tasks(self, kind: str) -> int:
        """Return how many tasks of a kind were submitted so far."""
        return sum(request.route == kind for request in self.world.requests)

    def show(self) -> None:
        """Print the files at the source and at the destination."""
        here, there = _checksums(self.source), _checksums(self.destination / "beamline")
        table = Table(show_edge=False, pad_edge=False)
        for title in ("path", "source (MD5)", "destination (MD5)"):
            table.add_column(title)
        for name in sorted(here.keys() | there.keys()):
            table.add_row(_escape(name), here.get(name, "-"), there.get(name, "-"))
        console.print()
        console.print(table)


def _print_raw(text: str, style: str = "") -> None:
    """Print `text` as it is, also where it is wider than the terminal."""
    console.print(text, style=style, markup=False, soft_wrap=True)


def _escape(name: str) -> str:
    """Return `name` escaped, so that rich treats no part of it as markup."""
    return name.replace("[", "\\[")


def _checksums(directory: Path) -> dict[str, str]:
    """Return what is below `directory`, by relative path; for files, the start of a checksum."""
    found = {}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.is_symlink():
            found[name] = "symlink"
        elif path.is_dir():
            marker = path.name.startswith(".globus_auto.")
            found[f"{name}/"] = "the marker" if marker else "directory"
        else:
            found[name] = _checksum(path.read_bytes())
    return found


def _checksum(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()[:DIGITS]


def _run_programs(stage: Stage, environment: dict[str, str]) -> None:
    environment = {**os.environ, **environment, "GLOBUS_CLIENT_SECRET": stage.secret}

    def program(name: str, *options: str) -> str:
        """Run a program as cron would; print and return what it prints."""
        line = f"{name}.py {shlex.join(('--config', stage.config.name, *options))}"
        _print_raw(f"$ {line}", style="bold")
        command = [sys.executable, "-m", f"globus_auto.{name}", "--config", str(stage.config)]
        done = subprocess.run(
            [*command, *options], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise DemoError(f"{line} ended with exit code {done.returncode}:\n{done.stderr}")
        said = done.stdout + done.stderr
        _print_raw(said.rstrip("\n") or "(It printed nothing.)", "" if said else "dim")
        return said

    _step("New files appear at the source, with an empty directory and a symlink.")
    for name, content in SAMPLES.items():
        stage.write(name, content, AGE)
    (stage.source / "not used yet").mkdir()
    (stage.source / "latest").symlink_to("run 1/scan_0001.h5")
    stage.show()
    console.print(LINK)

    _step("A dry run shows what transfer.py would do, and does nothing.")
    program("transfer", "-n")
    _check(stage.tasks("transfer") == 0, "a dry run submitted a task")

    _step("transfer.py transfers them. From cron, no news is good news.")
    program("transfer")
    stage.show()
    _check(stage.tasks("transfer") == 1, "the files should have started exactly one task")
    _check_copies(stage, SAMPLES)

    _step("Nothing has changed, so transfer.py submits nothing. With -v it shows more.")
    program("transfer", "-v")
    _check(stage.tasks("transfer") == 1, "a transfer was submitted although nothing had changed")

    _step("A file changes after its transfer. delete.py keeps it and deletes the others.")
    changed = SAMPLES | {CHANGED: b"The second sample drifted. Remeasured.\n"}
    stage.write(CHANGED, changed[CHANGED], AGE / 2)
    kept = [line for line in program("delete", "-v").splitlines() if line.startswith("Keep ")]
    _check(
        any(CHANGED in line and "changed" in line for line in kept), "delete.py should report it"
    )
    stage.show()
    console.print(MARKER)
    _check((stage.source / CHANGED).is_file(), "the changed file was deleted from the source")

    _step("transfer.py transfers the changed file, then delete.py deletes it.")
    program("transfer")
    program("delete")
    stage.show()
    left = sorted(path.name for path in stage.source.iterdir())
    _check(left == ["latest"], f"only the symlink should be left at the source, not {left}")
    _check_copies(stage, changed)

    _step("The history shows what happened to a file, for good.")
    found = program("transfer", "--find", CHANGED)
    _check("now: deleted at the source" in found, "--find should report the deletion")


def _step(text: str) -> None:
    console.print(f"\n{text}", style="cyan")


def _check(passed: bool, complaint: str) -> None:
    if not passed:
        raise DemoError(complaint)


def _check_copies(stage: Stage, expected: dict[str, bytes]) -> None:
    """Compare each file at the destination with what was written at the source, by checksum."""
    checksums = _checksums(stage.destination / "beamline")
    for name, content in expected.items():
        _check(
            checksums.get(name) == _checksum(content),
            f"{name} at the destination differs from what was written at the source",
        )
