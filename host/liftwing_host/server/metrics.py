"""`GET /metrics`: what a Prometheus reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from ..extension import Reply, Route, RouteRequest
from .extensions import Extensions
from .host import Host
from .pool import Pool

__all__ = ["metrics_route"]

Write = Callable[[list[Any]], bytes]


def metrics_route(host: Host, extensions: Extensions) -> Route:
    """The route.

    Args:
        host: What it tells of.
        extensions: They may have metrics of their own.
    """

    async def show(request: RouteRequest) -> Reply:
        # Importing prometheus_client takes a while; most hosts are never asked, and those that are go on meanwhile.
        write, content_type = await asyncio.to_thread(_writer, request.headers.get("accept", ""))
        return Reply(
            200, write([*host.tally.families(), *_now(host), *await extensions.metrics()]), content_type
        )

    return Route("GET", "/metrics", show)


def _now(host: Host) -> list[Any]:
    """How the models and their processes stand now, as metric families."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    ready = GaugeMetricFamily(
        "liftwing_model_ready", "Whether a model answers predictions.", labels=["model"]
    )
    waiting = GaugeMetricFamily(
        "liftwing_requests_waiting", "Requests to a model that wait for a process.", labels=["model"]
    )
    for model in host.models.values():
        ready.add_metric([model.name], model.ready)
        waiting.add_metric([model.name], model.pool.waiting(model.name))
    workers = GaugeMetricFamily("liftwing_workers", "Worker processes that serve.", labels=["plugin", "kind"])
    busy = GaugeMetricFamily("liftwing_workers_busy", "Those that run a request.", labels=["plugin", "kind"])
    deaths = CounterMetricFamily(
        "liftwing_process_deaths",
        "Processes of a plugin that ended otherwise than in good order.",
        labels=["plugin"],
    )
    for pool in host.pools:
        for kind, number in _by_kind(pool, busy=False).items():
            workers.add_metric([pool.name, kind], number)
        for kind, number in _by_kind(pool, busy=True).items():
            busy.add_metric([pool.name, kind], number)
        deaths.add_metric([pool.name], pool.deaths)
    bodies = GaugeMetricFamily(
        "liftwing_body_memory_bytes",
        "Large bodies of requests that are arriving or under way.",
        value=host.traffic.body_memory.taken,
    )
    return [ready, waiting, workers, busy, deaths, bodies]


def _by_kind(pool: Pool, *, busy: bool) -> dict[str, int]:
    """How many workers there are of each kind, or how many of them are busy."""
    numbers: dict[str, int] = {}
    for worker in pool.live_workers():
        numbers[worker.role] = numbers.get(worker.role, 0) + (not busy or bool(worker.calls))
    return numbers


def _writer(accepted: str) -> tuple[Write, str]:
    """What writes metrics in the format that the client asks for, beside those of the process."""
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.exposition import choose_encoder

    try:
        encode, content_type = choose_encoder(accepted)
    except (TypeError, ValueError):
        # A version that is no version.
        encode, content_type = choose_encoder("")

    def write(families: list[Any]) -> bytes:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collected(families))
        ProcessCollector(registry=registry)
        return encode(registry)

    return write, content_type


class _Collected:
    """A collector, as prometheus_client wants it, of what has been collected."""

    def __init__(self, families: Iterable[Any]) -> None:
        self._families = families

    def collect(self) -> Iterable[Any]:
        return self._families
