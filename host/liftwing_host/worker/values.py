"""What a leg begins with, and what it gives: values, out of a body and into one. Any worker."""

from __future__ import annotations

import logging
import pickle
from typing import TYPE_CHECKING, Any

import orjson

from ..errors import ConfigurationError, EncodingNotSupported, InvalidInput, PredictorFailed
from ..request import Request
from ..wire import Head
from .codecs import v1
from .hooks import Hook, run_plain
from .plugin import LoadedModel

if TYPE_CHECKING:
    from .legs import Gives, Leg

__all__ = ["closing", "finish_leg", "open_body"]

log = logging.getLogger("liftwing_host.worker")

_ENCODE: dict[Gives, str] = {
    "response": "encode",
    "features": "encode features",
    "prediction": "encode prediction",
}

_LARGEST_EVENTS = 8 << 20
"""Bytes of the events of one response: they are sent in a head, too."""


def open_body(leg: Leg, model: LoadedModel, request: Request, body: bytes | bytearray | memoryview) -> Any:
    """The value that a call brings.

    Raises:
        InvalidInput: The client, or the transformer, sent what is no JSON.
        EncodingNotSupported: It sent it compressed.
        PredictorFailed: The predictor did.
    """
    if leg.takes == "value":
        return pickle.loads(body)  # noqa: S301 - written by another worker of this pool, a moment ago
    if leg.takes == "request" and model.accepts_raw:
        return bytes(body)  # However it is encoded: the plugin has the headers.
    if leg.takes in ("request", "features"):
        try:
            return v1.decode(body) if leg.takes == "request" else v1.decode_features(body)
        except InvalidInput:
            _check_encoding(request.headers.get("content-encoding", ""))
            raise
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        log.error("request %s: the predictor of model %s answered no JSON: %s", request.id, model.name, error)
        raise PredictorFailed(model.name) from None


def _check_encoding(encodings: str) -> None:
    """What is compressed is no JSON; but that is not what its sender has to hear of."""
    if any(each.strip().lower() not in ("", "identity") for each in encodings.split(",")):
        raise EncodingNotSupported(encodings)


def closing(leg: Leg) -> str:
    """How the step after the last hook of a leg is called where it fails."""
    # What cannot go on to the next hook is the fault of the hook that gave it.
    return leg.hooks[-1].name if leg.gives == "value" else _ENCODE[leg.gives]


def _close_value(leg: Leg, value: Any) -> tuple[Head, bytes]:
    """The answer that takes a value away.

    Raises:
        ConfigurationError: The next hook runs in another process, and the value cannot be pickled for it.
        TypeError: JSON has no form for the value.
    """
    if leg.gives == "value":
        return {"status": 200}, _pickled(leg, value)
    if leg.gives != "response":
        return {"status": 200, "content_type": v1.JSON}, v1.encode_value(value)
    content_type, body = v1.encode(value)
    return {"status": 200, "content_type": content_type}, body


def _pickled(leg: Leg, value: Any) -> bytes:
    try:
        return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001 - a class of the plugin may raise anything
        raise ConfigurationError(
            f"what {leg.hooks[-1].name} returned cannot be pickled, and the next hook runs in another process: {error}"
        ) from None


def finish_leg(leg: Leg, model: LoadedModel, request: Request, before: Any, value: Any) -> tuple[Head, bytes]:
    """The answer that takes a value away; of the last leg, with the events that follow from it.

    Args:
        leg: The leg.
        model: The model that it belongs to.
        request: The request.
        before: What the last hook got.
        value: What it gave.
    """
    answer, body = _close_value(leg, value)
    hook = model.hooks.get("event")
    if leg.gives == "response" and hook is not None:
        prediction = before if "postprocess" in model.hooks else value
        given = {"prediction": prediction, "response": value, "request": request, "model": model.model}
        try:
            answer["events"] = _events({name: given[name] for name in hook.arguments}, hook)
        except Exception:
            log.exception("request %s: event of model %s failed", request.id, model.name)
    return answer, body


def _events(arguments: dict[str, Any], hook: Hook) -> list[Any]:
    told = run_plain(hook, arguments)
    events = told if isinstance(told, list) else [] if told is None else [told]
    # What JSON has no form for, or is too large, is found here, and not where the response would be lost with it.
    encoded = [v1.encode_event(event) for event in events]
    size = sum(map(len, encoded))
    if size > _LARGEST_EVENTS:
        raise ValueError(f"its events have {size} bytes, more than the {_LARGEST_EVENTS} that can be sent")
    return [orjson.Fragment(event) for event in encoded]
