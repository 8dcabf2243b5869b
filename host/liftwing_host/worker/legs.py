"""Which hooks run in which kind of process, and running them. Used by every process that runs hooks.

Hooks of one colour in a row are one leg: one hop between the host and a process. The first leg of a request
decodes its body and the last one encodes the response, so that the host never looks into either.
"""

from __future__ import annotations

import asyncio
import inspect
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from ..errors import ConfigurationError, LiftwingError
from ..hookspecs import LEG_HOOKS
from ..request import Request
from ..wire import CANCELLED, Head
from .codecs import v1
from .plugin import Hook, LoadedModel

__all__ = ["Leg", "plan_legs", "run_async_leg", "run_compute_leg"]

_PLACE = {"fetch": "payload", "preprocess": "payload", "predict": "features", "postprocess": "prediction"}
"""The argument in which each hook gets what the one before it gave."""

EnterHook = Callable[[str], None]


@dataclass(frozen=True)
class Leg:
    """Hooks in a row that run in one process.

    Attributes:
        kind: The kind of process: `"async"` or `"compute"`.
        hooks: The hooks, in their order.
        first: Whether it decodes the request's body.
        last: Whether it encodes the response.
    """

    kind: Literal["async", "compute"]
    hooks: tuple[Hook, ...]
    first: bool
    last: bool


def plan_legs(model: LoadedModel) -> tuple[Leg, ...]:
    """The legs of a model: its hooks, in their order, cut where the colour changes."""
    runs: list[list[Hook]] = []
    for name in LEG_HOOKS:
        hook = model.hooks.get(name)
        if hook is None:
            continue
        if runs and runs[-1][0].is_async == hook.is_async:
            runs[-1].append(hook)
        else:
            runs.append([hook])
    return tuple(
        Leg(
            kind="async" if hooks[0].is_async else "compute",
            hooks=tuple(hooks),
            first=index == 0,
            last=index == len(runs) - 1,
        )
        for index, hooks in enumerate(runs)
    )


def run_compute_leg(
    leg: Leg, model: LoadedModel, call: Head, body: bytes | bytearray, enter: EnterHook
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
        request = _request(call)
        value = _open(leg, model, body)
        for hook in leg.hooks:
            hook_name = hook.name
            enter(hook_name)
            value = hook.function(**_arguments(hook, value, request, model))
            if inspect.isawaitable(value):
                _refuse_awaitable(hook, value)
        hook_name = "encode"
        return _close(leg, value)
    except BaseException as error:  # noqa: BLE001 - sys.exit() in a hook must not end the worker either
        return _failure(error, hook_name), b""


async def run_async_leg(
    leg: Leg, model: LoadedModel, call: Head, body: bytes | bytearray, enter: EnterHook
) -> tuple[Head, bytes]:
    """Run a leg of ``async def`` hooks, as `run_compute_leg` does. A cancelled one is answered, too."""
    hook_name = "decode"
    try:
        request = _request(call)
        value = _open(leg, model, body)
        for hook in leg.hooks:
            hook_name = hook.name
            enter(hook_name)
            value = await hook.function(**_arguments(hook, value, request, model))
        hook_name = "encode"
        return _close(leg, value)
    except asyncio.CancelledError:
        return {"status": CANCELLED, "error": None, "hook": hook_name}, b""
    except BaseException as error:  # noqa: BLE001 - see run_compute_leg
        return _failure(error, hook_name), b""


def _request(call: Head) -> Request:
    sent = call["request"]
    return Request(
        id=sent["id"],
        model=call["model"],
        protocol=sent["protocol"],
        headers=MappingProxyType(sent["headers"]),
        deadline=float("inf") if sent["deadline"] is None else sent["deadline"],
    )


def _arguments(hook: Hook, value: Any, request: Request, model: LoadedModel) -> dict[str, Any]:
    given = {_PLACE[hook.name]: value, "request": request, "model": model.model}
    return {name: given[name] for name in hook.arguments}


def _open(leg: Leg, model: LoadedModel, body: bytes | bytearray) -> Any:
    if not leg.first:
        return pickle.loads(body)  # noqa: S301 - written by another worker of this pool, a moment ago
    return bytes(body) if model.accepts_raw else v1.decode(body)


def _close(leg: Leg, value: Any) -> tuple[Head, bytes]:
    if not leg.last:
        return {"status": 200}, pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    content_type, body = v1.encode(value)
    return {"status": 200, "content_type": content_type}, body


def _refuse_awaitable(hook: Hook, value: Any) -> None:
    if inspect.iscoroutine(value):
        value.close()
    raise ConfigurationError(
        f"{hook.name} is a `def` that returned a coroutine. Declare it `async def`: the colour of a hook says "
        f"where it runs."
    )


def _failure(error: BaseException, hook_name: str) -> Head:
    """The head of an answer that tells of an error; `error` is a text for the client, or None."""
    if isinstance(error, LiftwingError) and not isinstance(error, ConfigurationError):
        return {"status": error.http_status, "error": error.message, "hook": hook_name}
    status = 501 if isinstance(error, NotImplementedError) else 500
    return {
        "status": status,
        "error": None,
        "hook": hook_name,
        # In KServe's form, for operators who want clients to see it.
        "cause": f"{type(error).__name__} : {error}",
        "traceback": "".join(traceback.format_exception(error)),
    }
