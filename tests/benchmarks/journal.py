"""Everything that was measured, number by number, and what is made of it: medians over the rounds."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from statistics import median
from typing import Any

from .load import Load, percentile

__all__ = ["Journal"]


class Journal:
    """The raw numbers.

    Attributes:
        loads: One record for each workload, server and round.
        numbers: The same for what is a single number: memory in MiB, times in seconds.
        failures: What could not be measured, and why.
    """

    def __init__(self) -> None:
        self.loads: list[dict[str, Any]] = []
        self.numbers: list[dict[str, Any]] = []
        self.failures: list[dict[str, str]] = []

    def add_load(self, workload: str, server: str, number: int, load: Load, cpu: dict[str, float]) -> None:
        """Note a load; `cpu` is the CPU time of the server's first process and of all."""
        self.loads.append(
            {
                "workload": workload,
                "server": server,
                "round": number,
                **dataclasses.asdict(load),
                "cpu_seconds": cpu,
            }
        )

    def add_number(self, what: str, server: str, number: int, value: float) -> None:
        """Note a single number."""
        self.numbers.append({"what": what, "server": server, "round": number, "value": round(value, 4)})

    def fail(self, what: str, server: str, why: str) -> None:
        """Note that something could not be measured, and say so."""
        self.failures.append({"what": what, "server": server, "why": why})
        print(f"FAILED: {what}, {server}: {why}", file=sys.stderr, flush=True)

    def rate(self, workload: str, server: str) -> float | None:
        """Good answers a second; None where none were counted."""
        return self._median(workload, server, lambda load: load["answered"] / load["seconds"])

    def p99(self, workload: str, server: str) -> float | None:
        """The 99th percentile of the latencies in ms; over all rounds together where each has few of them."""
        together = sorted(latency for load in self._of(workload, server) for latency in load["latencies_ms"])
        return (
            percentile(together, 99)
            if together
            else self._median(workload, server, lambda load: load["p99_ms"])
        )

    def cpu_ms(self, workload: str, server: str) -> float | None:
        """The CPU time of a request, in ms."""
        return self._median(
            workload, server, lambda load: load["cpu_seconds"]["all"] * 1000 / load["answered"]
        )

    def share_of_first(self, workload: str, server: str) -> float | None:
        """The share of the first process in that."""
        return self._median(
            workload,
            server,
            lambda load: load["cpu_seconds"]["first"] / max(load["cpu_seconds"]["all"], 1e-9),
        )

    def faults(self, workload: str, server: str) -> int:
        """How many requests were refused or broken."""
        return sum(load["refused"] + load["broken"] for load in self._of(workload, server))

    def number(self, what: str, server: str) -> float | None:
        """The median of a single number."""
        values = [one["value"] for one in self.numbers if one["what"] == what and one["server"] == server]
        return median(values) if values else None

    def _of(self, workload: str, server: str) -> list[dict[str, Any]]:
        return [load for load in self.loads if load["workload"] == workload and load["server"] == server]

    def _median(self, workload: str, server: str, value: Callable[[dict[str, Any]], float]) -> float | None:
        values = [value(load) for load in self._of(workload, server) if load["answered"]]
        return median(values) if values else None
