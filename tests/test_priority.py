"""Who gives way on the CPUs: the workers of heavy models, to the host and to those of light models."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import proc
from distributions import install, path_with
from liftwing_host.pytest_plugin import LiveHost

LOAD = """
import threading, time
from liftwing_host import Model

def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass

class Burns(Model):
    def start(self):
        threading.Thread(target=threading.Event().wait, daemon=True).start()

    def predict(self, features):
        burn(features.get("burn", 0))
        time.sleep(features.get("sleep", 0))
        return features

class BurnsTogether(Burns):
    max_batch_size = 8

    def predict_batch(self, features):
        burn(0.02)
        return features
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    models = {"burns": "burns:Burns", "burns-together": "burns:BurnsTogether"}
    return install(tmp_path / "site", "liftwing-plugin-burns", models=models, code={"burns": LOAD})


def worker_of(host: LiveHost) -> int:
    (worker,) = proc.named(host, r"lw-compute-\d")
    return worker


def test_a_worker_whose_requests_are_heavy_gives_way_for_good(liftwing: Any, site: Path) -> None:
    host = liftwing("burns", environ=path_with(site), arguments=["--workers", "1"])
    own = proc.niceness(host.process.pid)
    for _ in range(3):
        host.predict({"burn": 0.02})
    assert proc.niceness(worker_of(host)) == min(19, own + 15)
    for seconds in (0, 0, 0.02, 0.02, 0.02):
        host.predict({"burn": seconds})
    assert proc.niceness(worker_of(host)) == min(19, own + 15)


def test_all_threads_of_a_heavy_worker_give_way(liftwing: Any, site: Path) -> None:
    host = liftwing("burns", environ=path_with(site), arguments=["--workers", "1"])
    for _ in range(3):
        host.predict({"burn": 0.02})
    threads = [int(task.name) for task in Path(f"/proc/{worker_of(host)}/task").iterdir()]
    assert len(threads) > 1
    expected = min(19, proc.niceness(host.process.pid) + 15)
    assert {os.getpriority(os.PRIO_PROCESS, thread) for thread in threads} == {expected}
    assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_BATCH}
    # The scheduler gives even the lowest priority a whole turn now and then, and the host waits for its end.
    usual = proc.turn(host.process.pid)
    assert {proc.turn(thread) for thread in threads} == {500_000 if usual is not None else None}
    assert usual is None or usual > 500_000


def test_a_worker_of_heavy_batches_gives_way(liftwing: Any, site: Path) -> None:
    host = liftwing("burns-together", environ=path_with(site), arguments=["--workers", "1"])
    with ThreadPoolExecutor(16) as clients:
        list(clients.map(lambda _: host.predict({}), range(64)))
    assert proc.niceness(worker_of(host)) == min(19, proc.niceness(host.process.pid) + 15)


def test_a_worker_of_a_light_model_gives_way_to_the_host_alone(liftwing: Any, site: Path) -> None:
    host = liftwing("burns", environ=path_with(site), arguments=["--workers", "1"])
    requests: list[dict[str, float]] = [{}] * 20 + [{"sleep": 0.02}] * 4 + [{}, {"burn": 0.02}] * 3
    for request in requests:
        host.predict(request)
    assert proc.niceness(worker_of(host)) == proc.niceness(host.process.pid) + 5
