"""The child processes of one pool: how each is begun, killed, and seen to its end.

A worker is forked from the template where that is possible, and launched by itself where it is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import ConfigurationError
from ..wire import VERSION, Head, HookBoard
from .launch import host_path, launch
from .stderr import StderrTail
from .template import Template
from .worker import Worker

__all__ = ["Processes"]

log = logging.getLogger("liftwing_host.pool")

_PATIENCE = 2.0
"""Seconds that a child process gets to end by itself after its socket was closed."""


class Processes:
    """The processes behind one plugin, whatever they do.

    Attributes:
        board: The hooks that the workers run now.
        stderr: What all of them print.
        template: The template, while there is one.
        fork_refused: Why workers are not forked from the template; None where they are.
    """

    def __init__(self, name: str, orders: Iterable[dict[str, Any]], log_level: str) -> None:
        self.name = name
        self.stderr = StderrTail()
        self.template: Template | None = None
        self.fork_refused: str | None = None
        self.board, self._board_fd = HookBoard.create()
        self._init: Head = {
            "kind": "init",
            "version": VERSION,
            "models": list(orders),
            "log_level": log_level.upper(),
            "path": host_path(),
        }
        self._python = sys.executable
        self._launched: dict[Worker | Template, subprocess.Popen[bytes]] = {}
        self._roles: dict[int, str] = {}
        # The template that is there now need not be the one that forked a worker.
        self._forked_by: weakref.WeakKeyDictionary[Worker, Template] = weakref.WeakKeyDictionary()
        self._exits: dict[int | None, asyncio.Future[None]] = {}

    async def open(self) -> None:
        """Be ready for child processes."""
        if self.stderr.write_fd < 0:
            await self.stderr.open()

    async def begin_template(self, on_message: Callable[[Head], Any]) -> Template:
        """Launch a template and have it load the models.

        Args:
            on_message: Told what it says while it loads.

        Raises:
            ConfigurationError: Its interpreter holds another version of liftwing-host, or cannot be begun.
        """
        await self.open()
        host_end, child_end = socket.socketpair()

        def heard(head: Head) -> None:
            if head["kind"] == "exited":
                self._exited(head["pid"], head["status"])
            elif head["kind"] == "forked":
                self._forked(head["number"], head["pid"], head["role"])
            else:
                on_message(head)

        template = Template(host_end, heard)
        self._launched[template] = self._launch(child_end)
        template.init(self._init | {"role": "template", "number": 0})
        self.template = template
        return template

    def leave_out(self, model: str) -> None:
        """Have no further process load a model."""
        self._init["models"] = [order for order in self._init["models"] if order["name"] != model]

    async def begin_worker(self, worker: Worker, role: str) -> None:
        """Begin a worker of a kind, connected to `worker`; whether it serves, its `hello` tells."""
        host_end, child_end = socket.socketpair()
        if self.template is not None and self.fork_refused is None:
            self.template.fork(worker.number, role, child_end)
            self._forked_by[worker] = self.template
            child_end.close()
            await worker.connect(host_end)
        else:
            self._launched[worker] = self._launch(child_end)
            await worker.connect(host_end)
            worker.send(self._init | {"role": role, "number": worker.number})

    def kill(self, worker: Worker) -> None:
        """End a worker that does not answer any more."""
        launched = self._launched.get(worker)
        if launched is not None:
            launched.kill()
        elif worker.pid is not None:
            template = self._forked_by.get(worker)
            if template is not None and not template.ended.done():
                template.kill(worker.pid)
            else:
                # Its template is gone, so init reaps it at once, and the number could be another's by now;
                # but as long as its socket is open, it lives.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGKILL)

    async def see_off(self, child: Worker | Template) -> int | None:
        """Wait for the end of a launched process whose socket is closed, and help it along.

        Returns:
            Its exit status, negative for a signal; None for a forked worker, of which its template tells.
        """
        launched = self._launched.pop(child, None)
        if launched is None:
            return None
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(None, lambda: launched.wait(_PATIENCE))
        except subprocess.TimeoutExpired:
            launched.kill()
            return await loop.run_in_executor(None, launched.wait)

    async def close(self, workers: Iterable[Worker]) -> None:
        """End what is left.

        Args:
            workers: Those whose sockets are closed already. They get a moment for their stop hooks: the template
                comes last, since it kills whatever is still there.
        """
        exits = [self._exits[worker.pid] for worker in workers if worker.pid in self._exits]
        if exits:
            await asyncio.wait(exits, timeout=_PATIENCE)
        for child in list(self._launched):
            child.close()
        await asyncio.gather(*(self.see_off(child) for child in list(self._launched)))
        self.stderr.close()
        self.board.close()
        os.close(self._board_fd)

    def _launch(self, child_end: socket.socket) -> subprocess.Popen[bytes]:
        with child_end:
            try:
                return launch(self._python, child_end, self._board_fd, self.stderr.write_fd)
            except OSError as error:
                raise ConfigurationError(f"Cannot begin {self._python}: {error.strerror}") from error

    def _forked(self, number: int, pid: int, role: str) -> None:
        self._roles[pid] = f"{role} worker {number}"
        self._exits[pid] = asyncio.get_running_loop().create_future()

    def _exited(self, pid: int, status: int) -> None:
        role = self._roles.pop(pid)
        self._exits.pop(pid).set_result(None)
        if status:
            log.warning("%s: %s (pid %d) %s", self.name, role, pid, describe_status(status))


def describe_status(status: int) -> str:
    """What an exit status means, in words."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


async def first_of(*futures: asyncio.Future[Any]) -> None:
    """Wait until one of them is done; the others go on."""
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
