"""The host's extensions: found by their entry points, imported here, and asked through pluggy. Host process."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import importlib_metadata as metadata
import pluggy

from .. import extension
from ..body_arena import Body
from ..errors import ConfigurationError, LiftwingError
from ..extension import Event, Reply, Route, RouteRequest
from ..hookspecs import PROJECT
from .exchange import Exchange, Handler, Headers, attempt, request_id
from .inference import begin

if TYPE_CHECKING:
    from .host import Host

__all__ = ["Extensions", "View", "handler_of"]

log = logging.getLogger("liftwing_host.extensions")

GROUP = "liftwing_host"


class Extensions:
    """All installed extensions.

    Raises:
        ConfigurationError: One cannot be imported, or has a misspelt hook; the message names it.
    """

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(extension)
        for entry_point in sorted(metadata.entry_points(group=GROUP), key=lambda found: found.name):
            self._register(entry_point)
        try:
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise ConfigurationError(f"{error} (the hooks are in liftwing_host.extension)") from None

    def _register(self, entry_point: metadata.EntryPoint) -> None:
        brought_by = entry_point.dist.name if entry_point.dist else "?"
        try:
            self._manager.register(entry_point.load(), entry_point.name)
        except Exception as error:
            raise ConfigurationError(
                f"The extension {entry_point.name} of {brought_by} cannot be loaded ({type(error).__name__}: {error}). "
                f"Mend it, or remove it: pip uninstall {brought_by}."
            ) from error

    async def start(self, view: View) -> None:
        """Let them begin what they need."""
        for answer in self._manager.hook.liftwing_start(host=view):
            if inspect.isawaitable(answer):
                await answer

    async def stop(self, view: View) -> None:
        """Let them end. What one raises is logged, and does not keep the others from ending."""
        for found in self._manager.hook.liftwing_stop.get_hookimpls():
            try:
                answer = found.function(**dict.fromkeys(found.argnames, view))
                if inspect.isawaitable(answer):
                    await answer
            except Exception:
                log.exception("the extension %s failed to stop", found.plugin_name)

    def routes(self, view: View) -> list[Route]:
        """Their URLs."""
        return [route for routes in self._manager.hook.liftwing_routes(host=view) for route in routes]

    async def metrics(self) -> list[Any]:
        """Their metric families. What one raises is logged, and the others are shown."""
        families: list[Any] = []
        for found in self._manager.hook.liftwing_metrics.get_hookimpls():
            try:
                tell: Any = found.function
                families += await tell()
            except Exception:
                log.exception("the extension %s failed to tell its metrics", found.plugin_name)
        return families

    def commands(self) -> list[Any]:
        """Their commands."""
        return [command for commands in self._manager.hook.liftwing_commands() for command in commands]

    @property
    def takes_events(self) -> bool:
        """Whether any of them takes events."""
        return bool(self._manager.hook.liftwing_accept.get_hookimpls())

    async def accept(self, events: Sequence[Event]) -> LiftwingError | None:
        """Hand over events.

        Returns:
            What the client shall know of it, if anything.
        """
        problem: LiftwingError | None = None
        for found in self._manager.hook.liftwing_accept.get_hookimpls():
            try:
                accept: Any = found.function
                await accept(**({"events": events} if found.argnames else {}))
            except LiftwingError as error:
                problem = error
            except Exception:
                log.exception("request %s: its events were not taken", events[0].request_id)
        return problem


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
        self.headers: Headers = dict(headers)
        self.id = request_id(self.headers)
        self._on_leave: Callable[[], None] | None = None
        self._answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def on_client_left(self, callback: Callable[[], None]) -> None:
        self._on_leave = callback

    def attempt(self, step: Callable[[Any], Reply | None], given: Any) -> None:
        response = attempt(step, given, self.id)
        if response is not None and not self._answer.done():
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
    outcome: Reply | Exception
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
    except Exception as error:  # noqa: BLE001 - it becomes the response
        outcome = error
    exchange.attempt(_response, outcome)


def _response(outcome: Reply | Exception) -> Reply:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
