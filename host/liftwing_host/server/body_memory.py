"""How much memory the large bodies of all requests have together, and which of them has how much. Host process."""

from __future__ import annotations

from collections import deque

__all__ = ["BodyMemory", "Share"]


class BodyMemory:
    """Counts what has arrived.

    Args:
        limit: How many bytes there may be.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._left: deque[int] = deque()

    @property
    def taken(self) -> int:
        """How many bytes there are now."""
        # The collector may let go of a share in any thread; here is one alone.
        while self._left:
            self._taken -= self._left.popleft()
        return self._taken

    def grow(self, count: int, before: int) -> bool:
        """So many more bytes of a body have arrived; whether there is room for them.

        Args:
            count: How many.
            before: How many of the same body were there already. One alone has room: its size has a limit of its own.
        """
        self._taken = self.taken + count
        return self._taken <= self._limit or self._taken == before + count

    def let_go(self, count: int) -> None:
        """So many are gone, or will be in a moment. From any thread."""
        self._left.append(count)


class Share:
    """What one body has of it, for as long as anything refers to this object: its exchange, or a call in a worker.

    (A client may leave a request that has been sent to a worker. The body is in memory until that is through with it.)
    """

    __slots__ = ("_bytes", "_memory")

    def __init__(self, memory: BodyMemory) -> None:
        self._memory = memory
        self._bytes = 0

    def grow(self, count: int) -> bool:
        """See `BodyMemory.grow`."""
        has_room = self._memory.grow(count, self._bytes)
        self._bytes += count
        return has_room

    def __del__(self) -> None:
        self._memory.let_go(self._bytes)
