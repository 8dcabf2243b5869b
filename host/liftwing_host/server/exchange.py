"""One HTTP request and its answer, over Tornado's HTTP server.

Tornado's `RequestHandler` costs more than the hop to a worker does, so requests are taken at the level below
it: `HTTPMessageDelegate`, which Tornado documents for servers of this kind.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http.client import responses as reasons

import orjson
from tornado import httputil

from ..errors import LiftwingError, Overloaded, PayloadTooLarge
from .host import Traffic

__all__ = ["JSON", "ClientLeft", "Exchange", "Handler", "Response", "error_response", "json_response"]

log = logging.getLogger("liftwing_host.http")

JSON = "application/json"
_REQUEST_ID = re.compile(r"[!-~]{1,128}")
_READ_AND_DROP = 1 << 30
"""A body that is too large is read to its end before it is refused, up to this size, since most clients look
for an answer only after they have sent all; what is larger has its connection closed."""


class ClientLeft(Exception):
    """The client closed its connection: nobody waits for the answer."""


@dataclass(frozen=True)
class Response:
    """What is sent back.

    Attributes:
        status: The HTTP status.
        body: The body.
        content_type: Its type; None sends no such header.
        headers: Further headers.
    """

    status: int
    body: bytes | bytearray = b""
    content_type: str | None = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[["Exchange"], Response | Awaitable[Response]]


def json_response(status: int, value: object, **headers: str) -> Response:
    """A response that the host itself makes."""
    return Response(status, orjson.dumps(value), JSON, headers)


def error_response(error: LiftwingError) -> Response:
    """The one envelope of every error."""
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, Overloaded) else {}
    return Response(error.http_status, orjson.dumps({"error": error.message}), JSON, headers)


class Exchange(httputil.HTTPMessageDelegate):
    """One request: its body as it arrives, then its handler, then the answer.

    Attributes:
        path_arguments: What the URL's pattern matched.
        headers: The client's headers, by lower-case name.
        body: The body, once it has arrived.
        id: The client's `x-request-id` where it is printable ASCII of at most 128 characters, or a new one.
    """

    def __init__(
        self,
        request: httputil.HTTPServerRequest,
        handler: Handler,
        path_arguments: Mapping[str, str],
        traffic: Traffic,
        max_body_size: int,
    ) -> None:
        self.path_arguments = path_arguments
        self.headers = {name.lower(): value for name, value in request.headers.get_all()}
        self.body: bytes = b""
        given = self.headers.get("x-request-id", "")
        self.id = given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
        assert request.connection is not None
        self._connection = request.connection
        self._handler = handler
        self._has_body = request.method != "HEAD"
        self._traffic = traffic
        self._under_way = True
        self._limit = max_body_size
        self._chunks: list[bytes] = []
        self._size = 0
        self._answered = False
        self._finished = False
        self._on_leave: Callable[[], None] | None = None
        self._task: asyncio.Task[None] | None = None
        traffic.begin()

    def on_client_left(self, callback: Callable[[], None]) -> None:
        """Be told if the client closes its connection before it is answered."""
        self._on_leave = callback

    # What Tornado calls, in this order

    def headers_received(  # noqa: D102
        self,
        start_line: httputil.RequestStartLine | httputil.ResponseStartLine,  # noqa: ARG002
        headers: httputil.HTTPHeaders,  # noqa: ARG002
    ) -> None:
        try:
            announced = int(self.headers.get("content-length", "0"))
        except ValueError:
            return  # Tornado refuses it by itself.
        if announced > self._limit:
            self._answer(error_response(PayloadTooLarge(self._limit)))
            if announced > _READ_AND_DROP or self.headers.get("expect", "").lower() == "100-continue":
                self._finish()

    def data_received(self, chunk: bytes) -> None:  # noqa: D102
        self._size += len(chunk)
        if self._size <= self._limit:
            self._chunks.append(chunk)
        elif not self._answered:
            self._chunks.clear()
            self._answer(error_response(PayloadTooLarge(self._limit)))

    def finish(self) -> None:  # noqa: D102
        if self._answered:
            self._finish()
            return
        self.body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._connection.set_close_callback(self.on_connection_close)  # type: ignore[attr-defined]
        try:
            response = self._handler(self)
        except LiftwingError as error:
            self._respond(error_response(error))
            return
        if inspect.isawaitable(response):
            self._task = asyncio.get_running_loop().create_task(self._await(response))
        else:
            self._respond(response)

    def on_connection_close(self) -> None:  # noqa: D102
        self._answered = self._finished = True
        self._chunks.clear()
        self._over()
        if self._on_leave is not None:
            self._on_leave()

    # Answering

    async def _await(self, response: Awaitable[Response]) -> None:
        try:
            self._respond(await response)
        except ClientLeft:
            pass
        except LiftwingError as error:
            self._respond(error_response(error))
        except Exception:
            log.exception("request %s failed in the host", self.id)
            self._respond(
                json_response(
                    500, {"error": f"The host failed; its log has the reason under request id {self.id}."}
                )
            )

    def _respond(self, response: Response) -> None:
        if not self._answered:
            self._answer(response)
        self._finish()

    def _answer(self, response: Response) -> None:
        self._answered = True
        headers = httputil.HTTPHeaders()
        if response.content_type is not None:
            headers.add("Content-Type", response.content_type)
        headers.add("Content-Length", str(len(response.body)))
        headers.add("Date", _date())
        headers.add("X-Request-Id", self.id)
        if self._traffic.closing:
            headers.add("Connection", "close")
        for name, value in response.headers.items():
            headers.add(name, value)
        start_line = httputil.ResponseStartLine(
            "HTTP/1.1", response.status, reasons.get(response.status, "Unknown")
        )
        written = self._connection.write_headers(
            start_line, headers, bytes(response.body) if self._has_body else b""
        )
        written.add_done_callback(self._written)

    def _finish(self) -> None:
        if not self._finished:
            self._finished = True
            self._connection.finish()

    def _written(self, written: asyncio.Future[None]) -> None:
        # A client that has left meanwhile makes it fail; nobody needs to know.
        if not written.cancelled():
            written.exception()
        self._over()

    def _over(self) -> None:
        if self._under_way:
            self._under_way = False
            self._traffic.end()


_date_cache = (0, "")


def _date() -> str:
    """The time for the Date header, made once a second."""
    global _date_cache  # noqa: PLW0603
    now = int(time.time())
    if _date_cache[0] != now:
        _date_cache = (now, httputil.format_timestamp(now))
    return _date_cache[1]
