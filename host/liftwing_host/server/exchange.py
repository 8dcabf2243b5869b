"""One HTTP request and its answer, whichever parser reads the sockets.

Tornado's `RequestHandler` costs more than the hop to a worker does, so requests are taken at the level below it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

from ..body_arena import Body, Place
from ..errors import BodiesTooLarge, LiftwingError, PayloadTooLarge
from ..extension import Reply
from .body_memory import Share
from .host import Traffic
from .http_body import LARGE
from .reply import Given, attempt, date, error_response
from .request_id import request_id

__all__ = [
    "BeforeBody",
    "Conversation",
    "Exchange",
    "Handler",
    "Headers",
    "Stream",
]

_SMALL = 4096
"""Bytes of a piece of a body below which it is put together with others: as an object it costs more than it holds."""
_READ_AND_DROP = 1 << 30
"""A body that is too large is read to its end before it is refused, up to this size, since most clients look
for an answer only after they have sent all; what is larger has its connection closed."""

Headers = dict[str, str]
"""A client's headers, by lower-case name."""


class Conversation(Protocol):
    """A request to a model, and where its response goes: a client's `Exchange`, or an extension's question."""

    headers: Headers
    body: Body
    share: Share | None
    id: str

    def on_client_left(self, callback: Callable[[], None]) -> None:
        """Be told if nobody waits for the response any more."""

    def attempt(self, step: Callable[[Given], Reply | None], given: Given) -> None:
        """Take a step towards the response, and send what comes of it: a response, or the error that it raises."""


class Stream(Protocol):
    """The connection that a request came over, as `llhttp` and `tornado_http` give it."""

    def answer(self, status: int, headers: str, body: bytes | bytearray, *, last: bool) -> None:
        """Write the answer.

        Args:
            status: Its HTTP status.
            headers: Its headers, each a line with its CRLF.
            body: Its body.
            last: Whether the client is told that the connection takes no further request.
        """

    def end(self) -> None:
        """Go on to the next request, or end the connection where the request has not arrived as a whole."""


Handler = Callable[["Exchange"], Reply | None]
"""Gives the response, or None if it will call `Exchange.respond` later. What it raises becomes the response."""

BeforeBody = Mapping[Handler, Handler]
"""Of handlers that need the body: what is asked before it is read, and gives None where the handler is to have it."""


class Exchange:
    """One request: its body as it arrives, then its handler, then the answer.

    Attributes:
        path: The URL's path, still encoded.
        query: The rest of it after the question mark, still encoded.
        path_arguments: What the URL's pattern matched.
        headers: The client's headers, by lower-case name.
        body: The body, once it has arrived.
        share: What it has of the memory for large bodies; None where it is small.
        id: The client's `x-request-id` where it is printable ASCII of at most 128 characters, or a new one.
        answered: Whether the answer has been written.
    """

    def __init__(
        self,
        path: str,
        query: str,
        headers: Headers,
        stream: Stream,
        handler: Handler,
        before_body: BeforeBody,
        path_arguments: Mapping[str, str],
        traffic: Traffic,
        max_body_size: int,
    ) -> None:
        self.path = path
        self.query = query
        self.path_arguments = path_arguments
        self.headers = headers
        self.body: Body = b""
        self.id = request_id(headers)
        self.answered = False
        self._stream = stream
        self._handler = handler
        self._before_body = before_body
        self._traffic = traffic
        self._limit = max_body_size
        self._chunks: list[bytes | bytearray | memoryview] = []
        self._size = 0
        self.share: Share | None = None
        self._finished = False
        self._on_leave: Callable[[], None] | None = None
        self._on_answer: Callable[[int, float], None] | None = None
        self._asked = 0.0
        traffic.begin()

    def on_client_left(self, callback: Callable[[], None]) -> None:
        """Be told if the client closes its connection before it is answered."""
        self._on_leave = callback

    def on_answered(self, callback: Callable[[int, float], None]) -> None:
        """Be told the status of the answer, and how many seconds it took from now."""
        self._on_answer = callback
        self._asked = time.perf_counter()

    def body_bytes(self) -> bytes:
        """A copy of the body, wherever it lies."""
        return bytes(self.body.view if isinstance(self.body, Place) else self.body)

    # What the stream calls, in this order

    def headers_received(self) -> None:
        """The body is about to come; a large one is refused before it is sent, if the client asks."""
        try:
            announced = int(self.headers.get("content-length", "0"))
        except ValueError:
            return  # The parser refuses it by itself.
        if announced > self._limit:
            self._refuse_too_large()
        elif announced > LARGE:
            self._answer_before_body()
        if self.answered and (
            announced > _READ_AND_DROP or self.headers.get("expect", "").lower() == "100-continue"
        ):
            self._finish()

    def data_received(self, chunk: bytes | bytearray | memoryview) -> None:
        """A part of the body."""
        before = self._size
        self._size += len(chunk)
        if before <= LARGE < self._size <= self._limit and not self.answered:
            # One of unknown length, mostly.
            self._answer_before_body()
        if self.answered:
            if self._size > self._limit + _READ_AND_DROP:
                self._finish()
        elif self._size > self._limit:
            self._refuse_too_large()
        elif self._size <= LARGE or self.body_grows(self._size if before <= LARGE else len(chunk)):
            self._keep(chunk)

    def _answer_before_body(self) -> None:
        """Answer what can be without the body, so that no memory holds that. Small ones are not worth the question."""
        response = attempt(self._before_body.get(self._handler, self._handler), self, self.id)
        if response is not None:
            self._let_go()
            self._answer(response)

    def _refuse_too_large(self) -> None:
        asked_before = self._before_body.get(self._handler)
        if self._on_answer is None and asked_before is not None:
            # What that thinks of the request does not matter any more, but it counts what its model is asked.
            attempt(asked_before, self, self.id)
        self._refuse(PayloadTooLarge(self._limit))

    def body_grows(self, count: int) -> bool:
        """So many more bytes of a large body are in memory.

        Returns:
            Whether they may stay there; otherwise the request is refused, and what is still to come can be dropped.
        """
        if self._finished:
            return False
        if self.share is None:
            self.share = Share(self._traffic.body_memory)
        has_room = self.share.grow(count)
        if not has_room:
            self._refuse(BodiesTooLarge())
        return has_room

    def _refuse(self, error: LiftwingError) -> None:
        self._let_go()
        self._answer(error_response(error))

    def _let_go(self) -> None:
        self._chunks.clear()
        self.share = None

    def body_received(self, body: Body) -> None:
        """The body as a whole, which is within the limit."""
        self.body = body

    def _keep(self, chunk: bytes | bytearray | memoryview) -> None:
        if len(chunk) >= _SMALL or not self._chunks:
            self._chunks.append(chunk)
        elif isinstance(self._chunks[-1], bytearray):
            self._chunks[-1] += chunk
        else:
            self._chunks.append(bytearray(chunk))

    def finish(self) -> None:
        """The request is complete."""
        if self.answered:
            self._finish()
            return
        if self._chunks:
            self.body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self.attempt(self._handler, self)

    def on_connection_close(self) -> None:
        """The client has left."""
        if self._finished:
            return
        self.answered = True
        on_leave = self._on_leave
        self._end()
        if on_leave is not None:
            on_leave()

    # Answering

    def attempt(self, step: Callable[[Given], Reply | None], given: Given) -> None:
        """Take a step towards the response, and send what comes of it."""
        response = attempt(step, given, self.id)
        if response is not None:
            self.respond(response)

    def respond(self, response: Reply) -> None:
        """Send the response, if there is still somebody to have it."""
        if not self.answered:
            self._answer(response)
        self._finish()

    def _answer(self, response: Reply) -> None:
        self.answered = True
        headers = f"Content-Length: {len(response.body)}\r\nDate: {date()}\r\nX-Request-Id: {self.id}\r\n"
        if response.content_type is not None:
            headers += f"Content-Type: {response.content_type}\r\n"
        for name, value in response.headers.items():
            headers += f"{name}: {value}\r\n"
        self._stream.answer(response.status, headers, response.body, last=self._traffic.closing)
        if self._on_answer is not None:
            self._on_answer(response.status, time.perf_counter() - self._asked)

    def _finish(self) -> None:
        if not self._finished:
            self._end()
            self._stream.end()

    def _end(self) -> None:
        self._finished = True
        self._let_go()
        # Whoever asked to be told refers to this: not to keep a large body until the collector comes by.
        self._on_leave = None
        self._traffic.end()
