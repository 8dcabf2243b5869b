"""NODE, the actor NodeTemplate: keeps a plugin's template on one node, and has workers forked for those of the same node.

One for each pool and node. It takes no CPU of Ray's: those of the workers are taken by their own actors.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import struct
import subprocess
import sys
from collections import deque

from ..channel import Channel
from ..server.launch import launch
from ..server.template import Template
from ..wire import Head, HookBoard
from .node_actor import NodeActor

__all__ = ["NodeTemplate"]

_CREDENTIALS = struct.Struct("3i")


class NodeTemplate(NodeActor):
    """An actor, whose news is what the template tells: `loading`, `loaded`, `ready`; and `ended`, with its exit status."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self._forking: deque[Channel] = deque()
        self._workers: dict[int, Channel] = {}
        self._template: Template
        self._process: subprocess.Popen[bytes]
        self._board_fd = -1

    async def load(self, init: Head) -> str:
        """Begin the template and let it load.

        Args:
            init: What it is to load.

        Returns:
            The abstract unix address at which the workers' actors of this node ask for forks.
        """
        board, self._board_fd = HookBoard.create()
        board.close()
        host_end, child_end = socket.socketpair()
        with child_end:
            self._process = launch(sys.executable, child_end, self._board_fd, sys.stderr.fileno())
        self._template = Template(host_end, self._heard)
        self._template.ready.add_done_callback(self._ready)
        self._template.ended.add_done_callback(self._ended)
        self._template.init(init | {"role": "template"})
        return self._listen()

    def _listen(self) -> str:
        listener = socket.socket(socket.AF_UNIX)
        listener.setblocking(False)
        address = f"\0liftwing-{secrets.token_hex(16)}"
        listener.bind(address)
        listener.listen()
        asyncio.get_running_loop().add_reader(listener, self._accept, listener)
        return address

    def _accept(self, listener: socket.socket) -> None:
        sock, _ = listener.accept()
        # An abstract address has no permissions of its own.
        _, user, _ = _CREDENTIALS.unpack(
            sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        if user != os.getuid():
            sock.close()
            return
        channel = Channel(sock, lambda head: self._fork(channel, head))

    def _fork(self, channel: Channel, place: Head) -> None:
        connection = channel.received_fds.pop(0)
        self._forking.append(channel)
        self._template.fork(place, connection)
        os.close(connection)

    def _heard(self, head: Head) -> None:
        if head["kind"] == "forked":
            channel, pid = self._forking.popleft(), head["pid"]
            self._workers[pid] = channel
            channel.send({"kind": "forked", "pid": pid}, [self._board_fd])
            # An actor that ends takes its worker with it.
            channel.ended.add_done_callback(lambda _: self._let_go(pid))
        elif head["kind"] == "exited":
            gone = self._workers.pop(head["pid"], None)
            if gone is not None:
                gone.send(head)
                gone.close()
        else:
            self._tell(head)

    def _let_go(self, pid: int) -> None:
        if self._workers.pop(pid, None) is not None:
            self._template.kill(pid)

    def _ready(self, ready: asyncio.Future[Head]) -> None:
        if not ready.cancelled():
            self._tell(ready.result())

    def _ended(self, _: asyncio.Future[None]) -> None:
        self._tell({"kind": "ended", "status": self._process.wait()})
