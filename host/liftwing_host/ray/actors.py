"""BRIDGE: the actors of a pool as it knows them: one for each worker's place, one for each node's template."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ..wire import Head
from .cluster import ActorGone, Cluster, Node, asked

__all__ = ["Seat", "TemplateOnNode", "gist"]


class Seat:
    """The actor of one slot.

    Attributes:
        actor: The actor, once there is one.
        placing: Where Ray has put it, once it has.
        numbers: The workers that it has, or is to have.
    """

    def __init__(self, role: str, slot: int, cluster: Cluster) -> None:
        self.role = role
        self.slot = slot
        self.actor: Any = None
        self.placing: asyncio.Future[Node] = asyncio.ensure_future(self._place(cluster))
        self.numbers: set[int] = set()

    async def _place(self, cluster: Cluster) -> Node:
        # Ray asks the cluster whether the actor's name is free, and waits a minute for a cluster that is gone.
        self.actor = await asyncio.to_thread(cluster.begin_worker, self.role, self.slot)
        node: Node = await asked(self.actor.node.remote())
        return node

    @property
    def address(self) -> str:
        """The node's address; empty while it has none."""
        placed = self.placing.done() and not self.placing.cancelled() and self.placing.exception() is None
        return self.placing.result()[1] if placed else ""


class TemplateOnNode:
    """The template on one node.

    Attributes:
        actor: The actor, once there is one.
        address: Where the workers of the node ask for forks.
        failed: What is wrong with each model that failed to load here.
    """

    def __init__(self, node: Node, cluster: Cluster, init: Head) -> None:
        self.node = node
        self.actor: Any = None
        self._cluster = cluster
        self.address = ""
        self.failed: dict[str, str] = {}
        self._init = init
        self._heads: list[Head] = []
        self._listener: Callable[[Head], Any] = _ignore
        self._ready: asyncio.Future[Head] = asyncio.get_running_loop().create_future()

    @property
    def was_ready(self) -> bool:
        """Whether it has ever been ready."""
        return self._ready.done() and self._ready.result()["kind"] == "ready"

    async def ready(self, listener: Callable[[Head], Any]) -> Head:
        """Its message `ready`, or `ended`; who listens is told what it says while it loads, from the beginning."""
        for head in self._heads:
            listener(head)
        self._listener = listener
        return await asyncio.shield(self._ready)

    async def follow(self) -> str:
        """Hear it until it ends; how it did."""
        try:
            # In a thread, as for a worker's.
            self.actor = await asyncio.to_thread(self._cluster.begin_template, self.node)
            self.address = await asked(self.actor.load.remote(self._init))
            while True:
                for head in await asked(self.actor.news.remote()):
                    if head["kind"] == "ended":
                        self._over(head["status"])
                        return f"exit status {head['status']}"
                    self._heard(head)
        except ActorGone as error:
            self._over(1)
            return gist(error)

    def _heard(self, head: Head) -> None:
        if head["kind"] == "ready":
            self._ready.set_result(head)
            return
        if "error" in head:
            self.failed[head["model"]] = head["error"]
        # Files of another machine are not to be watched here.
        head = head | {"files": {}}
        self._heads.append(head)
        self._listener(head)

    def _over(self, status: int) -> None:
        if not self._ready.done():
            self._ready.set_result({"kind": "ended", "status": status})


def gist(error: Exception) -> str:
    """The gist of an error of Ray's, which come with tracebacks."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _ignore(head: Head) -> None:
    pass
