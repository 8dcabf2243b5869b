"""What can go wrong between a plugin and MediaWiki, each as an answer that the proxy can give."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

Forward = Callable[[], Awaitable[web.Response]]

Details = Mapping[str, str | int]

DETAILS: Mapping[str, Details] = {
    "maxlag": {
        "info": "Waiting for a database server: 7 seconds lagged.",
        "host": "db1",
        "lag": 7,
        "type": "db",
    },
    "ratelimited": {
        "info": "You've exceeded your rate limit. Please wait some time and try again.",
    },
    "readonly": {
        "info": "The wiki is currently in read-only mode.",
        "readonlyreason": "The database is being maintained.",
    },
}
HEADERS = {"maxlag": {"Retry-After": "5", "X-Database-Lag": "7"}}
SEE = "See https://en.wikipedia.org/w/api.php for API usage."


class Fault(Protocol):
    """One way to treat a request."""

    async def answer(self, request: web.Request, forward: Forward, /) -> web.StreamResponse:
        """Answer in MediaWiki's place, or forward the request to it."""


@dataclass(frozen=True)
class Slow:
    """MediaWiki's own answer, some seconds late."""

    seconds: float

    async def answer(self, _: web.Request, forward: Forward) -> web.StreamResponse:
        """Wait first."""
        await asyncio.sleep(self.seconds)
        return await forward()


@dataclass(frozen=True)
class Status:
    """An HTTP error with a page for humans, as from the servers in front of MediaWiki."""

    code: int
    retry_after: int | None = None

    async def answer(self, _: web.Request, _forward: Forward) -> web.StreamResponse:
        """Answer without asking MediaWiki."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        page = f"<!DOCTYPE html>\n<title>Wikimedia Error</title>\n<p>Error: {self.code}</p>\n"
        return web.Response(status=self.code, headers=headers, text=page, content_type="text/html")


@dataclass(frozen=True)
class ApiError:
    """An error of MediaWiki's API, which comes with HTTP status 200."""

    code: str

    async def answer(self, request: web.Request, _: Forward) -> web.StreamResponse:
        """Answer without asking MediaWiki."""
        headers = {"MediaWiki-API-Error": self.code, **HEADERS.get(self.code, {})}
        see = "docref" if request.query.get("formatversion") == "2" else "*"
        error = {"code": self.code, **DETAILS.get(self.code, self.exception), see: SEE}
        return web.json_response({"error": error}, headers=headers)

    @property
    def exception(self) -> Details:
        """What an internal_api_error says of the exception that its code ends with."""
        name = self.code.removeprefix("internal_api_error_")
        return {"info": f"[d598d599b00a] Caught exception of type {name}", "errorclass": name}


@dataclass(frozen=True)
class Drop:
    """The connection ends: at once, or in the middle of MediaWiki's own answer."""

    midway: bool = False

    async def answer(self, request: web.Request, forward: Forward) -> web.StreamResponse:
        """Send half of the answer if that is wanted, and end the connection."""
        response = web.StreamResponse()
        if self.midway:
            await send_half(request, response, await forward())
        if request.transport is not None:
            request.transport.close()
        return response


async def send_half(request: web.Request, response: web.StreamResponse, whole: web.Response) -> None:
    """Promise a whole answer and send the first half."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    response.headers.update(whole.headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
