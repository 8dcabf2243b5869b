"""Calls that a busy compute worker finds when it has answered the one that it runs. Host process.

A worker that had nothing to go on with would sleep until the host has read its answer and sent the next call: two
wake-ups for each call, which cost more than a light leg does. What waits here is nobody's yet, though. It lies in a
socket of which the host holds both ends: the worker reads a call from it, or the host does, and the kernel sees to it
that never both do. So calls can be taken back as long as they have not been begun: for a worker that has fallen free,
when their clients leave, or when the worker dies.
"""

from __future__ import annotations

import contextlib
import socket
from collections import deque

from ..wire import frame, message
from .call import Call

__all__ = ["Ahead"]

_LARGEST = 1 << 15
"""Bytes of a message that may lie here; a larger one goes over the worker's own connection when it is idle."""


class Ahead:
    """The calls ahead of one worker.

    Attributes:
        worker_end: What the worker reads from. Its copy is passed to it; this one stays open.
    """

    def __init__(self) -> None:
        # Messages, not a stream: each is read as a whole, and by one of the two.
        self._host_end, self.worker_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._host_end.setblocking(False)
        self.worker_end.setblocking(False)
        self._calls: deque[Call] = deque()

    def __len__(self) -> int:
        return len(self._calls)

    def put(self, call: Call) -> bool:
        """Let a call lie here; whether there is room for it."""
        pieces = frame(call.head, call.body)
        if len(pieces) > 1 or len(pieces[0]) > _LARGEST:
            return False
        try:
            self._host_end.send(pieces[0])
        except OSError:  # It is full.
            return False
        self._calls.append(call)
        return True

    def begun(self, call_id: int) -> Call | None:
        """The call that the worker says to have begun; None where `rest` has given it before."""
        if self._calls and self._calls[0].id == call_id:
            return self._calls.popleft()
        return None

    def take_back(self) -> list[Call]:
        """The calls that the worker has not read, which now it never will; in their order.

        The worker may read one between any two of those that are read here: which ones they are, they say themselves.
        """
        unread = set()
        with contextlib.suppress(BlockingIOError):
            while data := self.worker_end.recv(_LARGEST):
                unread.add(message(memoryview(data))[0]["id"])
        back = [call for call in self._calls if call.id in unread]
        self._calls = deque(call for call in self._calls if call.id not in unread)
        return back

    def rest(self) -> list[Call]:
        """After `take_back`: what the worker has read, of which it has not told yet, or its answer is still on its way."""
        rest = list(self._calls)
        self._calls.clear()
        return rest

    def close(self) -> None:
        """No more calls lie here."""
        self._host_end.close()
        self.worker_end.close()
