"""The HTTP server below the service: uvicorn, started and stopped from another thread."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.applications import Starlette


class Server(uvicorn.Server):
    """Uvicorn that stops when an event is set, instead of polling a flag ten times a second.

    `tick`, if given, is called ten times a second.
    """

    def __init__(self, app: Starlette, tick: Callable[[], None] | None) -> None:
        quiet: dict[str, Any] = {"log_config": None, "log_level": "critical", "access_log": False}
        lean: dict[str, Any] = {"http": "h11", "ws": "none", "lifespan": "off"}
        super().__init__(uvicorn.Config(app, timeout_keep_alive=3600, **quiet, **lean))
        self.ready = threading.Event()
        self._tick = tick

    async def main_loop(self) -> None:
        """Serve until `stop`."""
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self.ready.set()
        end = asyncio.ensure_future(self._end.wait())
        while self._tick and not end.done():
            self._tick()
            await asyncio.wait([end], timeout=0.1)
        await end

    def stop(self) -> None:
        """Make `main_loop` return; may be called from any thread."""
        self._loop.call_soon_threadsafe(self._end.set)

    def hang_up(self, client: object) -> None:
        """Close the connection of a client, given as (address, port); None closes all."""
        for connection in list(self.server_state.connections):
            if client in (None, getattr(connection, "client", None)):
                connection.transport.abort()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close all connections at once."""
        for server in self.servers:
            server.close()
        for task in self.server_state.tasks:
            task.cancel()
        self.hang_up(None)
        await asyncio.sleep(0)
        for listener in sockets or []:
            listener.close()
