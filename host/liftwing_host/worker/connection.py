"""The worker side's end of its socket pair, read and written by one thread that may wait. Any child process."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

from ..body_arena import BodyWindow
from ..wire import FrameReader, Head, frame, message

__all__ = ["Connection"]

_FDS_AT_ONCE = 8
_LARGEST_AHEAD = 1 << 16


class Connection:
    """Messages over a socket that blocks.

    Attributes:
        socket: The socket itself.
        received_fds: File descriptors that came along with messages, oldest first.
        window: Where the bodies of calls lie that are not sent.
    """

    def __init__(self, sock: socket.socket, ahead: socket.socket | None = None) -> None:
        self.socket = sock
        # A plugin may have set a timeout for all new sockets (socket.setdefaulttimeout). A worker waits for its next call
        # for as long as it takes.
        sock.setblocking(True)
        self._ahead = ahead
        self._ahead_buffer = memoryview(bytearray(_LARGEST_AHEAD if ahead is not None else 0))
        # What a plugin begins must not have it, too: the end of this process would not be the end of the socket, and
        # the host would never hear of it.
        sock.set_inheritable(False)
        os.register_at_fork(after_in_child=sock.close)
        if ahead is not None:
            ahead.setblocking(False)
            os.register_at_fork(after_in_child=ahead.close)
        self.received_fds: list[int] = []
        self.window: BodyWindow | None = None
        self._reader = FrameReader()
        self._write_lock = threading.Lock()

    def messages(self) -> Iterator[tuple[Head, bytes | bytearray | memoryview]]:
        """What arrives, message by message, until end of file."""
        # A host that ends before it has read all resets the connection.
        with contextlib.suppress(ConnectionResetError):
            while count := self.socket.recv_into(self._reader.get_buffer()):
                for head, body in self._reader.received(count):
                    yield head, self.body_of(head, body)

    def take_ahead(self) -> tuple[Head, bytes | bytearray | memoryview] | None:
        """The next of the calls that lie ahead of this worker; None where there are none. Never waits."""
        if self._ahead is None:
            return None
        try:
            count = self._ahead.recv_into(self._ahead_buffer)
        except BlockingIOError:
            return None
        if not count:
            return None  # The host is gone.
        head, body = message(self._ahead_buffer[:count])
        return head, self.body_of(head, body)

    def body_of(self, head: Head, sent: bytes | bytearray) -> bytes | bytearray | memoryview:
        """The body of a message: what was sent, or what lies where the head says; there it is not copied."""
        if "place" not in head:
            return sent
        assert self.window is not None
        return self.window.at(*head["place"])

    def receive(self) -> list[tuple[Head, bytes | bytearray]] | None:
        """What has arrived now, with its file descriptors in `received_fds`; None at end of file."""
        buffer = self._reader.get_buffer()
        try:
            data, fds, _, _ = socket.recv_fds(self.socket, len(buffer), _FDS_AT_ONCE)
        except ConnectionResetError:
            return None  # As in `messages`.
        self.received_fds.extend(fds)
        buffer[: len(data)] = data
        return self._reader.received(len(data)) if data else None

    def send(self, head: Head, body: bytes = b"") -> None:
        """Write one message. Threads may do so at the same time."""
        with self._write_lock:
            for piece in frame(head, body):
                self.socket.sendall(piece)
