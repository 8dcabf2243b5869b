"""Running the hooks of one leg on an event loop. ASYNC WORKER, or the only one."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from typing import Any

from ..wire import CANCELLED, Head
from .beside import outcome_of
from .failures import failure
from .hooks import Hook, run_plain
from .legs import Leg, arguments_of, request_of
from .plugin import LoadedModel
from .values import closing, finish_leg, open_body

__all__ = ["run_async_leg"]


async def run_async_leg(
    leg: Leg, model: LoadedModel, call: Head, body: bytes | bytearray | memoryview, thread: Executor
) -> tuple[Head, bytes]:
    """Run a leg on the event loop, as `legs.run_compute_leg` does. A cancelled one is answered, too.

    A `def` hook that belongs to such a leg runs in `thread`, so that it does not hold up the loop.
    """
    hook_name = "decode"
    try:
        request = request_of(call)
        before = value = open_body(leg, model, request, body)
        for hook in leg.hooks:
            hook_name = hook.name
            arguments = arguments_of(hook, value, request, model)
            before = value
            if hook.is_async:
                value = await hook.function(**arguments)
            else:
                value = await _run_beside(thread, hook, arguments)
        hook_name = closing(leg)
        return finish_leg(leg, model, request, before, value)
    except asyncio.CancelledError:
        return {"status": CANCELLED, "error": None, "hook": hook_name}, b""
    except BaseException as error:  # noqa: BLE001 - as in `run_compute_leg`
        return failure(error, hook_name), b""


async def _run_beside(thread: Executor, hook: Hook, arguments: dict[str, Any]) -> Any:
    """Run a `def` hook in the thread."""
    value, error = await outcome_of(thread.submit(_outcome, hook, arguments))
    if error is None:
        return value
    try:
        raise error
    finally:
        del error  # It refers to this frame, which would keep it until the collector comes by.


def _outcome(hook: Hook, arguments: dict[str, Any]) -> tuple[Any, BaseException | None]:
    """What a hook gives, or what it raises: asyncio's futures do not take a StopIteration, and would wait for ever."""
    try:
        return run_plain(hook, arguments), None
    except BaseException as error:  # noqa: BLE001 - it is raised where the hook is waited for
        return None, error
