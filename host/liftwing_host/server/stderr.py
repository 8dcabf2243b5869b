"""What a plugin's processes print: passed on to the host's stderr, and the last lines kept to tell why one died."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque

from .logs import write_line

__all__ = ["StderrTail"]

_LINES = 20
_LONGEST_LINE = 1 << 16


class StderrTail(asyncio.Protocol):
    """What reads the pipe that all processes of a pool write to."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._rest = b""
        self._transport: asyncio.BaseTransport | None = None

    async def open(self, fd: int) -> None:
        """Begin to read the pipe, from here on this object's own."""
        loop = asyncio.get_running_loop()
        reading_end = os.fdopen(fd, "rb", buffering=0)
        self._transport, _ = await loop.connect_read_pipe(lambda: self, reading_end)

    def data_received(self, data: bytes) -> None:  # noqa: D102 - asyncio's
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            text = line.decode(errors="replace")
            self._lines.append(text)
            # A terminal that was closed, or a full disk, must not close the pipe: whatever a plugin prints would fail.
            with contextlib.suppress(OSError):
                write_line(text)

    def last_lines(self) -> str:
        """The last lines that were printed."""
        return "\n".join(self._lines)

    def close(self) -> None:
        """Read no more."""
        if self._transport is not None:
            self._transport.close()
