"""`GET /`, `GET /v2/health/live`: the host lives. `GET /v2/health/ready`: all of its models answer. None waits for a worker."""

from __future__ import annotations

from ..errors import LiftwingError
from ..extension import Reply
from .exchange import Exchange
from .host import Host
from .reply import json_response

__all__ = ["Health"]


class Health:
    """KServe's answers about the server as a whole: v1's about its life, v2's about both.

    KServe's own readiness is true whatever its models do; this one is what a probe of a pod wants to know.
    """

    def __init__(self, host: Host) -> None:
        self._host = host

    def alive(self, exchange: Exchange) -> Reply:  # noqa: ARG002 - every handler gets it
        """v1's liveness."""
        return json_response(200, {"status": "alive"})

    def live(self, exchange: Exchange) -> Reply:  # noqa: ARG002
        """v2's liveness."""
        return json_response(200, {"live": True})

    def ready(self, exchange: Exchange) -> Reply:  # noqa: ARG002
        """Whether every model is ready; 503 while one is not, and while the host drains."""
        if self._host.draining:
            raise LiftwingError("The host is about to end.", status=503)
        missing = [model.name for model in self._host.models.values() if not model.ready]
        if missing:
            raise LiftwingError(f"Not ready: {', '.join(missing)}.", status=503)
        return json_response(200, {"ready": True})
