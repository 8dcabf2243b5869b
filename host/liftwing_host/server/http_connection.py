"""One client's connection, read with llhttp and written by the exchanges of its requests, one after the other.

Host process. What a connection may cost is bounded: the head of a request by `MAX_HEAD` bytes and `PATIENCE` seconds,
its body by the exchange and by `PATIENCE` seconds without a byte, requests that are sent ahead of their answers by one
buffer, and an answer that nobody reads by `PATIENCE` seconds without progress.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from .http_body import LARGE, LargeBody
from .http_lingering import linger
from .http_message import Message, refusal
from .http_reader import MessageReader

if TYPE_CHECKING:
    from .app import Application

__all__ = ["Connection"]

log = logging.getLogger("liftwing_host.http")

PATIENCE = 60.0
"""Seconds without progress in a head, a body or an answer, after which the connection is ended."""
IDLE = 3600.0
"""Seconds that a connection may be idle: Tornado's default, and far more than any proxy's (kserve#5446)."""
_JOIN_BELOW = 1 << 16


class Connection(asyncio.BufferedProtocol):
    """One client's connection: parses what arrives, and answers in the order of the requests."""

    def __init__(self, application: Application, connections: set[Connection], buffer: memoryview) -> None:
        self._application = application
        self._buffer = buffer
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._reader = MessageReader(self)
        self._transport: asyncio.Transport
        self.gone: asyncio.Future[None] = self._loop.create_future()
        # The length of a body of which only the beginning goes through the parser; then the body itself.
        self._large_length: int | None = None
        self._large: LargeBody | None = None
        # Why nothing more is read, until all that came before it has been answered.
        self._refusal: HTTPStatus | None = None
        # What is being answered, and what waits for its turn.
        self._answering: Message | None = None
        self._waiting: deque[Message] = deque()
        self._ending = False
        self._write_blocked = False
        self._unsent = 0
        self._progress = self._loop.time()

    # From asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        # uvloop's transports do what asyncio's do, and are not of their class.
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002, D102
        self._ending = True
        self._connections.discard(self)
        self._waiting.clear()
        # Connection and parser refer to each other: not to keep a large body until the collector comes by.
        message, self._answering, self._reader.message, self._large = self._answering, None, None, None
        if message is not None and message.exchange is not None:
            message.exchange.on_connection_close()
        if not self.gone.done():
            self.gone.set_result(None)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002, D102
        return self._buffer if self._large is None else self._large.missing()

    def buffer_updated(self, nbytes: int) -> None:  # noqa: D102
        if self._large is not None:
            self._progress = self._loop.time()
            if self._large.received(nbytes):
                self._large_arrived(self._large)
            return
        if self._ending or self._refusal is not None:
            return
        # A head that comes in drips makes no progress: it has its time as a whole.
        if not self._reader.in_head:
            self._progress = self._loop.time()
        refused = self._reader.feed(self._buffer[:nbytes])
        if refused is not None:
            self._refuse(refused)
            return
        if self._answering is not None and self._answering.exchange is None:
            self._begin_early(self._answering)
        if self._waiting or self._write_blocked:
            self._transport.pause_reading()
        elif self._large_length is not None:
            self._read_large(self._large_length)

    def pause_writing(self) -> None:  # noqa: D102
        self._write_blocked = True
        self._progress = self._loop.time()

    def resume_writing(self) -> None:  # noqa: D102
        self._write_blocked = False
        self._progress = self._loop.time()
        self._next()

    # From the reader

    def head_arrived(self, message: Message) -> bool:
        """It is its turn, or it waits for that. Its exchange begins when all that has arrived with it is parsed."""
        self._progress = self._loop.time()
        if self._ending:
            return False
        if self._answering is not None or self._waiting or self._write_blocked:
            self._waiting.append(message)
        else:
            self._answering = message
        return True

    def body_arrived(self, message: Message, body: bytes) -> None:
        """Give it to the exchange, if that has begun and there is not much more to come."""
        if message.exchange is None or self._large_length is not None:
            message.chunks.append(body)
        else:
            message.exchange.data_received(body)

    def message_arrived(self, message: Message) -> None:
        """It can be answered, if it is its turn."""
        message.complete = True
        if message is not self._answering:
            return
        if message.exchange is None:
            self._begin(message)
        else:
            for chunk in message.chunks:
                message.exchange.data_received(chunk)
            message.chunks.clear()
            self._large_length = None
            message.exchange.finish()

    def _read_large(self, length: int) -> None:
        message = self._reader.message
        assert message is not None
        assert message.exchange is not None
        self._large_length = None
        keep: Callable[[bytes], None] = message.exchange.data_received
        with contextlib.suppress(OSError):
            # Where the kernel does not give so much memory at once, the rest comes through the parser, too, in pieces.
            self._large = LargeBody(
                length, self._application.bodies.take(length), message.exchange.body_grows
            )
            keep = self._large.begin
        for chunk in message.chunks:
            keep(chunk)
        message.chunks.clear()

    def _large_arrived(self, large: LargeBody) -> None:
        self._large = None
        message = self._reader.message
        if message is not None and message.exchange is not None:
            message.exchange.body_received(large.body)
        self._reader.complete_elsewhere()

    # One message after the other

    def _begin_early(self, message: Message) -> None:
        """Begin a message that has not arrived as a whole."""
        length = message.headers.get("content-length", "")
        if length.isdecimal() and LARGE < int(length) <= self._application.max_body_size:
            # Its beginning has come through the parser; the rest is read past it.
            self._large_length = int(length)
        self._begin(message)

    def _begin(self, message: Message) -> None:
        self._answering = message
        try:
            self._begin_exchange(message)
        except Exception:
            # Nobody else would end the connection: what calls this is the parser, or the event loop.
            log.exception("the host failed at a request for %.200r", message.path)
            self._waiting.clear()
            self._large_length = None
            self._answering = self._reader.message = message
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _begin_exchange(self, message: Message) -> None:
        exchange = message.exchange = self._application.exchange(
            message.method, message.path, message.query, message.headers, self
        )
        if not message.complete:
            exchange.headers_received()
            if exchange.answered:
                # What is still to come is dropped as it comes.
                self._large_length = None
            if self._answering is not message:
                return
            waits = message.headers.get("expect", "").lower() == "100-continue" and not message.old
            if waits and not exchange.answered:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if self._large_length is not None:
                return
        for chunk in message.chunks:
            exchange.data_received(chunk)
        message.chunks.clear()
        if message.complete:
            exchange.finish()

    def _next(self) -> None:
        # An answer that the client has not read yet holds up the next: nothing piles up here.
        while self._waiting and self._answering is None and not self._write_blocked and not self._ending:
            self._begin(self._waiting.popleft())
        if self._waiting or self._write_blocked or self._ending or self._transport.is_closing():
            return
        if self._refusal is None:
            if not self._transport.is_reading():
                self._progress = self._loop.time()
                self._transport.resume_reading()
        elif self._answering is None:
            self._send_refusal(self._refusal)

    # From the exchange: the answer to the message whose turn it is

    def answer(self, status: int, headers: str, body: bytes | bytearray, *, last: bool) -> None:
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
        elif self._waiting or self._refusal is not None:
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
        unsent = self._transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._progress = unsent, now
        waited = now - self._progress
        if unsent:
            if waited > PATIENCE:
                self.abort()
        elif self._reader.in_head or self._reader.message is not None:
            if waited > PATIENCE and self._transport.is_reading():
                self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        elif self._answering is None and waited > IDLE:
            self.close()

    def _refuse(self, status: HTTPStatus) -> None:
        """What arrives is no request that could be answered properly; what came before it still is."""
        if self._ending:
            return
        self._large = self._large_length = None
        message, self._reader.message = self._reader.message, None
        if message is not None and message is not self._answering:
            self._waiting.remove(message)
        elif message is not None:
            self._answering = None
        if message is not None and message.exchange is not None:
            answered = message.exchange.answered
            message.exchange.on_connection_close()
            if answered:
                self._linger()
                return
        if self._answering is not None or self._waiting:
            self._refusal = status
            self._transport.pause_reading()
            return
        self._send_refusal(status)

    def _send_refusal(self, status: HTTPStatus) -> None:
        self._transport.write(refusal(status))
        self._linger()

    def _linger(self) -> None:
        """End it once the client has had time to read what it was told."""
        self._ending = True
        linger(self._transport)
