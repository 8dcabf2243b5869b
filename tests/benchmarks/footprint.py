"""Measuring what a server costs before anybody asks it: memory, and time to start."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time

import psutil

from . import connection
from .journal import Journal
from .live_server import LiveServer, ServerFailed
from .server import KSERVE, LIFTWING, Server

__all__ = ["measure_memory", "measure_startup"]

FOUR = tuple(f"weights-{number}" for number in range(1, 5))
TOGETHER = tuple(f"together-{number}" for number in range(1, 5))
SETTLE = 1.0


def measure_memory(servers: list[Server], rounds: int, journal: Journal) -> None:
    """Weigh the servers with four models of 50 MB, and liftwing-host with one of 200 MB and 1 and 4 workers."""
    for number in range(min(rounds, 3)):
        for server in servers:
            _weigh("memory", server, FOUR, number, journal)
        if LIFTWING in servers:
            _weigh("memory, one plugin", LIFTWING, TOGETHER, number, journal)
            for workers in (1, 4):
                server = dataclasses.replace(LIFTWING, workers=workers)
                _weigh(f"memory, 200 MB, workers={workers}", server, ("heavy",), number, journal)


def measure_startup(servers: list[Server], rounds: int, journal: Journal) -> None:
    """Time how long liftwing-host and KServe take to their first answer, and to say what flags they have."""
    for number in range(rounds):
        for server in servers:
            if server not in {LIFTWING, KSERVE}:
                continue
            try:
                with LiveServer(server, ("echo",)) as live:
                    journal.add_number("ready", server.name, number, live.seconds_to_ready)
            except ServerFailed as error:
                journal.fail("startup", server.name, str(error))
            journal.add_number("help", server.name, number, _seconds_of_help(server))


def _weigh(what: str, server: Server, models: tuple[str, ...], number: int, journal: Journal) -> None:
    try:
        with LiveServer(server, models) as live:
            live.check()
            # Some begin their workers only when there is work for all of them.
            for model in models:
                connection.load(live.port, server.question(model), 8, 0.5)
            time.sleep(SETTLE)
            mebibytes = live.pss() / (1 << 20)
    except (ServerFailed, psutil.Error) as error:
        journal.fail(what, server.name, str(error))
        return
    journal.add_number(what, server.name, number, mebibytes)
    print(f"round {number + 1}, {what}, {server.name}: {mebibytes:,.0f} MiB", file=sys.stderr, flush=True)


def _seconds_of_help(server: Server) -> float:
    begun = time.monotonic()
    subprocess.run(
        server.help_command(),
        env=server.environ(),
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=60,
    )
    return time.monotonic() - begun
