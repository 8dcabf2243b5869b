"""`liftwing-host deploy`: manifests whose numbers fit each other, and the host that they begin."""

from __future__ import annotations

import http.client
import os
import random
import re
import shlex
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

import kserve_pods
from command import COMMAND
from distributions import install, path_with
from kserve_pods import IMAGE, MODEL, NEEDED, rendered
from liftwing_host.pytest_plugin import LiveHost
from liftwing_host.server.cpus import available_cpus

HANGS = """
    import asyncio, pathlib, time
    from liftwing_host import Model

    class Hangs(Model):
        def predict(self, features):
            if features["hang"]:
                pathlib.Path(__file__).with_name("hanging").touch()
                time.sleep(3600)
            return {}

        def event(self, response):
            return {"$schema": "/test/1.0.0", "meta": {"stream": "test"}}

        def stop(self):
            time.sleep(3600)
"""


def value_of(arguments: list[str], flag: str) -> float:
    return float(arguments[arguments.index(flag) + 1])


def test_for_any_numbers_nothing_is_killed_before_it_has_drained() -> None:
    chance = random.Random(5)  # noqa: S311 - nobody is to be surprised by these
    for _ in range(200):
        wanted = {
            "timeout": chance.choice([0.01, 60, 1234567.5, round(chance.uniform(0.1, 900), 3)]),
            "drain_delay": chance.choice([0, round(chance.uniform(0, 99), 2), 100000]),
            "drain_timeout": chance.choice([None, 0, round(chance.uniform(0, 900), 2)]),
        }
        sets = [f"{key}={number}" for key, number in wanted.items() if number is not None]
        manifests = rendered(*NEEDED, "transformer=true", *sets)
        spec = kserve_pods.of_kind(manifests, "InferenceService")["spec"]
        containers = {
            "predictor": kserve_pods.predictor(manifests),
            "transformer": kserve_pods.transformer(manifests, "there"),
        }
        for component, container in containers.items():
            flags = container["args"]
            timeout, drain = value_of(flags, "--timeout"), value_of(flags, "--drain-timeout")
            delay, pod = value_of(flags, "--drain-delay"), spec[component]
            assert (timeout, delay) == (wanted["timeout"], wanted["drain_delay"])
            assert drain == (wanted["drain_timeout"] if wanted["drain_timeout"] is not None else timeout + 1)
            # What the host waits for after its drain: connections 2 s, workers 2 s, template 2 s, events 5 s.
            assert pod["terminationGracePeriodSeconds"] >= delay + drain + 11
            assert pod["timeout"] > timeout


@pytest.mark.parametrize(("cpu", "workers"), [("500m", 1), ("2", 2), ("2500m", 3), ("0.1", 1)])
def test_the_autoscaler_aims_at_as_many_requests_as_the_host_counts_cpus(
    cpu: str, workers: int, tmp_path: Path
) -> None:
    manifests = rendered(*NEEDED, f"cpu={cpu}")
    limit = kserve_pods.predictor(manifests)["resources"]["limits"]["cpu"]
    millis = int(limit[:-1]) if limit.endswith("m") else int(float(limit) * 1000)
    # As the kubelet writes a limit into the container's control group.
    (tmp_path / "cpu.max").write_text(f"{millis * 100} 100000\n")
    assert available_cpus(tmp_path) == min(workers, len(os.sched_getaffinity(0)))
    [metric] = kserve_pods.of_kind(manifests, "HorizontalPodAutoscaler")["spec"]["metrics"]
    assert metric["pods"]["target"]["averageValue"] == str(workers)


class Pod(LiveHost):
    """A host that is begun by a container's arguments and variables alone, on a free port instead of its own."""

    def __init__(self, container: dict[str, Any], model: str) -> None:
        port = container["args"].index("--http_port") + 1
        self._arguments = [*container["args"][:port], "0", *container["args"][port + 1 :]]
        super().__init__([model], environ=kserve_pods.environment(container), wait=False)

    def command(self) -> list[str]:
        """The shell leaves out what `LiveHost` puts behind."""
        return ["bash", "-c", f"exec {shlex.join([*COMMAND, *self._arguments])}"]

    def probed(self, container: dict[str, Any], kind: str) -> int:
        """What the kubelet would see."""
        get = container[kind]["httpGet"]
        assert get["port"] == container["ports"][0]["containerPort"] == 8080
        return self.get(get["path"]).status


def test_the_host_takes_the_containers_arguments_and_answers_its_probes() -> None:
    manifests = rendered(IMAGE, "demo=true", "workers=1", "drain_delay=1", "timeout=20")
    container = kserve_pods.predictor(manifests)
    host = Pod(container, MODEL)
    try:
        host.wait_for(lambda: host.probed(container, "startupProbe") == 200, "startup", 60)
        assert host.probed(container, "readinessProbe") == host.probed(container, "livenessProbe") == 200
        answer = host.predict({"page_title": "Douglas_Adams", "lang": "en"})
        assert answer["prediction"]["results"]
        annotations = kserve_pods.of_kind(manifests, "InferenceService")["spec"]["predictor"]["annotations"]
        assert annotations["prometheus.io/port"] == "8080"
        metrics = host.get(annotations["prometheus.io/path"]).body.decode()
        assert re.search(rf'^liftwing_request_seconds_sum{{model="{MODEL}"}} 0\.\d+', metrics, re.MULTILINE)
        host.process.send_signal(signal.SIGTERM)
        host.wait_for(lambda: host.probed(container, "readinessProbe") == 503, "not ready")
        assert host.probed(container, "livenessProbe") == 200
        assert host.process.wait(20) == 0
    finally:
        host.kill()


def test_a_model_that_does_not_load_is_seen_by_the_startup_probe_alone() -> None:
    container = kserve_pods.predictor(rendered(*NEEDED, "env.MODEL_PATH=/nowhere/model.bin", "workers=1"))
    host = Pod(container, MODEL)
    try:
        host.wait_for(lambda: "is NOT READY" in host.log, "the report", 60)
        assert host.probed(container, "startupProbe") == host.probed(container, "readinessProbe") == 503
        assert host.probed(container, "livenessProbe") == 200
    finally:
        host.kill()


def test_what_hangs_at_the_end_hangs_no_longer_than_the_grace_period(tmp_path: Path) -> None:
    """Hooks that never end, clients that wait, and an event that EventGate takes but never answers."""
    install(
        tmp_path / "site", "liftwing-plugin-hangs", models={"hangs": "hangs:Hangs"}, code={"hangs": HANGS}
    )
    with socket.create_server(("127.0.0.1", 0)) as eventgate:
        manifests = rendered(
            *[IMAGE, "demo=true", "workers=1", "timeout=600", "drain_delay=1", "drain_timeout=2"],
            f"env.EVENTGATE_URL=http://127.0.0.1:{eventgate.getsockname()[1]}/v1/events",
            f"env.PYTHONPATH={path_with(tmp_path / 'site')['PYTHONPATH']}",
            "env.AIOHTTP_CLIENT_TIMEOUT=600",
            model="hangs",
        )
        pod = kserve_pods.of_kind(manifests, "InferenceService")["spec"]["predictor"]
        container = kserve_pods.predictor(manifests)
        for entry in container["env"]:
            if entry["name"] == "LIFTWING_EVENTS":
                entry["value"] = str(tmp_path / "events.sqlite")
        host = Pod(container, "hangs")
        try:
            host.wait_until_ready()
            assert host.predict({"hang": False}) == {}
            asking = [http.client.HTTPConnection("127.0.0.1", host.port) for _ in range(3)]
            for connection in asking:
                connection.request("POST", "/v1/models/hangs:predict", b'{"hang": true}')
            host.wait_for((tmp_path / "site" / "hanging").exists, "hanging")
            began = time.monotonic()
            host.process.send_signal(signal.SIGTERM)
            assert host.process.wait(pod["terminationGracePeriodSeconds"]) == 0, host.log
            assert time.monotonic() - began >= 8  # the delay, the drain, and the events' last 5 s
            assert "1 events were not sent" in host.log
            for connection in asking:
                connection.close()
        finally:
            host.kill()


def test_transformer_and_predictor_answer_together_as_kserve_begins_them() -> None:
    manifests = rendered(IMAGE, "demo=true", "transformer=true", "workers=1", "name=topics")
    predictor = kserve_pods.predictor(manifests)
    predicting = Pod(predictor, "topics")
    try:
        transformer = kserve_pods.transformer(manifests, f"127.0.0.1:{predicting.port}")
        transforming = Pod(transformer, "topics")
        try:
            for host, container in ((predicting, predictor), (transforming, transformer)):
                host.wait_for(lambda h=host, c=container: h.probed(c, "startupProbe") == 200, "startup", 60)  # type: ignore[misc]
                assert host.probed(container, "livenessProbe") == 200
            answer = transforming.predict({"page_title": "Douglas_Adams", "lang": "en"})
            assert answer["prediction"]["results"]
            for host in (predicting, transforming):
                assert (
                    b'liftwing_requests_total{model="topics",status="200"} 1.0' in host.get("/metrics").body
                )
        finally:
            transforming.stop()
    finally:
        predicting.stop()
