"""`GET /`: the host lives. Never waits for a worker."""

from __future__ import annotations

from .exchange import Exchange, Response, json_response

__all__ = ["live"]


def live(exchange: Exchange) -> Response:  # noqa: ARG001 - every handler gets it
    """KServe's v1 liveness answer."""
    return json_response(200, {"status": "alive"})
