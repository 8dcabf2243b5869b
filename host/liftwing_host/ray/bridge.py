"""BRIDGE: has workers begun where Ray finds room for them, and hands their connections to the host."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from ..channel import Channel
from ..wire import VERSION, Head, HookBoard, frame
from .cluster import ActorGone, Cluster, Node, asked
from .handshake import SECRET_SIZE, Refused, dial

__all__ = ["Bridge"]

log = logging.getLogger("liftwing_host.ray")

_ROOM_WITHIN = 5.0
"""Seconds after which the cluster is asked whether there is room at all; if not, the host is told, and asks again."""
_BEGUN_WITHIN = 60.0
"""Seconds that Ray may take to begin an actor where there is room."""
_TOLD_WITHIN = 2.0
"""Seconds that the cluster may take to tell how much room it has."""
_KEPT_EMPTY = 10.0
"""Seconds that the place of a worker is kept after its end: the next one mostly comes at once."""


class Trouble(Exception):
    """Why no worker could be begun."""


class NoRoom(Trouble):
    """Ray has found no place within reasonable time. It goes on looking."""


class Bridge:
    """Stands where a template stands in one machine.

    Args:
        sock: The socket that leads to the host.
        board: The host's hook board.
        cluster: What is asked of Ray.
        init: What is to be loaded.
    """

    def __init__(self, sock: socket.socket, board: HookBoard, cluster: Cluster, init: Head) -> None:
        self._sock = sock
        self._board = board
        self._cluster = cluster
        self._init = init
        self._seats: dict[tuple[str, int], _Seat] = {}
        self._templates: dict[str, _NodesTemplate] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._forked = True
        self._failed_first: set[str] = set()
        self._status: asyncio.Future[int]
        self._channel: Channel

    async def run(self) -> int:
        """Serve the host until it closes the connection; the exit status."""
        self._status = asyncio.get_running_loop().create_future()
        self._channel = Channel(self._sock, self._obey)
        self._channel.ended.add_done_callback(lambda _: self._end(0))
        self._do(self._load_first())
        status = await self._status
        for task in self._tasks:
            task.cancel()
        for actor in self._actors():
            self._cluster.end(actor)
        return status

    def _actors(self) -> list[Any]:
        holders: list[_Seat | _NodesTemplate] = [*self._seats.values(), *self._templates.values()]
        return [holder.actor for holder in holders if holder.actor is not None]

    def _kill(self, actor: Any) -> None:
        if actor is not None:
            self._do(asyncio.to_thread(self._cluster.end, actor))

    # Loading

    async def _load_first(self) -> None:
        """Load where the first worker will be, and tell the host of it as a template does."""
        while True:
            seat = self._seat("compute", 0)
            try:
                template = self._template_on(await self._placed(seat))
            except Trouble as error:
                self._unavailable(str(error))
                await asyncio.sleep(1)
                continue
            ready = await template.ready(self._channel.send)
            if ready["kind"] == "ended":
                log.error("the template on node %s ended while it loaded", template.node[1])
                self._end(ready["status"])
                return
            self._failed_first = set(template.failed)
            if ready["fork_refused"] and ready["version"] == VERSION:
                self._forked = False
                log.warning("each worker loads for itself: %s", ready["fork_refused"])
                self._drop_template(template)
            self._channel.send(ready | {"fork_refused": None})
            # Where there are only async hooks, no compute worker comes.
            asyncio.get_running_loop().call_later(_KEPT_EMPTY, self._leave_if_empty, seat)
            return

    def _unavailable(self, problem: str) -> None:
        self._channel.send({"kind": "unavailable", "version": VERSION, "problem": problem})

    def _template_on(self, node: Node) -> _NodesTemplate:
        template = self._templates.get(node[0])
        if template is None:
            template = _NodesTemplate(node, self._cluster, self._init)
            self._templates[node[0]] = template
            self._do(self._follow_template(template))
        return template

    async def _follow_template(self, template: _NodesTemplate) -> None:
        status = await template.follow()
        if self._templates.get(template.node[0]) is template:
            if template.was_ready:
                log.error(
                    "the template on node %s is gone (%s), and with it its workers", template.node[1], status
                )
            self._drop_template(template)

    def _drop_template(self, template: _NodesTemplate) -> None:
        self._templates.pop(template.node[0], None)
        self._kill(template.actor)

    # Workers

    def _obey(self, head: Head) -> None:
        if head["kind"] == "fork":
            self._do(self._begin(head))
        elif head["kind"] == "kill":
            for seat in self._seats.values():
                if head["number"] in seat.numbers:
                    seat.actor.kill.remote(head["number"])

    async def _begin(self, place: Head) -> None:
        number = place["number"]
        seat = self._seat(place["role"], place["slot"])
        seat.numbers.add(number)
        try:
            node = await self._placed(seat)
            address = await self._address_for_fork(node) if self._forked else None
            sock = await self._connect(seat, node, place, address)
        except (Trouble, ActorGone, Refused, OSError) as error:
            seat.numbers.discard(number)
            if not seat.numbers and not isinstance(error, NoRoom):
                # Another node may do better.
                self._leave(seat)
            self._refuse(number, _problem_on_node(seat, error))
            return
        with sock:
            connected = {"kind": "connected", "number": number, "node": node[1], "alone": not self._forked}
            self._channel.send(connected, [sock.fileno()])

    async def _connect(self, seat: _Seat, node: Node, place: Head, template: str | None) -> socket.socket:
        secret = secrets.token_bytes(SECRET_SIZE)
        port = await asked(seat.actor.listen.remote(node[1], secret, place, template))
        return await dial(node[1], port, secret)

    async def _address_for_fork(self, node: Node) -> str:
        template = self._template_on(node)
        ready = await template.ready(_ignore)
        failed = {
            name: problem for name, problem in template.failed.items() if name not in self._failed_first
        }
        if ready["kind"] == "ended" or failed:
            self._drop_template(template)
            told = "; ".join(f"{name}: {problem}" for name, problem in failed.items())
            raise Trouble(told or "the template ended while it loaded")
        return template.address

    def _refuse(self, number: int, problem: str) -> None:
        """Let the host hear it from the worker that there is not."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            hello = {"kind": "hello", "version": VERSION, "pid": None, "error": problem, "traceback": problem}
            ours.sendall(b"".join(frame(hello)))
            connected = {"kind": "connected", "number": number, "node": "", "alone": False}
            self._channel.send(connected, [theirs.fileno()])

    # Places

    def _seat(self, role: str, slot: int) -> _Seat:
        seat = self._seats.get((role, slot))
        if seat is None:
            seat = self._seats[role, slot] = _Seat(role, slot, self._cluster)
            self._do(self._follow_seat(seat))
        return seat

    async def _placed(self, seat: _Seat) -> Node:
        """Where Ray has found a place.

        Raises:
            Trouble: There is no room, or the actor could not be begun there.
        """
        end = asyncio.get_running_loop().time() + _BEGUN_WITHIN
        while not (await asyncio.wait([seat.placing], timeout=_ROOM_WITHIN))[0]:
            # Whatever is told, the request for a place stands: Ray's autoscaler sees it.
            problem = await self._no_room()
            if problem is not None:
                raise NoRoom(problem)
            if asyncio.get_running_loop().time() > end:
                raise NoRoom(f"Ray has not begun an actor within {_BEGUN_WITHIN:g} s")
        try:
            return seat.placing.result()
        except ActorGone as error:
            self._leave(seat)
            raise Trouble(_last_line(error)) from error

    async def _no_room(self) -> str | None:
        """Why no actor can be begun now; None where one can."""
        lack = asyncio.ensure_future(asyncio.to_thread(self._cluster.lack))
        if (await asyncio.wait([lack], timeout=_TOLD_WITHIN))[0]:
            lacking = lack.result()
            return lacking and f"the Ray cluster has no room for a worker: {lacking}"
        return "the Ray cluster does not answer"

    async def _follow_seat(self, seat: _Seat) -> None:
        """Pass on what its workers do, until it is gone."""
        with contextlib.suppress(ActorGone):
            await seat.placing
            while True:
                for head in await asked(seat.actor.news.remote()):
                    self._heard(seat, head)
        self._leave(seat)
        for number in seat.numbers:
            # The end of its connection says so, too, unless its machine is gone.
            self._channel.send({"kind": "lost", "number": number})

    def _heard(self, seat: _Seat, head: Head) -> None:
        if head["kind"] == "doing":
            self._board[head["number"]] = head["hook"]
            self._channel.send(head)
        else:
            seat.numbers.discard(head["number"])
            self._channel.send(head | {"node": seat.address})
            if not seat.numbers:
                asyncio.get_running_loop().call_later(_KEPT_EMPTY, self._leave_if_empty, seat)

    def _leave_if_empty(self, seat: _Seat) -> None:
        if not seat.numbers:
            self._leave(seat)

    def _leave(self, seat: _Seat) -> None:
        if self._seats.get((seat.role, seat.slot)) is seat:
            del self._seats[seat.role, seat.slot]
        self._kill(seat.actor)

    # Tasks

    def _do(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # Nothing is known of the cluster any more: the host begins another bridge.
            log.critical("the bridge failed", exc_info=task.exception())
            self._end(1)

    def _end(self, status: int) -> None:
        if not self._status.done():
            self._status.set_result(status)


class _Seat:
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


class _NodesTemplate:
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
            return _last_line(error)

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


def _problem_on_node(seat: _Seat, error: Exception) -> str:
    """What is wrong, and on which node."""
    where = f"on node {seat.address}: " if seat.address else ""
    return f"{where}{_last_line(error)}"


def _last_line(error: Exception) -> str:
    """The gist of an error of Ray's, which come with tracebacks."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _ignore(head: Head) -> None:
    pass
