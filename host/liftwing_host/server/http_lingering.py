"""The lingering close of a connection whose client may still be sending. Host process."""

from __future__ import annotations

import asyncio
import contextlib

__all__ = ["LINGER", "linger"]

LINGER = 2.0
"""Seconds for which a client that was refused may go on sending."""


def linger(transport: asyncio.Transport) -> None:
    """Close only our half first: a client that is still sending would otherwise lose the answer to a reset.

    Args:
        transport: The connection; all that is to be sent over it has been written to it.
    """
    if not transport.is_closing():
        with contextlib.suppress(OSError):
            transport.write_eof()
        transport.resume_reading()
        asyncio.get_running_loop().call_later(LINGER, _end, transport)


def _end(transport: asyncio.Transport) -> None:
    if transport.get_write_buffer_size():
        asyncio.get_running_loop().call_later(LINGER, _end, transport)
    else:
        transport.abort()
