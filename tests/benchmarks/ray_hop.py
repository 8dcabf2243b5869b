"""What it costs to have a plugin's workers on Ray, beside processes, in one run: `PYTHONPATH=tests .venv/bin/python tests/benchmarks/ray_hop.py`.

A cluster of one node on this machine, so no network between machines is in the figures. One client, one request after the other,
both hosts in turn. Beside them, calls of an actor by Ray alone: what a hop would cost if calls went through Ray.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from liftwing_host.pytest_plugin import LiveHost
from proc import family, pss
from ray_cluster import RayCluster, ray_environ

TESTS = Path(__file__).parent.parent
ROUNDS, REQUESTS = 5, 300
BODIES = {"a small body": b'{"a": 1}', "1 MB": json.dumps({"a": "b" * (1 << 20)}).encode()}
_ACTOR = """
import json, ray, sys, time
ray.init(address=sys.argv[1], namespace="hop", logging_level="ERROR")
@ray.remote
class Echo:
    def echo(self, body):
        return body
actor = Echo.remote()
for line in sys.stdin:
    size, count = json.loads(line)
    body = bytes(size)
    ray.get(actor.echo.remote(body))
    began = time.perf_counter()
    for _ in range(count):
        ray.get(actor.echo.remote(body))
    print((time.perf_counter() - began) / count, flush=True)
"""


def main() -> None:
    """Measure, and print a table."""
    os.environ["PYTHONPATH"] = str(TESTS / "zoo")
    cluster = RayCluster(4)
    on_ray = LiveHost(
        ["echo"],
        config={"plugins": {"zoo": {"executor": "ray", "workers": 1}}},
        arguments=["--ray-address", cluster.address],
        environ=ray_environ(),
        wait=False,
    )
    on_ray.wait_until_ready(120)
    here = LiveHost(["echo"], arguments=["--workers", "1"])
    actor = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _ACTOR, cluster.address],
        env=os.environ | ray_environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        for name, body in BODIES.items():
            print(name, *_measure(here, on_ray, actor, body), sep="\n  ")
        print(*_memory(cluster), sep="\n  ")
    finally:
        actor.kill()
        actor.wait()
        here.stop()
        on_ray.stop()
        cluster.stop()


def _measure(
    here: LiveHost, on_ray: LiveHost, actor: subprocess.Popen[str], body: bytes
) -> tuple[str, str, str]:
    ways: dict[str, Callable[[], float]] = {
        "processes": lambda: _requests(here, body),
        "Ray": lambda: _requests(on_ray, body),
        "an actor, called by Ray": lambda: _calls(actor, len(body)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        for name, measured in ways.items():
            took = measured()
            if number:  # The first round warms up.
                seconds[name].append(took)
    medians = {name: statistics.median(took) for name, took in seconds.items()}
    first, second, third = (
        f"{name}: {took * 1e3:.2f} ms, {took / medians['processes']:.2f} of processes"
        for name, took in medians.items()
    )
    return first, second, third


def _requests(host: LiveHost, body: bytes) -> float:
    """Seconds for one request, of many over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", host.port)
    began = time.perf_counter()
    for _ in range(REQUESTS):
        connection.request("POST", "/v1/models/echo:predict", body)
        response = connection.getresponse()
        assert response.status == 200
        response.read()
    took = time.perf_counter() - began
    connection.close()
    return took / REQUESTS


def _calls(actor: subprocess.Popen[str], size: int) -> float:
    assert actor.stdin is not None
    assert actor.stdout is not None
    print(json.dumps([size, REQUESTS]), file=actor.stdin, flush=True)
    return float(actor.stdout.readline())


def _memory(cluster: RayCluster) -> list[str]:
    """The memory of the actors' own processes, which come on top of those of the pool."""
    told = ["memory (PSS)"]
    for pid in family(cluster.pid):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if command.startswith(b"ray::Node"):
            told.append(f"{command.partition(b'.')[0].decode()[5:]}: {pss(pid) / (1 << 20):.0f} MiB")
    return told


if __name__ == "__main__":
    main()
