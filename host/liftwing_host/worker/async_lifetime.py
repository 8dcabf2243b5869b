"""The `start` and `stop` hooks that are `async def`. ASYNC WORKER, or the only one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from .lifetime import LAST_WORDS, arguments_at_ends
from .plugin import LoadedModel

__all__ = ["start_models_async", "stop_models_async"]

log = logging.getLogger("liftwing_host.worker")


async def start_models_async(models: Mapping[str, LoadedModel]) -> None:
    """Run the ``async def start`` hooks. Raises what they raise."""
    for model in models.values():
        hook = model.hooks.get("start")
        if hook is not None and hook.is_async:
            await hook.function(**arguments_at_ends(hook, model))


async def stop_models_async(models: Mapping[str, LoadedModel]) -> None:
    """Run the ``async def stop`` hooks, as `stop_models` does."""
    for model in models.values():
        hook = model.hooks.get("stop")
        if hook is not None and hook.is_async:
            try:
                # Less than `end_with_host` leaves it, so that the log tells.
                await asyncio.wait_for(hook.function(**arguments_at_ends(hook, model)), LAST_WORDS * 0.8)
            except BaseException:
                log.exception("stop of model %s failed in the async worker", model.name)
