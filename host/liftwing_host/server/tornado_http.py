"""HTTP/1.1 read with Tornado's own parser: the alternative to `llhttp`, taken with `--http tornado`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from http.client import responses as reasons
from typing import TYPE_CHECKING, Any

from tornado import httputil
from tornado.httpserver import HTTPServer

from .http_lingering import LINGER

if TYPE_CHECKING:
    from .app import Application
    from .exchange import Exchange

__all__ = ["TornadoServer"]

_WHOLE_BODY = 1 << 50
"""Tornado's own limit is out of the way; `Exchange` answers with 413 and the one envelope."""
_CHUNK = 1 << 20


class TornadoServer:
    """Tornado's HTTP server before the same application as `LlhttpServer`."""

    def __init__(self, application: Application) -> None:
        self._writing: set[asyncio.Future[None]] = set()
        delegate = _Requests(application, self._writing)
        self._server = HTTPServer(delegate, max_body_size=_WHOLE_BODY, chunk_size=_CHUNK)

    async def listen(self, sockets: Iterable[socket.socket]) -> None:
        """Begin to accept connections."""
        self._server.add_sockets(sockets)

    def stop(self) -> None:
        """Accept no more."""
        self._server.stop()

    async def flush(self) -> None:
        """Wait until what has been answered is sent."""
        if self._writing:
            await asyncio.wait(self._writing)

    async def close(self) -> None:
        """End all connections; what has not been sent is cut off after `LINGER` seconds."""
        if self._writing:
            await asyncio.wait(self._writing, timeout=LINGER)
        await self._server.close_all_connections()


class _Requests(httputil.HTTPServerConnectionDelegate):
    def __init__(self, application: Application, writing: set[asyncio.Future[None]]) -> None:
        self._application = application
        self._writing = writing

    def start_request(
        self,
        server_conn: object,  # noqa: ARG002
        request_conn: httputil.HTTPConnection,
    ) -> httputil.HTTPMessageDelegate:
        return _Request(self._application, request_conn, self._writing)


class _Request(httputil.HTTPMessageDelegate):
    """One request between Tornado and its exchange; to the exchange it is the stream."""

    def __init__(self, application: Application, connection: Any, writing: set[asyncio.Future[None]]) -> None:
        self._application = application
        self._connection = connection
        self._exchange: Exchange
        self._method = ""
        self._refused = False
        self._writing = writing

    # From Tornado

    def headers_received(
        self,
        start_line: httputil.RequestStartLine | httputil.ResponseStartLine,
        headers: httputil.HTTPHeaders,
    ) -> None:
        assert isinstance(start_line, httputil.RequestStartLine)
        hosts = len(headers.get_list("Host"))
        if hosts > 1 or (not hosts and start_line.version != "HTTP/1.0"):
            self._refused = True
            raise httputil.HTTPInputError("one Host is expected")
        self._method = start_line.method
        path, _, query = start_line.path.partition("?")
        by_name = {name.lower(): value for name, value in headers.items()}
        self._exchange = self._application.exchange(self._method, path, query, by_name, self)
        self._exchange.headers_received()

    def data_received(self, chunk: bytes) -> None:
        self._exchange.data_received(chunk)

    def finish(self) -> None:
        self._connection.set_close_callback(self.on_connection_close)
        self._exchange.finish()

    def on_connection_close(self) -> None:
        if not self._refused:
            self._exchange.on_connection_close()

    # To the exchange

    def answer(self, status: int, headers: str, body: bytes | bytearray, *, last: bool) -> None:
        sent = httputil.HTTPHeaders.parse(headers)
        if last:
            sent.add("Connection", "close")
        start_line = httputil.ResponseStartLine("HTTP/1.1", status, reasons.get(status, "Unknown"))
        chunk = b"" if self._method == "HEAD" else bytes(body)
        written = self._connection.write_headers(start_line, sent, chunk)
        self._writing.add(written)
        written.add_done_callback(self._written)

    def end(self) -> None:
        self._connection.finish()

    def _written(self, written: asyncio.Future[None]) -> None:
        self._writing.discard(written)
        # A client that has left meanwhile makes it fail; nobody needs to know.
        if not written.cancelled():
            written.exception()
