"""`--dev`: what an author wants to be told while writing a plugin, at a price that production does not pay.

Runs in the processes that run hooks.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Generator
from contextvars import ContextVar
from typing import Any

from ..model import Model
from .hooks import Hook
from .plugin import LoadedModel

__all__ = ["StateOnModel", "watch_hooks"]

log = logging.getLogger("liftwing_host.dev")

_LONGEST_STEP = 0.1
"""Seconds that an async hook may run without giving the loop to the other requests of its process."""

_GIVES = ("fetch", "preprocess", "predict", "postprocess", "predict_batch")
"""The hooks that are there for what they give."""

_running: ContextVar[str | None] = ContextVar("running_hook", default=None)


class StateOnModel(Exception):
    """A hook sets an attribute of the model while a request runs: the next request would see it."""


def watch_hooks(model: LoadedModel) -> None:
    """Have a model's hooks watched: no attribute is set during a request, none gives nothing, no async one blocks its loop."""
    if isinstance(model.plugin, Model):
        _guard(model.plugin)
    for name, hook in model.hooks.items():
        if name not in ("load", "start", "stop"):
            watched = _watched_async(hook, model.name) if hook.is_async else _watched_plain(hook, model.name)
            model.hooks[name] = Hook(name, watched, hook.arguments, hook.is_async)


def _guard(plugin: Model) -> None:
    cls = type(plugin)

    def guarded(self: Model, name: str, value: Any) -> None:
        hook = _running.get()
        if hook is not None:
            frame = sys._getframe(1)  # noqa: SLF001 - the line is what the author needs
            raise StateOnModel(
                f"{hook} sets {cls.__name__}.{name} while a request runs, at {frame.f_code.co_filename}, line "
                f"{frame.f_lineno}. All requests share the model: let hooks take and return values instead."
            )
        object.__setattr__(self, name, value)

    plugin.__class__ = type(cls.__name__, (cls,), {"__setattr__": guarded, "__module__": cls.__module__})


def _given(hook: Hook, model: str, value: Any) -> Any:
    if value is None and hook.name in _GIVES:
        log.warning("%s of model %s returned None: is its `return` missing?", hook.name, model)
    return value


def _watched_plain(hook: Hook, model: str) -> Callable[..., Any]:
    def run(**arguments: Any) -> Any:
        token = _running.set(hook.name)
        try:
            return _given(hook, model, hook.function(**arguments))
        finally:
            _running.reset(token)

    return run


def _watched_async(hook: Hook, model: str) -> Callable[..., Any]:
    async def run(**arguments: Any) -> Any:
        token = _running.set(hook.name)
        try:
            return _given(hook, model, await _Steps(hook, model, arguments))
        finally:
            _running.reset(token)

    return run


class _Steps:
    """An awaitable that times each step of a coroutine between two awaits."""

    def __init__(self, hook: Hook, model: str, arguments: dict[str, Any]) -> None:
        self._coroutine = hook.function(**arguments)
        self._name = f"{hook.name} of model {model}"

    def __await__(self) -> Generator[Any, Any, Any]:
        step: Callable[[], Any] = lambda: self._coroutine.send(None)  # noqa: E731
        while True:
            began = time.perf_counter()
            try:
                yielded = step()
            except StopIteration as end:
                return end.value
            finally:
                took = time.perf_counter() - began
                if took > _LONGEST_STEP:
                    log.warning(
                        "%s blocked its event loop for %.0f ms: whatever computes belongs into a `def` hook",
                        self._name, took * 1000,
                    )  # fmt: skip
            try:
                sent = yield yielded
            except BaseException as error:  # noqa: BLE001 - it is the coroutine's to handle
                step = lambda error=error: self._coroutine.throw(error)  # type: ignore[misc]  # noqa: E731
            else:
                step = lambda sent=sent: self._coroutine.send(sent)  # type: ignore[misc]  # noqa: E731
