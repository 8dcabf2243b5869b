"""A stand-in for EventGate 1.8.4: an HTTP server that validates events and answers as EventGate does.

It can be told to misbehave, and remembers what it got.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

from aiohttp import web

from .validation import judge

__all__ = ["Post", "StandIn"]

T = TypeVar("T")


@dataclass(frozen=True)
class Post:
    """A request that came in.

    Attributes:
        body: Its JSON.
        headers: Its headers, by lower-case name.
    """

    body: Any
    headers: dict[str, str]

    @property
    def events(self) -> list[Any]:
        """What it held, as a list."""
        return self.body if isinstance(self.body, list) else [self.body]


class StandIn:
    """Listens on one port for as long as it is not down.

    Args:
        address: The address to listen on.
        port: The port; 0 takes a free one.

    Attributes:
        posts: All that came in.
        accepted: The events that were accepted, as often as they were.
        status: Answers this status, without a body, instead of its own; of a function of the post, where that is not None.
        breaks_after: Accepts so many events of a longer batch, and breaks the connection.
        rejects: Says of an event that it is invalid.
        fails: Says of an event that it cannot be passed on.
    """

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        self.posts: list[Post] = []
        self.accepted: list[Any] = []
        self.status: Callable[[Post], int | None] = lambda _: None
        self.breaks_after: int | None = None
        self.rejects: Callable[[Any], bool] = lambda _: False
        self.fails: Callable[[Any], bool] = lambda _: False
        self._holds: Callable[[Post], bool] = lambda _: False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._address = address
        self._port = port

    @property
    def url(self) -> str:
        """Where it takes events."""
        address = f"[{self._address}]" if ":" in self._address else self._address
        return f"http://{address}:{self._port}/v1/events"

    def ids(self, stream: str | None = None) -> list[str]:
        """The ids of the accepted events (of a stream), each once, in the order in which they came first."""
        chosen = [event for event in self.accepted if stream is None or event["meta"]["stream"] == stream]
        return list(dict.fromkeys(event["meta"]["id"] for event in chosen))

    def __enter__(self) -> StandIn:
        self._thread.start()
        self._run(self._begin())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.answer_all()
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def down(self) -> None:
        """Close the port."""
        self._run(self._site.stop())

    def up(self) -> None:
        """Open it again."""
        self._run(self._listen())

    def hold(self, which: Callable[[Post], bool] = lambda _: True) -> None:
        """Answer nothing any more (to the posts that a function names), nor accept it."""
        self._holds = which

    def answer_all(self) -> None:
        """Answer again, also to what was held."""
        self._holds = lambda _: False
        self._loop.call_soon_threadsafe(self._released.set)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _begin(self) -> None:
        self._released = asyncio.Event()
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_post("/v1/events", self._take)
        app.router.add_get("/v1/events", self._tell)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        await self._listen()
        self._port = self._runner.addresses[0][1]

    async def _end(self) -> None:
        if self._site in self._runner.sites:
            await self._site.stop()
        # A connection that has just been accepted is known to the server some turns of the loop later.
        for _ in range(10):
            await asyncio.sleep(0)
        await self._runner.cleanup()

    async def _listen(self) -> None:
        self._site = web.TCPSite(self._runner, self._address, self._port, reuse_address=True)
        await self._site.start()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.json(loads=json.loads)
        post = Post(body, {name.lower(): value for name, value in request.headers.items()})
        self.posts.append(post)
        if self._holds(post):
            self._released.clear()
            await self._released.wait()
        status = self.status(post)
        if status is not None:
            return web.Response(status=status)
        if self.breaks_after is not None and len(post.events) > self.breaks_after:
            self.accepted += post.events[: self.breaks_after]
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        answer = self._process(post)
        return web.Response(status=202) if request.query.get("hasty") else answer

    async def _tell(self, request: web.Request) -> web.StreamResponse:
        """The events that were accepted: EventGate itself has no such route."""
        return web.json_response(self.accepted) if self.accepted else web.Response(status=503)

    def _process(self, post: Post) -> web.Response:
        results: dict[str, list[Any]] = {"success": [], "invalid": [], "error": []}
        for event in post.events:
            kind, context = self._judge(event)
            results[kind].append({"status": kind, "event": event, "context": context})
        self.accepted += [item["event"] for item in results["success"]]
        told = {kind: results[kind] for kind in ("invalid", "error")}
        if not told["invalid"] and not told["error"]:
            return web.Response(status=201)
        if len(told["invalid"]) == len(post.events):
            return web.json_response({"invalid": told["invalid"]}, status=400)
        return web.json_response(told, status=207 if results["success"] else 500)

    def _judge(self, event: Any) -> tuple[str, dict[str, Any]]:
        if self.rejects(event):
            return "invalid", {"errors": [{"dataPath": ".x", "message": "should be otherwise"}]}
        if self.fails(event):
            return "error", {"message": "Kafka is away"}
        return judge(event)
