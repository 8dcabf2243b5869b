"""HTTP/1.1 read with llhttp, the parser of Node.js (through httptools), at less cost than with Tornado's own.

Runs in the host process, and stands where Tornado's HTTP server stands: it gives each request to the same
`Application`, and is answered through the same `Stream`. `--http tornado` takes the other one.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .http_connection import Connection
from .http_lingering import LINGER

if TYPE_CHECKING:
    from .app import Application

__all__ = ["LlhttpServer"]

_SWEEP = 5.0
_READ = 1 << 14
"""Bytes that are read at once, and parsed: the beginning of a large body among them is copied twice."""


class LlhttpServer:
    """The listening sockets and the connections that came over them."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._servers: list[asyncio.Server] = []
        self._connections: set[Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        # One for all: what is read is parsed at once. asyncio would make one of 256 KiB for each read.
        self._buffer = memoryview(bytearray(_READ))

    async def listen(self, sockets: Iterable[socket.socket]) -> None:
        """Begin to accept connections."""
        loop = asyncio.get_running_loop()
        for sock in sockets:
            server = await loop.create_server(self._accept, sock=sock, backlog=1024)
            self._servers.append(server)
        self._sweep()

    def stop(self) -> None:
        """Accept no more."""
        for server in self._servers:
            server.close()

    async def flush(self) -> None:
        """End each connection as soon as what has been answered is sent, and wait until that is so of all."""
        gone = self._end()
        if gone:
            await asyncio.wait(gone)

    async def close(self) -> None:
        """End all connections; what has not been sent is cut off after `LINGER` seconds."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        gone = self._end()
        if gone:
            _, left = await asyncio.wait(gone, timeout=LINGER)
            if left:
                for connection in list(self._connections):
                    connection.abort()

    def _end(self) -> list[asyncio.Future[None]]:
        gone = [connection.gone for connection in self._connections]
        for connection in list(self._connections):
            connection.close()
        return gone

    def _accept(self) -> Connection:
        return Connection(self._application, self._connections, self._buffer)

    def _sweep(self) -> None:
        """One timer for all connections, instead of several for each request."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in list(self._connections):
            connection.check(now)
        self._sweeping = loop.call_later(_SWEEP, self._sweep)
