"""What hangs says nothing by itself; so whoever waits for it tells of that, and knows when to do something else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["LATE_AFTER", "STUCK_AFTER", "TELL_EVERY", "patiently"]

TELL_EVERY = 30.0
"""Seconds after which, again and again, the log tells what is still waited for."""
LATE_AFTER = 60.0
"""Seconds after which what should be there again is not counted on any more: nobody is to wait for it."""
STUCK_AFTER = 300.0
"""Seconds after which a worker that has nothing to load, and only has to start, is killed."""

T = TypeVar("T")


async def patiently(coming: Coroutine[Any, Any, T], tell: Callable[[float], object]) -> T:
    """Wait for something, however long it takes.

    Args:
        coming: What is waited for.
        tell: Told, every `TELL_EVERY` seconds, for how many seconds that has been.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    waiting = loop.create_task(coming)
    try:
        while not (await asyncio.wait([waiting], timeout=TELL_EVERY))[0]:
            tell(loop.time() - began)
        return waiting.result()
    finally:
        waiting.cancel()
