"""BRIDGE: has workers begun where Ray finds room for them, and hands their connections to the host."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
from collections.abc import Coroutine
from typing import Any

from ..channel import Channel
from ..wire import VERSION, Head, HookBoard, frame
from .actors import Seat, TemplateOnNode, gist
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
        self._seats: dict[tuple[str, int], Seat] = {}
        self._templates: dict[str, TemplateOnNode] = {}
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
        holders: list[Seat | TemplateOnNode] = [*self._seats.values(), *self._templates.values()]
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
            # (One that speaks another version tells that alone.)
            if ready["version"] == VERSION and ready["fork_refused"]:
                self._forked = False
                log.warning("each worker loads for itself: %s", ready["fork_refused"])
                self._drop_template(template)
            self._channel.send(ready | {"fork_refused": None})
            # Where there are only async hooks, no compute worker comes.
            asyncio.get_running_loop().call_later(_KEPT_EMPTY, self._leave_if_empty, seat)
            return

    def _unavailable(self, problem: str) -> None:
        self._channel.send({"kind": "unavailable", "version": VERSION, "problem": problem})

    def _template_on(self, node: Node) -> TemplateOnNode:
        template = self._templates.get(node[0])
        if template is None:
            template = TemplateOnNode(node, self._cluster, self._init)
            self._templates[node[0]] = template
            self._do(self._follow_template(template))
        return template

    async def _follow_template(self, template: TemplateOnNode) -> None:
        status = await template.follow()
        if self._templates.get(template.node[0]) is template:
            if template.was_ready:
                log.error(
                    "the template on node %s is gone (%s), and with it its workers", template.node[1], status
                )
            self._drop_template(template)

    def _drop_template(self, template: TemplateOnNode) -> None:
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

    async def _connect(self, seat: Seat, node: Node, place: Head, template: str | None) -> socket.socket:
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

    def _seat(self, role: str, slot: int) -> Seat:
        seat = self._seats.get((role, slot))
        if seat is None:
            seat = self._seats[role, slot] = Seat(role, slot, self._cluster)
            self._do(self._follow_seat(seat))
        return seat

    async def _placed(self, seat: Seat) -> Node:
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
            raise Trouble(gist(error)) from error

    async def _no_room(self) -> str | None:
        """Why no actor can be begun now; None where one can."""
        lack = asyncio.ensure_future(asyncio.to_thread(self._cluster.lack))
        if (await asyncio.wait([lack], timeout=_TOLD_WITHIN))[0]:
            lacking = lack.result()
            return f"the Ray cluster has no room for a worker: {lacking}" if lacking else None
        return "the Ray cluster does not answer"

    async def _follow_seat(self, seat: Seat) -> None:
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

    def _heard(self, seat: Seat, head: Head) -> None:
        if head["kind"] == "doing":
            self._board[head["number"]] = head["hook"]
            self._channel.send(head)
        else:
            seat.numbers.discard(head["number"])
            self._channel.send(head | {"node": seat.address})
            if not seat.numbers:
                asyncio.get_running_loop().call_later(_KEPT_EMPTY, self._leave_if_empty, seat)

    def _leave_if_empty(self, seat: Seat) -> None:
        if not seat.numbers:
            self._leave(seat)

    def _leave(self, seat: Seat) -> None:
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


def _problem_on_node(seat: Seat, error: Exception) -> str:
    """What is wrong, and on which node."""
    where = f"on node {seat.address}: " if seat.address else ""
    return f"{where}{gist(error)}"


def _ignore(head: Head) -> None:
    pass
