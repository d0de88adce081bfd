"""The unmodified `globus` client, and `serve`, as processes."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import globus_sdk
import pytest

from globus_auto.sandbox.world import CompletionPolicy
from tests.sandbox.conftest import Site

GLOBUS = str(Path(sys.executable).parent / "globus")


class Terminal:
    """Runs `globus` commands with the credentials of the service account of the site."""

    def __init__(self, site: Site) -> None:
        self.site = site
        # The two endpoints, as `globus` writes them.
        self.source, self.destination = f"{site.source.id}:", f"{site.destination.id}:"
        self.environment = {
            **{name: value for name, value in os.environ.items() if "GLOBUS_SDK" in name},
            "PATH": os.environ["PATH"],
            "HOME": str(site.home),
            "GLOBUS_CLI_CLIENT_ID": site.account,
            "GLOBUS_CLI_CLIENT_SECRET": site.secret,
        }

    def type(self, *words: str, code: int = 0, stdin: str | None = None) -> str:
        """Run a command that must exit with `code`; return its output, errors last."""
        done = subprocess.run(
            [GLOBUS, *words],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def task(self, *words: str, **more: Any) -> str:
        """Run a command that submits a task; return the task's id."""
        return str(json.loads(self.type(*words, "--format", "json", **more))["task_id"])


@pytest.fixture
def terminal(site: Site) -> Terminal:
    """Return a terminal for commands at the site."""
    return Terminal(site)


@pytest.mark.slow
def test_the_globus_client_shows_lists_makes_and_renames(site: Site, terminal: Terminal) -> None:
    site.write("top.txt", b"12345")
    site.write("dir/below/file.dat")
    site.write(".hidden")
    shown = terminal.type("endpoint", "show", site.source.id)
    assert re.search(r"Display Name: +source\n", shown)
    assert re.search(r"GCP Connected: +True\n", shown)
    assert terminal.type("ls", terminal.source) == "dir/\ntop.txt\n"
    assert terminal.type("ls", "-a", f"{terminal.source}/") == ".hidden\ndir/\ntop.txt\n"
    listed = terminal.type("ls", "--recursive", f"{terminal.source}/").split()
    assert listed == ["dir/", "top.txt", "dir/below/", "dir/below/file.dat"]
    assert terminal.type("ls", "--filter", "~*.txt", f"{terminal.source}/") == "top.txt\n"
    found = terminal.type("ls", "--recursive", "--filter", "~*.dat", f"{terminal.source}~/").split()
    assert found == ["dir/", "dir/below/", "dir/below/file.dat"]
    assert re.search(r"Size: +5\n", terminal.type("stat", f"{terminal.source}/top.txt"))
    assert terminal.type("stat", f"{terminal.source}/gone") == "Nothing found at /gone\n"
    made = terminal.type("mkdir", f"{terminal.source}~/new")
    assert made == "The directory was created successfully\n"
    renamed = terminal.type("rename", site.source.id, "~/new", "~/newer")
    assert renamed == "File or directory renamed successfully\n"
    assert (site.src / "newer").is_dir()
    assert "ClientError.NotFound" in terminal.type("ls", f"{terminal.source}/none", code=1)


@pytest.mark.slow
def test_the_globus_client_transfers(site: Site, terminal: Terminal) -> None:
    for name in ("one", "dir/two", "dir/drop.tmp", "three"):
        site.write(name, name.encode())
    source, destination = terminal.source, terminal.destination
    task = terminal.task("transfer", f"{source}/one", f"{destination}/deep/one", "--label", "first")
    assert (site.dst / "deep/one").read_bytes() == b"one"
    assert terminal.type("task", "wait", task) == ""
    shown = terminal.type("task", "show", task)
    assert re.search(r"Label: +first\n", shown)
    assert re.search(r"Status: +SUCCEEDED\n", shown)
    assert "/deep/one" in terminal.type("task", "show", task, "--successful-transfers")
    terminal.task(
        *("transfer", "--recursive", "--exclude", "*.tmp", "--preserve-timestamp"),
        *(f"{source}/dir", f"{destination}/dir"),
    )
    assert [path.name for path in (site.dst / "dir").iterdir()] == ["two"]
    (site.dst / "deep/one").write_bytes(b"two")
    batch = "--recursive dir again\none deep/one\nthree 'with space'\n"
    task = terminal.task(
        *("transfer", "--batch", "-", "--sync-level", "checksum", "--skip-source-errors"),
        *(f"{source}/", f"{destination}/"),
        stdin=f"{batch}gone gone\n",
    )
    assert (site.dst / "again/two").read_bytes() == b"dir/two"
    assert (site.dst / "deep/one").read_bytes() == b"one"
    assert (site.dst / "with space").read_bytes() == b"three"
    skipped = terminal.type("task", "show", task, "--skipped-errors")
    assert "/gone" in skipped
    assert "FILE_NOT_FOUND" in skipped
    assert "SKIPPED_ERRORS" in terminal.type("task", "event-list", task)


@pytest.mark.slow
def test_the_globus_client_waits_lists_cancels_and_deletes(site: Site, terminal: Terminal) -> None:
    for name in ("one", "dir/two", "three", "four"):
        site.write(name)
    source, destination = terminal.source, terminal.destination
    site.world.completion = CompletionPolicy.after_polls(1000)
    task = terminal.task("transfer", f"{source}/one", f"{destination}/one", "--label", "long")
    assert "long" in terminal.type("task", "list", "--filter-status", "ACTIVE")
    waited = terminal.type(
        "task", "wait", "--timeout", "1", "--polling-interval", "1", task, code=1
    )
    assert "yet to complete" in waited
    assert "cancelled successfully" in terminal.type("task", "cancel", task)
    terminal.type("task", "wait", task, code=1)
    assert "in-progress" in terminal.type("task", "cancel", "--all", code=1)
    site.world.completion = CompletionPolicy.at_once()
    terminal.task("delete", "--recursive", f"{source}/dir")
    assert not (site.src / "dir").exists()
    terminal.task("delete", "--batch", "-", site.source.id, stdin="/three\n/one\n")
    assert os.listdir(site.src) == ["four"]
    terminal.type("rm", f"{source}/f*")
    assert os.listdir(site.src) == []
    terminal.type("rm", f"{source}/four", code=1)
    terminal.type("rm", "--ignore-missing", f"{source}/four")


@contextlib.contextmanager
def serve(*options: object) -> Iterator[subprocess.Popen[str]]:
    """Start `serve`, and yield the process; it is killed at the end, so that no failure hangs."""
    command = [sys.executable, "-m", "globus_auto.sandbox", "serve", *map(str, options)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def start_error(*options: object) -> str:
    """Return the one sentence that `serve` prints when it cannot start."""
    with serve(*options) as process:
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    assert err.count("\n") == 1
    return err


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Return the lines that a process prints, up to the one that contains `text`."""
    assert process.stdout
    assert process.stderr
    lines: list[str] = []
    while not lines or text not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], process.stderr.read()
    return "".join(lines)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_serve_prints_settings_and_requests_until_a_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: signal.Signals
) -> None:
    """The printed settings and exports work as they are pasted."""
    source, destination = tmp_path / "my source", tmp_path / "destination"
    source.mkdir()
    destination.mkdir()
    (source / "file").write_text("content")
    with serve(
        *("--source", source, "--destination", destination, "--latency", "1"),
        *("--fault", "ls:status=502,times=1", "--calls-per-second", "100", "--skip", "/none"),
    ) as process:
        printed = read_until(process, "Ready at")
        assert "real" in printed.partition("SRC_ID")[0]
        config: dict[str, Any] = {}
        settings = re.search(r"SRC_ID.*?\n\n", printed, re.S)
        assert settings
        exec(settings[0], config)
        for name, value in re.findall("export ([A-Z_]+)=(.+)", printed):
            monkeypatch.setenv(name, value)
        assert config["SRC_DIR"] == str(source)
        app_config = globus_sdk.GlobusAppConfig(token_storage="memory")
        secret = os.environ["GLOBUS_CLIENT_SECRET"]
        with (
            globus_sdk.ClientApp(
                "tests", client_id=config["CLIENT_ID"], client_secret=secret, config=app_config
            ) as app,
            globus_sdk.TransferClient(app=app) as client,
        ):
            data = globus_sdk.TransferData(config["SRC_ID"], config["DST_ID"])
            data.add_item(f"{config['SRC_DIR']}/file", f"{config['DST_DIR']}/file")
            task = client.submit_transfer(data)["task_id"]
            assert client.get_task(task)["status"] == "SUCCEEDED"
            listed = client.operation_ls(config["SRC_ID"], config["SRC_DIR"])
            assert [each["name"] for each in listed] == ["file"]
            above = client.operation_ls(config["SRC_ID"], "/")
            assert [each["name"] for each in above] == [source.parts[1]]
        process.send_signal(stop)
        printed, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert (destination / "file").read_text() == "content"
    assert re.search(r"\d\d:\d\d:\d\d 202 POST /v0.10/transfer \d+ ms\n", printed)
    assert f" 200 GET /v0.10/operation/endpoint/{config['SRC_ID']}/ls path={source}" in printed
    assert printed.endswith("Stopped.\n")


def test_serve_runs_tasks_that_no_client_polls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "a/file").write_text("content")
    with serve(
        *("--source", tmp_path / "a", "--destination", tmp_path / "b", "--task-seconds", "0.2"),
        *("--data-access", "--disconnect", "source:3600", "--mount", "/lab"),
        *("--app", "8b8060fd-610e-4a74-885e-1051c71ad473"),
    ) as process:
        printed = read_until(process, "Ready at")
        for name, value in re.findall("export ([A-Z_]+)=(.+)", printed):
            monkeypatch.setenv(name, value)
        ids = dict(re.findall('([A-Z_]+_ID) = "(.+)"', printed))
        with globus_sdk.ConfidentialAppAuthClient(
            ids["CLIENT_ID"], os.environ["GLOBUS_CLIENT_SECRET"]
        ) as auth:
            scope = globus_sdk.scopes.GCSCollectionScopes(ids["DST_ID"]).data_access
            scopes = globus_sdk.scopes.TransferScopes.all.with_dependency(scope)
            tokens = auth.oauth2_client_credentials_tokens(scopes)
        token = tokens.by_resource_server["transfer.api.globus.org"]["access_token"]
        with globus_sdk.TransferClient(
            authorizer=globus_sdk.AccessTokenAuthorizer(token)
        ) as client:
            data = globus_sdk.TransferData(ids["SRC_ID"], ids["DST_ID"])
            data.add_item("/lab/file", "/lab/file")
            client.submit_transfer(data)
        while not (tmp_path / "b/file").exists():
            assert process.poll() is None
        process.terminate()
        assert process.communicate(timeout=20)[1] == ""


@pytest.mark.slow
def test_serve_explains_in_one_sentence_why_it_cannot_start(tmp_path: Path) -> None:
    a, inside = tmp_path / "a", tmp_path / "a/inside"
    inside.mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "link").symlink_to(a)
    pair = ("--source", a, "--destination", tmp_path / "b")
    assert "is not a directory" in start_error("--source", a, "--destination", tmp_path / "none")
    for other in (a, inside, tmp_path / "link"):
        assert "one directory, or one contains" in start_error(
            "--source", a, "--destination", other
        )
    for option in (
        "--mount=lab",
        "--fault=ls:colour=red",
        "--fault=ls:drop=late",
        "--fault=nowhere:status=5",
        "--disconnect=both",
    ):
        assert option.partition("=")[0] in start_error(*pair, option)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with serve(*pair, "--port", port) as process:
            err = process.communicate(timeout=20)[1]
        assert process.returncode == 2
        assert err.startswith(f"Port {port} cannot be used")
        assert err.count("\n") == 1
