"""Two trees, the sandbox in a process of its own, which serves them, and the programs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.processes import ROOT, Cost, run

PYTHON = sys.executable
LINE = re.compile(r"\d\d:\d\d:\d\d \S+ \S+ (\S+)(.*) (\d+) ms")


def grow(what: str, place: Path, *more: str | int) -> None:
    """Make a tree or a datastore, in a process of its own: see grow.py."""
    run([PYTHON, "-m", "tests.benchmarks.grow", what, str(place), *map(str, more)])


class Site:
    """Serves `source` and `destination` while `with` lasts; `options` go to `serve`.

    `answers` has for each answer of the service: when it came, by time.monotonic(), the path,
    and the seconds it took.
    """

    def __init__(self, home: Path, source: Path, destination: Path, *options: str) -> None:
        self.home, self.source, self.destination = home, source, destination
        self._options = options
        self.answers: list[tuple[float, str, float]] = []
        self.environment: dict[str, str] = {"HOME": str(home)}
        self.settings: dict[str, Any] = {"CODE_PATH": f"{home}/"}

    def __enter__(self) -> Site:
        """Start the service and write a config that fits it."""
        self.home.mkdir(parents=True, exist_ok=True)
        where = ["--source", str(self.source), "--destination", str(self.destination)]
        self._process = subprocess.Popen(
            [PYTHON, "-m", "globus_auto.sandbox", "serve", *where, *self._options],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        for line in self._process.stdout:
            if setting := re.match(r'(\w+) = "(.*)"', line):
                self.settings[setting[1]] = setting[2]
            elif variable := re.match(r"export (\w+)=(.*)", line):
                self.environment[variable[1]] = variable[2]
            elif line.startswith("Ready"):
                break
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.configure()
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop the service."""
        self._process.terminate()
        self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            if answer := LINE.match(line):
                moment = time.monotonic()
                # Whether an endpoint can be listed at all is asked with a limit.
                path = answer[1] + ("?limit" if " limit=" in answer[2] else "")
                self.answers.append((moment, path, int(answer[3]) / 1000))

    def configure(self, **changes: Any) -> None:
        """Change settings, and write the config file."""
        self.settings.update(changes)
        lines = [f"{name} = {value!r}\n" for name, value in self.settings.items()]
        (self.home / "config.py").write_text("".join(lines), encoding="utf-8")

    def remember(self) -> None:
        """Let the datastore know all of the source as sent, as it is now; cancel earlier tasks."""
        self.forget()
        kept = self.home / "sent"
        if not kept.exists():
            names = ("SRC_ID", "SRC_DIR", "DST_ID", "DST_DIR")
            grow("datastore", kept, *(self.settings[name] for name in names))
        shutil.copyfile(kept, self.home / "datastore")
        # Without a history, the deliveries would be added to a new one.
        (self.home / "history").mkdir(exist_ok=True)

    def forget(self) -> None:
        """Remove the datastore, and what else earlier runs have left here and at the service."""
        for name in ("datastore", "datastore.health"):
            (self.home / name).unlink(missing_ok=True)
        if "GLOBUS_CLIENT_SECRET" in self.environment:
            client_id = self.settings["CLIENT_ID"]
            run([PYTHON, "-m", "tests.benchmarks.cancel", client_id], self.environment)

    def run(self, program: str, *options: str) -> Cost:
        """Run a program to its good end and return what it cost, except the history's bytes.

        `answers` are those to it.
        """
        self.answers.clear()
        (self.home / "globus_auto.log").unlink(missing_ok=True)
        config = ["--config", str(self.home / "config.py")]
        command = [PYTHON, "-m", f"globus_auto.{program}", *config, *options]
        before = self._history_bytes()
        cost = run(command, self.environment)
        return cost._replace(written=cost.written - self._history_bytes() + before)

    def _history_bytes(self) -> int:
        return sum(path.stat().st_size for path in (self.home / "history").glob("*"))

    def log(self) -> str:
        """Return what the last run wrote last."""
        return (self.home / "globus_auto.log").read_text(encoding="utf-8")

    def calls(self, path: str) -> int:
        """Return how often what ends so was asked for in the last run."""
        return sum(asked.endswith(path) for _, asked, _ in self.answers)

    def listings(self) -> tuple[float, float]:
        """Return how many directories were listed a second, and the seconds an answer took.

        That is from the first answer to the last.
        """
        found = [(moment, took) for moment, path, took in self.answers if path.endswith("/ls")]
        span = found[-1][0] - found[0][0]
        return (len(found) - 1) / span, sum(took for _, took in found) / len(found)
