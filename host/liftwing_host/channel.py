"""Messages of `wire` with file descriptors beside them, over a unix socket and in an event loop.

asyncio's transports cannot carry file descriptors; so the socket is read and written here. For conversations whose
messages are small and few.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

from .wire import FrameReader, Head, frame

__all__ = ["Channel"]

_FDS_AT_ONCE = 8


class Channel:
    """One end of such a conversation.

    Args:
        sock: The socket.
        on_message: Told each head that arrives.

    Attributes:
        ended: Done when the socket is at its end.
        received_fds: File descriptors that came along with messages, oldest first.
    """

    def __init__(self, sock: socket.socket, on_message: Callable[[Head], Any]) -> None:
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self.received_fds: list[int] = []
        self._socket = sock
        self._socket.setblocking(False)
        self._reader = FrameReader()
        self._on_message = on_message
        self._loop.add_reader(sock, self._readable)

    def send(self, head: Head, fds: Sequence[int] = ()) -> None:
        """Send a message, with file descriptors of which the caller keeps its own."""
        if self.ended.done():
            return
        data = b"".join(frame(head))
        try:
            sent = socket.send_fds(self._socket, [data], fds)
        except OSError:
            self.close()
            return
        if sent != len(data):
            # Hundreds of messages that the other side has not read: it is stopped or hangs.
            self.close()

    def close(self) -> None:
        """End the conversation; what nobody has taken of `received_fds` is closed."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()
        while self.received_fds:
            os.close(self.received_fds.pop())
        if not self.ended.done():
            self.ended.set_result(None)

    def _readable(self) -> None:
        buffer = self._reader.get_buffer()
        with contextlib.suppress(BlockingIOError):
            try:
                data, fds, _, _ = socket.recv_fds(self._socket, len(buffer), _FDS_AT_ONCE)
            except ConnectionError:
                data, fds = b"", []
            self.received_fds.extend(fds)
            if not data:
                self.close()
                return
            buffer[: len(data)] = data
            for head, _ in self._reader.received(len(data)):
                self._on_message(head)
