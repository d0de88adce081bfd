"""The laboratory: two directories, a sandbox of Globus, and the real programs."""

from __future__ import annotations

import contextlib
import copy
import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from globus_sdk import GlobusAppConfig, TransferClient, UserApp
from globus_sdk.login_flows import CommandLineLoginFlowManager
from globus_sdk.token_storage import JSONTokenStorage

from globus_auto import datastore, delete, history, transfer
from globus_auto import files as files_module
from globus_auto import storage as storage_module
from globus_auto.datastore import FileRecord, TaskRecord
from globus_auto.files import MARKER
from globus_auto.sandbox.server import Sandbox
from globus_auto.sandbox.world import CompletionPolicy, World
from tests import processes

START = 1_795_428_000.0  # seconds since 1970 UTC


class Lab:
    """Source and destination on disk, a sandbox that serves them, a config file, both programs."""

    def __init__(self, home: Path, world: World, sandbox: Sandbox, clock: Any) -> None:
        self.home = home
        self.world = world
        self.sandbox = sandbox
        self.clock = clock
        self.source = home / "source"
        self.destination = home / "destination"
        self.state = home / "state"
        for directory in (self.source, self.destination, self.state):
            directory.mkdir(mode=0o755)
        self.src = world.add_endpoint(self.source.parent / "source", name="source", mount="/src")
        self.dst = world.add_endpoint(
            self.destination,
            name="destination",
            entity_type="GCSv5_guest_collection",
            mount="/dst",
        )
        self.client_id, self.secret = world.identity.add_service_account()
        self.settings: dict[str, Any] = {
            "SRC_DIR": "/src",
            "DST_DIR": "/dst",
            "SRC_ID": self.src.id,
            "DST_ID": self.dst.id,
            "CLIENT_ID": self.client_id,
            "CODE_PATH": f"{self.state}/",
            "LIST_CONCURRENCY": 2,
            "LIST_CALLS_PER_SECOND": 0,
        }
        self.config = home / "config.py"
        self.configure()

    def configure(self, **changes: Any) -> None:
        """Change settings and write the config file."""
        self.settings.update(changes)
        lines = [f"{name} = {value!r}\n" for name, value in self.settings.items()]
        self.config.write_text("".join(lines), encoding="utf-8")

    def transfer(self, *options: str) -> int:
        """Run transfer.py and return its exit code."""
        return transfer.main(["--config", str(self.config), *options])

    def delete(self, *options: str) -> int:
        """Run delete.py and return its exit code."""
        return delete.main(["--config", str(self.config), *options])

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.shift(seconds)

    def write(self, name: str, content: str | bytes = b"data", age: float = 60) -> Path:
        """Write a file at the source, last modified `age` seconds ago."""
        return put(self.source / name, content, time.time() - age)

    def write_and_transfer(self, *names: str, age: float = 60) -> None:
        """Write files with content of their own at the source, and run transfer.py once."""
        for name in names:
            self.write(name, f"the content of {name}", age)
        assert self.transfer() == 0

    def real_time(self) -> None:
        """Set the clock to the real time, which child processes use."""
        self.clock.move_to(time_machine.escape_hatch.time.time())

    def start(
        self, program: str, *options: str, unprivileged: bool = False
    ) -> subprocess.Popen[str]:
        """Start a program as a child process.

        If `unprivileged`, file modes apply to root as well.
        """
        self.real_time()
        return processes.start(program, self.config, *options, unprivileged=unprivileged)

    def kill(
        self,
        program: str,
        route: str,
        *,
        effect: bool = True,
        match: Callable[[Any], bool] = lambda _request: True,
    ) -> None:
        """Kill a child process at a request; with `effect`, after the request took effect."""
        started: list[subprocess.Popen[str]] = []

        def shoot(request: Any) -> bool:
            if match(request):
                started[0].kill()
            return match(request)

        if effect:
            self.world.faults.add_hook(route, shoot, when="after", match=match)
        else:
            self.world.faults.add(route, drop="before", match=shoot)
        started.append(self.start(program))
        with started[0] as process:
            _, stderr = process.communicate()
        assert process.returncode == -signal.SIGKILL, stderr

    def store(self) -> datastore.Datastore:
        """Return the datastore, with the task of the batch being deleted."""
        found = storage_module.load(f"{self.state}/datastore")
        assert found is not None, "there is no datastore"
        deletion = storage_module.load_deletion(f"{self.state}/datastore.delete")
        if deletion and deletion.task:
            found.tasks[found.next_task_number()] = deletion.task
        return found

    def records(self) -> set[str]:
        """Return the paths that have a record in the datastore."""
        return {
            files_module.joined(directory, name)
            for directory, names in self.store().files.items()
            for name in names
        }

    def record(self, path: str) -> FileRecord:
        """Return the record of a file, which must have one."""
        found = self.store().record(path)
        assert found is not None, f"there is no record of {path}"
        return found

    def task_of(self, path: str) -> TaskRecord:
        """Return the task of the record of a file."""
        return self.store().tasks[self.record(path).task]

    def submitted(self, route: str = "transfer") -> list[Any]:
        """Return the submitted documents."""
        return [request.body for request in self.world.requests if request.route == route]

    def given_transferred(self, *names: str) -> None:
        """Write files at the source, transfer them, poll the result, and clear the requests."""
        for name in names:
            self.write(name)
        assert (self.transfer(), self.transfer()) == (0, 0)
        self.world.requests.clear()

    def alerts(self) -> dict[str, str]:
        """Return the texts of the open alerts by kind; of each kind the last one."""
        found = self.health()["alerts"]
        return {alert["kind"]: alert["text"] for alert in found if not alert.get("over")}

    def datastore_bytes(self) -> bytes | None:
        """Return the bytes of the datastore, or None if there is none."""
        path = self.state / "datastore"
        return path.read_bytes() if path.exists() else None

    def log(self) -> str:
        """Return the text of the log."""
        return (self.state / "globus_auto.log").read_text(encoding="utf-8")

    def history(self, event: str) -> list[str]:
        """Return the paths in the history with this event, in the order of their lines."""
        lines = map(json.loads, history.lines(f"{self.state}/history"))
        return [fact["path"] for fact in lines if fact["event"] == event]

    def health(self) -> Any:
        """Return the content of datastore.health: alerts and good runs."""
        return json.loads((self.state / "datastore.health").read_text(encoding="utf-8"))


def log_in(lab: Lab) -> None:
    """Log in as a person, and give the consents that the collections require."""

    class Approved(CommandLineLoginFlowManager):
        def print_authorize_url(self, authorize_url: str) -> None:
            self.url = authorize_url

        def prompt_for_code(self) -> str:
            return lab.world.identity.code_for(self.url)

    storage = JSONTokenStorage(str(lab.state / "refresh_token"), namespace="DEFAULT")
    config = GlobusAppConfig(
        token_storage=storage, request_refresh_tokens=True, login_flow_manager=Approved
    )
    app = UserApp("test", client_id=lab.settings["CLIENT_ID"], config=config)
    with TransferClient(app=app) as client:
        client.add_app_data_access_scope(
            [each.id for each in (lab.src, lab.dst) if each.data_access_required]
        )
        app.login(force=True)
    app.close()


def run_transfer(lab: Lab, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    """Run transfer.py with `options`; return its exit code and what it printed."""
    capsys.readouterr()
    code = lab.transfer(*options)
    return code, capsys.readouterr().out


def changes(lab: Lab) -> list[str]:
    """Return the routes of requests that change something, except making the marker."""
    changing = ("transfer", "delete", "mkdir", "rename", "cancel")
    return [
        request.route
        for request in lab.world.requests
        if request.route in changing and not (request.route == "mkdir" and marks(request))
    ]


def deleted(lab: Lab) -> list[list[str]]:
    """Return the paths of each submitted delete task for files at the source."""
    return [
        [item["path"] for item in document["DATA"]]
        for document in lab.submitted("delete")
        if document["endpoint"] == lab.src.id and not document["recursive"]
    ]


def fail_after_deleting(lab: Lab) -> None:
    """Let the next delete task fail although it has deleted all files of the source."""
    lab.world.completion = CompletionPolicy.after_polls(9)

    def end(_request: object) -> None:
        for path in lab.source.iterdir():
            path.unlink()
        list(lab.world.tasks.values())[-1].finish("FAILED", "ENDPOINT_ERROR")

    lab.world.faults.add_hook("delete", end, when="after")


def too_large(lab: Lab, path: str) -> None:
    """Let the listing of `path` fail like that of a directory that is too large."""
    document = {"code": "ExternalError.DirListingFailed.SizeLimit", "message": "m"}
    huge = {"status": 502, "body": document | {"request_id": "r", "resource": "/"}}
    lab.world.faults.add(
        "ls", times=None, match=lambda request: request.query["path"] == path, **huge
    )


def another_destination(lab: Lab) -> Path:
    """Set another collection as the destination, and return its directory."""
    other = lab.home / "other"
    other.mkdir()
    lab.configure(
        DST_ID=lab.world.add_endpoint(other, name="other", mount="/other").id, DST_DIR="/other"
    )
    return other


def another_pair(lab: Lab, name: str = "second") -> Lab:
    """Return a laboratory with the same source, and with a destination and a state of its own."""
    other = copy.copy(lab)
    other.destination, other.state = lab.home / name, lab.home / f"{name}.state"
    for directory in (other.destination, other.state):
        directory.mkdir(mode=0o755)
    other.dst = lab.world.add_endpoint(other.destination, name=name, mount=f"/{name}")
    other.config = lab.home / f"{name}.py"
    other.settings = dict(lab.settings)
    other.configure(DST_ID=other.dst.id, DST_DIR=f"/{name}", CODE_PATH=f"{other.state}/")
    return other


def unmark(directory: Path) -> None:
    """Remove the marker from a directory."""
    for path in directory.iterdir():
        if MARKER.fullmatch(path.name):
            path.rmdir()


def marks(request: Any) -> bool:
    """Return whether a request makes the marker."""
    return MARKER.fullmatch(request.body["path"].rpartition("/")[2]) is not None


@contextlib.contextmanager
def another_run(lab: Lab) -> Iterator[None]:
    """Hold all locks, as another run does."""
    with contextlib.ExitStack() as held:
        for name in ("datastore", "datastore.transfer", "datastore.delete"):
            lock = held.enter_context(open(f"{lab.state}/{name}.lock", "a", encoding="ascii"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def requires_consent(lab: Lab) -> None:
    """Make the destination a collection that requires a data_access consent."""
    lab.dst.entity_type = "GCSv5_mapped_collection"
    lab.dst.data_access_required = True


@contextlib.contextmanager
def searchable(path: Path) -> Iterator[None]:
    """Let everybody search the directory `path` and those above it."""
    closed = [each for each in (path, *path.parents) if not each.stat().st_mode & 0o001]
    modes = [each.stat().st_mode & 0o7777 for each in closed]
    for each, mode in zip(closed, modes, strict=True):
        each.chmod(mode | 0o011)
    try:
        yield
    finally:
        for each, mode in zip(closed, modes, strict=True):
            each.chmod(mode)


def put(path: Path, content: str | bytes, mtime: float) -> Path:
    """Write a file with this content and mtime (seconds since 1970 UTC); make its parents."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(path, (mtime, mtime))
    return path


def tree(directory: Path) -> dict[str, bytes | str | None]:
    """Return all paths below `directory`: content of files, targets of links, None of the rest.

    The marker is left out.
    """
    found: dict[str, bytes | str | None] = {}
    for path in sorted(directory.rglob("*")):
        name = str(path.relative_to(directory))
        if MARKER.fullmatch(path.name):
            continue
        if path.is_symlink():
            found[name] = f"-> {os.readlink(path)}"
        else:
            found[name] = path.read_bytes() if path.is_file() else None
    return found


def files(directory: Path) -> dict[str, bytes | str]:
    """Return the content of all files below `directory` by relative path."""
    return {name: content for name, content in tree(directory).items() if content is not None}


def untouched(path: Path) -> tuple[int, int, int]:
    """Return what changes when a file is written or replaced, but not when it is read."""
    status = path.lstat()
    return status.st_ino, status.st_size, status.st_mtime_ns
