"""The routes that run a model."""

from __future__ import annotations

from ..errors import ExplainerNotFound, ModelNotReady, Overloaded
from ..extension import Reply
from .exchange import Conversation, Exchange
from .host import Host
from .passage import Passage
from .served_model import ServedModel

__all__ = ["Inference", "begin"]


def begin(host: Host, name: str, conversation: Conversation) -> None:
    """Send a request on its way through the legs of its model; the response comes of that.

    Raises:
        ModelNotFound: It is not served here.
        ModelNotReady: It loads, has failed, or its workers are gone.
        Overloaded: As many requests to it wait as may.
        InvalidInput: The client's deadline is no number of seconds.
    """
    Passage(host, _ready_model(host, name), conversation).begin()


def _ready_model(host: Host, name: str) -> ServedModel:
    model = host.model(name)
    if not model.ready:
        raise ModelNotReady(model.name)
    if model.pool.full_for(model, model.legs):
        raise Overloaded(model.name)
    return model


class Inference:
    """`POST /v1/models/NAME:predict`, and the one that no model here has an answer to."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._tally = host.tally

    def predict(self, exchange: Exchange) -> None:
        """See `begin`."""
        name = exchange.path_arguments["name"]
        exchange.on_answered(self._tally.of(name))
        begin(self._host, name, exchange)

    def before_body(self, exchange: Exchange) -> None:
        """Refuse what `predict` would refuse, so that no memory holds the body of what is refused."""
        name = exchange.path_arguments["name"]
        exchange.on_answered(self._tally.of(name))
        _ready_model(self._host, name)

    def explain(self, exchange: Exchange) -> Reply:
        """No model here explains: KServe's answer to that."""
        self._host.model(exchange.path_arguments["name"])
        raise ExplainerNotFound
