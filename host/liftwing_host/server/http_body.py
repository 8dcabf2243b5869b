"""A large body, read by the kernel straight into its place, past the parser and its copies. Host process."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..body_arena import Body, Place

__all__ = ["LARGE", "LargeBody"]

LARGE = 1 << 16
"""Bytes from which on a body of known length is read here."""


class LargeBody:
    """One body, as far as it has arrived.

    Args:
        length: The whole length of the body, in bytes.
        place: Where the workers can read it; None where there was no room.
        grows: Told of all that arrives; whether it may stay. What follows is dropped as it comes.

    Attributes:
        body: What holds it.
    """

    def __init__(self, length: int, place: Place | None, grows: Callable[[int], bool]) -> None:
        # Without a place: memory that is taken only as the body arrives, so that to announce a large one costs nothing.
        self._view = memoryview(mmap.mmap(-1, length)) if place is None else place.view
        self.body: Body = self._view if place is None else place
        self._length = length
        self._filled = 0
        self._grows = grows
        self._dropped: memoryview | None = None

    def begin(self, part: bytes) -> None:
        """Put down a part that came with the headers."""
        self.missing()[: len(part)] = part
        self.received(len(part))

    def missing(self) -> memoryview:
        """Where the rest goes, or the next part of it; it ends where the body does."""
        if self._dropped is not None:
            return self._dropped[: self._length - self._filled]
        return self._view[self._filled :]

    def received(self, count: int) -> bool:
        """So many bytes of the rest have arrived; whether that was all of it."""
        self._filled += count
        if self._dropped is None and not self._grows(count):
            self._dropped = memoryview(bytearray(LARGE))
            self.body = self._view = memoryview(b"")
        return self._filled == self._length
