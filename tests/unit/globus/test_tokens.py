"""The token file while many processes change it, and while some of them are killed."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from globus_sdk.token_storage import TokenStorageData

from globus_auto import errors
from globus_auto.globus import tokens

SERVERS = ("transfer.api.globus.org", "auth.globus.org")
# Stores tokens numbered 1, 2, 3, ... and prints each number once the token is in the file.
WORKER = """
import sys
from tests.unit.globus import test_tokens as tests
path, namespace, server, last = sys.argv[1:]
storage = tests.storage(path, namespace)
for number in range(1, int(last) + 1):
    storage.store_token_data_by_resource_server({server: tests.token(server, str(number))})
    print(number, flush=True)
"""
# Changes the file, and sends itself a signal when the temporary file is complete.
STRUCK = """
import os, signal, sys
from tests.unit.globus import test_tokens as tests
path, number = sys.argv[1:]
def change(copy):
    copy.store_token_data_by_resource_server({"x": tests.token("x", "never")})
    os.kill(os.getpid(), int(number))
tests.storage(path, "struck")._rewrite(change)
"""


def storage(path: str | Path, namespace: str) -> tokens.TokenFile:
    """Return the token file as the programs read and change it."""
    return tokens.TokenFile(str(path), namespace)


def token(server: str, text: str) -> TokenStorageData:
    """Return a token whose secret is `text`, padded so that a write takes many system calls."""
    return TokenStorageData(server, None, "all", text, "r" * 20_000, 1_900_000_000, "Bearer")


def stored(path: Path) -> dict[str, dict[str, str]]:
    """Return the secrets in the file by namespace and resource server; it must be valid JSON."""
    data = json.loads(path.read_text(encoding="utf-8"))["data"]
    return {
        namespace: {server: found["access_token"] for server, found in servers.items()}
        for namespace, servers in data.items()
    }


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a process that runs `program`."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a token file that already holds a login."""
    found = tmp_path / "refresh_token"
    storage(found, "DEFAULT").store_token_data_by_resource_server({"x": token("x", "first")})
    return found


@pytest.fixture
def reader(path: Path) -> Iterator[list[int]]:
    """Read the file all the time, as read-only commands do; yield how often it was valid."""
    ended, whole, failures = threading.Event(), [0], []

    def read() -> None:
        try:
            while not ended.is_set():
                assert stored(path)["DEFAULT"] == {"x": "first"}
                assert storage(path, "DEFAULT").get_token_data("x")
                whole[0] += 1
        except Exception as error:  # noqa: BLE001 - raised again below
            failures.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    yield whole
    ended.set()
    thread.join()
    assert failures == []
    assert whole[0]


@pytest.mark.slow
def test_no_update_is_lost_when_many_processes_store(path: Path, reader: list[int]) -> None:
    last = 25
    jobs = [(name, server) for name in ("a", "b", "c") for server in SERVERS]
    processes = [start(WORKER, path, *job, last) for job in jobs]
    for process in processes:
        said, _ = process.communicate()
        assert (process.returncode, len(said.split())) == (0, last)
    everything = dict.fromkeys(SERVERS, str(last))
    assert stored(path) == {"DEFAULT": {"x": "first"}} | dict.fromkeys("abc", everything)
    assert sorted(os.listdir(path.parent)) == [path.name, f"{path.name}.lock"]
    assert reader


@pytest.mark.slow
def test_killed_processes_lose_no_stored_token(path: Path, reader: list[int]) -> None:
    survivor = start(WORKER, path, "survivor", "s", 60)
    acknowledged = {}
    for number in range(6):
        with start(WORKER, path, f"killed{number}", "s", 10**9) as killed:
            assert killed.stdout
            for _ in range(number + 1):
                killed.stdout.readline()
            killed.kill()
            acknowledged[f"killed{number}"] = number + 1 + len(killed.stdout.read().split())
    survivor.communicate()
    assert survivor.returncode == 0
    found = stored(path)
    assert found["survivor"] == {"s": "60"}
    for name, least in acknowledged.items():
        # It may have been killed between the rename and the print.
        assert int(found[name]["s"]) in (least, least + 1)
    storage(path, "after").store_token_data_by_resource_server({"y": token("y", "last")})
    assert sorted(os.listdir(path.parent)) == [path.name, f"{path.name}.lock"]
    assert reader


@pytest.mark.slow
def test_a_kill_before_the_rename_leaves_the_old_file(path: Path) -> None:
    before = path.read_bytes()
    for _ in range(3):
        with start(STRUCK, path, int(signal.SIGKILL)) as struck:
            pass
        assert struck.returncode == -signal.SIGKILL
        assert path.read_bytes() == before
    leftovers = [name for name in os.listdir(path.parent) if name.endswith(".new")]
    assert len(leftovers) == 1, "they must not pile up"
    assert stat.S_IMODE((path.parent / leftovers[0]).stat().st_mode) == 0o600


def test_leftovers_go_and_other_files_stay(path: Path) -> None:
    ours = [f"{path.name}.new", f"{path.name}.0123456789abcdef.new"]
    others = [f"{path.name}.old", f"{path.name}2.new", f"{path.name}2.0123456789abcdef.new"]
    for name in (*ours, *others):
        (path.parent / name).write_text("not JSON", encoding="utf-8")
    storage(path, "DEFAULT").store_token_data_by_resource_server({"y": token("y", "last")})
    assert stored(path)["DEFAULT"] == {"x": "first", "y": "last"}
    assert {*os.listdir(path.parent)} == {path.name, f"{path.name}.lock", *others}


def test_a_change_that_fails_leaves_no_copy_behind(path: Path) -> None:
    path.write_text("not JSON", encoding="utf-8")
    with pytest.raises(errors.DamagedTokenFile):
        storage(path, "DEFAULT").remove_token_data("x")
    assert path.read_text(encoding="utf-8") == "not JSON"
    assert sorted(os.listdir(path.parent)) == [path.name, f"{path.name}.lock"]


@pytest.mark.parametrize("umask", [0, 0o077])
def test_the_lock_of_the_token_file_is_private(path: Path, umask: int) -> None:
    (path.parent / f"{path.name}.lock").unlink()
    before = os.umask(umask)
    try:
        assert storage(path, "DEFAULT").remove_token_data("x")
    finally:
        os.umask(before)
    for name in os.listdir(path.parent):
        assert stat.S_IMODE((path.parent / name).stat().st_mode) == 0o600


def test_threads_of_one_process_lose_no_update(path: Path) -> None:
    shared = storage(path, "DEFAULT")

    def store(server: str) -> None:
        for number in range(1, 11):
            shared.store_token_data_by_resource_server({server: token(server, str(number))})

    threads = [threading.Thread(target=store, args=(server,)) for server in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stored(path)["DEFAULT"] == {"x": "first"} | dict.fromkeys("abcd", "10")
