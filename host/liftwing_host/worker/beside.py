"""What runs in a thread beside the event loop, and what a cancellation means to it. ASYNC WORKER, or the only one."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["outcome_of"]

Given = TypeVar("Given")


async def outcome_of(running: Future[Given]) -> Given:
    """Wait for what has been given to a thread.

    Cancelled before it has begun, it is taken back. What runs cannot be ended, so it is not over before it has ended, however
    often it is cancelled: one that hangs is not answered, and the host sees that and ends the process.
    """
    ended = asyncio.wrap_future(running)
    try:
        return await asyncio.shield(ended)
    except asyncio.CancelledError:
        if not running.cancel():
            while not ended.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([ended])
        raise
