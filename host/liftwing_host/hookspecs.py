"""The contract between the host and a model plugin: the hooks, and what they get and give.

A request's value goes through four hooks, in this order::

    payload ─ fetch ─→ payload ─ preprocess ─→ features ─ predict ─→ prediction ─ postprocess ─→ response

`predict` must exist. A hook that is left out passes its value through.

The colour of a function is the whole declaration of where it runs:

* ``async def``: on the event loop of the plugin's async worker, many requests at once. For waiting.
* ``def``: in one of the plugin's compute workers, one request at a time in each. For computing.

`predict` may run on another host than the rest (docs/transformer.md). Features and prediction then travel as JSON, so
a plugin that shall run so gives values that JSON has, and puts into the prediction what `postprocess` needs.

An ``async def`` that computes delays every request of its process; a ``def`` that waits holds a whole worker.

A hook names only the arguments that it wants, so that this specification can grow. In the class style
(`liftwing_host.Model`) the hooks are methods and `model` is `self`; in the module style they are functions
marked with `hookimpl`, and `model` is what `load` returned.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from .model import ModelConfig
    from .request import Request

__all__ = ["HOOKS", "LEG_HOOKS", "PROJECT", "hookimpl", "hookspec"]

PROJECT = "liftwing_host"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

LEG_HOOKS = ("fetch", "preprocess", "predict", "postprocess")
"""The hooks that a request goes through, in their order."""

HOOKS = ("load", "start", "stop", "predict_batch", "event", *LEG_HOOKS)
"""All that are specified below."""


@hookspec(firstresult=True)
def load(config: ModelConfig) -> Any:
    """Load the model: once, in the template process, before any worker is forked from it.

    What is loaded here is shared by all workers (as memory pages, until somebody writes to them). Start no
    thread and open no connection here: neither survives the fork. `start` is the place for them.

    Returns:
        In the module style, the model, which the other hooks get as `model`. Ignored in the class style.

    Raises:
        liftwing_host.ConfigurationError: The operator must do something; the message says what.
    """


@hookspec
def start(model: Any) -> Awaitable[None] | None:
    """Open what one process needs for itself, such as an HTTP session: once in each worker, before its first request.

    ``async def start`` runs in the async worker, on the loop that later runs the other ``async def`` hooks;
    ``def start`` runs in each compute worker.
    """


@hookspec
def stop(model: Any) -> Awaitable[None] | None:
    """Close what `start` opened, where the process ends in good order, within less than a second. Same colours as `start`."""


@hookspec(firstresult=True)
def fetch(payload: Any, request: Request, model: Any) -> Awaitable[Any]:  # type: ignore[empty-body]
    """Wait for other services. Must be ``async def``.

    Args:
        payload: The decoded body of the request: any JSON value, most often a dict.

    Returns:
        What `preprocess` gets: the payload, or what was fetched. It may be pickled on its way.

    Raises:
        liftwing_host.LiftwingError: Its message and status are sent to the client.
    """


@hookspec(firstresult=True)
def preprocess(payload: Any, request: Request, model: Any) -> Any:
    """Turn what came in into the features that the model takes. Raises as `fetch`."""


@hookspec(firstresult=True)
def predict(features: Any, request: Request, model: Any) -> Any:
    """Ask the model. Raises as `fetch`."""


@hookspec(firstresult=True)
def predict_batch(  # type: ignore[empty-body]
    features: list[Any], requests: list[Request], model: Any
) -> list[Any]:
    """Ask the model for several requests at once. May stand beside a `def predict`, which must exist as well.

    Whatever waits when a compute worker falls free comes in one batch, up to the model's `max_batch_size`; nothing
    ever waits for a batch to fill. If it raises, `predict` is asked for each request alone, so that a request that
    cannot be answered fails alone.

    Args:
        features: What `preprocess` gave for each request.
        requests: The requests, in the same order.

    Returns:
        The predictions, as many and in the same order.
    """


@hookspec(firstresult=True)
def postprocess(prediction: Any, request: Request, model: Any) -> Any:
    """Turn the prediction into the response.

    Returns:
        What is sent: any JSON value (numpy scalars and arrays are encoded, NaN becomes null, keys become
        strings), or a str or bytes, which are sent as they are.

    Raises:
        liftwing_host.LiftwingError: Its message and status are sent to the client.
    """


@hookspec(firstresult=True)
def event(prediction: Any, response: Any, request: Request, model: Any) -> Any:
    """Tell which events follow from the prediction. Plain `def`; it runs where `postprocess` does, right after it.

    Sending them is the host's: it hands them to the extensions that take events (`liftwing_host.extension`). What
    goes wrong here is logged, and the client gets its response all the same.

    Args:
        prediction: What `postprocess` got.
        response: What the client gets.

    Returns:
        An event (a JSON object), a list of events, or None. The stream that an event belongs to is its
        ``meta.stream``.
    """
