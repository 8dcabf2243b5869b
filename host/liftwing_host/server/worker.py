"""The host's end of one worker: the calls that it runs, over its socket."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from ..body_arena import Body, Place
from ..wire import FrameReader, Head, frame
from .ahead import Ahead
from .call import Answer, Call

__all__ = ["KILL_AFTER", "Worker"]

KILL_AFTER = 1.0
"""Seconds past its deadline after which a call that is not answered has its worker killed."""

QUICK = 0.005
"""Seconds within which a worker that is given calls ahead answers: what waits for longer waits in the line."""

_SLICE = 1 << 17
"""Bytes of a large body that are written at once; about what a socket takes."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Source(Protocol):
    """Where a worker's calls come from: its line."""

    def has_room(self, worker: Worker) -> None:
        """It can be given another call, or calls ahead."""

    def begun(self, call: Call) -> None:
        """It has begun a call that lay ahead of it."""


class Worker(asyncio.BufferedProtocol):
    """One compute or async worker.

    Only an answer frees the place that a call took: a call whose client is gone, or whose time is over, keeps
    its place until the worker has answered it or died.

    Args:
        role: `"compute"`, `"async"` or `"solo"`.
        slot: The number of its slot, which shows in `ps`.
        number: Its number among all that the pool has had, and its byte on the hook board.
        places: How many calls it may run at once. A batch takes one place of a compute worker.
        source: Where its calls come from.
        on_overdue: Told of a call that is not answered long after its deadline.

    Attributes:
        hello: Its first message.
        ended: Done when its socket is at its end: it has died.
        worn: Done when it has done its share, and another should take its place.
        retired: Whether it gets no more calls.
        pid: Its process id, once it has said hello or its template has told.
        answers: How many calls it has answered.
        calls: What it runs now, by id.
        ahead: What it will run next; None for a worker that gets its calls one by one.
        quick: Whether it gave its last answer within `QUICK` of beginning the call, or of its answer before.
        turn: When it last answered, in answers of all workers of its line.
        on_loading: Told what it says while it loads.
        loads_itself: Whether it loads the models, for as long as that takes; a forked one has them.
        unfit: Why it is not to serve, whatever it says itself, with a traceback if there is one.
        elsewhere: Whether it runs on another machine. It shares neither memory nor a clock with this one.
        told_bytes: How much memory it has, as it was told; for one that runs elsewhere.
    """

    def __init__(
        self,
        role: str,
        slot: int,
        number: int,
        places: int,
        source: Source,
        on_overdue: Callable[[Worker, Call], None],
    ) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self.role = role
        self.slot = slot
        self.number = number
        self.hello: asyncio.Future[Head] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.worn: asyncio.Future[str] = loop.create_future()
        self.retired = False
        self.pid: int | None = None
        self.answers = 0
        self.calls: dict[int, Call] = {}
        self.ahead: Ahead | None = None
        self.quick = False
        self.turn = 0
        self.on_loading: Callable[[Worker, Head], Any] | None = None
        self.loads_itself = False
        self.unfit: tuple[str, str | None] | None = None
        self.elsewhere = False
        self.told_bytes = 0
        self._places = places
        self._wear_after: int | None = None
        self._began = 0.0
        self._idle: asyncio.Future[None] | None = None
        self._source = source
        self._on_overdue = on_overdue
        self._reader = FrameReader()
        # asyncio would copy whatever the socket does not take at once, again and again for a large body.
        self._outbox: deque[memoryview] = deque()
        self._blocked = False
        self._transport: asyncio.Transport | None = None

    @property
    def room(self) -> int:
        """How many more calls it may be given now."""
        if self.retired:
            return 0
        # A compute worker gets its next call, or batch, when it has answered all that it has.
        return self._places - len(self.calls) if self._places > 1 else int(not self.calls)

    async def connect(self, host_end: socket.socket) -> None:
        """Take the host's end of the socket pair, or of a TCP connection, into the event loop."""
        if host_end.family == socket.AF_UNIX:
            await self._loop.create_unix_connection(lambda: self, sock=host_end)
        else:
            await self._loop.create_connection(lambda: self, sock=host_end)

    def send(self, head: Head, body: Body = b"") -> None:
        """Send any message."""
        if self._transport is None or self._transport.is_closing():
            return
        pieces = frame(head, body)
        if len(pieces) == 1 and not self._outbox:
            self._transport.write(pieces[0])
        else:
            self._outbox.extend(map(memoryview, pieces))
            self._write_on()

    def give(self, calls: Sequence[Call]) -> None:
        """Have it run a call, or several as one batch."""
        self._began = time.monotonic()
        more = len(calls)
        for call in calls:
            more -= 1
            call.worker = self
            self.calls[call.id] = call
            head, body = self._for_elsewhere(call) if self.elsewhere else (call.head, call.body)
            self.send(head | {"more": more} if more else head, body)

    def give_ahead(self, call: Call) -> bool:
        """Let a call be the one that it runs after what it has; whether that is possible."""
        assert self.ahead is not None
        if not self.ahead.put(call):
            return False
        call.ahead_of = self
        return True

    def take_back(self) -> list[Call]:
        """The calls ahead of it that it has not begun, and will not begin any more."""
        if self.ahead is None:
            return []
        back = self.ahead.take_back()
        for call in self.ahead.rest():
            if self.ended.done():
                # It read the call, and died before it could answer the one before: it has not begun it.
                back.insert(0, call)
            else:
                self._begin(call)
        for call in back:
            call.ahead_of = None
        return back

    def _begin(self, call: Call) -> None:
        call.ahead_of = None
        call.worker = self
        self.calls[call.id] = call
        self._source.begun(call)

    def _for_elsewhere(self, call: Call) -> tuple[Head, Body]:
        """The time that is left, since a moment on this machine's clock says nothing there; and the body itself."""
        request: Any = call.head["request"]
        left = {"deadline": None, "seconds": call.deadline - time.monotonic()}
        # The call keeps the body's place for as long as this worker may still be sent of it.
        body = call.body.view if isinstance(call.body, Place) else call.body
        return call.head | {"request": request | left}, body

    def watch(self, call: Call) -> None:
        """Nobody waits for the call any more; but if it is not answered long after its deadline, that must be seen."""
        if call.id in self.calls and call.guard is None and not self.ended.done():
            when = max(call.deadline, self._loop.time()) + KILL_AFTER
            call.guard = self._loop.call_at(when, self._on_overdue, self, call)

    def cancel(self, call: Call) -> None:
        """Ask it to cancel a call; it answers all the same."""
        self.send({"kind": "cancel", "id": call.id})

    def wear_after(self, answers: int) -> None:
        """Let it be replaced once it has given so many answers."""
        self._wear_after = answers

    def wear(self, reason: str) -> None:
        """Ask for another to take its place."""
        if not self.worn.done():
            self.worn.set_result(reason)

    def until_idle(self) -> asyncio.Future[None]:
        """Done when it runs nothing. Only its slot asks, and hardly ever: an event would be set for each answer."""
        idle = self._loop.create_future()
        if self.calls:
            self._idle = idle
        else:
            idle.set_result(None)
        return idle

    def resident_bytes(self) -> int:
        """How much memory it has, what it shares with its template included; 0 where that cannot be read."""
        if self.elsewhere:
            return self.told_bytes
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE
        except (OSError, IndexError):
            return 0

    def close(self) -> None:
        """Let it end: it sees the end of file."""
        self.retired = True
        if self.ahead is not None:
            self.ahead.close()
            self.ahead = None
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Take it for dead, whatever is still on its way to it."""
        if self._transport is not None:
            self._transport.abort()

    # From asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        # uvloop's transports do what asyncio's do, and are not of their class.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)

    def pause_writing(self) -> None:  # noqa: D102
        self._blocked = True

    def resume_writing(self) -> None:  # noqa: D102
        self._blocked = False
        self._write_on()

    def _write_on(self) -> None:
        """Write as much of the outbox as the socket takes."""
        assert self._transport is not None
        while self._outbox and not self._blocked:
            piece = self._outbox.popleft()
            if len(piece) > _SLICE:
                self._outbox.appendleft(piece[_SLICE:])
            self._transport.write(piece[:_SLICE])

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
                self.on_loading(self, head)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002, D102
        self.retired = True
        self._outbox.clear()
        for call in self.calls.values():
            call.disarm()
        if not self.ended.done():
            self.ended.set_result(None)

    def _answered(self, head: Head, body: bytes | bytearray) -> None:
        call = self.calls.pop(head["id"])
        call.disarm()
        self.answers += 1
        if self.ahead is not None:
            now = time.monotonic()
            self.quick, self._began = now - self._began < QUICK, now
            following = self.ahead.begun(head["next"]) if "next" in head else None
            if following is not None:
                self._begin(following)
        if self._idle is not None and not self.calls:
            idle, self._idle = self._idle, None
            if not idle.done():
                idle.set_result(None)
        if self._wear_after is not None and self.answers >= self._wear_after:
            self.wear(f"it has answered {self.answers} calls")
        # Its next call first: it would idle while this one's answer is sent.
        self._source.has_room(self)
        call.end(Answer(head, body))
