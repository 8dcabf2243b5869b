"""BRIDGE: what is asked of the Ray cluster. The only file that imports Ray."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import socket
from collections.abc import Mapping
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from .node_template import NodeTemplate
from .node_worker import NodeWorker

__all__ = ["ActorGone", "Cluster", "ClusterUnavailable", "Node", "asked", "connect"]

log = logging.getLogger("liftwing_host.ray")

_PROBE = 5.0
"""Seconds within which something must listen at the cluster's address."""
_TINY = 0.001
"""How much of a custom resource a worker takes: it only says where it may be."""

ActorGone = RayError
"""What a call raises whose actor is dead, or whose node is."""

Node = tuple[str, str]
"""A node's id and its address, as Ray knows them."""


class ClusterUnavailable(Exception):
    """No connection to the cluster; the message says why and what to do."""


def connect(address: str) -> None:
    """Become a driver of the cluster.

    Args:
        address: `auto` for the cluster that this machine belongs to (or RAY_ADDRESS), `HOST:PORT` or `ray://HOST:PORT`.

    Raises:
        ClusterUnavailable: There is none, or it does not take this driver.
    """
    _probe(address)
    try:
        ray.init(address=address, namespace="liftwing-host", logging_level=logging.WARNING)
    except Exception as error:
        # Ray raises ConnectionError, RuntimeError (versions), AuthenticationError, gRPC's errors.
        ray.shutdown()
        raise ClusterUnavailable(_advice(address, str(error) or type(error).__name__)) from error


def _probe(address: str) -> None:
    """Ray itself would try for a minute."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        if address != "auto":
            raise ClusterUnavailable(_advice(address, "expected auto, HOST:PORT or ray://HOST:PORT"))
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PROBE).close()
    except (OSError, OverflowError) as error:
        raise ClusterUnavailable(_advice(address, str(error))) from error


def _advice(address: str, reason: str) -> str:
    return (
        f"the Ray cluster at {address!r} is not available: {reason.strip()} "
        "(Set --ray-address or LIFTWING_RAY_ADDRESS; `ray status --address ADDRESS` tells how the cluster is.) "
        "It is tried again."
    )


class Cluster:
    """The actors of one pool.

    Args:
        pool: The pool's name, which shows in `ray list actors`.
        num_cpus: What a compute worker takes.
        resource: The custom resource that a node must have; empty: any node.
    """

    def __init__(self, pool: str, num_cpus: float, resource: str) -> None:
        # Another host may have a pool of the same name on the cluster.
        self._pool = f"{pool} {secrets.token_hex(3)}"
        self._count = itertools.count()
        self._num_cpus = num_cpus
        self._resources: Mapping[str, float] = {resource: _TINY} if resource else {}
        self._template = ray.remote(NodeTemplate)
        self._worker = ray.remote(NodeWorker)

    def begin_worker(self, role: str, slot: int) -> Any:
        """An actor for a worker, wherever there is room. The async worker waits more than it computes."""
        name = self._name(f"{role} {slot}")
        return self._worker.options(
            name=name,
            num_cpus=self._num_cpus if role == "compute" else 0,
            resources=dict(self._resources),
            scheduling_strategy="SPREAD",
            max_restarts=0,
            max_task_retries=0,
        ).remote(name)

    def begin_template(self, node: Node) -> Any:
        """An actor for the template on a node."""
        name = self._name("template")
        return self._template.options(
            name=name,
            num_cpus=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node[0], soft=False),
            max_restarts=0,
            max_task_retries=0,
        ).remote(name)

    def _name(self, what: str) -> str:
        """As in `liftwing-plugin-outlink 6fd1a0 compute 0 #4`: `ray.get_actor` finds it in the namespace liftwing-host."""
        return f"{self._pool} {what} #{next(self._count)}"

    def end(self, actor: Any) -> None:
        """End an actor at once, with what it began."""
        try:
            ray.kill(actor, no_restart=True)
        except Exception:
            log.debug("an actor could not be ended", exc_info=True)

    def lack(self) -> str:
        """What a compute worker wants and the cluster has not, in words; empty where there is enough."""
        wanted = {"CPU": self._num_cpus} | dict(self._resources)
        free: dict[str, float] = ray.available_resources()
        all_: dict[str, float] = ray.cluster_resources()
        return "; ".join(
            f"{amount:g} {name} wanted, {free.get(name, 0):g} of {all_.get(name, 0):g} free"
            for name, amount in wanted.items()
            if free.get(name, 0) < amount
        )


async def asked(reference: Any) -> Any:
    """What an actor's method gives.

    Raises:
        ActorGone: The actor is dead.
    """
    return await asyncio.wrap_future(reference.future())
