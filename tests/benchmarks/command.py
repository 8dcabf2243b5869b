"""The command line of the benchmark, and the order of things."""

from __future__ import annotations

import argparse
import datetime
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from . import wrk
from .environment import prepare
from .footprint import measure_memory, measure_startup
from .journal import Journal
from .machine import describe
from .rounds import Rounds
from .server import SERVERS, Server
from .table import render
from .workload import MEMORY, NAMES, STARTUP, WORKLOADS

__all__ = ["main"]

RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for; 1 where something could not be measured."""
    wanted = _parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if not wrk.available():
        print(wrk.MISSING, file=sys.stderr)
    journal = Journal()
    servers = _prepared(wanted.servers, journal)
    about = describe(servers)
    try:
        _measure(wanted, servers, journal)
    except KeyboardInterrupt:
        print("interrupted; this is what there is", file=sys.stderr)
    print(f"\n{_headline(about)}\n\n{render(journal)}")
    if wanted.keep:
        _keep(
            {"about": about, "options": {"rounds": wanted.rounds, "seconds": wanted.seconds}, **vars(journal)}
        )
    return 1 if journal.failures else 0


def _measure(wanted: argparse.Namespace, servers: list[Server], journal: Journal) -> None:
    rounds = Rounds(wanted.rounds, wanted.seconds)
    for workload in WORKLOADS:
        if workload.name in wanted.only:
            rounds.run(workload, servers, journal)
    if MEMORY in wanted.only:
        measure_memory(servers, wanted.rounds, journal)
    if STARTUP in wanted.only:
        measure_startup(servers, wanted.rounds, journal)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench.py", description="Measure liftwing-host beside other servers."
    )
    add = parser.add_argument
    names = [server.name for server in SERVERS]
    add("--rounds", type=int, default=5, help="how often every server is visited (default: 5)")
    add("--seconds", type=int, default=4, help="how long a load is measured (default: 4)")
    add("--only", type=_list_of(NAMES), default=list(NAMES), help=f"some workloads: {', '.join(NAMES)}")
    add("--servers", type=_list_of(names), default=names, help=f"some servers: {', '.join(names)}")
    add("--keep", action="store_true", help="write all numbers to tests/benchmarks/results")
    return parser.parse_args(arguments)


class _list_of:  # noqa: N801 - reads as a type of argument
    """Parses a list with commas, of known names."""

    def __init__(self, known: Sequence[str]) -> None:
        self._known = known

    def __call__(self, text: str) -> list[str]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        unknown = [name for name in names if name not in self._known]
        if unknown or not names:
            raise argparse.ArgumentTypeError(f"{text!r}; known: {', '.join(self._known)}")
        return names


def _prepared(names: Sequence[str], journal: Journal) -> list[Server]:
    """The servers whose environments could be made."""
    prepared = []
    for server in SERVERS:
        if server.name not in names:
            continue
        try:
            if server.peer is not None:
                prepare(server.peer)
        except (subprocess.SubprocessError, OSError) as error:
            journal.fail("install", server.name, f"{error}")
            continue
        prepared.append(server)
    return prepared


def _headline(about: dict[str, object]) -> str:
    return f"liftwing-host {about['liftwing-host']}, {about['cpus']} CPUs ({about['cpu']}), {about['date']}"


def _keep(everything: dict[str, object]) -> None:
    RESULTS.mkdir(exist_ok=True)
    now = datetime.datetime.now(datetime.timezone.utc)
    path = RESULTS / f"{now:%Y-%m-%d-%H%M}.json"
    path.write_text(json.dumps(everything, indent=1) + "\n")
    print(f"\nkept in tests/benchmarks/results/{path.name}")
