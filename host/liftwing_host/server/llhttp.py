"""HTTP/1.1 read with llhttp, the parser of Node.js (through httptools): a third of what Tornado's own costs.

Runs in the host process, and stands where Tornado's HTTP server stands: it gives each request to the same
`Application`, and is answered through the same `Stream`. `--http tornado` takes the other one.

What a connection may cost is bounded: the head of a request by `MAX_HEAD` bytes and `PATIENCE` seconds, its body by
the exchange and by `PATIENCE` seconds without a byte, requests that are sent ahead of their answers by one buffer,
and an answer that nobody reads by `PATIENCE` seconds without progress.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import httptools

from .http_body import LARGE, LargeBody
from .http_message import Message, path_of, refusal

if TYPE_CHECKING:
    from .app import Application
    from .exchange import Headers

__all__ = ["LlhttpServer"]

MAX_HEAD = 64 << 10
"""Bytes of a request's line and headers; Tornado's default."""
PATIENCE = 60.0
"""Seconds without progress in a head, a body or an answer, after which the connection is ended."""
IDLE = 3600.0
"""Seconds that a connection may be idle: Tornado's default, and far more than any proxy's (kserve#5446)."""
_SWEEP = 5.0
_EMPTY_LINES = 4
"""Bytes of empty lines before a request; some clients send one after a body."""
_LINGER = 2.0
_JOIN_BELOW = 1 << 16


class LlhttpServer:
    """The listening sockets and the connections that came over them."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._servers: list[asyncio.Server] = []
        self._connections: set[_Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None

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

    async def close(self) -> None:
        """End all connections, after what has been answered has been written."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        gone = [connection.gone for connection in self._connections]
        for connection in list(self._connections):
            connection.close()
        if gone:
            _, left = await asyncio.wait(gone, timeout=_LINGER)
            if left:
                for connection in list(self._connections):
                    connection.abort()

    def _accept(self) -> _Connection:
        return _Connection(self._application, self._connections)

    def _sweep(self) -> None:
        """One timer for all connections, instead of several for each request."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in list(self._connections):
            connection.check(now)
        self._sweeping = loop.call_later(_SWEEP, self._sweep)


class _Connection(asyncio.Protocol):
    """One client's connection: parses what arrives, and answers in the order of the requests."""

    def __init__(self, application: Application, connections: set[_Connection]) -> None:
        self._application = application
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self.gone: asyncio.Future[None] = self._loop.create_future()
        # What is being read: its head so far, then the message.
        self._url = b""
        self._headers: Headers = {}
        self._in_head = False
        self._head_bytes = 0
        self._header_bytes = 0
        self._refused: HTTPStatus | None = None
        self._reading: Message | None = None
        self._large_left: int | None = None
        # What is being answered, and what waits for its turn.
        self._answering: Message | None = None
        self._waiting: deque[Message] = deque()
        self._ending = False
        self._write_blocked = False
        self._progress = self._loop.time()

    # From asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do what asyncio's do, and are not of their class.
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._ending = True
        self._connections.discard(self)
        self._waiting.clear()
        if self._answering is not None and self._answering.exchange is not None:
            self._answering.exchange.on_connection_close()
        if not self.gone.done():
            self.gone.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._ending:
            return
        self._progress = self._loop.time()
        if self._reading is None:
            self._head_bytes += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        if self._refused is not None:
            self._refuse(self._refused)
        elif self._in_head and self._head_bytes > MAX_HEAD:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._reading is None and not self._in_head and self._head_bytes > _EMPTY_LINES:
            self._refuse(HTTPStatus.BAD_REQUEST)
        elif self._waiting:
            self._transport.pause_reading()
        elif self._large_left is not None:
            self._read_large(self._large_left)

    def pause_writing(self) -> None:
        self._write_blocked = True
        self._progress = self._loop.time()

    def resume_writing(self) -> None:
        self._write_blocked = False
        self._progress = self._loop.time()
        self._next()

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # Nothing else is spoken here: the offer is ignored, and what follows is HTTP/1.1 as before.
            self._parser = httptools.HttpRequestParser(self)
            self._feed(data[upgrade.args[0] :])

    # From the parser

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = {}
        self._header_bytes = 0
        self._in_head = True

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self._headers[key] = f"{self._headers[key]},{text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        parser = self._parser
        version = parser.get_http_version()
        if self._header_bytes + len(self._url) > MAX_HEAD:
            self._refused = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        elif version not in ("1.0", "1.1") or (version == "1.1" and "host" not in self._headers):
            self._refused = HTTPStatus.BAD_REQUEST
        if self._refused is not None:
            return
        message = self._reading = Message(
            parser.get_method().decode("latin-1"),
            path_of(self._url),
            self._headers,
            keep_alive=parser.should_keep_alive(),
            old=version == "1.0",
        )
        length = self._headers.get("content-length", "")
        if self._answering is not None:
            self._waiting.append(message)
        elif length.isdecimal() and LARGE < int(length) <= self._application.max_body_size:
            # Its beginning may be in what is being parsed now; the rest is read past the parser.
            self._large_left = int(length)
            self._begin(message)
        else:
            self._begin(message)

    def on_body(self, body: bytes) -> None:
        message = self._reading
        if message is None:
            return
        if message.exchange is None or self._large_left is not None:
            message.chunks.append(body)
        else:
            message.exchange.data_received(body)

    def on_message_complete(self) -> None:
        message, self._reading = self._reading, None
        if message is None:
            return
        message.complete = True
        if message.exchange is not None:
            for chunk in message.chunks:
                message.exchange.data_received(chunk)
            message.chunks.clear()
            self._large_left = None
            message.exchange.finish()

    def _read_large(self, length: int) -> None:
        message = self._reading
        assert message is not None
        self._large_left = None
        body = LargeBody(self, message.chunks, length, self._progressed, self._large_arrived)
        message.chunks.clear()
        self._transport.set_protocol(body)

    def _progressed(self) -> None:
        self._progress = self._loop.time()

    def _large_arrived(self, body: bytearray) -> None:
        message = self._reading
        self._transport.set_protocol(self)
        # The parser was left in the middle of the message.
        self._parser = httptools.HttpRequestParser(self)
        if message is not None and message.exchange is not None:
            message.exchange.data_received(body)
        self.on_message_complete()

    # One message after the other

    def _begin(self, message: Message) -> None:
        self._answering = message
        message.exchange = self._application.exchange(message.method, message.path, message.headers, self)
        message.exchange.headers_received()
        if self._answering is not message:
            return
        waits = message.headers.get("expect", "").lower() == "100-continue"
        if waits and not message.complete and not message.exchange.answered:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        for chunk in message.chunks:
            message.exchange.data_received(chunk)
        message.chunks.clear()
        if message.complete:
            message.exchange.finish()

    def _next(self) -> None:
        # An answer that the client has not read yet holds up the next: nothing piles up here.
        while self._waiting and self._answering is None and not self._write_blocked and not self._ending:
            self._begin(self._waiting.popleft())
        if not self._waiting and not self._ending and not self._transport.is_closing():
            self._transport.resume_reading()

    # From the exchange: the answer to the message whose turn it is

    def answer(
        self, status: int, headers: Iterable[tuple[str, str]], body: bytes | bytearray, *, last: bool
    ) -> None:
        """Write an answer."""
        message = self._answering
        assert message is not None
        if last:
            message.keep_alive = False
        head = message.answer_head(status, headers)
        if message.method == "HEAD":
            self._transport.write(head)
        elif len(body) < _JOIN_BELOW:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)

    def end(self) -> None:
        """The answer is complete: the next request's turn, or the end of the connection."""
        message, self._answering = self._answering, None
        assert message is not None
        if not message.complete:
            self._linger()
        elif not message.keep_alive:
            self.close()
        elif self._waiting:
            # Not from within: a pipeline of a thousand requests must not be a thousand calls deep.
            self._loop.call_soon(self._next)

    # Ends

    def close(self) -> None:
        """End it once everything has been written."""
        self._ending = True
        self._transport.close()

    def abort(self) -> None:
        """End it now."""
        self._ending = True
        self._transport.abort()

    def check(self, now: float) -> None:
        """End it if it has made no progress for too long."""
        waited = now - self._progress
        if self._write_blocked:
            if waited > PATIENCE:
                self.abort()
        elif self._in_head or self._reading is not None:
            if waited > PATIENCE:
                self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        elif self._answering is None and waited > IDLE:
            self.close()

    def _refuse(self, status: HTTPStatus) -> None:
        """What arrives is no request that could be answered properly."""
        message, self._reading = self._answering, None
        self._waiting.clear()
        if message is not None:
            if message.complete:
                # Its answer is still owed; what came after it is not.
                message.keep_alive = False
                self._transport.pause_reading()
                return
            self._answering = None
            if message.exchange is not None:
                message.exchange.on_connection_close()
        self._transport.write(refusal(status))
        self._linger()

    def _linger(self) -> None:
        """Close only our half first: a client that is still sending would otherwise lose the answer to a reset."""
        self._ending = True
        if not self._transport.is_closing():
            with contextlib.suppress(OSError):
                self._transport.write_eof()
            self._transport.resume_reading()
            self._loop.call_later(_LINGER, self._transport.abort)
