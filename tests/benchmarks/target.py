"""Where liftwing-host wants to be, as ratios within one run: data, which nothing asserts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .journal import Journal
from .server import FLOOR, KSERVE, LIFTWING, SERVERS

__all__ = ["TARGETS", "Target"]

OURS = LIFTWING.name
PEERS = tuple(server.name for server in SERVERS if server is not LIFTWING and not server.floor)
OTHERS = (*PEERS, FLOOR.name)

Measured = tuple[float, str] | None
"""A value and whom it was compared with; None where something was not measured."""


@dataclass(frozen=True)
class Target:
    """One thing to reach.

    Attributes:
        title: What it is about.
        sign: ``>=`` or ``<=``.
        limit: What to reach.
        measured: Takes it from the journal.
    """

    title: str
    sign: str
    limit: float
    measured: Callable[[Journal], Measured]

    def reached(self, value: float) -> bool:
        """Whether a value is on the right side of the limit."""
        return value >= self.limit if self.sign == ">=" else value <= self.limit


def _best(values: dict[str, float | None], *, smallest: bool = False) -> tuple[float, str] | None:
    known = [(value, name) for name, value in values.items() if value is not None]
    if not known:
        return None
    return min(known) if smallest else max(known)


def _over(ours: float | None, other: tuple[float | None, str] | None) -> Measured:
    if ours is None or other is None or not other[0]:
        return None
    return ours / other[0], other[1]


def _rate(workload: str, *servers: str) -> Callable[[Journal], Measured]:
    """Our rate over the best of some servers."""
    return lambda journal: _over(
        journal.rate(workload, OURS), _best({name: journal.rate(workload, name) for name in servers})
    )


def _p99_of_fastest(workload: str, *servers: str) -> Callable[[Journal], Measured]:
    """Our p99 over that of the server with the best rate."""

    def measured(journal: Journal) -> Measured:
        fastest = _best({name: journal.rate(workload, name) for name in servers})
        other = (journal.p99(workload, fastest[1]), fastest[1]) if fastest else None
        return _over(journal.p99(workload, OURS), other)

    return measured


def _p99(workload: str, *servers: str) -> Callable[[Journal], Measured]:
    """Our p99 over the smallest of some servers."""
    return lambda journal: _over(
        journal.p99(workload, OURS),
        _best({name: journal.p99(workload, name) for name in servers}, smallest=True),
    )


def _alone(value: Callable[[Journal], float | None]) -> Callable[[Journal], Measured]:
    """A value of ours that is compared with nobody."""

    def measured(journal: Journal) -> Measured:
        ours = value(journal)
        return None if ours is None else (ours, "")

    return measured


def _number(what: str, other: str, server: str) -> Callable[[Journal], Measured]:
    """A number of ours over another, of a server."""
    return lambda journal: _over(
        journal.number(what, OURS), (journal.number(other, server), other if server == OURS else server)
    )


TARGETS = (
    Target("echo: rate / best peer", ">=", 1.5, _rate("echo", *PEERS)),
    Target("echo: rate / KServe, one process", ">=", 2.5, _rate("echo", KSERVE.name)),
    Target("echo: rate / aiohttp inline", ">=", 0.75, _rate("echo", FLOOR.name)),
    Target("cpu: rate / best", ">=", 0.98, _rate("cpu", *OTHERS)),
    Target("cpu: p99 / that of the best", "<=", 1.0, _p99_of_fastest("cpu", *OTHERS)),
    Target("upstream: rate / best", ">=", 0.97, _rate("upstream", *OTHERS)),
    Target("upstream: p99 in ms", "<=", 80, _alone(lambda journal: journal.p99("upstream", OURS))),
    Target(
        "upstream: p99 in ms, of aiohttp inline",
        "<=",
        80,
        _alone(lambda journal: journal.p99("upstream", FLOOR.name)),
    ),
    Target("neighbour: p99 of the probe / best peer", "<=", 1 / 3, _p99("neighbour", *PEERS)),
    Target("body: rate / best peer", ">=", 1.15, _rate("body", *PEERS)),
    Target(
        "body: the host's share of CPU",
        "<=",
        0.10,
        _alone(lambda journal: journal.share_of_first("body", OURS)),
    ),
    Target("batch: rate / best peer", ">=", 2.5, _rate("batch", *PEERS)),
    Target(
        "memory: 200 MB, 4 workers / 1 worker",
        "<=",
        1.1,
        _number("memory, 200 MB, workers=4", "memory, 200 MB, workers=1", OURS),
    ),
    Target(
        "memory: 4 plugins of 50 MB / KServe, one process",
        "<=",
        1.15,
        _number("memory", "memory", KSERVE.name),
    ),
    Target(
        "memory: the same 4 models in one plugin / KServe",
        "<=",
        1.15,
        _number("memory, one plugin", "memory", KSERVE.name),
    ),
    Target("start: --help in seconds", "<=", 0.2, _alone(lambda journal: journal.number("help", OURS))),
    Target("start: ready / KServe", "<=", 1 / 3, _number("ready", "ready", KSERVE.name)),
)
