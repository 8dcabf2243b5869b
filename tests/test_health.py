"""Whether the host lives, and whether all that it serves is ready: what probes of a pod ask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from liftwing_host.pytest_plugin import LiveHost
from raw_http import RawClient


def told(host: LiveHost, path: str) -> tuple[int, object]:
    reply = host.get(path)
    return reply.status, reply.json()


def test_the_host_is_ready_when_all_models_are_and_names_those_that_are_not(
    liftwing: Callable[..., LiveHost], tmp_path: Path
) -> None:
    may_load = tmp_path / "may load"
    host = liftwing("echo", "slow-to-load", wait=False, environ={"ZOO_MAY_LOAD": str(may_load)})
    assert told(host, "/v2/health/live") == (200, {"live": True})
    status, answer = told(host, "/v2/health/ready")
    assert status == 503
    assert "slow-to-load" in str(answer)
    may_load.touch()
    host.wait_until_ready()
    assert told(host, "/v2/health/ready") == (200, {"ready": True})


def test_a_model_that_failed_keeps_the_host_from_being_ready(liftwing: Callable[..., LiveHost]) -> None:
    host = liftwing("echo", "load-raises", wait=False)
    host.wait_for(lambda: host.ready("echo"), "the other model")
    assert told(host, "/v2/health/ready") == (503, {"error": "Not ready: load-raises."})
    assert told(host, "/v2/health/live") == (200, {"live": True})


def test_a_host_that_drains_is_not_ready_and_lives(liftwing: Callable[..., LiveHost]) -> None:
    host = liftwing("slow", arguments=["--drain-delay", "30"])
    with RawClient(host.port) as client:
        client.post(b'{"seconds":1}', "slow")
        host.process.terminate()
        host.wait_for(lambda: told(host, "/v2/health/ready")[0] == 503, "not ready")
        assert told(host, "/v2/health/ready") == (503, {"error": "The host is about to end."})
        assert told(host, "/v2/health/live") == (200, {"live": True})
        assert client.reply().status == 200
    host.process.terminate()
