"""The child processes of a pool on a Ray cluster. Nothing of Ray is imported here: that does the bridge.

The bridge (`liftwing_host.ray`) stands where the template stands in one machine. It makes the workers' connections, and
hands each to the host.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import socket
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import ConfigurationError
from ..wire import Head
from .launch import Launcher
from .processes import Processes, describe_status, first_of
from .settings import PluginSettings
from .template import Template
from .worker import Worker

__all__ = ["RayProcesses"]

log = logging.getLogger("liftwing_host.pool")


class RayProcesses(Processes):
    """The processes behind one plugin, on a cluster.

    Args:
        name: The plugin's distribution.
        orders: As for `Processes`.
        launcher: What begins the bridge, `liftwing_host.ray`, with the host's own interpreter.
        log_level: What the processes log.
        address: The cluster's, as Ray's `init` takes it.
        settings: What a worker takes of the cluster.

    Raises:
        ConfigurationError: Ray is not installed, or the settings do not go together.
    """

    def __init__(
        self,
        name: str,
        orders: Iterable[dict[str, Any]],
        launcher: Launcher,
        log_level: str,
        address: str,
        settings: PluginSettings,
    ) -> None:
        _check(name, settings)
        # As many threads as it takes CPUs.
        super().__init__(name, orders, launcher, log_level, max(1, int(settings.ray_num_cpus)))
        self._init |= {
            "pool": name,
            "address": address,
            "num_cpus": settings.ray_num_cpus,
            "resource": settings.ray_resource,
            # The nodes' interpreters have paths of their own.
            "path": [],
        }
        self._begun: dict[int, Worker] = {}
        self._connected: dict[int, asyncio.Future[tuple[Head, socket.socket]]] = {}
        self._ends: dict[int, asyncio.Future[None]] = {}

    async def begin_worker(self, worker: Worker) -> None:
        """Have the bridge find a place for the process behind `worker`, and begin it there."""
        bridge = self.template
        assert isinstance(bridge, _Bridge)
        worker.elsewhere = True
        connected = self._connected[worker.number] = asyncio.get_running_loop().create_future()
        bridge.begin(self._place(worker))
        try:
            await first_of(connected, bridge.ended)
            if not connected.done():
                worker.ended.set_result(None)
                return
            head, connection = connected.result()
        finally:
            self._connected.pop(worker.number).cancel()
        if head["node"]:
            # (Of one for which there was no place, nothing more is told: it would be kept for ever.)
            self._begun[worker.number] = worker
            self._ends[worker.number] = asyncio.get_running_loop().create_future()
        await worker.connect(connection)
        if head["node"]:
            log.info("%s: %s worker %d is on node %s", self.name, worker.role, worker.slot, head["node"])
        if head["alone"]:
            worker.loads_itself = True
            worker.send(self._init | self._place(worker))

    def kill(self, worker: Worker) -> None:
        """End a worker that does not answer any more. The next one does not wait until its node has done so."""
        if isinstance(self.template, _Bridge):
            self.template.kill_worker(worker.number)
        worker.abort()

    def _template(self, host_end: socket.socket, heard: Callable[[Head], Any]) -> Template:
        bridge = _Bridge(host_end, heard)
        bridge.ended.add_done_callback(self._bridge_ended)
        return bridge

    def _heard(self, head: Head) -> bool:
        if head["kind"] == "connected":
            assert isinstance(self.template, _Bridge)
            connection = socket.socket(fileno=self.template.received_fds.pop(0))
            connected = self._connected.get(head["number"])
            if connected is None or connected.done():
                connection.close()
            else:
                connected.set_result((head, connection))
        elif head["kind"] == "doing":
            if head["number"] in self._begun:
                self._begun[head["number"]].told_bytes = head["bytes"]
        elif head["kind"] == "exited":
            self._exited_on_node(head)
        elif head["kind"] == "lost":
            self._lost(head["number"])
        else:
            return False
        return True

    def _exited_on_node(self, head: Head) -> None:
        worker = self._begun.get(head["number"])
        if worker is not None and head["status"]:
            told = describe_status(head["status"])
            log.warning(
                "%s: %s worker %d (pid %s on node %s) %s",
                self.name, worker.role, worker.slot, head["pid"], head["node"], told,
            )  # fmt: skip
        self._lost(head["number"])

    def _lost(self, number: int) -> None:
        """Its actor or its whole node may be gone, with no end of file to tell of it."""
        worker = self._begun.pop(number, None)
        if worker is not None:
            # What it has sent is read first.
            asyncio.get_running_loop().call_later(1, worker.abort)
            self._ends.pop(number).set_result(None)

    def _bridge_ended(self, _: asyncio.Future[None]) -> None:
        for number in list(self._begun):
            self._lost(number)

    def _exits_of(self, workers: Iterable[Worker]) -> list[asyncio.Future[None]]:
        return [self._ends[worker.number] for worker in workers if worker.number in self._ends]


class _Bridge(Template):
    """The host's end of a bridge."""

    @property
    def received_fds(self) -> list[int]:
        """The connections that came along with its messages, oldest first."""
        return self._channel.received_fds

    def begin(self, place: Head) -> None:
        """Ask for a worker, and for the connection to it."""
        self._channel.send({"kind": "fork"} | place)

    def kill_worker(self, number: int) -> None:
        """Ask it to have one of its workers killed."""
        self._channel.send({"kind": "kill", "number": number})


def _check(name: str, settings: PluginSettings) -> None:
    where = f'[plugins.{name}] executor = "ray"'
    if settings.python is not None:
        raise ConfigurationError(
            f"{where} and python exclude each other: on a cluster, a plugin runs in the environment of the nodes. "
            "Install it there, and here, and leave python out."
        )
    if not settings.workers:
        raise ConfigurationError(
            f"{where} needs workers of 1 or more: with 0, one process here runs everything."
        )
    if importlib.util.find_spec("ray") is None:
        raise ConfigurationError(f"{where} needs Ray. Install it: pip install 'liftwing-host[ray]'")
