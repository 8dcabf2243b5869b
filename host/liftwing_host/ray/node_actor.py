"""NODE: what both kinds of actors are: they have a label, and news for the bridge."""

from __future__ import annotations

import asyncio
import os

from ..wire import Head

__all__ = ["NodeActor"]


class NodeActor:
    """An actor. The bridge asks for its news again and again: Ray's actors cannot speak by themselves.

    Args:
        label: What it is to be called in Ray's dashboard and logs.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        # Ray sets it for the CPUs of the actor; `launch` sees to the threads of templates and workers.
        os.environ.pop("OMP_NUM_THREADS", None)
        self._heads: list[Head] = []
        self._some = asyncio.Event()

    def __repr__(self) -> str:
        return self._label

    async def news(self) -> list[Head]:
        """What has happened since the last time, once anything has."""
        await self._some.wait()
        self._some.clear()
        taken, self._heads = self._heads, []
        return taken

    def _tell(self, head: Head) -> None:
        """Something has happened."""
        self._heads.append(head)
        self._some.set()
