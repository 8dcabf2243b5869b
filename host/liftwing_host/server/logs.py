"""What the host process logs: how much of it, and where it goes."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import stat
import sys
from typing import Literal

__all__ = ["LogLevel", "log_to_stderr", "write_line"]

LogLevel = Literal["debug", "info", "warning", "error"]

_FORMAT = "%(asctime)s.%(msecs)03d %(process)s %(name)s %(levelname)s %(message)s"

_PATIENCE = 0.1
"""Seconds that a line waits for whoever reads the log. Once it has waited in vain, no line waits until there is room again."""


class _Stderr(logging.Handler):
    """Writes to whatever `sys.stderr` is at that moment: a moving display replaces it for a while."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            write_line(self.format(record))
        except OSError:
            pass  # A terminal that was closed, or a full disk, is no reason to fail.
        except Exception:  # noqa: BLE001 - as in logging's own handlers
            self.handleError(record)


class _Pipe:
    """Lines into a pipe or a socket, as far as somebody reads them at its other end.

    Such a reader may stand still, and the kernel keeps only some 64 KiB for it. Whoever writes more waits: the host would
    answer nobody any more, and not even end.
    """

    def __init__(self) -> None:
        self._stalled = False
        self._dropped = 0

    def write(self, fd: int, text: str) -> None:
        if self._dropped:
            text = f"({self._dropped} lines were not written: nobody read the log)\n{text}"
        left = memoryview(f"{text}\n".encode(errors="backslashreplace"))
        while left:
            if not self._has_room(fd):
                self._dropped += 1
                return
            # For so much there is room where there is any, so that this does not wait.
            left = left[os.write(fd, left[: select.PIPE_BUF]) :]
        self._dropped = 0

    def _has_room(self, fd: int) -> bool:
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        self._stalled = not poll.poll(0 if self._stalled else _PATIENCE * 1000)
        return not self._stalled


_pipe = _Pipe()


def write_line(text: str) -> None:
    """Write a line to stderr, and do not wait for whoever does not read it: it is dropped then, and counted.

    Raises:
        OSError: It cannot be written, such as for want of a disk.
    """
    stream = sys.stderr
    with contextlib.suppress(AttributeError, ValueError):  # Something else may stand in for stderr.
        fd = stream.fileno()
        mode = os.fstat(fd).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            _pipe.write(fd, text)
            return
    print(text, file=stream)


def log_to_stderr(level: LogLevel) -> None:
    """Log what is at least as grave as that."""
    logging.basicConfig(
        level=level.upper(), format=_FORMAT, datefmt="%Y-%m-%d %H:%M:%S", handlers=[_Stderr()]
    )
