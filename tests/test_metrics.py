"""What `GET /metrics` tells of the models and their processes."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

import proc
from liftwing_host.pytest_plugin import LiveHost
from tells import metric

ZOO = "liftwing-plugin-zoo"


def test_who_works_and_who_waits_is_told(liftwing: Callable[..., LiveHost]) -> None:
    host = liftwing("slow", "echo", arguments=["--workers", "2"])
    # Ready is a model with its first worker.
    host.wait_for(lambda: metric(host, "liftwing_workers", plugin=ZOO, kind="compute") == 2, "both workers")
    assert metric(host, "liftwing_workers_busy", plugin=ZOO, kind="compute") == 0
    with ThreadPoolExecutor(5) as clients:
        replies = [clients.submit(host.post, {"seconds": 1.5}, "slow") for _ in range(5)]
        host.wait_for(lambda: metric(host, "liftwing_requests_waiting", model="slow") == 3, "three that wait")
        assert metric(host, "liftwing_workers_busy", plugin=ZOO, kind="compute") == 2
        assert metric(host, "liftwing_requests_waiting", model="echo") == 0
        assert {reply.result().status for reply in replies} == {200}
    assert metric(host, "liftwing_requests_waiting", model="slow") == 0
    assert metric(host, "liftwing_workers_busy", plugin=ZOO, kind="compute") == 0


@pytest.mark.parametrize("model", ["echo", "not-fork-safe"])
def test_deaths_are_counted_and_ends_in_good_order_are_not(
    liftwing: Callable[..., LiveHost], model: str
) -> None:
    host = liftwing(model, arguments=["--workers", "2"])
    before = proc.workers(host)
    host.process.send_signal(signal.SIGHUP)
    host.wait_for(lambda: not any(map(proc.alive, before)), "the end of those that were replaced")
    assert metric(host, "liftwing_process_deaths_total", plugin=ZOO) == 0
    proc.kill(proc.workers(host)[0], signal.SIGKILL)
    host.wait_for(lambda: metric(host, "liftwing_process_deaths_total", plugin=ZOO) == 1, "the death")
    host.wait_for(lambda: metric(host, "liftwing_workers", plugin=ZOO, kind="compute") == 2, "another worker")


def test_a_model_that_has_failed_is_told_beside_one_that_answers(liftwing: Callable[..., LiveHost]) -> None:
    host = liftwing("echo", "load-raises", wait=False)
    host.wait_for(lambda: "NOT READY" in host.log, "the report")
    assert metric(host, "liftwing_model_ready", model="echo") == 1
    assert metric(host, "liftwing_model_ready", model="load-raises") == 0


@pytest.mark.parametrize(
    "accept", ["text/plain;version=x", "application/openmetrics-text;version=1.x", ";=,"]
)
def test_whoever_asks_for_an_odd_format_gets_plain_text(
    liftwing: Callable[..., LiveHost], accept: str
) -> None:
    host = liftwing("echo", arguments=["--workers", "1"])
    reply = host.request("GET", "/metrics", headers={"Accept": accept})
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b'liftwing_model_ready{model="echo"} 1.0' in reply.body
