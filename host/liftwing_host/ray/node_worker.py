"""NODE, the actor NodeWorker: a place that Ray has found for a worker, and the CPUs that the worker takes.

The worker itself is a process beside it: forked from the node's template, or its own child where the plugin cannot be
forked. The worker ends when the actor does; the actor may have one worker after another.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ..channel import Channel
from ..server.launch import launch
from ..wire import Head, HookBoard
from .handshake import Refused, admit
from .node_actor import NodeActor

__all__ = ["NodeWorker", "host_at"]

log = logging.getLogger("liftwing_host.ray")

_HOST_COMES_WITHIN = 30.0
_LOOK_EVERY = 0.2
"""Seconds between two looks at what the worker does: a hook that runs for longer is told to the host."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


class NodeWorker(NodeActor):
    """An actor, whose news is what the workers do: `doing` (the hook that runs, the memory), `exited` (the exit status)."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self._workers: dict[int, _Process] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def node(self) -> tuple[str, str]:
        """The id and the address of the node that it is on."""
        import ray

        address: str = ray.util.get_node_ip_address()
        return ray.get_runtime_context().get_node_id(), address

    async def listen(self, address: str, secret: bytes, place: Head, template: str | None) -> int:
        """Have a worker begin as soon as the host has connected.

        Args:
            address: The node's own, on which to listen.
            secret: What the host knows.
            place: What the worker is told of itself: role, slot, number, threads.
            template: Where to ask for a fork; None where it loads for itself.

        Returns:
            The port.
        """
        listener = socket.create_server((address, 0), family=_family(address), backlog=8)
        listener.setblocking(False)
        task = asyncio.get_running_loop().create_task(self._admit(listener, secret, place, template))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        port: int = listener.getsockname()[1]
        return port

    async def kill(self, number: int) -> None:
        """End a worker that does not answer any more."""
        worker = self._workers.get(number)
        if worker is not None:
            worker.kill()

    async def _admit(self, listener: socket.socket, secret: bytes, place: Head, template: str | None) -> None:
        with listener:
            try:
                connection = await asyncio.wait_for(host_at(listener, secret), _HOST_COMES_WITHIN)
            except asyncio.TimeoutError:
                log.warning("the host did not connect within %g s", _HOST_COMES_WITHIN)
                self._tell({"kind": "exited", "number": place["number"], "pid": None, "status": None})
                return
        connection.setblocking(True)
        worker = _Process(place["number"], self._tell, self._gone)
        self._workers[place["number"]] = worker
        with connection:
            if template is None:
                worker.launch(connection, place["threads"])
            else:
                worker.fork(connection, place, template)

    def _gone(self, number: int) -> None:
        del self._workers[number]


class _Process:
    """One worker, watched from beside it.

    Args:
        number: The worker's number.
        tell: Told what it does.
        on_end: Told that it has ended.
    """

    def __init__(self, number: int, tell: Callable[[Head], None], on_end: Callable[[int], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._number = number
        self._tell = tell
        self._on_end = on_end
        self._pid: int | None = None
        self._pidfd = -1
        self._status: int | None = None
        self._popen: subprocess.Popen[bytes] | None = None
        self._board: HookBoard | None = None
        self._doing: tuple[int, int] = (0, 0)
        self._channel: Channel | None = None

    def launch(self, connection: socket.socket, threads: int) -> None:
        """Begin it by itself, as a child of this process."""
        board, board_fd = HookBoard.create()
        self._popen = launch(sys.executable, connection, board_fd, sys.stderr.fileno(), threads)
        os.close(board_fd)
        self._watch(self._popen.pid, board)

    def fork(self, connection: socket.socket, place: Head, template: str) -> None:
        """Have it forked from the node's template."""
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(template)
        except ConnectionError as error:
            sock.close()
            log.error("the template of this node is gone: %s", error)
            self._ended()
            return
        self._channel = Channel(sock, self._heard)
        self._channel.send(place, [connection.fileno()])
        # The template's actor is gone, and with it its workers; where the template was gone before, nobody has
        # ended this one.
        self._channel.ended.add_done_callback(lambda _: self._template_gone())

    def kill(self) -> None:
        """End it at once."""
        if self._pidfd >= 0:
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def _heard(self, head: Head) -> None:
        if head["kind"] == "forked":
            assert self._channel is not None
            board_fd = self._channel.received_fds.pop(0)
            self._watch(head["pid"], HookBoard(board_fd))
            os.close(board_fd)
        else:
            self._status = head["status"]

    def _template_gone(self) -> None:
        if self._pid is None:
            self._ended()
        else:
            self.kill()

    def _watch(self, pid: int, board: HookBoard) -> None:
        self._pid, self._board = pid, board
        try:
            self._pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            self._ended()
            return
        self._loop.add_reader(self._pidfd, self._ended)
        self._loop.call_later(_LOOK_EVERY, self._look, 0)

    def _look(self, before: int) -> None:
        """Tell which hook runs, if it did at the last look, too; and the memory, where it has changed much."""
        if self._pidfd < 0:
            return
        assert self._board is not None
        now = self._board[self._number]
        doing = (now if now == before else 0, _resident_bytes(self._pid) >> 20)
        if doing != self._doing:
            self._doing = doing
            hook, size = doing
            self._tell({"kind": "doing", "number": self._number, "hook": hook, "bytes": size << 20})
        self._loop.call_later(_LOOK_EVERY, self._look, now)

    def _ended(self) -> None:
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        if self._popen is not None:
            self._status = self._popen.wait()
        # The template, which alone may reap it, tells how it ended a moment later.
        self._loop.call_later(_LOOK_EVERY if self._channel is not None else 0, self._tell_end)

    def _tell_end(self) -> None:
        if self._channel is not None:
            self._channel.close()
        if self._board is not None:
            self._board.close()
        self._on_end(self._number)
        self._tell({"kind": "exited", "number": self._number, "pid": self._pid, "status": self._status})


async def host_at(listener: socket.socket, secret: bytes) -> socket.socket:
    """The first connection that comes from the host. One that says nothing holds up no other."""
    loop = asyncio.get_running_loop()
    host: asyncio.Future[socket.socket] = loop.create_future()
    trying: set[asyncio.Task[None]] = set()

    async def let_in(sock: socket.socket, peer: tuple[str, int]) -> None:
        try:
            await admit(sock, secret)
        except (Refused, OSError) as error:
            sock.close()
            log.warning("a connection from %s was refused: %s", peer[0], error)
            return
        except asyncio.CancelledError:
            sock.close()
            raise
        if host.done():
            sock.close()
        else:
            host.set_result(sock)

    async def accept() -> None:
        while True:
            sock, peer = await loop.sock_accept(listener)
            sock.setblocking(False)
            task = loop.create_task(let_in(sock, peer))
            trying.add(task)
            task.add_done_callback(trying.discard)

    accepting = loop.create_task(accept())
    try:
        return await host
    finally:
        # Their sockets are closed next; the event loop must not look at them any more.
        for task in (accepting, *trying):
            task.cancel()
        await asyncio.gather(accepting, *trying, return_exceptions=True)


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _resident_bytes(pid: int | None) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0
