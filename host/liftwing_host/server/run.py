"""Serving: take the port, load the models, answer until told to end, drain, stop."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import logging
import signal
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..body_arena import BodyArena
from .assembly import assemble
from .chosen import chosen_plugins
from .discovery import Catalogue
from .extension_view import View
from .extensions import Extensions
from .head_start import HeadStart
from .host import EventTakers, Host
from .listening import bind, let_in, look_at_all
from .metrics import metrics_route
from .patience import patiently
from .pool import Pool
from .processes import first_of
from .reload import Configured, Reloader, watch_files
from .report import Reporter
from .settings import Settings

if TYPE_CHECKING:
    from .front import Server

__all__ = ["serve"]

log = logging.getLogger("liftwing_host")

_HEAD_START = 0.1
"""Seconds that processes get to be begun in, before the host sees to itself; it usually takes 2 ms."""


async def serve(
    settings: Settings,
    catalogue: Catalogue,
    early: HeadStart,
    reporter: Reporter,
    read_again: Callable[[], Configured],
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: What the operator wants.
        catalogue: What is installed.
        early: What has begun already. Whoever gives it sees to its end.
        reporter: What the operator is told meanwhile.
        read_again: Gives both anew, for a reload.

    Raises:
        ConfigurationError: Settings exclude each other, the port is taken, or an extension fails. No process is left.
    """
    bodies = early.bodies
    pools = assemble(settings, early.plugins, bodies, early.launchers)
    _warn_of_unused_tables(settings, pools)
    host = Host(pools, map(settings.served_as, settings.models), settings.host, bodies)
    sockets = bind(settings.host.port, settings.host.address)
    port = sockets[0].getsockname()[1]
    extensions, view = Extensions(catalogue.extensions), View(host)
    if extensions.takes_events:
        host.events = EventTakers(extensions.accept)
    try:
        await extensions.start(view)
        signals = _Signals(Reloader(host, read_again, lambda read: _assemble_again(host, *read, bodies)))
        reporter.listening(settings.host.address, port)
        reporter.loading(host.models.values())
        for pool in pools:
            pool.start(reporter.heard)
        await _until_begun(pools)
        server = _front(host, extensions, view)
        await server.listen(sockets)
        # What is there now stays: to look through it again and again would hold up requests. To look through it
        # once would hold up the first one, if it were left until the models are there.
        gc.collect()
        gc.enable()
        await _until_loaded(host, signals)
        gc.collect(1)
        gc.freeze()
        if not signals.first.done():
            reporter.started(host, port)
            await signals.until_told_to_end(host, watch=settings.host.reload)
        await _drain(host, server, sockets, signals)
    finally:
        reporter.close()
        await asyncio.gather(*(pool.close() for pool in host.pools))
        await extensions.stop(view)


def _front(host: Host, extensions: Extensions, view: View) -> Server:
    """What reads requests. What this imports takes as long as a small model to load: it is for while one does."""
    from .front import front

    return front(host, [metrics_route(host, extensions), *extensions.routes(view)])


async def _until_begun(pools: Iterable[Pool]) -> None:
    """Wait until what loads the models has been begun, or shows no sign of it."""
    begun = asyncio.gather(*(pool.begun.wait() for pool in pools))
    await asyncio.wait([begun], timeout=_HEAD_START)
    begun.cancel()
    await asyncio.gather(begun, return_exceptions=True)


def _assemble_again(host: Host, settings: Settings, catalogue: Catalogue, bodies: BodyArena) -> list[Pool]:
    """A model that the file no longer names goes on being served: by its plugin's new pool, if it gets one."""
    renewed = {catalogue.find(name).distribution for name in settings.models}
    served = [model.model for pool in host.pools if pool.name in renewed for model in pool.models]
    models = tuple(dict.fromkeys([*settings.models, *served]))
    settings = dataclasses.replace(settings, models=models)
    return assemble(settings, chosen_plugins(settings, catalogue), bodies)


def _warn_of_unused_tables(settings: Settings, pools: list[Pool]) -> None:
    """A misspelt name would have its table ignored, and nobody would say so."""
    unused = [f"[models.{name}]" for name in settings.model_tables if name not in settings.models]
    used = {settings.table_of(pool.name) for pool in pools}
    unused += [f"[plugins.{name}]" for name in settings.plugin_settings if name not in used]
    if unused:
        log.warning("the configuration has tables for what is not served: %s", ", ".join(unused))


async def _until_loaded(host: Host, signals: _Signals) -> None:
    def tell(seconds: float) -> None:
        waits = [model.name for pool in host.pools if not pool.settled.is_set() for model in pool.models]
        log.info("still waiting for %s, after %.0f s", ", ".join(waits), seconds)

    loaded = asyncio.gather(*(pool.settled.wait() for pool in host.pools))
    await patiently(first_of(loaded, signals.first), tell)
    loaded.cancel()
    await asyncio.gather(loaded, return_exceptions=True)


class _Signals:
    """What the operator says by signals.

    SIGTERM or SIGINT: the first one asks for an end in good order, the second one hastens it. SIGHUP: a reload.
    """

    def __init__(self, reloader: Reloader) -> None:
        loop = asyncio.get_running_loop()
        self.first: asyncio.Future[None] = loop.create_future()
        self.second: asyncio.Future[None] = loop.create_future()
        self._reloader = reloader
        self._reloading: set[asyncio.Task[None]] = set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._reload)

    async def until_told_to_end(self, host: Host, *, watch: bool) -> None:
        """Wait for the first signal to end; with `watch`, reload meanwhile whenever a plugin's file changes."""
        watching = asyncio.ensure_future(watch_files(host, self._reload)) if watch else None
        await first_of(self.first, *filter(None, [watching]))
        if watching is not None:
            watching.cancel()

    def _end(self) -> None:
        if not self.first.done():
            self.first.set_result(None)
        elif not self.second.done():
            self.second.set_result(None)

    def _reload(self) -> None:
        task = asyncio.get_running_loop().create_task(self._reloader.reload())
        self._reloading.add(task)
        task.add_done_callback(self._reloading.discard)


async def _drain(host: Host, server: Server, sockets: Sequence[socket.socket], signals: _Signals) -> None:
    """Readiness first, so that nobody is sent here any more; then the port; then what is under way."""
    host.draining = True
    # Clients open other connections meanwhile, so that none asks over one that is just being closed.
    host.traffic.closing = True
    log.info("told to end; not ready any more")
    await _unless_hastened(signals, asyncio.sleep(host.settings.drain_delay))
    await let_in(sockets)
    server.stop()
    await look_at_all()
    await _unless_hastened(signals, _until_sent(host, server), timeout=host.settings.drain_timeout)
    await server.close()


async def _until_sent(host: Host, server: Server) -> None:
    """Wait until what is under way has been answered, and its clients have read so much that all is sent."""
    while True:
        await host.traffic.idle.wait()
        await server.flush()
        # Over connections that Tornado keeps, clients may have asked again meanwhile.
        if host.traffic.idle.is_set():
            return


async def _unless_hastened(signals: _Signals, work: Any, timeout: float | None = None) -> None:
    doing = asyncio.ensure_future(work)
    await asyncio.wait([doing, signals.second], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    if not doing.done():
        doing.cancel()
