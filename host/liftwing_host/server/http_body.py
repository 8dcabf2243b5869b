"""A large body, read by the kernel straight into its place, past the parser and its copies."""

from __future__ import annotations

import asyncio
import mmap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..body_arena import Body, Place

__all__ = ["LARGE", "LargeBody"]

LARGE = 1 << 16
"""Bytes from which on a body of known length is read here."""


class LargeBody(asyncio.BufferedProtocol):
    """Stands in for a connection's protocol until the rest of one body has arrived.

    Args:
        connection: The protocol that it stands in for; told of everything but the data.
        begun: The beginning of the body, which came with the headers.
        length: The whole length of the body, in bytes.
        place: Where the workers can read it; None where there was no room.
        on_progress: Told that something has arrived.
        on_complete: Given the body.
    """

    def __init__(
        self,
        connection: asyncio.BufferedProtocol,
        begun: list[bytes],
        length: int,
        place: Place | None,
        on_progress: Callable[[], None],
        on_complete: Callable[[Body], None],
    ) -> None:
        self._connection = connection
        # Memory that is taken only as the body arrives: to announce a large one costs the host nothing.
        self._body = memoryview(mmap.mmap(-1, length)) if place is None else place.view
        self._place = place
        self._filled = 0
        for part in begun:
            self._body[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
        self._on_progress = on_progress
        self._on_complete = on_complete

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """What is missing."""
        return self._body[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """More of it has arrived."""
        self._filled += nbytes
        self._on_progress()
        if self._filled == len(self._body):
            self._on_complete(self._body if self._place is None else self._place)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._connection.resume_writing()
