"""`GET /v1/models` and `GET /v1/models/NAME`: which models there are, and whether one is ready."""

from __future__ import annotations

from ..errors import ModelNotReady
from ..extension import Reply
from .exchange import Exchange
from .host import Host
from .reply import json_response

__all__ = ["Metadata"]


class Metadata:
    """KServe's v1 answers about models; texts and statuses are those of its FastAPI server."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def list(self, exchange: Exchange) -> Reply:  # noqa: ARG002 - every handler gets it
        """All models, those that are not ready included."""
        return json_response(200, {"models": list(self._host.models)})

    def model(self, exchange: Exchange) -> Reply:
        """One model; 503 until it is loaded, and while the host drains."""
        model = self._host.model(exchange.path_arguments["name"])
        if not model.ready or self._host.draining:
            raise ModelNotReady(model.name)
        told = {"name": model.name, "ready": True}
        # Beside KServe's keys, and only where this host runs one half of the model.
        return json_response(200, told if model.role == "all" else {**told, "role": model.role})

    def redirect(self, exchange: Exchange) -> Reply:  # noqa: ARG002
        """`/v1/models/` is `/v1/models`."""
        return Reply(307, content_type=None, headers={"Location": "/v1/models"})
