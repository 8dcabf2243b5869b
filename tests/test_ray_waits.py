"""A pool that waits for a Ray cluster, or for room in one: what the operator is told.

Collected where Ray is installed; continuous integration installs it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from ray_cluster import RayCluster, ray_environ

ON_RAY = {"executor": "ray", "workers": 1}
SLOWLY = 90.0
"""As in `test_ray`."""


@pytest.fixture
def cluster() -> Iterator[RayCluster]:
    """One node."""
    begun = RayCluster(1)
    yield begun
    begun.stop()


def test_a_cluster_without_room_is_told_once_and_so_is_its_room(cluster: RayCluster, liftwing: Any) -> None:
    plugin = ON_RAY | {"ray_num_cpus": 0, "ray_resource": "rare"}
    arguments = ["--ray-address", cluster.address]
    host = liftwing(
        "where", config={"plugins": {"zoo": plugin}}, arguments=arguments, environ=ray_environ(), wait=False
    )
    lack = "liftwing-plugin-zoo: the Ray cluster has no room for a worker: 0.001 rare wanted, 0 of 0 free"
    host.wait_for(lambda: lack in host.log, "what is missing", SLOWLY)
    seen = time.monotonic()
    # An interval that is measured: the bridge looks every six seconds.
    host.wait_for(lambda: time.monotonic() > seen + 14, "two further looks")
    assert host.log.count(lack) == 1
    cluster.ask("add", 0, {"rare": 1})
    host.wait_until_ready(SLOWLY)
    assert "liftwing-plugin-zoo: its processes can be begun now" in host.log, host.log


def test_an_address_where_there_is_no_cluster_is_told_and_the_others_serve(liftwing: Any) -> None:
    host = liftwing(
        "where", "outlink-topic-model",
        config={"plugins": {"zoo": ON_RAY}},
        arguments=["--demo", "--ray-address", "127.0.0.1:1", "--workers", "1"],
        wait=False,
    )  # fmt: skip
    host.wait_for(lambda: host.ready("outlink-topic-model"), "the other plugin")
    host.wait_for(lambda: "where (liftwing-plugin-zoo 1.0) is NOT READY" in host.log, "the report", SLOWLY)
    assert "the Ray cluster at '127.0.0.1:1' is not available: [Errno 111] Connection refused" in host.log
    assert "Set --ray-address or LIFTWING_RAY_ADDRESS" in host.log
    assert host.post({}, "where").json() == {"error": "Model with name where is not ready."}
