"""The child processes of one pool: how each is begun, killed, and seen to its end.

A worker is forked from the template where that is possible, and launched by itself where it is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from ..hookspecs import LEG_HOOKS
from ..wire import VERSION, Head
from .ahead import Ahead
from .call import AT_PREDICTOR, Call
from .launch import Launched, Launcher, host_path
from .orphans import Orphans
from .stderr import StderrTail
from .template import Template
from .worker import Worker

__all__ = ["Processes"]

log = logging.getLogger("liftwing_host.pool")

_LAST_WORDS = 1.0
"""Seconds in which what a process has sent is read after its end."""
_PATIENCE = 2.0
"""Seconds that a child process gets to end by itself after its socket was closed."""


class Processes:
    """The processes behind one plugin, whatever they do.

    Args:
        name: The plugin's distribution.
        orders: What to load: the fields of `liftwing_host.worker.plugin.ModelOrder` for each model.
        launcher: What begins them.
        log_level: What the processes log.
        threads: How many threads each worker's numeric libraries may use.

    Attributes:
        begun: Set once one of them has been launched.
        stderr: What all of them print.
        template: The template, while there is one.
        deaths: How many of them have ended otherwise than in good order.
        fork_refused: Why workers are not forked from the template; None where they are.
    """

    def __init__(
        self,
        name: str,
        orders: Iterable[dict[str, Any]],
        launcher: Launcher,
        log_level: str,
        threads: int,
    ) -> None:
        self.name = name
        self.begun = asyncio.Event()
        self.stderr = StderrTail()
        self.template: Template | None = None
        self.fork_refused: str | None = None
        self._init: Head = {
            "kind": "init",
            "version": VERSION,
            "models": list(orders),
            "log_level": log_level.upper(),
            # Another interpreter has a path of its own.
            "path": host_path() if launcher.python == sys.executable else [],
            "threads": threads,
        }
        self._launcher = launcher
        self._threads = threads
        self._launched: dict[Worker | Template, subprocess.Popen[bytes]] = {}
        self._numbers = itertools.count()
        self._roles: dict[int, str] = {}
        # The template that is there now need not be the one that forked a worker.
        self._forked_by: weakref.WeakKeyDictionary[Worker, Template] = weakref.WeakKeyDictionary()
        self._exits: dict[int | None, asyncio.Future[None]] = {}
        self._orphans = Orphans(self._exited)
        self._closing = False
        self.deaths = 0

    async def open(self) -> None:
        """Be ready for child processes."""
        fd = self._launcher.take_stderr()
        if fd is not None:
            await self.stderr.open(fd)

    async def begin_template(
        self, on_message: Callable[[Head], Any], on_delay: Callable[[str], Any]
    ) -> Template:
        """Launch a template and have it load the models.

        Args:
            on_message: Told what it says while it loads.
            on_delay: Told why it may take long until it can load.

        Raises:
            ConfigurationError: Its interpreter holds another version of liftwing-host, or cannot be begun.
        """
        await self.open()
        launched = self._launch(threads=1)

        def heard(head: Head) -> None:
            if head["kind"] == "unavailable":
                on_delay(head["problem"])
            elif not self._heard(head):
                on_message(head)

        template = self._template(launched.host_end, heard)
        self._launched[template] = launched.process
        template.init(self._init | {"role": "template"})
        self.template = template
        return template

    def _template(self, host_end: socket.socket, heard: Callable[[Head], Any]) -> Template:
        return Template(host_end, heard)

    def _heard(self, head: Head) -> bool:
        """What a template told, where it is about processes; whether it was."""
        if head["kind"] == "exited":
            self._exited(head["pid"], head["status"])
        elif head["kind"] == "forked":
            self._forked(head)
        else:
            return False
        return True

    def leave_out(self, model: str) -> None:
        """Have no further process load a model."""
        self._init["models"] = [order for order in self._init["models"] if order["name"] != model]

    def next_number(self) -> int:
        """A number for a worker: no two that live at the same time have the same byte of the board."""
        return next(self._numbers)

    def hook_of(self, call: Call) -> str:
        """Where a call is now, as precisely as can be told from here: the queue, or the hook that works on it."""
        if call.worker is None:
            return "the queue"
        if not isinstance(call.worker, Worker):
            return AT_PREDICTOR
        # An async worker runs many hooks at once; its byte of the board has room for one.
        code = self._launcher.running(call.worker.number) if call.worker.role != "async" else 0
        running = LEG_HOOKS[code - 1] if code else ""
        return running if running in call.hooks else " or ".join(call.hooks)

    async def begin_worker(self, worker: Worker) -> None:
        """Begin the process behind `worker`; whether it serves, its `hello` tells.

        Raises:
            ConfigurationError: Its interpreter cannot be begun.
            OSError: There is no file descriptor left.
        """
        if self.template is not None and self.fork_refused is None:
            host_end, child_end = socket.socketpair()
            if worker.role == "compute":
                worker.ahead = Ahead()
            ahead = worker.ahead.worker_end.fileno() if worker.ahead is not None else None
            self.template.fork(self._place(worker), child_end.fileno(), ahead)
            self._forked_by[worker] = self.template
            child_end.close()
            await worker.connect(host_end)
        else:
            launched = self._launch(self._threads)
            self._launched[worker] = launched.process
            await worker.connect(launched.host_end)
            worker.loads_itself = True
            worker.send(self._init | self._place(worker))

    def _place(self, worker: Worker) -> Head:
        """What a worker is told of itself."""
        return {"role": worker.role, "slot": worker.slot, "number": worker.number, "threads": self._threads}

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
            status = await loop.run_in_executor(None, lambda: launched.wait(_PATIENCE))
        except subprocess.TimeoutExpired:
            launched.kill()
            status = await loop.run_in_executor(None, launched.wait)
        self.deaths += int(status != 0)
        if child is self.template and not self._closing:
            self._adopt()
        return status

    async def close(self, workers: Iterable[Worker]) -> None:
        """End what is left.

        Args:
            workers: Those whose sockets are closed already. They get a moment for their stop hooks: the template
                comes last, since it kills whatever is still there.
        """
        self._closing = True
        exits = self._exits_of(workers)
        if exits:
            await asyncio.wait(exits, timeout=_PATIENCE)
        for child in list(self._launched):
            child.close()
        await asyncio.gather(*(self.see_off(child) for child in list(self._launched)))
        self._orphans.close()
        self.stderr.close()
        self._launcher.close()

    def _exits_of(self, workers: Iterable[Worker]) -> list[asyncio.Future[None]]:
        """The ends to come of those that were forked."""
        return [self._exits[worker.pid] for worker in workers if worker.pid in self._exits]

    def _launch(self, threads: int) -> Launched:
        launched = self._launcher.launch(threads)
        self.begun.set()
        return launched

    def _forked(self, head: Head) -> None:
        pid = head["pid"]
        self._roles[pid] = f"{head['role']} worker {head['slot']}"
        self._exits[pid] = asyncio.get_running_loop().create_future()
        for worker in self._forked_by:
            if worker.number == head["number"]:
                worker.pid = pid  # It may hang before it says so itself.

    def _adopt(self) -> None:
        """A template that is gone tells of no ends any more."""
        for pid in [pid for pid in self._exits if pid is not None and pid not in self._orphans]:
            try:
                self._orphans.adopt(pid)
            except ProcessLookupError:
                self._exited(pid, 0)
            except OSError:
                # It serves on, and nobody hears of its end but by its socket.
                del self._roles[pid]
                self._exits.pop(pid).set_result(None)

    def _exited(self, pid: int, status: int) -> None:
        role = self._roles.pop(pid)
        self._exits.pop(pid).set_result(None)
        for worker in self._forked_by:
            if worker.pid == pid and not worker.ended.done():
                # What it has sent is read first. The end of its socket may never come: a library that forks by itself
                # may have left it to another process.
                asyncio.get_running_loop().call_later(_LAST_WORDS, worker.abort)
        if status:
            self.deaths += 1
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
