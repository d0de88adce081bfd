"""How many ls calls a second the sandbox answers: `python tests/sandbox/load.py [SECONDS]`."""

import http.client
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

from globus_auto.sandbox.server import Sandbox
from globus_auto.sandbox.world import World

FILES, CONNECTIONS = 5, 4


def call(address: tuple[str, str, str], seconds: float, counts: "multiprocessing.Queue[int]"):
    """Ask for one listing over several connections, as fast as the answers come."""
    host, path, token = address
    asked = [0] * CONNECTIONS

    def ask(number: int) -> None:
        connection = http.client.HTTPConnection(host)
        while time.monotonic() < end:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            assert answer.status == 200, answer.status
            answer.read()
            asked[number] += 1
        connection.close()

    end = time.monotonic() + seconds
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts.put(sum(asked))


def main() -> None:
    """Measure, print one line."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    with tempfile.TemporaryDirectory() as directory:
        for number in range(FILES):
            (Path(directory) / f"file{number}").write_bytes(b"x")
        world = World()
        endpoint = world.add_endpoint(Path(directory), "load")
        account, _ = world.identity.add_service_account()
        scope = {"scope": "urn:globus:auth:scope:transfer.api.globus.org:all"}
        token = world.identity.client_credentials(scope, account, "")["access_token"]
        with Sandbox(world) as sandbox:
            host, path = (
                sandbox.url.removeprefix("http://"),
                f"/v0.10/operation/endpoint/{endpoint.id}/ls?path=/",
            )
            counts: multiprocessing.Queue[int] = multiprocessing.Queue()
            asker = multiprocessing.get_context("spawn").Process(
                target=call, args=((host, path, token), seconds, counts)
            )
            asker.start()
            asker.join()
            print(f"{counts.get() / seconds:.0f} ls calls a second, {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
