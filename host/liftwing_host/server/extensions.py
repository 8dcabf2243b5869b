"""The host's extensions: found by their entry points, imported here, and asked through pluggy. Host process.

`liftwing-host --help` lists their commands, too: nothing is imported here that only serving needs.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

from .. import extension
from ..errors import ConfigurationError, LiftwingError
from ..hookspecs import PROJECT

if TYPE_CHECKING:
    import importlib_metadata as metadata

    from ..extension import Event, HostView, Route

__all__ = ["Extensions"]

log = logging.getLogger("liftwing_host.extensions")


class Extensions:
    """All installed extensions.

    Args:
        entry_points: Where they are (`discovery`).

    Raises:
        ConfigurationError: One cannot be imported, or has a misspelt hook; the message names it.
    """

    def __init__(self, entry_points: Iterable[metadata.EntryPoint]) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(extension)
        for entry_point in sorted(entry_points, key=lambda found: found.name):
            self._register(entry_point)
        try:
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise ConfigurationError(f"{error} (the hooks are in liftwing_host.extension)") from None
        starts = self._manager.hook.liftwing_start.get_hookimpls()
        self._not_started = {found.plugin_name for found in starts}

    def _register(self, entry_point: metadata.EntryPoint) -> None:
        try:
            self._manager.register(entry_point.load(), entry_point.name)
        except Exception as error:
            # (Asked for here alone: all of its metadata is read for it.)
            brought_by = entry_point.dist.name if entry_point.dist else "?"
            raise ConfigurationError(
                f"The extension {entry_point.name} of {brought_by} cannot be loaded ({type(error).__name__}: {error}). "
                f"Mend it, or remove it: pip uninstall {brought_by}."
            ) from error

    async def start(self, view: HostView) -> None:
        """Let them begin what they need.

        Raises:
            ConfigurationError: One cannot; the message names it. The others are to be stopped.
        """
        for found in self._in_order(self._manager.hook.liftwing_start):
            with _blaming(found, "failed to start"):
                answer = found.function(**dict.fromkeys(found.argnames, view))
                if inspect.isawaitable(answer):
                    await answer
            self._not_started.discard(found.plugin_name)

    async def stop(self, view: HostView) -> None:
        """Let those end that have started. What one raises is logged, and does not keep the others from ending."""
        for found in self._manager.hook.liftwing_stop.get_hookimpls():
            if found.plugin_name in self._not_started:
                continue
            try:
                answer = found.function(**dict.fromkeys(found.argnames, view))
                if inspect.isawaitable(answer):
                    await answer
            except Exception:
                log.exception("the extension %s failed to stop", found.plugin_name)

    def routes(self, view: HostView) -> list[Route]:
        """Their URLs.

        Raises:
            ConfigurationError: One fails to tell them; the message names it.
        """
        routes: list[Route] = []
        for found in self._in_order(self._manager.hook.liftwing_routes):
            with _blaming(found, "failed to tell its routes"):
                told: Any = found.function(**dict.fromkeys(found.argnames, view))
                routes += told or ()
        return routes

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
        """Their commands.

        Raises:
            ConfigurationError: One fails to tell them; the message names it.
        """
        commands: list[Any] = []
        for found in self._in_order(self._manager.hook.liftwing_commands):
            with _blaming(found, "failed to tell its commands"):
                told: Any = found.function()
                commands += told or ()
        return commands

    def _in_order(self, hook: pluggy.HookCaller) -> list[pluggy.HookImpl]:
        """Those that have a hook, in pluggy's order: who was registered last is asked first."""
        return hook.get_hookimpls()[::-1]

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


@contextlib.contextmanager
def _blaming(found: pluggy.HookImpl, what: str) -> Iterator[None]:
    """Have whatever an extension raises end the host with a message that names it; the log has the rest."""
    try:
        yield
    except ConfigurationError:
        raise
    except Exception as error:
        log.exception("the extension %s %s", found.plugin_name, what)
        raise ConfigurationError(
            f"The extension {found.plugin_name} {what} ({type(error).__name__}: {error}). Mend it, or uninstall it."
        ) from error
