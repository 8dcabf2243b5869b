"""`--dev`: what an author wants to be told while writing a plugin, at a price that production does not pay.

Runs in the processes that run hooks.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar
from typing import Any, NamedTuple

from ..model import Model
from .hooks import Hook
from .plugin import LoadedModel

__all__ = ["StateOnModel", "watch_hooks"]

log = logging.getLogger("liftwing_host.dev")

_LONGEST_STEP = 0.1
"""Seconds that an async hook may run without giving the loop to the other requests of its process."""

_GIVES = ("fetch", "preprocess", "predict", "postprocess", "predict_batch")
"""The hooks that are there for what they give."""


class _Running(NamedTuple):
    """The hook on whose behalf something runs."""

    hook: str
    model: str

    def __str__(self) -> str:
        return f"{self.hook} of model {self.model}"


_running: ContextVar[_Running | None] = ContextVar("running_hook", default=None)


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
        running = _running.get()
        if running is not None:
            frame = sys._getframe(1)  # noqa: SLF001 - the line is what the author needs
            raise StateOnModel(
                f"{running.hook} sets {cls.__name__}.{name} while a request runs, at {frame.f_code.co_filename}, line "
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
        token = _running.set(_Running(hook.name, model))
        try:
            return _given(hook, model, hook.function(**arguments))
        finally:
            _running.reset(token)

    return run


def _watched_async(hook: Hook, model: str) -> Callable[..., Any]:
    async def run(**arguments: Any) -> Any:
        loop, running = asyncio.get_running_loop(), _Running(hook.name, model)
        if loop.get_task_factory() is None:  # One of the plugin's own is let be.
            loop.set_task_factory(_task_of_hook)
        token = _running.set(running)
        try:
            return _given(hook, model, await _Steps(hook.function(**arguments), running))
        finally:
            _running.reset(token)

    return run


def _task_of_hook(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    """A task that is watched, too, if a hook begins it, as asyncio.gather does."""
    running = _running.get()
    watched = coroutine if running is None else _Steps(coroutine, running)
    return asyncio.Task(watched, loop=loop, **options)


class _Steps(Coroutine[Any, Any, Any]):
    """A coroutine that times each step of another between two awaits.

    Args:
        coroutine: The other one.
        running: Of which hook it is a part.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, Any], running: _Running) -> None:
        self._coroutine = coroutine
        self._running = running

    def send(self, value: Any) -> Any:
        return self._step(self._coroutine.send, value)

    def throw(self, *error: Any) -> Any:
        return self._step(self._coroutine.throw, *error)

    def close(self) -> None:
        self._coroutine.close()

    # What is awaited instead of being a task of its own is asked as an iterator.

    def __await__(self) -> Generator[Any, Any, Any]:
        return self

    def __iter__(self) -> _Steps:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def _step(self, step: Callable[..., Any], *given: Any) -> Any:
        began = time.perf_counter()
        try:
            return step(*given)
        finally:
            took = time.perf_counter() - began
            if took > _LONGEST_STEP:
                log.warning(
                    "%s blocked its event loop for %.0f ms: whatever computes belongs into a `def` hook",
                    self._running, took * 1000,
                )  # fmt: skip
