"""Which hooks run in which kind of process, and running them. Used by every process that runs hooks.

Hooks of one colour in a row are one leg: one hop between the host and a process. The first leg of a request
decodes its body and the last one encodes the response, so that the host never looks into either.

In a transformer, the leg `predict` is remote: the host sends what the leg before has encoded as JSON to the predictor,
and the predictor's answer to the leg after. In a predictor, `predict` is the only leg.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, cast

from ..hookspecs import LEG_HOOKS
from ..request import Request
from ..wire import Head
from .failures import failure
from .hooks import Hook, run_plain
from .plugin import LoadedModel
from .values import closing, finish_leg, open_body

__all__ = [
    "EnterHook",
    "Leg",
    "arguments_of",
    "plan_legs",
    "request_of",
    "run_compute_leg",
]

_PLACE = {"fetch": "payload", "preprocess": "payload", "predict": "features", "postprocess": "prediction"}
"""The argument in which each hook gets what the one before it gave."""

EnterHook = Callable[[str], None]

Kind = Literal["async", "compute", "remote"]
Takes = Literal["request", "features", "prediction", "value"]
Gives = Literal["features", "prediction", "value", "response"]


@dataclass(frozen=True)
class Leg:
    """Hooks in a row that run in one process.

    Attributes:
        kind: The kind of process: `"async"` or `"compute"`; or `"remote"`: the host asks the predictor.
        hooks: The hooks, in their order. None where there is only an event to be told.
        batched: Whether several requests can go through it at once.
        takes: What its body is: the request's; or the JSON of features or of a prediction, from the other half of
            the model; or a `value` of the leg before.
        gives: What its answer is: the response; or the JSON of features or of a prediction, for the other half of the
            model; or a `value` for the leg after.
    """

    kind: Kind
    hooks: tuple[Hook, ...]
    batched: bool
    takes: Takes
    gives: Gives


def plan_legs(model: LoadedModel) -> tuple[Leg, ...]:
    """The legs of a model: its hooks, in their order, cut where the kind of process changes."""

    def kind(hook: Hook) -> Kind:
        if hook.name == "predict" and model.role == "transformer":
            return "remote"
        return "async" if hook.is_async or hook.name in model.beside_loop else "compute"

    runs: list[list[Hook]] = []
    for name in LEG_HOOKS:
        hook = model.hooks.get(name)
        if hook is None:
            continue
        if runs and kind(runs[-1][0]) == kind(hook):
            runs[-1].append(hook)
        else:
            runs.append([hook])
    if kind(runs[-1][0]) == "remote" and "event" in model.hooks:
        # Only here is it known what the client gets.
        runs.append([])
    kinds: list[Kind] = [kind(hooks[0]) if hooks else "compute" for hooks in runs]
    gives = _gives(model, kinds)
    return tuple(
        Leg(
            kind=kinds[index],
            hooks=tuple(hooks),
            batched=model.max_batch_size > 1
            and kinds[index] == "compute"
            and model.hooks["predict"] in hooks,
            takes=cast("Takes", gives[index - 1]) if index else model.takes,
            gives=gives[index],
        )
        for index, hooks in enumerate(runs)
    )


def _gives(model: LoadedModel, kinds: list[Kind]) -> list[Gives]:
    """What each leg gives."""
    gives: list[Gives] = ["value" for _ in kinds]
    gives[-1] = model.gives
    if "remote" in kinds:
        remote = kinds.index("remote")
        gives[remote] = "prediction"
        if remote:
            gives[remote - 1] = "features"
    return gives


def run_compute_leg(
    leg: Leg, model: LoadedModel, call: Head, body: bytes | bytearray | memoryview, enter: EnterHook
) -> tuple[Head, bytes]:
    """Run a leg of `def` hooks. Never raises: what goes wrong is in the answer.

    Args:
        leg: The leg.
        model: The model that it belongs to.
        call: The head of the call.
        body: Its body.
        enter: Told the name of each hook before it runs.

    Returns:
        The head of the answer, without its kind and id, and its body.
    """
    hook_name = "decode"
    try:
        request = request_of(call)
        before = value = open_body(leg, model, request, body)
        for hook in leg.hooks:
            hook_name = hook.name
            enter(hook_name)
            before, value = value, run_plain(hook, arguments_of(hook, value, request, model))
        hook_name = closing(leg)
        return finish_leg(leg, model, request, before, value)
    except BaseException as error:  # noqa: BLE001 - sys.exit() in a hook must not end the worker either
        return failure(error, hook_name), b""


def request_of(call: Head) -> Request:
    """What the hooks may know of the request, from the head of a call."""
    sent = call["request"]
    deadline = float("inf") if sent["deadline"] is None else sent["deadline"]
    if "seconds" in sent:
        # From a host on another machine, whose clock is another.
        deadline = time.monotonic() + sent["seconds"]
    return Request(
        id=sent["id"],
        model=call["model"],
        protocol=sent["protocol"],
        headers=MappingProxyType(sent["headers"]),
        deadline=deadline,
    )


def arguments_of(hook: Hook, value: Any, request: Request, model: LoadedModel) -> dict[str, Any]:
    """The arguments that a hook wants."""
    given = {_PLACE[hook.name]: value, "request": request, "model": model.model}
    return {name: given[name] for name in hook.arguments}
