"""What an actor tells the bridge, which asks for it again and again: Ray's actors cannot speak by themselves."""

from __future__ import annotations

import asyncio

from ..wire import Head

__all__ = ["News"]


class News:
    """Heads that wait to be asked for."""

    def __init__(self) -> None:
        self._heads: list[Head] = []
        self._some = asyncio.Event()

    def tell(self, head: Head) -> None:
        """Something has happened."""
        self._heads.append(head)
        self._some.set()

    async def take(self) -> list[Head]:
        """What has happened since the last time, once anything has."""
        await self._some.wait()
        self._some.clear()
        taken, self._heads = self._heads, []
        return taken
