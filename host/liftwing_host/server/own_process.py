"""What the host sees to of its own process before anything else: its standard streams, signals and limits. Host process."""

from __future__ import annotations

import os
import resource
import signal
import sys
from types import FrameType

__all__ = ["heed_signals", "open_standard_streams", "raise_descriptor_limit"]

_ENOUGH = 1 << 16
"""File descriptors. More than so many clients are not for one process, and a limit of millions is slow for some programs."""


def open_standard_streams() -> None:
    """Have something behind each of stdin, stdout and stderr.

    Where one was closed, another file of the host would get its number, and its child processes lose that for their own.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)
    if sys.stderr is None:
        sys.stderr = open(2, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115 - for the whole process


def raise_descriptor_limit() -> None:
    """Take as many file descriptors as are allowed: each client has one, and the usual limit of 1,024 is for old programs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def heed_signals() -> None:
    """End in good order when told to, until the event loop heeds the signals; there is nothing to reload yet.

    By default SIGTERM would end the process at once, and whatever interpreter is just being asked would stay; and as the
    first process of a container, which the kernel shields from signals without a handler, it would not even end.
    """

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGHUP, lambda *_: None)
