"""The host's extensions: found by their entry points, imported here, and asked through pluggy. Host process.

`liftwing-host --help` lists their commands, too: nothing is imported here that only serving needs.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import importlib_metadata as metadata
import pluggy

from .. import extension
from ..errors import ConfigurationError, LiftwingError
from ..hookspecs import PROJECT

if TYPE_CHECKING:
    from ..extension import Event, HostView, Route

__all__ = ["Extensions"]

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

    async def start(self, view: HostView) -> None:
        """Let them begin what they need."""
        for answer in self._manager.hook.liftwing_start(host=view):
            if inspect.isawaitable(answer):
                await answer

    async def stop(self, view: HostView) -> None:
        """Let them end. What one raises is logged, and does not keep the others from ending."""
        for found in self._manager.hook.liftwing_stop.get_hookimpls():
            try:
                answer = found.function(**dict.fromkeys(found.argnames, view))
                if inspect.isawaitable(answer):
                    await answer
            except Exception:
                log.exception("the extension %s failed to stop", found.plugin_name)

    def routes(self, view: HostView) -> list[Route]:
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
