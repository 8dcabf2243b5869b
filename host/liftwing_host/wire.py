"""What the host and its child processes say to each other: framed messages on one socket pair for each process.

A message is a small JSON head and an opaque body::

    ┌─────────────┬──────────────┬───────────────┬───────────────────────────┐
    │ uint32      │ uint64       │ head          │ body                      │
    │ head length │ body length  │ JSON, UTF-8   │ bytes, read by nobody here│
    └─────────────┴──────────────┴───────────────┴───────────────────────────┘
      big-endian

A large body of a request is not sent: the head has a ``place`` instead, `[offset, size]`, and the worker finds it there,
in the memory of `body_arena`.

Every head has a ``kind``. The conversations, in the order in which they begin::

    host                                             template
      │ init   version, models, log_level, …  ─────────→ │
      │ ←──── loaded   model, seconds, … or error        │  once for each model; only_opened: its workers load it
      │ ←──── ready    version, pid, fork_safe           │
      │ fork   role, slot, … + a socket (SCM_RIGHTS) ──→ │  once for each worker
      │ ←──── forked   role, slot, number, pid           │
      │ kill   pid  ───────────────────────────────────→ │
      │ ←──── exited   pid, status                       │  it alone may reap its children

    host                                             worker
      │ ←──── hello    version, pid  or  error           │  after its `start` hooks
      │ call   id, model, leg, request  + body ────────→ │  or place, until the call is answered
      │        more: so many calls of this batch follow  │
      │ cancel id  ────────────────────────────────────→ │  async worker only
      │ ←──── answer   id, status, …  + body             │  exactly one for each call, cancelled or not
      │        next: the call that it has begun by itself │

A compute worker has a second socket, of messages (`SOCK_SEQPACKET`), in which `call`s lie that it will run next. It
looks there before it sends an answer, and says in the answer what it took (`next`). Until then the host can take them
back: `server/ahead.py`.

A process that loads for itself (no template) gets `init`, tells `loaded`, and goes on as a worker. One that
only describes gets `init`, tells `described` for each model, and ends.

End of file is the only news of death, in both directions: a worker whose host is gone ends, and the host
learns from it that a worker died. A body between two legs of a request is pickled by the plugin's own
interpreter and read by the same; the host never looks into any.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Mapping
from typing import Any

import orjson

from .body_arena import Body, Place

__all__ = [
    "CANCELLED", "VERSION", "FrameReader", "Head", "HookBoard", "ProtocolError", "frame", "message", "sendable",
]  # fmt: skip

VERSION = 6
"""Compared in `init`, `ready` and `hello`: a plugin's own environment may hold another liftwing-host."""

CANCELLED = 499
"""The status of an answer to a call that was cancelled. No client sees it."""

Head = dict[str, Any]

_PREFIX = struct.Struct("!IQ")
_MAX_HEAD = 1 << 24
_MAX_BODY = 1 << 32
_BUFFER = 1 << 16


class ProtocolError(Exception):
    """What arrived is no message: the other side is broken, and the connection is of no more use."""


def frame(head: Mapping[str, Any], body: Body = b"") -> list[bytes | bytearray | memoryview]:
    """The pieces of a message, to be written one after the other; a large body is not copied."""
    if isinstance(body, Place):
        head, body = {**head, "place": [body.offset, len(body)]}, b""
    encoded = orjson.dumps(head)
    prefix = _PREFIX.pack(len(encoded), len(body))
    if len(body) < _BUFFER:
        return [b"".join((prefix, encoded, body))]
    return [prefix + encoded, body]


def message(framed: memoryview) -> tuple[Head, bytes]:
    """The head and the body of one whole message.

    Raises:
        ProtocolError: The bytes are no message, or not one.
    """
    head_size, body_size = _sizes(framed, 0)
    body_at = _PREFIX.size + head_size
    if body_at + body_size != len(framed):
        raise ProtocolError(f"{len(framed)} bytes with a head of {head_size} and a body of {body_size}")
    return _head(framed[_PREFIX.size : body_at]), bytes(framed[body_at:])


def sendable(told: object) -> str:
    """What a plugin tells, as text that a head can hold.

    An error with half a character in it, a lone surrogate, could not be sent otherwise, and the call would have no
    answer. Python's own JSON reads such texts.
    """
    try:
        text = str(told)
    except Exception:  # noqa: BLE001 - a plugin's own method may raise anything
        return f"<{type(told).__name__} that has no text>"
    return text.encode(errors="backslashreplace").decode()


class FrameReader:
    """Cuts what arrives into messages. Does no input or output itself, so that both sides use it.

    Read into `get_buffer()`, then say how much arrived to `received()`.
    """

    def __init__(self) -> None:
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0
        # A message that does not fit into the buffer is read straight into a place of its own.
        self._large: tuple[bytearray, bytearray] | None = None
        self._large_filled = 0

    def get_buffer(self) -> memoryview:
        """Where the next bytes go; never empty."""
        if self._large is not None:
            head, body = self._large
            if self._large_filled < len(head):
                return memoryview(head)[self._large_filled :]
            return memoryview(body)[self._large_filled - len(head) :]
        return self._view[self._end :]

    def received(self, count: int) -> list[tuple[Head, bytes | bytearray]]:
        """The messages that the last `count` bytes completed.

        Raises:
            ProtocolError: The bytes are no message.
        """
        if self._large is not None:
            self._large_filled += count
            head, body = self._large
            if self._large_filled < len(head) + len(body):
                return []
            self._large = None
            return [(_head(memoryview(head)), body)]
        self._end += count
        messages: list[tuple[Head, bytes | bytearray]] = []
        while self._start < self._end and (message := self._next()) is not None:
            messages.append(message)
        self._make_room()
        return messages

    def _next(self) -> tuple[Head, bytes] | None:
        head_at = self._start + _PREFIX.size
        if head_at > self._end:
            return None
        head_size, body_size = _sizes(self._buffer, self._start)
        body_at = head_at + head_size
        next_at = body_at + body_size
        if next_at > self._end:
            return None
        self._start = next_at
        return _head(self._view[head_at:body_at]), bytes(self._view[body_at:next_at])

    def _make_room(self) -> None:
        if self._start == self._end:
            self._start = self._end = 0
            return
        available = self._end - self._start
        if available >= _PREFIX.size:
            head_size, body_size = _sizes(self._buffer, self._start)
            if _PREFIX.size + head_size + body_size > _BUFFER:
                self._begin_large(head_size, body_size)
                return
        if self._start:
            self._buffer[:available] = self._buffer[self._start : self._end]
            self._start, self._end = 0, available

    def _begin_large(self, head_size: int, body_size: int) -> None:
        # Two places, since what reads into one may still hold it when the message is complete: it cannot shrink.
        rest = self._view[self._start + _PREFIX.size : self._end]
        head, body = bytearray(head_size), bytearray(body_size)
        of_head = min(head_size, len(rest))
        head[:of_head] = rest[:of_head]
        body[: len(rest) - of_head] = rest[of_head:]
        self._large, self._large_filled = (head, body), len(rest)
        self._start = self._end = 0


def _sizes(buffer: bytearray | memoryview, at: int) -> tuple[int, int]:
    head_size, body_size = _PREFIX.unpack_from(buffer, at)
    if head_size > _MAX_HEAD or body_size > _MAX_BODY:
        raise ProtocolError(f"a head of {head_size} bytes and a body of {body_size}")
    return head_size, body_size


def _head(encoded: memoryview) -> Head:
    try:
        head = orjson.loads(encoded)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(f"a head that is not JSON: {error}") from error
    if not isinstance(head, dict):
        raise ProtocolError("a head that is not an object")
    return head


class HookBoard:
    """One byte for each worker of a pool, in memory that it shares with the host: the hook that it runs now.

    When a hook hangs, its process can no longer be asked; what it wrote here before still stands. 0 is none.
    """

    SLOTS = mmap.PAGESIZE

    def __init__(self, fd: int) -> None:
        self._page = mmap.mmap(fd, self.SLOTS)

    @classmethod
    def create(cls) -> tuple[HookBoard, int]:
        """A new board, and the file descriptor by which a child process opens the same."""
        fd = os.memfd_create("liftwing-hooks", os.MFD_CLOEXEC)
        try:
            os.ftruncate(fd, cls.SLOTS)
            return cls(fd), fd
        except BaseException:
            os.close(fd)
            raise

    def __getitem__(self, number: int) -> int:
        return self._page[number % self.SLOTS]

    def __setitem__(self, number: int, hook: int) -> None:
        self._page[number % self.SLOTS] = hook

    def close(self) -> None:
        """Give the memory back."""
        self._page.close()
