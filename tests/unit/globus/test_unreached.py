"""Which host cannot be reached, and why, also where a proxy is on the way."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import globus_sdk
import pytest
from globus_sdk.transport import RetryConfig

from globus_auto.globus import unreached


@contextlib.contextmanager
def answering(answer: bytes | None) -> Iterator[int]:
    """Yield the port of a server that gives each connection this answer; None: never any."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection = server.accept()[0]
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer or b"")

        if answer is not None:
            threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


PROXY = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"
CASES = [
    (None, "http://127.0.0.1:1/", "", "127.0.0.1: Connection refused"),
    (None, "https://no.invalid/", "", "no.invalid: its name cannot be resolved"),
    (None, "http://127.0.0.1:{port}/", "", "127.0.0.1: no answer in time"),
    (b"", "http://127.0.0.1:{port}/", "", "127.0.0.1: it closed the connection"),
    (b"no\r\n\r\n", "http://127.0.0.1:{port}/", "", "127.0.0.1: its answer was not HTTP"),
    (b"no\r\n\r\n", "https://127.0.0.1:{port}/", "", "127.0.0.1: wrong version number"),
    (
        *(None, "https://globus.invalid/", "http://127.0.0.1:1"),
        "globus.invalid by the proxy 127.0.0.1:1: Connection refused",
    ),
    (
        *(PROXY, "https://globus.invalid/", "http://me:password@127.0.0.1:{port}"),
        "globus.invalid by the proxy 127.0.0.1:{port}: Tunnel connection failed: 407 Proxy",
    ),
]


@pytest.mark.parametrize(("answer", "url", "proxy", "said"), CASES)
def test_an_unreachable_host_is_named_with_its_cause(
    monkeypatch: pytest.MonkeyPatch, answer: bytes | None, url: str, proxy: str, said: str
) -> None:
    with answering(answer) as port:
        monkeypatch.setenv("GLOBUS_SDK_SERVICE_URL_TRANSFER", url.format(port=port))
        monkeypatch.setenv("GLOBUS_SDK_HTTP_TIMEOUT", "0.2" if "in time" in said else "9")
        monkeypatch.setenv("https_proxy", proxy.format(port=port))
        transfer = globus_sdk.TransferClient(
            authorizer=globus_sdk.NullAuthorizer(), retry_config=RetryConfig(max_retries=0)
        )
        with transfer, pytest.raises(globus_sdk.NetworkError) as raised:
            transfer.get_endpoint("id")
        found = str(unreached(raised.value))
    assert found.startswith(said.format(port=port))
    assert "password" not in found
