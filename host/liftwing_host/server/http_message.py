"""One HTTP request while `llhttp` reads it, and before its turn to be answered has come."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import httptools

if TYPE_CHECKING:
    from .exchange import Exchange, Headers

__all__ = ["Message", "path_of"]


class Message:
    """One request, as far as it has arrived; `exchange` once its turn has come."""

    __slots__ = ("chunks", "complete", "exchange", "headers", "keep_alive", "method", "old", "path")

    def __init__(self, method: str, path: str, headers: Headers, *, keep_alive: bool, old: bool) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.keep_alive = keep_alive
        self.old = old
        self.chunks: list[bytes] = []
        self.complete = False
        self.exchange: Exchange | None = None


def path_of(url: bytes) -> str:
    """The path of a request's URL, still encoded, without the query; of an absolute URL, too."""
    if not url.startswith(b"/"):
        with contextlib.suppress(httptools.HttpParserInvalidURLError):
            url = httptools.parse_url(url).path or b"/"
    return url.partition(b"?")[0].decode("latin-1")
