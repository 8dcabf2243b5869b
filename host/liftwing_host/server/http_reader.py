"""What arrives on one connection, cut into messages by llhttp: their heads, the parts of their bodies, their ends."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

import httptools

from .http_message import Message, split_url

if TYPE_CHECKING:
    from .exchange import Headers

__all__ = ["MAX_HEAD", "MessageReader", "Sink"]

MAX_HEAD = 64 << 10
"""Bytes of a request's line and headers; Tornado's default."""

_EMPTY_LINES = 4
"""Bytes of empty lines before a request; some clients send one after a body."""
_FRAMING = ("transfer-encoding", "content-length")
_LONGEST_LENGTH = 20
"""Digits of a content-length: those of 64 bits. int() refuses thousands, of zeros in front, too, which llhttp skips."""


class Sink(Protocol):
    """Who is told of the messages."""

    def head_arrived(self, message: Message) -> bool:
        """The head is complete; whether the rest of the message is wanted."""

    def body_arrived(self, message: Message, body: bytes) -> None:
        """A part of the body."""

    def message_arrived(self, message: Message) -> None:
        """The message is complete."""


class MessageReader:
    """Parses one message after the other.

    Attributes:
        message: The message whose body is being read.
        in_head: Whether a head has begun to arrive and is not complete.
    """

    def __init__(self, sink: Sink) -> None:
        self.message: Message | None = None
        self.in_head = False
        self._sink = sink
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: Headers = {}
        # What has arrived since the last thing that is kept elsewhere; and the headers or trailers in it.
        self._unkept_bytes = 0
        self._header_bytes = 0
        self._refused: HTTPStatus | None = None
        self._resumes = False

    def feed(self, data: memoryview) -> HTTPStatus | None:
        """Parse what has arrived.

        Returns:
            None, or why it is no request that could be answered; then nothing more must be fed.
        """
        self._unkept_bytes += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserCallbackError:
            # The fault is the host's and not the client's; the transport logs it and ends the connection.
            raise
        except httptools.HttpParserError:
            return HTTPStatus.BAD_REQUEST
        if self._refused is not None:
            return self._refused
        if (self.in_head or self.message is not None) and self._unkept_bytes > MAX_HEAD:
            # A head, or trailers, or the extensions of a chunk, without an end.
            return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        if self.message is None and not self.in_head and self._unkept_bytes > _EMPTY_LINES:
            return HTTPStatus.BAD_REQUEST
        return None

    def complete_elsewhere(self) -> None:
        """The rest of the message's body was read past the parser, which is left in the middle of it."""
        message, self.message = self.message, None
        self._parser = httptools.HttpRequestParser(self)
        if message is not None:
            self._sink.message_arrived(message)

    def _parse(self, data: memoryview) -> None:
        rest = data
        while rest:
            try:
                self._parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                # Nothing else is spoken here: the offer is ignored, and what follows is HTTP/1.1 as before.
                self._parser = httptools.HttpRequestParser(self)
                if self.message is not None:
                    self._parse_body_of(self.message)
                rest = rest[upgrade.args[0] :]
            else:
                return

    def _parse_body_of(self, message: Message) -> None:
        """Let a new parser go on after the head of a message: the one that made an offer of it skips its body."""
        framing = next(name for name in _FRAMING if name in message.headers)
        self._resumes = True
        self._parser.feed_data(
            f"POST / HTTP/1.1\r\n{framing}: {message.headers[framing]}\r\n\r\n".encode("latin-1")
        )
        self._resumes = False

    # From the parser

    def on_message_begin(self) -> None:  # noqa: D102 - httptools', as the rest
        if self._resumes:
            return
        self._url = b""
        self._headers = {}
        self._header_bytes = 0
        self.in_head = True

    def on_url(self, url: bytes) -> None:  # noqa: D102
        if not self._resumes:
            self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: D102
        self._header_bytes += len(name) + len(value)
        if not self.in_head:
            # Trailers: nothing that is decided by a header waits for the end of a body.
            if self._header_bytes > 2 * MAX_HEAD:
                self._refused = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            return
        headers, key, text = self._headers, name.decode("latin-1").lower(), value.decode("latin-1")
        if key in headers:
            if key == "host":
                self._refused = HTTPStatus.BAD_REQUEST
            text = f"{headers[key]},{text}"
        headers[key] = text

    def on_headers_complete(self) -> None:  # noqa: D102
        if self._resumes:
            return
        self.in_head = False
        self._unkept_bytes = 0
        version = self._parser.get_http_version()
        if self._header_bytes + len(self._url) > MAX_HEAD:
            self._refused = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        elif (
            version not in ("1.0", "1.1")
            or (version == "1.1" and "host" not in self._headers)
            or len(self._headers.get("content-length", "")) > _LONGEST_LENGTH
        ):
            self._refused = HTTPStatus.BAD_REQUEST
        if self._refused is not None:
            return
        message = self.message = Message(
            self._parser.get_method().decode("latin-1"),
            *split_url(self._url),
            self._headers,
            keep_alive=self._parser.should_keep_alive(),
            old=version == "1.0",
        )
        if not self._sink.head_arrived(message):
            self.message = None

    def on_body(self, body: bytes) -> None:  # noqa: D102
        self._unkept_bytes = 0
        if self.message is not None:
            self._sink.body_arrived(self.message, body)

    def on_message_complete(self) -> None:  # noqa: D102
        self._unkept_bytes = 0
        message = self.message
        if message is None or (self._parser.should_upgrade() and message.has_body):
            return
        self.message = None
        self._sink.message_arrived(message)
