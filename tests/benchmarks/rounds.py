"""Measuring under load: every round visits all servers, one after the other, while the others are paused."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

from . import connection, wrk
from .journal import Journal
from .live_server import LiveServer, ServerFailed
from .load import Load
from .server import Server
from .workload import NEIGHBOUR_CONNECTIONS, PROBES_A_SECOND, Workload

__all__ = ["Rounds"]

WARM_UP = 1


@dataclass(frozen=True)
class Rounds:
    """How long and how often is measured."""

    count: int
    seconds: int

    def run(self, workload: Workload, servers: list[Server], journal: Journal) -> None:
        """Measure a workload on all servers, `count` times."""
        with contextlib.ExitStack() as stack:
            live = []
            for server in servers:
                if server.floor and not workload.floor:
                    continue
                each = _started(server, workload.models, journal)
                if each is not None:
                    stack.callback(each.kill)
                    live.append(each)
            for number in range(self.count):
                # Nobody is always the first, or always comes after the same one's heat.
                for each in _rotated(live, number):
                    with _awake(each):
                        self._measure(workload, each, number, journal)

    def _measure(self, workload: Workload, live: LiveServer, number: int, journal: Journal) -> None:
        try:
            live.check()
            if workload.neighbour is None:
                _ask(workload, live, WARM_UP)
                before = live.cpu_time()
                load = _ask(workload, live, self.seconds)
            else:
                with _saturated(workload.neighbour, live, WARM_UP + self.seconds + 2):
                    _probe(workload, live, WARM_UP)
                    before = live.cpu_time()
                    load = _probe(workload, live, self.seconds)
            spent = live.cpu_time().since(before)
        except (ServerFailed, RuntimeError, OSError, psutil.Error, subprocess.SubprocessError) as error:
            journal.fail(workload.name, live.server.name, f"{type(error).__name__}: {error}")
            return
        journal.add_load(workload.name, live.server.name, number, load, spent)
        told = f"{load.rate:,.0f}/s, p99 {load.p99_ms:.1f} ms"
        _say(f"round {number + 1}, {workload.name}, {live.server.name}: {told}")


def _started(server: Server, models: tuple[str, ...], journal: Journal) -> LiveServer | None:
    """Start a server, check its answers, and pause it; None where that failed."""
    _say(f"starting {server.name} with {', '.join(models)}")
    live = LiveServer(server, models)
    try:
        live.wait_until_ready()
        live.check()
        live.pause()
    except ServerFailed as error:
        live.kill()
        journal.fail("start", server.name, str(error))
        return None
    except BaseException:
        live.kill()
        raise
    return live


@contextlib.contextmanager
def _awake(live: LiveServer) -> Iterator[None]:
    live.resume()
    try:
        yield
    finally:
        live.pause()


def _ask(workload: Workload, live: LiveServer, seconds: int) -> Load:
    ask = wrk.load if wrk.available() else connection.load
    return ask(live.port, live.server.question(workload.model), workload.connections, seconds)


def _probe(workload: Workload, live: LiveServer, seconds: int) -> Load:
    return connection.probe(live.port, live.server.question(workload.model), PROBES_A_SECOND, seconds)


def _saturated(model: str, live: LiveServer, seconds: int) -> contextlib.AbstractContextManager[None]:
    running = wrk.running if wrk.available() else connection.running
    return running(live.port, live.server.question(model), NEIGHBOUR_CONNECTIONS, seconds)


def _rotated(live: list[LiveServer], by: int) -> list[LiveServer]:
    by %= max(1, len(live))
    return live[by:] + live[:by]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
