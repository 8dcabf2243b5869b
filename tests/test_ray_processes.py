"""The host's side of a pool on Ray, with a bridge that is none."""

from __future__ import annotations

import asyncio
import gc
import socket
import subprocess
import sys
import weakref
from typing import Any

import pytest

from liftwing_host.body_arena import BodyArena
from liftwing_host.channel import Channel
from liftwing_host.server.launch import Launched, Launcher
from liftwing_host.server.line import Line
from liftwing_host.server.ray_processes import RayProcesses
from liftwing_host.server.settings import PluginSettings
from liftwing_host.server.worker import Worker


def test_workers_for_which_there_was_no_place_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a cluster is full, each slot asks again and again, for days."""

    def bridge_without_room(_: RayProcesses, threads: int) -> Launched:
        assert threads == 1
        host_end, child_end = socket.socketpair()

        def refuse(head: dict[str, Any]) -> None:
            if head["kind"] == "fork":
                connection, other = socket.socketpair()
                with connection, other:
                    told = {"kind": "connected", "number": head["number"], "node": "", "alone": False}
                    bridge.send(told, [connection.fileno()])

        bridge = Channel(child_end, refuse)
        return Launched(subprocess.Popen(["/bin/true"]), host_end)

    async def test() -> None:
        launcher = Launcher(sys.executable, BodyArena())
        processes = RayProcesses("zoo", [], launcher, "info", "auto", PluginSettings(workers=1))
        await processes.begin_template(lambda _: None, lambda _: None)
        workers: weakref.WeakSet[Worker] = weakref.WeakSet()
        for number in range(3):
            worker = Worker("compute", 0, number, 1, Line(), lambda *_: None)
            workers.add(worker)
            await processes.begin_worker(worker)
            await worker.ended
            worker.close()
        del worker
        # Their transports are closed in the next turn of the loop.
        await asyncio.sleep(0)
        gc.collect()
        assert not workers
        await processes.close(())

    monkeypatch.setattr(RayProcesses, "_launch", bridge_without_room)
    asyncio.run(test())
