"""The host's end of one worker: the calls that it runs, over its socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from ..wire import FrameReader, Head, frame
from .call import Answer, Call

__all__ = ["KILL_AFTER", "Worker"]

KILL_AFTER = 1.0
"""Seconds past its deadline after which a call that is not answered has its worker killed."""


class Worker(asyncio.BufferedProtocol):
    """One compute or async worker.

    Only an answer frees the place that a call took: a call whose client is gone, or whose time is over, keeps
    its place until the worker has answered it or died.

    Attributes:
        number: Its number in the pool, and its byte on the hook board.
        room: How many more calls it may be given now.
        hello: Its first message.
        ended: Done when its socket is at its end: it has died.
        pid: Its process id, once it has said hello.
        answers: How many calls it has answered.
        calls: What it runs now, by id.
    """

    def __init__(
        self,
        number: int,
        places: int,
        on_room: Callable[[Worker], None],
        on_overdue: Callable[[Worker, Call], None],
    ) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self.number = number
        self.room = places
        self.hello: asyncio.Future[Head] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.pid: int | None = None
        self.answers = 0
        self.calls: dict[int, Call] = {}
        self.on_loading: Callable[[Head], Any] | None = None
        self._on_room = on_room
        self._on_overdue = on_overdue
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None

    async def connect(self, host_end: socket.socket) -> None:
        """Take the host's end of the socket pair into the event loop."""
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=host_end)

    def send(self, head: Head, body: bytes | bytearray = b"") -> None:
        """Send any message."""
        if self._transport is not None and not self._transport.is_closing():
            for piece in frame(head, body):
                self._transport.write(piece)

    def give(self, call: Call) -> None:
        """Have it run a call."""
        call.worker = self
        self.room -= 1
        self.calls[call.id] = call
        call.guard = self._loop.call_at(call.deadline + KILL_AFTER, self._on_overdue, self, call)
        self.send(call.head, call.body)

    def cancel(self, call: Call) -> None:
        """Ask it to cancel a call; it answers all the same."""
        self.send({"kind": "cancel", "id": call.id})

    def close(self) -> None:
        """Let it end: it sees the end of file."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102 - asyncio's, as the rest
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002, D102
        return self._reader.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:  # noqa: D102
        for head, body in self._reader.received(nbytes):
            kind = head["kind"]
            if kind == "answer":
                self._answered(head, body)
            elif kind == "hello":
                self.pid = head["pid"]
                self.hello.set_result(head)
            elif self.on_loading is not None:
                self.on_loading(head)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002, D102
        self.room = 0
        for call in self.calls.values():
            call.disarm()
        if not self.ended.done():
            self.ended.set_result(None)

    def _answered(self, head: Head, body: bytes | bytearray) -> None:
        call = self.calls.pop(head["id"])
        call.disarm()
        self.answers += 1
        self.room += 1
        if not call.answered.done():
            call.answered.set_result(Answer(head, body))
        self._on_room(self)
