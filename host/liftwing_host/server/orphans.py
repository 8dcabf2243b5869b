"""Workers that have outlived the template that forked them. Host process.

A template tells of the ends of its children. Once it is gone, process 1 is their parent: in a container the host itself,
which then has to reap them, and elsewhere init.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

__all__ = ["Orphans"]


class Orphans:
    """Hears of their ends from the kernel.

    Args:
        on_end: Told the process id and the exit status of each that has ended; 0 where init knows it alone.
    """

    def __init__(self, on_end: Callable[[int, int], Any]) -> None:
        self._on_end = on_end
        self._pidfds: dict[int, int] = {}

    def __contains__(self, pid: int) -> bool:
        return pid in self._pidfds

    def adopt(self, pid: int) -> None:
        """Wait for the end of a worker.

        Raises:
            ProcessLookupError: It has ended.
            OSError: There is no file descriptor left to hear of it.
        """
        self._pidfds[pid] = pidfd = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(pidfd, self._reap, pid)

    def close(self) -> None:
        """Hear of no more ends."""
        for pid in list(self._pidfds):
            self._forget(pid)

    def _reap(self, pid: int) -> None:
        self._forget(pid)
        try:
            status = os.waitstatus_to_exitcode(os.waitpid(pid, os.WNOHANG)[1])
        except ChildProcessError:
            status = 0  # Init's child, and init knows how it ended.
        self._on_end(pid, status)

    def _forget(self, pid: int) -> None:
        pidfd = self._pidfds.pop(pid)
        asyncio.get_running_loop().remove_reader(pidfd)
        os.close(pidfd)
