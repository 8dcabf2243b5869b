"""The host's end of a template: it loads a plugin's models and forks workers when asked."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

from ..wire import FrameReader, Head, frame

__all__ = ["Template"]


class Template:
    """One template process.

    File descriptors travel with its messages, which asyncio's transports cannot do; so its socket is read and
    written here. The messages to it are small and few.

    Attributes:
        ready: Its `ready` message, once it has loaded what it can.
        ended: Done when its socket is at its end: it has died.
    """

    def __init__(self, host_end: socket.socket, on_message: Callable[[Head], Any]) -> None:
        self._loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[Head] = self._loop.create_future()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._socket = host_end
        self._socket.setblocking(False)
        self._reader = FrameReader()
        self._on_message = on_message
        self._loop.add_reader(host_end, self._readable)

    def init(self, head: Head) -> None:
        """Tell it what to load."""
        self._send(head)

    def fork(self, place: Head, child_end: socket.socket) -> None:
        """Ask for a worker with that end of a socket pair. The caller closes its own copy of it.

        Args:
            place: What the worker is told of itself: role, slot, number, threads.
            child_end: Its end.
        """
        self._send({"kind": "fork"} | place, [child_end.fileno()])

    def kill(self, pid: int) -> None:
        """Ask it to kill one of its workers. It alone knows whether the process id is still that worker's."""
        self._send({"kind": "kill", "pid": pid})

    def close(self) -> None:
        """Let it end, and all its workers with it."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()
        if not self.ended.done():
            self.ended.set_result(None)

    def _send(self, head: Head, fds: list[int] | None = None) -> None:
        if self.ended.done():
            return
        data = b"".join(frame(head))
        try:
            sent = socket.send_fds(self._socket, [data], fds or [])
        except OSError:
            self.close()
            return
        if sent != len(data):
            # Hundreds of messages that it has not read: it is stopped or hangs.
            self.close()

    def _readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                count = self._socket.recv_into(self._reader.get_buffer())
            except ConnectionError:
                count = 0
            if not count:
                self.close()
                return
            for head, _ in self._reader.received(count):
                if head["kind"] == "ready":
                    self.ready.set_result(head)
                else:
                    self._on_message(head)
