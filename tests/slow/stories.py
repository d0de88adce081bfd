"""The base of the stories: a laboratory, people who work in it, and programs that die."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import requests
import time_machine
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from globus_auto import history
from globus_auto.sandbox.server import Sandbox
from globus_auto.sandbox.world import World
from tests.lab import START, Lab

NAMES = [
    "a",
    "A",
    "b c",
    "d'\"e",
    "-f",
    "g*?[h]\\",
    "Größe",
    "Gro\u0308ße",
    "n" * 255,
    "cr\rlf\n",
    ".hidden",
    "x.tmp",
    "SUB",
]
DIRECTORIES = ["", "sub", "sub/deep", "Sub", "other dir"]


class Killed(BaseException):
    """Stands for the death of the program."""


@contextlib.contextmanager
def dying(at: int | None, what: str) -> Iterator[None]:
    """Let the program die at its `at`-th request, answer, save or lines; `what` says which."""
    left = [at or 0]

    def reach(moment: str) -> None:
        if left[0] >= 0 and moment == what:
            left[0] -= 1
        if left[0] < 0:
            # A dead program must not have any further effect.
            raise Killed

    send = requests.adapters.HTTPAdapter.send
    replace, append = os.replace, history.append

    def sending(*arguments: Any, **options: Any) -> Any:
        reach("request")
        answer = send(*arguments, **options)
        try:
            reach("answer")
        except Killed:
            answer.close()
            raise
        return answer

    def replacing(*arguments: Any, **options: Any) -> None:
        reach("save")
        replace(*arguments, **options)

    def appending(*arguments: Any) -> None:
        append(*arguments)
        reach("lines")

    if at is None:
        yield
        return
    with (
        mock.patch.object(requests.adapters.HTTPAdapter, "send", sending),
        mock.patch.object(os, "replace", replacing),
        mock.patch.object(history, "append", appending),
        contextlib.suppress(Killed),
    ):
        yield


class People(RuleBasedStateMachine):
    """What people and instruments do to files at the source and at the destination.

    `latest` has the latest content of every file that was ever at the source.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        self.home = Path(tempfile.mkdtemp(prefix="story."))
        self.stack.callback(shutil.rmtree, self.home)
        clock = self.stack.enter_context(time_machine.travel(START, tick=False))
        self.stack.enter_context(mock.patch.object(time, "sleep", clock.shift))
        self.world = World()
        sandbox = self.stack.enter_context(Sandbox(self.world))
        self.lab = Lab(self.home, self.world, sandbox, clock)
        environment = {**sandbox.environment(), "GLOBUS_CLIENT_SECRET": self.lab.secret}
        self.stack.enter_context(mock.patch.dict(os.environ, environment))
        self.lab.configure(DST_DIR="/dst/one", FILES_PER_TASK=3, LIST_CONCURRENCY=1, STALL_HOURS=1)
        self.latest: dict[str, bytes] = {}
        self.versions: dict[str, set[tuple[int, int]]] = defaultdict(set)
        self.damaged = self.restored = False
        self.backup: dict[str, bytes] = {}
        self.newest = START
        self.written = 0

    def _content(self, size: int) -> bytes:
        """Return content of this size that no other file ever had."""
        self.written += 1
        return f"{self.written:08}".encode().ljust(size, b".")

    def _put(self, name: str, size: int, mtime: float) -> None:
        """Write a file; choose another size if it already had this size and mtime.

        Nobody could notice such a rewrite. Nothing is written while a leftover delete task is open.
        """
        path = self.lab.source / name
        if self._may_be_deleted(name):
            return
        while (size, int(mtime)) in self.versions[name]:
            size += 1
        self._write(path, name, size, mtime)

    def _write(self, path: Path, name: str, size: int, mtime: float) -> None:
        with contextlib.suppress(NotADirectoryError, FileExistsError, IsADirectoryError):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_symlink():
                path.unlink()
            content = self._content(size)
            path.write_bytes(content)
            os.utime(path, (mtime, mtime))
            self.latest[name] = content
            self.versions[name].add((size, int(mtime)))

    def _may_be_deleted(self, name: str) -> bool:
        """Return whether a delete task of a run that died is open and may run at any time."""
        return any(
            task.in_progress
            and task.submission.kind == "DELETE"
            and task.polls >= task.completion.polls
            for task in self.world.tasks.values()
            if any(item.source == f"/src/{name}" for item in task.submission.items)
        )

    def _files(self) -> list[str]:
        """Return the files that are at the source."""
        return [name for name in sorted(self.latest) if self._exists(name)]

    def _exists(self, name: str) -> bool:
        path = self.lab.source / name
        return path.is_file() and not path.is_symlink()

    def _moved(self, old: str, new: str) -> None:
        """Note the new name of a file, which no file had before."""
        status = (self.lab.source / new).stat()
        self.latest[new] = self.latest.pop(old)
        self.versions[new].add((status.st_size, int(status.st_mtime)))

    @rule(
        name=st.sampled_from(NAMES),
        directory=st.sampled_from(DIRECTORIES),
        size=st.integers(8, 40),
        age=st.sampled_from([0, 1, 2, 3, 100, 5000, -50, -200_000]),
    )
    def create(self, name: str, directory: str, size: int, age: int) -> None:
        """Somebody creates a file, or replaces it by one of another size or mtime."""
        self._put(f"{directory}/{name}".lstrip("/"), size, time.time() - age)

    @precondition(lambda self: self._files())
    @rule(data=st.data(), more=st.integers(1, 40))
    def append(self, data: Any, more: int) -> None:
        """An instrument continues to write to a file."""
        name = data.draw(st.sampled_from(self._files()))
        self._put(name, (self.lab.source / name).stat().st_size + more, time.time())

    @precondition(lambda self: self._files())
    @rule(data=st.data(), shift=st.sampled_from([-3600, -1, 1, 2, 30]))
    def rewrite(self, data: Any, shift: int) -> None:
        """Somebody rewrites a file with equal size and an earlier or later mtime."""
        name = data.draw(st.sampled_from(self._files()))
        old = (self.lab.source / name).stat()
        mtime = int(old.st_mtime) + shift
        while (old.st_size, mtime) in self.versions[name]:
            mtime += shift
        self._put(name, old.st_size, mtime)

    @precondition(lambda self: self._files())
    @rule(data=st.data())
    def rewrite_at_once(self, data: Any) -> None:
        """Somebody rewrites a file within the second: size and mtime stay equal."""
        self._write_again(data.draw(st.sampled_from(self._files())))

    def _write_again(self, name: str) -> None:
        """Rewrite a file that was written within this second."""
        path = self.lab.source / name
        status, now = path.stat(), time.time()
        # Not if the clock was set back to that second: nobody could notice that.
        young = int(status.st_mtime) == int(now) and now >= self.newest
        if young and not self._may_be_deleted(name):
            self._write(path, name, status.st_size, now)

    @precondition(lambda self: self._files())
    @rule(data=st.data(), to=st.sampled_from(DIRECTORIES))
    def rename(self, data: Any, to: str) -> None:
        """Somebody moves a file to another directory, under a new name."""
        name = data.draw(st.sampled_from(self._files()))
        self.written += 1
        new = f"{to}/moved {self.written}".lstrip("/")
        with contextlib.suppress(NotADirectoryError, FileExistsError):
            (self.lab.source / new).parent.mkdir(parents=True, exist_ok=True)
            (self.lab.source / name).rename(self.lab.source / new)
            self._moved(name, new)

    @rule(old=st.sampled_from(DIRECTORIES[1:]))
    def move_directory(self, old: str) -> None:
        """Somebody moves a directory and all that is in it."""
        self.written += 1
        new = f"moved {self.written}"
        if (self.lab.source / old).is_dir():
            (self.lab.source / old).rename(self.lab.source / new)
            for name in [name for name in self.latest if name.startswith(f"{old}/")]:
                if self._exists(new + name[len(old) :]):
                    self._moved(name, new + name[len(old) :])

    @precondition(lambda self: self._files())
    @rule(data=st.data(), into=st.sampled_from(["nothing", "directory", "full one", "symlink"]))
    def remove(self, data: Any, into: str) -> None:
        """Somebody removes a file, or replaces it by a directory or a symlink."""
        name = data.draw(st.sampled_from(self._files()))
        path = self.lab.source / name
        path.unlink()
        del self.latest[name]
        if into == "symlink":
            path.symlink_to("a")
        elif into != "nothing":
            path.mkdir()
        if into == "full one":
            self._put(f"{name}/inside", 20, time.time() - 60)

    def _replaced(self) -> list[str]:
        """Return the names of former files that are directories or symlinks now."""
        paths = {name: self.lab.source / name for name in sorted(self.versions)}
        return [name for name, path in paths.items() if path.is_symlink() or path.is_dir()]

    @precondition(lambda self: self._replaced())
    @rule(data=st.data(), size=st.integers(8, 40))
    def make_file_again(self, data: Any, size: int) -> None:
        """Somebody replaces an empty directory or a symlink by a file again."""
        name = data.draw(st.sampled_from(self._replaced()))
        path = self.lab.source / name
        with contextlib.suppress(OSError):
            if not path.is_symlink():
                path.rmdir()
            self._put(name, size, time.time() - 60)

    @rule()
    def back_up(self) -> None:
        """Somebody backs up the state of both programs."""
        self.backup = {
            path.name: path.read_bytes()
            for path in self.lab.state.glob("datastore*")
            if path.suffix != ".lock"
        }

    @rule(what=st.sampled_from(["datastore", "everything", "nothing"]))
    def restore(self, what: str) -> None:
        """Somebody restores the datastore or all state from a backup, or deletes the datastore."""
        self.restored = True
        if what == "nothing":
            (self.lab.state / "datastore").unlink(missing_ok=True)
            return
        for name, content in self.backup.items():
            if name == "datastore" or what == "everything":
                (self.lab.state / name).write_bytes(content)

    def rename_quarantines(self) -> None:
        """Somebody renames the quarantined directories that have no record."""
        remembered: Any = {}
        with contextlib.suppress(FileNotFoundError, ValueError):
            remembered = json.loads((self.lab.state / "datastore").read_text())
        for path in sorted(self.lab.source.rglob(".globus_auto_empty.*"), reverse=True):
            if f"/src/{path.relative_to(self.lab.source)}" in remembered.get("asides", {}):
                continue
            self.written += 1
            old, new = str(path.relative_to(self.lab.source)), f"moved {self.written}"
            path.rename(self.lab.source / new)
            for name in [name for name in self.latest if name.startswith(f"{old}/")]:
                self._moved(name, new + name[len(old) :])

    @rule(age=st.sampled_from([0, 700, 5000, 100_000]))
    def restore_directory_times(self, age: int) -> None:
        """Somebody sets the mtimes of all directories: what changed in them does not show."""
        for path in (self.lab.source, *self.lab.source.rglob("*")):
            if path.is_dir() and not path.is_symlink():
                os.utime(path, (time.time() - age, time.time() - age))

    @rule(name=st.sampled_from(["empty", "sub/empty", "empty/nested", "a", "sub"]))
    def make_directory(self, name: str) -> None:
        """Somebody makes an empty directory."""
        with contextlib.suppress(OSError):
            (self.lab.source / name).mkdir(parents=True)

    @rule(name=st.sampled_from(["empty", "sub/empty", "sub", "other dir"]))
    def remove_directory(self, name: str) -> None:
        """Somebody removes an empty directory."""
        with contextlib.suppress(OSError):
            (self.lab.source / name).rmdir()

    @rule(data=st.data(), how=st.sampled_from(["remove", "lengthen", "cut", "alter", "put back"]))
    def damage_copy(self, data: Any, how: str) -> None:
        """Somebody removes or alters a copy whose original is still at the source.

        A copy altered with equal size has another mtime: the present one, or an older one.
        """
        copies = [path for path in sorted(self.lab.destination.rglob("*")) if path.is_file()]
        if not copies:
            return
        path = data.draw(st.sampled_from(copies))
        root = self.lab.destination / path.relative_to(self.lab.destination).parts[0]
        if how == "remove" and not any(each != path and root in each.parents for each in copies):
            # A destination without any file reads as unmounted until somebody acts.
            return
        content = path.read_bytes()
        for name in [name for name, latest in self.latest.items() if latest == content]:
            if not self._exists(name):
                del self.latest[name]
            elif self._may_be_deleted(name):
                return
        # Without verification at the destination nobody would notice.
        self.damaged = True
        self.lab.configure(VERIFY_DESTINATION=True)
        if how == "remove":
            path.unlink()
        elif how in ("alter", "put back"):
            self._alter_with_equal_size(path, len(content), how)
        else:
            path.write_bytes(content + b"altered" if how == "lengthen" else content[:-1])

    def _alter_with_equal_size(self, path: Path, size: int, how: str) -> None:
        """Alter a copy with equal size, so that only its mtime shows it.

        A copy that Globus found equal may have any mtime up to the end of its task, and so may any
        copy at a destination that keeps no mtimes. There nobody could notice an older one.
        """
        times = [task.completed for task in self.world.tasks.values() if task.completed]
        found_equal = any(task.files_skipped for task in self.world.tasks.values())
        if how == "put back" and self.lab.dst.keeps_mtimes and not found_equal:
            mtime = path.stat().st_mtime - 5000
        else:
            mtime = max([*times, self.newest, path.stat().st_mtime]) + 60
        path.write_bytes(self._content(size))
        os.utime(path, (mtime, mtime))
