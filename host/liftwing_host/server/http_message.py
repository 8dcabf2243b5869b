"""One HTTP request while `llhttp` reads it, and before its turn to be answered has come."""

from __future__ import annotations

import contextlib
from http import HTTPStatus
from typing import TYPE_CHECKING

import httptools
import orjson

if TYPE_CHECKING:
    from .exchange import Exchange, Headers

__all__ = ["Message", "refusal", "split_url"]

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


class Message:
    """One request, as far as it has arrived; `exchange` once its turn has come."""

    __slots__ = ("chunks", "complete", "exchange", "headers", "keep_alive", "method", "old", "path", "query")

    def __init__(
        self, method: str, path: str, query: str, headers: Headers, *, keep_alive: bool, old: bool
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.keep_alive = keep_alive
        self.old = old
        self.chunks: list[bytes] = []
        self.complete = False
        self.exchange: Exchange | None = None

    @property
    def has_body(self) -> bool:
        """Whether its head says that a body follows."""
        return "transfer-encoding" in self.headers or self.headers.get("content-length", "0").strip("0") != ""

    def answer_head(self, status: int, headers: str) -> bytes:
        """The status line and the headers of its answer."""
        line = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} Unknown\r\n"
        connection = ""
        if not self.keep_alive:
            connection = "Connection: close\r\n"
        elif self.old:
            connection = "Connection: keep-alive\r\n"
        return f"{line}{headers}{connection}\r\n".encode("latin-1")


def refusal(status: HTTPStatus) -> bytes:
    """The answer to what is no request that could be answered properly."""
    body = orjson.dumps({"error": status.phrase})
    head = f"{_STATUS_LINES[status]}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + body


def split_url(url: bytes) -> tuple[str, str]:
    """The path and the query of a request's URL, still encoded; of an absolute URL, too."""
    if not url.startswith(b"/"):
        with contextlib.suppress(httptools.HttpParserInvalidURLError):
            parsed = httptools.parse_url(url)
            return (parsed.path or b"/").decode("latin-1"), (parsed.query or b"").decode("latin-1")
    path, _, query = url.partition(b"?")
    return path.decode("latin-1"), query.decode("latin-1")
