"""`GET /metrics`: what a Prometheus reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from ..extension import Reply, Route, RouteRequest
from .extensions import Extensions
from .tally import Tally

__all__ = ["metrics_route"]

Write = Callable[[list[Any]], bytes]


def metrics_route(tally: Tally, extensions: Extensions) -> Route:
    """The route.

    Args:
        tally: The host's requests.
        extensions: They may have metrics of their own.
    """

    async def show(request: RouteRequest) -> Reply:
        # Importing prometheus_client takes a while; most hosts are never asked, and those that are go on meanwhile.
        write, content_type = await asyncio.to_thread(_writer, request.headers.get("accept", ""))
        return Reply(200, write([*tally.families(), *await extensions.metrics()]), content_type)

    return Route("GET", "/metrics", show)


def _writer(accepted: str) -> tuple[Write, str]:
    """What writes metrics in the format that the client asks for, beside those of the process."""
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.exposition import choose_encoder

    encode, content_type = choose_encoder(accepted)

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
