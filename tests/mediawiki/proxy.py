"""A reverse proxy in front of the wikis that misbehaves as told and remembers what was asked."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from yarl import URL

from .faults import Fault

# These belong to one connection, or are written anew for the next.
HOP_BY_HOP = {"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"}


@dataclass
class Asked:
    """One request as it came, and the HTTP status it got: none while it has no whole answer."""

    method: str
    path: str
    parameters: dict[str, str]
    headers: dict[str, str]
    time: float
    status: int | None = None


@dataclass
class Rule:
    """A fault for the requests that it is meant for, as often as it says."""

    fault: Fault
    times: float
    when: Callable[[Asked], bool]

    def applies(self, asked: Asked) -> bool:
        """Whether this request is to be treated so; counts."""
        if self.times < 1 or not self.when(asked):
            return False
        self.times -= 1
        return True


@dataclass
class FlakyProxy:
    """Passes everything on until told otherwise."""

    upstream: str
    url: str = ""
    _rules: list[Rule] = field(default_factory=list)
    _asked: list[Asked] = field(default_factory=list)

    def fail(
        self,
        fault: Fault,
        times: float = 1,
        when: Callable[[Asked], bool] = lambda _: True,
    ) -> None:
        """Treat the next requests so (math.inf: all); rules are used up in the order they came."""
        self._rules.append(Rule(fault, times, when))

    def heal(self) -> None:
        """Pass everything on again."""
        self._rules.clear()

    @property
    def asked(self) -> list[Asked]:
        """The requests so far, in the order they came."""
        return list(self._asked)

    @classmethod
    @contextmanager
    def before(cls, upstream: str) -> Iterator[FlakyProxy]:
        """Run in a thread until the block ends."""
        proxy = cls(upstream)
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="flaky proxy", daemon=True)
        thread.start()
        runner = asyncio.run_coroutine_threadsafe(proxy._start(), loop).result()
        try:
            yield proxy
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    async def _start(self) -> web.AppRunner:
        application = web.Application()
        application.cleanup_ctx.append(self._session)
        application.router.add_route("*", "/{path:.*}", self._handle)
        # A client that gives up ends its handler, so that a slow answer holds up nothing later.
        runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    async def _session(self, _: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(auto_decompress=False) as self._upstream_session:
            yield

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        asked = await read(request)
        self._asked.append(asked)
        rule = next((rule for rule in self._rules if rule.applies(asked)), None)

        async def forward() -> web.Response:
            return await self._forward(request)

        response = await (rule.fault.answer(request, forward) if rule else forward())
        if request.transport is not None and not request.transport.is_closing():
            asked.status = response.status
        return response

    async def _forward(self, request: web.Request) -> web.Response:
        async with self._upstream_session.request(
            request.method,
            URL(self.upstream + request.raw_path, encoded=True),
            headers=end_to_end(request.headers),
            data=await request.read(),
            allow_redirects=False,
        ) as answer:
            headers = end_to_end(answer.headers)
            return web.Response(status=answer.status, headers=headers, body=await answer.read())


async def read(request: web.Request) -> Asked:
    """What a test may want to know of a request; parameters in the address or in a form."""
    form = await request.post()
    parameters = {**request.query, **{name: str(value) for name, value in form.items()}}
    headers = dict(request.headers)
    return Asked(request.method, request.path, parameters, headers, time.monotonic())


def end_to_end(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that pass through a proxy."""
    return {name: value for name, value in headers.items() if name.lower() not in HOP_BY_HOP}


@contextmanager
def closed_port() -> Iterator[str]:
    """An address where nothing listens, and nothing can until the block ends."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"
