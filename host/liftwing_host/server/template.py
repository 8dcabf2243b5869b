"""The host's end of a template: it loads a plugin's models and forks workers when asked."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from ..channel import Channel
from ..wire import Head

__all__ = ["Template"]


class Template:
    """One template process.

    Attributes:
        ready: Its `ready` message, once it has loaded what it can.
        ended: Done when its socket is at its end: it has died.
    """

    def __init__(self, host_end: socket.socket, on_message: Callable[[Head], Any]) -> None:
        self.ready: asyncio.Future[Head] = asyncio.get_running_loop().create_future()
        self._on_message = on_message
        self._channel = Channel(host_end, self._heard)
        self.ended = self._channel.ended

    def init(self, head: Head) -> None:
        """Tell it what to load."""
        self._channel.send(head)

    def fork(self, place: Head, child_end: int, ahead: int | None = None) -> None:
        """Ask for a worker with that end of a connection. The caller closes its own copy of it.

        Args:
            place: What the worker is told of itself: role, slot, number, threads.
            child_end: The file descriptor of its end.
            ahead: The file descriptor by which it reads the calls ahead of it; None where there will be none.
        """
        fds = [child_end] if ahead is None else [child_end, ahead]
        self._channel.send({"kind": "fork", "ahead": ahead is not None} | place, fds)

    def kill(self, pid: int) -> None:
        """Ask it to kill one of its workers. It alone knows whether the process id is still that worker's."""
        self._channel.send({"kind": "kill", "pid": pid})

    def close(self) -> None:
        """Let it end, and all its workers with it."""
        self._channel.close()

    def _heard(self, head: Head) -> None:
        if head["kind"] == "ready":
            self.ready.set_result(head)
        else:
            self._on_message(head)
