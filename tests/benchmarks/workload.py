"""The workloads under load: who is asked what, by how many connections."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MEMORY", "NAMES", "STARTUP", "WORKLOADS", "Workload"]

MEMORY = "memory"
STARTUP = "startup"


@dataclass(frozen=True)
class Workload:
    """One kind of load.

    Attributes:
        name: Its name in tables and on the command line.
        title: What is asked.
        model: The model that is asked.
        connections: How many connections ask without a pause; 0 for a probe.
        neighbour: The model that is saturated meanwhile.
        floor: Whether the floor says something about it.
    """

    name: str
    title: str
    model: str
    connections: int
    neighbour: str | None = None
    floor: bool = True

    @property
    def models(self) -> tuple[str, ...]:
        """The models that have to be served."""
        return (self.model,) if self.neighbour is None else (self.model, self.neighbour)


PROBES_A_SECOND = 50.0
NEIGHBOUR_CONNECTIONS = 16

WORKLOADS = (
    Workload("echo", "echo, 32 connections", "echo", 32),
    Workload("cpu", "10 ms of CPU, 8 connections", "cpu", 8),
    Workload("upstream", "50 ms of waiting, 64 connections", "upstream", 64),
    Workload(
        "neighbour",
        "echo 50 times a second beside 16 connections that saturate `cpu`",
        "probe",
        0,
        "cpu",
        floor=False,
    ),
    Workload("body", "1 MB of JSON, 4 connections", "length", 4),
    Workload("batch", "5 ms of CPU a batch, 64 connections", "batch", 64, floor=False),
)
NAMES = (*(workload.name for workload in WORKLOADS), MEMORY, STARTUP)
