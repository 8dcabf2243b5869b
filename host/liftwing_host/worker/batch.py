"""Several requests through one leg at once, where the model has a `predict_batch`. Runs in a compute worker."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence, Set
from typing import Any

from ..errors import ConfigurationError
from ..request import Request
from ..wire import Head
from .failures import failure
from .hooks import run_plain
from .legs import EnterHook, Leg, arguments_of, request_of
from .plugin import LoadedModel
from .values import closing, finish_leg, open_body

__all__ = ["run_batch"]

log = logging.getLogger("liftwing_host.worker")


class _Part:
    """One request of a batch: its value so far, or the answer that ended it early."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.request: Request
        self.before: Any = None
        self.value: Any = None
        self.ended: Head | None = None


def run_batch(
    leg: Leg,
    model: LoadedModel,
    calls: Sequence[tuple[Head, bytes | bytearray | memoryview]],
    enter: EnterHook,
) -> list[tuple[Head, bytes]]:
    """Run a leg for several calls. Never raises; the answers are in the order of the calls.

    Only `predict_batch` sees them together; what goes wrong with one of them elsewhere ends that one alone.
    """
    parts = [_Part(head) for head, _ in calls]
    for part, (head, body) in zip(parts, calls, strict=True):
        with _Ending(part, "decode"):
            part.request = request_of(head)
            part.value = open_body(leg, model, part.request, body)
    for hook in leg.hooks:
        enter(hook.name)
        left = [part for part in parts if part.ended is None]
        if hook.name == "predict" and len(left) > 1 and _predict_together(model, left):
            continue
        for part in left:
            with _Ending(part, hook.name):
                part.before = part.value
                part.value = run_plain(hook, arguments_of(hook, part.value, part.request, model))
    return [_answer(leg, model, part) for part in parts]


def _predict_together(model: LoadedModel, parts: list[_Part]) -> bool:
    hook = model.hooks["predict_batch"]
    given = {
        "features": [part.value for part in parts],
        "requests": [part.request for part in parts],
        "model": model.model,
    }
    try:
        predictions = _in_order(run_plain(hook, {name: given[name] for name in hook.arguments}))
        if len(predictions) != len(parts):
            raise ConfigurationError(
                f"predict_batch gave {len(predictions)} predictions for {len(parts)} requests"
            )
    except BaseException:
        # One request may have spoilt it for all: each is asked alone, and only that one fails.
        log.exception("predict_batch of model %s failed; predict is asked for each request", model.name)
        return False
    for part, prediction in zip(parts, predictions, strict=True):
        part.value = prediction
    return True


def _in_order(given: Any) -> list[Any]:
    """What `predict_batch` gave, one for each request.

    Raises:
        ConfigurationError: Its order, or its parts, are not those of the requests: clients would get each other's answers.
    """
    if isinstance(given, Set | Mapping | str | bytes | bytearray):
        raise ConfigurationError(
            f"predict_batch gave a {type(given).__name__}; it must give a list, in the order of the requests"
        )
    return list(given)


def _answer(leg: Leg, model: LoadedModel, part: _Part) -> tuple[Head, bytes]:
    if part.ended is None:
        with _Ending(part, closing(leg)):
            return finish_leg(leg, model, part.request, part.before, part.value)
    assert part.ended is not None
    return part.ended, b""


class _Ending:
    """What is raised within ends a part, and nothing else."""

    def __init__(self, part: _Part, hook_name: str) -> None:
        self._part = part
        self._hook_name = hook_name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if error is not None:
            self._part.ended = failure(error, self._hook_name)
        return True
