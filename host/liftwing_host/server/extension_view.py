"""What extensions see of the host, and how it asks them for what their own routes answer. Host process."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from ..body_arena import Body
from ..errors import LiftwingError
from ..extension import Reply, Route, RouteRequest
from .body_memory import Share
from .exchange import Exchange, Handler, Headers
from .inference import begin
from .reply import attempt, error_response
from .request_id import request_id

if TYPE_CHECKING:
    from .host import Host

__all__ = ["View", "handler_of"]

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t -~\x80-\xff]*")
_FRAMING = ("content-length", "transfer-encoding")
"""Headers that are the host's to send: with two of them a client does not know where the answer ends."""


class View:
    """The host, as an extension sees it (`liftwing_host.extension.HostView`)."""

    def __init__(self, host: Host) -> None:
        self._host = host

    @property
    def models(self) -> Sequence[str]:
        """See `HostView`."""
        return list(self._host.models)

    def is_ready(self, model: str) -> bool:
        """See `HostView`."""
        found = self._host.models.get(model)
        return found is not None and found.ready

    async def predict(self, model: str, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        """See `HostView`."""
        asked = _Question(body, headers or {})
        asked.attempt(lambda name: begin(self._host, name, asked), model)
        return await asked.answer()


class _Question:
    """A request that an extension makes: to a model what an `Exchange` is."""

    def __init__(self, body: bytes, headers: Mapping[str, str]) -> None:
        self.body: Body = body
        self.share: Share | None = None
        self.headers: Headers = dict(headers)
        self.id = request_id(self.headers)
        self._on_leave: Callable[[], None] | None = None
        self._answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def on_client_left(self, callback: Callable[[], None]) -> None:
        self._on_leave = callback

    def attempt(self, step: Callable[[Any], Reply | None], given: Any) -> None:
        response = attempt(step, given, self.id)
        if response is not None and not self._answer.done():
            # It is through: who leaves before the answer has been looked at has nothing left to drop.
            self._on_leave = None
            self._answer.set_result(response)

    async def answer(self) -> Reply:
        try:
            return await self._answer
        except asyncio.CancelledError:
            if self._on_leave is not None:
                self._on_leave()
            raise


def handler_of(route: Route) -> Handler:
    """What the application calls for a route of an extension."""
    # The event loop itself would let go of a task that nobody else holds.
    running: set[asyncio.Task[None]] = set()

    def handle(exchange: Exchange) -> None:
        task = asyncio.get_running_loop().create_task(_reply(route, exchange))
        running.add(task)
        task.add_done_callback(running.discard)
        exchange.on_client_left(lambda: _cancel(task))

    return handle


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


async def _reply(route: Route, exchange: Exchange) -> None:
    outcome: object
    try:
        outcome = await route.handler(
            RouteRequest(
                method=route.method,
                path=exchange.path,
                arguments=MappingProxyType(dict(exchange.path_arguments)),
                query=parse_qs(exchange.query, keep_blank_values=True),
                headers=MappingProxyType(exchange.headers),
                body=exchange.body_bytes(),
                id=exchange.id,
            )
        )
    except asyncio.CancelledError:
        if exchange.answered:
            raise
        # The client is still there: something within the handler was cancelled, or the handler itself by its own.
        outcome = RuntimeError("the handler was cancelled, though its client has not left")
    except Exception as error:  # noqa: BLE001 - it becomes the response
        outcome = error
    exchange.attempt(_response, outcome)


def _response(outcome: object) -> Reply:
    """The response that follows from what a handler gave or raised.

    Raises:
        TypeError: It is no reply.
        ValueError: It is one that cannot be sent.
        Exception: What the handler raised, where that was not meant for the client.
    """
    if isinstance(outcome, LiftwingError):
        outcome = error_response(outcome)
    elif isinstance(outcome, Exception):
        raise outcome
    if not isinstance(outcome, Reply):
        raise TypeError(f"the handler gave {type(outcome).__name__}, and not a Reply")
    if not isinstance(outcome.body, bytes | bytearray):
        raise TypeError(f"the body of the reply is {type(outcome.body).__name__}, and not bytes")
    if not (isinstance(outcome.status, int) and 200 <= outcome.status <= 999):
        raise ValueError(f"{outcome.status!r} is no status of an answer")
    for name, value in [("Content-Type", outcome.content_type or ""), *outcome.headers.items()]:
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(str(value)):
            raise ValueError(f"the header {name!r}: {value!r} cannot be sent")
        if name.lower() in _FRAMING:
            raise ValueError(f"the header {name} is sent by the host")
    return outcome
