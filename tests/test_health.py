"""Whether the host lives, and whether all that it serves is ready: what probes of a pod ask."""

from __future__ import annotations

import sys
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


class TalkativeHost(LiveHost):
    """Tells after a tenth of a second what others tell after half a minute."""

    def command(self) -> list[str]:
        told = "from liftwing_host.server import cli, patience; patience.TELL_EVERY = 0.1; cli.main(prog_name='liftwing-host')"
        return [sys.executable, "-c", told]


def test_a_model_that_loads_for_long_is_told_of_in_the_log(tmp_path: Path) -> None:
    may_load = tmp_path / "may-load"
    host = TalkativeHost(["slow-to-load"], wait=False, environ={"ZOO_MAY_LOAD": str(may_load)})
    try:
        host.wait_for(lambda: host.log.count("still waiting for slow-to-load, after ") > 1, "two such lines")
        may_load.touch()
        host.wait_for(lambda: "is ready: " in host.log, "the report")
    finally:
        assert host.stop() == 0
    assert "still waiting" not in host.log.partition("is ready: ")[2]
