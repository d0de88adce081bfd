"""Measure how many ls calls a second the sandbox answers.

Usage: `python tests/sandbox/load.py [SECONDS]`.
"""

import http.client
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from globus_auto.sandbox.server import Sandbox
from globus_auto.sandbox.world import World

FILES, CONNECTIONS = 5, 4


def count_answers(host: str, path: str, token: str, seconds: float) -> int:
    """Request a listing repeatedly over several connections; return the number of answers."""
    end, answers = time.monotonic() + seconds, [0] * CONNECTIONS

    def connect(number: int) -> None:
        connection = http.client.HTTPConnection(host)
        while time.monotonic() < end:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            assert answer.status == 200, answer.status
            answer.read()
            answers[number] += 1
        connection.close()

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(connect, range(CONNECTIONS)))
    return sum(answers)


def main(seconds: float) -> None:
    """Measure with a client in another process; print one line."""
    with tempfile.TemporaryDirectory() as directory:
        for number in range(FILES):
            (Path(directory) / f"file{number}").write_bytes(b"x")
        world = World()
        endpoint = world.add_endpoint(Path(directory), "load")
        account, _ = world.identity.add_service_account()
        scope = {"scope": "urn:globus:auth:scope:transfer.api.globus.org:all"}
        token = world.identity.client_credentials(scope, account, "")["access_token"]
        with Sandbox(world) as sandbox:
            host = sandbox.url.removeprefix("http://")
            path = f"/v0.10/operation/endpoint/{endpoint.id}/ls?path=/"
            command = [sys.executable, __file__, str(seconds), host, path, token]
            answers = int(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        print(f"{answers / seconds:.0f} ls calls a second, {os.cpu_count()} processors")


if __name__ == "__main__":
    if len(sys.argv) == 5:
        host, path, token = sys.argv[2:]
        print(count_answers(host, path, token, float(sys.argv[1])))
    else:
        main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)
