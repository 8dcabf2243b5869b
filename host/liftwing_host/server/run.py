"""Serving: take the port, load the models, answer until told to end, drain, stop."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
from collections import defaultdict
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from ..errors import ConfigurationError
from .app import make_server
from .cpus import available_cpus
from .discovery import Catalogue
from .host import Host
from .pool import Pool
from .processes import Processes, first_of
from .report import Reporter
from .served_model import ServedModel
from .settings import Settings, downloads_of

__all__ = ["serve"]

log = logging.getLogger("liftwing_host")


async def serve(settings: Settings, catalogue: Catalogue, reporter: Reporter) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: A model is not installed, or the port is taken; nothing was begun.
    """
    models = _models(settings, catalogue)
    pools = _pools(settings, models)
    host = Host(models, settings.host)
    sockets = _bind(settings.host.port, settings.host.address)
    port = sockets[0].getsockname()[1]
    server = make_server(host)
    server.add_sockets(sockets)
    told_to_end = _EndSignals()
    try:
        reporter.listening(settings.host.address, port)
        reporter.loading(models)
        for pool in pools:
            pool.start(reporter.heard)
        loaded = asyncio.gather(*(pool.settled.wait() for pool in pools))
        await first_of(loaded, told_to_end.first)
        if loaded.done():
            reporter.started(host, port)
            await told_to_end.first
        loaded.cancel()
        await _drain(host, server, told_to_end)
    finally:
        reporter.close()
        await asyncio.gather(*(pool.close() for pool in pools))


def _models(settings: Settings, catalogue: Catalogue) -> list[ServedModel]:
    if not settings.models:
        raise ConfigurationError(
            "No model to serve. Name one with --model NAME; `liftwing-host models` lists what is installed."
        )
    unused = sorted(set(settings.model_tables) - set(settings.models))
    if unused:
        log.warning("the configuration has tables for models that are not served: %s", ", ".join(unused))
    return [ServedModel(name, catalogue.find(name), settings.of_model(name)) for name in settings.models]


def _pools(settings: Settings, models: list[ServedModel]) -> list[Pool]:
    """One pool for each plugin."""
    of_plugin: dict[str, list[ServedModel]] = defaultdict(list)
    for model in models:
        of_plugin[model.offer.distribution].append(model)
    pools = []
    for name, its_models in of_plugin.items():
        orders = [_order(settings, model) for model in its_models]
        processes = Processes(name, orders, settings.host.log_level)
        workers = settings.workers_of(name, available_cpus())
        pools.append(Pool(name, its_models, workers, settings.host.max_concurrency, processes))
    return pools


def _order(settings: Settings, model: ServedModel) -> dict[str, Any]:
    """What `init` tells a template about a model: the fields of `liftwing_host.worker.plugin.ModelOrder`."""
    return {
        "name": model.name,
        "entry_point": model.offer.entry_point,
        "table": settings.model_tables.get(model.name, {}),
        "demo": settings.host.demo,
        "downloads": str(downloads_of(settings.host.downloads, model.name)),
    }


def _bind(port: int, address: str) -> list[socket.socket]:
    try:
        return bind_sockets(port, address or None)
    except OSError as error:
        where = f"{address or 'all addresses'}, port {port}"
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationError(
                f"Port {port} is already in use. Choose another with --port, or 0 for a free one."
            ) from None
        raise ConfigurationError(f"Cannot listen on {where}: {error.strerror or error}.") from None


class _EndSignals:
    """SIGTERM or SIGINT: the first one asks for an end in good order, the second one hastens it."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.first: asyncio.Future[signal.Signals] = loop.create_future()
        self.second: asyncio.Future[None] = loop.create_future()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._received, number)

    def _received(self, number: signal.Signals) -> None:
        if not self.first.done():
            self.first.set_result(number)
        elif not self.second.done():
            self.second.set_result(None)


async def _drain(host: Host, server: HTTPServer, signals: _EndSignals) -> None:
    """Readiness first, so that nobody is sent here any more; then the port; then what is under way."""
    host.draining = True
    log.info("told to end; not ready any more")
    await _unless_hastened(signals, asyncio.sleep(host.settings.drain_delay))
    server.stop()
    host.traffic.closing = True
    await _unless_hastened(signals, host.traffic.idle.wait(), timeout=host.settings.drain_timeout)
    await server.close_all_connections()


async def _unless_hastened(signals: _EndSignals, work: Any, timeout: float | None = None) -> None:
    doing = asyncio.ensure_future(work)
    await asyncio.wait([doing, signals.second], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    if not doing.done():
        doing.cancel()
