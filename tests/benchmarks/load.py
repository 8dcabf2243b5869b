"""What came of asking a server for a while."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Load", "percentile"]


@dataclass(frozen=True)
class Load:
    """The outcome of one load.

    Attributes:
        seconds: How long it took.
        answered: How many answers came with a status below 400.
        refused: How many came with another one.
        broken: Connections that could not be made, broke, or timed out.
        p50_ms: The median latency.
        p99_ms: The latency that one request in a hundred exceeds.
        max_ms: The longest one.
        latencies_ms: All latencies, where there are few.
    """

    seconds: float
    answered: int
    refused: int
    broken: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.answered / self.seconds

    @classmethod
    def of(cls, seconds: float, latencies: list[float], refused: int, broken: int, *, keep: bool) -> Load:
        """Sum up latencies that were measured one by one, in seconds."""
        in_ms = sorted(round(latency * 1000, 3) for latency in latencies)
        return cls(
            seconds=seconds,
            answered=len(latencies) - refused,
            refused=refused,
            broken=broken,
            p50_ms=percentile(in_ms, 50),
            p99_ms=percentile(in_ms, 99),
            max_ms=in_ms[-1] if in_ms else 0.0,
            latencies_ms=in_ms if keep else [],
        )


def percentile(ordered: list[float], percent: float) -> float:
    """The value that `percent` of 100 do not exceed; 0 where there is none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0
