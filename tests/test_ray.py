"""A pool whose workers are on a Ray cluster: what a client and the operator see, with a real cluster of two nodes.

Collected where Ray is installed; continuous integration installs it.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import proc
from liftwing_host.pytest_plugin import LiveHost, wait_until
from ray_cluster import RayCluster, ray_environ

ON_RAY = {"executor": "ray", "workers": 3}
MODELS = ["where", "stages", "knows", "raises", "returns", "raw", "batches", "functions", "waits", "dies"]
SLOWLY = 90.0
"""Ray begins each actor as an interpreter that imports it, on a machine that others may be using."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """A head and another node. Their interpreters find the zoo, as if it were installed there."""
    begun = RayCluster(2, 2)
    yield begun
    begun.stop()


class RayHost(LiveHost):
    """A host whose plugins are on the cluster.

    Args:
        cluster: The cluster.
        models: The models; the first one's plugin is the zoo.
        plugin: The keys of ``[plugins.zoo]``, beside the executor.
    """

    def __init__(
        self, cluster: RayCluster, *models: str, plugin: dict[str, Any] | None = None, **more: Any
    ) -> None:
        config = {"plugins": {"zoo": ON_RAY | (plugin or {})}}
        if "outlink-topic-model" in models:
            config["plugins"]["outlink"] = ON_RAY | {"workers": 1}
        address = more.pop("address", cluster.address)
        arguments = ["--ray-address", address, *more.pop("arguments", [])]
        super().__init__(
            models, config=config, arguments=arguments, environ=ray_environ(), wait=False, **more
        )
        self.wait_until_ready(SLOWLY)


@pytest.fixture(scope="module")
def ray_host(cluster: RayCluster) -> Iterator[LiveHost]:
    """One host for all tests that leave it in order."""
    host = RayHost(cluster, *MODELS, "outlink-topic-model", arguments=["--demo"])
    yield host
    host.stop()


@pytest.fixture
def on_ray(cluster: RayCluster) -> Iterator[Callable[..., LiveHost]]:
    """Begins further hosts, which end with the test. The first one has taken all CPUs."""
    hosts: list[LiveHost] = []

    def begin(*models: str, settings: dict[str, Any] | None = None, **plugin: Any) -> LiveHost:
        hosts.append(RayHost(cluster, *models, plugin={"ray_num_cpus": 0, **plugin}, settings=settings))
        return hosts[-1]

    yield begin
    for host in hosts:
        host.stop()


def noted(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


# The same answers

QUESTIONS: list[tuple[str, Any]] = [
    ("outlink-topic-model", {"page_title": "Douglas_Adams", "lang": "en"}),
    ("outlink-topic-model", {"page_title": "Douglas_Adams"}),
    ("knows", {"a": [1, "é"]}),
    ("returns", {"return": "a megabyte"}),
    ("returns", {"return": "numpy"}),
    ("returns", {"return": "bytes"}),
    ("returns", {"return": "none"}),
    ("raises", {"raise": "InvalidInput"}),
    ("raises", {"raise": "teapot"}),
    ("raises", {"raise": "RuntimeError"}),
    ("raises", b"{"),
    ("raw", b"\x00" * 100),
    ("raw", bytes(range(256)) * (20 << 10)),
    ("functions", {"number": 3}),
    ("batches", {"value": 2}),
]


def test_the_answers_are_those_of_processes(ray_host: LiveHost) -> None:
    beside = LiveHost([*MODELS, "outlink-topic-model"], arguments=["--demo", "--workers", "1"])
    try:
        for model, payload in QUESTIONS:
            headers = {"x-request-id": "the-same"}
            here, there = (host.post(payload, model, headers) for host in (beside, ray_host))
            mask = _without_what_differs if model in ("knows", "functions", "batches") else bytes
            assert (there.status, mask(there.body)) == (here.status, mask(here.body)), (model, payload)
    finally:
        beside.stop()


def _without_what_differs(body: bytes) -> bytes:
    """Process ids and the time that is left."""
    answer = json.loads(body)
    return json.dumps(
        {key: value for key, value in answer.items() if key not in ("pid", "remaining")}
    ).encode()


def test_every_leg_runs_where_its_colour_says_with_the_id_of_its_request(ray_host: LiveHost) -> None:
    answer = ray_host.post({"value": 7, "wait": 0.01}, "stages", {"x-request-id": "seven"}).json()
    hooks = {name: answer[name] for name in ("fetch", "preprocess", "predict", "postprocess")}
    assert {(request, value) for request, _, value in hooks.values()} == {("seven", 7)}
    assert hooks["fetch"][1] == hooks["postprocess"][1] != hooks["predict"][1] == hooks["preprocess"][1]


def test_the_time_that_is_left_is_told_although_the_clocks_differ(ray_host: LiveHost) -> None:
    answer = ray_host.post({}, "where", {"x-request-timeout": "20"}).json()
    assert 0 < answer["remaining"] <= 20
    assert 20 < ray_host.predict({}, "where")["remaining"] <= 60


# Where the processes are


def test_the_workers_are_spread_over_the_nodes_and_forked_from_one_template_on_each(
    cluster: RayCluster, ray_host: LiveHost, tmp_path: Path
) -> None:
    payload = {"note": str(tmp_path / "note"), "seconds": 2}
    with ThreadPoolExecutor(3) as clients:
        answers = list(clients.map(lambda _: ray_host.predict(payload, "where"), range(3)))
    assert len({each["pid"] for each in answers}) == 3, "three workers, of which no node has room for all"
    assert len({each["parent"] for each in answers}) == 2, "each forked from the template of its node"
    named = sorted(re.sub(r" [0-9a-f]{6} (.*) #\d+$", r" \1", name) for name in cluster.actors("-zoo "))
    kinds = ("async 0", "compute 0", "compute 1", "compute 2", "template", "template")
    assert named == [f"liftwing-plugin-zoo {kind}" for kind in kinds]
    assert cluster.ask("free") == 0, (
        "each compute worker takes a CPU of Ray's, and outlink's takes the fourth"
    )


def test_workers_are_only_on_nodes_that_have_the_resource(cluster: RayCluster, on_ray: Any) -> None:
    cluster.ask("add", 0, {"scoring": 1})
    host = on_ray("where", ray_resource="scoring")
    host.wait_for(lambda: _workers(host) == 3, "all workers", SLOWLY)
    with ThreadPoolExecutor(3) as clients:
        answers = list(clients.map(lambda _: host.predict({"seconds": 2}), range(3)))
    assert len({each["parent"] for each in answers}) == 1, "without it, they are spread over the nodes"
    cluster.ask("remove", -1)
    lack = "the Ray cluster has no room for a worker: 0.001 scoring wanted, 0 of 0 free"
    host.wait_for(lambda: lack in host.log, "what is missing", SLOWLY)
    assert host.stop() == 0


def test_a_predictor_is_reloaded_on_ray_and_the_actors_before_are_gone(cluster: RayCluster) -> None:
    before = set(cluster.actors())
    role = ["--role", "predictor"]
    host = RayHost(cluster, "where", plugin={"ray_num_cpus": 0, "workers": 1}, arguments=role)
    try:
        assert host.get("/v1/models/where").json() == {"name": "where", "ready": True, "role": "predictor"}
        pid, own = host.predict({})["pid"], set(cluster.actors()) - before
        assert len(own) == 2, "a worker's and a template's"
        host.process.send_signal(signal.SIGHUP)
        host.wait_for(lambda: "liftwing-plugin-zoo was reloaded" in host.log, "the reload", SLOWLY)
        assert host.predict({})["pid"] != pid
        wait_until(lambda: not own & set(cluster.actors()), "the end of the actors before", SLOWLY)
        wait_until(lambda: not proc.alive(pid), "the end of the worker before", SLOWLY)
    finally:
        assert host.stop() == 0
    wait_until(lambda: set(cluster.actors()) == before, "the end of all that it had", SLOWLY)


def test_the_host_process_imports_nothing_of_ray(ray_host: LiveHost) -> None:
    pid = ray_host.process.pid
    assert "_raylet" not in Path(f"/proc/{pid}/maps").read_text()
    assert any("_raylet" in Path(f"/proc/{child}/maps").read_text() for child in proc.family(pid)), (
        "the bridge does"
    )


# Deadlines


def test_a_hang_is_a_504_that_names_the_hook_and_its_worker_is_killed_and_replaced(
    on_ray: Callable[..., LiveHost], tmp_path: Path
) -> None:
    host = on_ray("where", settings={"timeout": 5})
    note = tmp_path / "note"
    reply = host.post({"note": str(note), "seconds": 60})
    told = {"error": "The request to where ran out of time (5 s) in predict."}
    assert (reply.status, reply.json()) == (504, told)
    [hung] = noted(note)
    host.wait_for(lambda: not proc.alive(hung["pid"]), "the end of the worker that hangs")
    assert f"pid {hung['pid']} hangs in predict of where; it is killed" in host.log
    host.wait_for(lambda: _workers(host) == 3, "three workers again", SLOWLY)


def _workers(host: LiveHost) -> int:
    """How many compute workers answer at the same time."""
    with ThreadPoolExecutor(3) as clients:
        asked = list(clients.map(lambda _: host.predict({"seconds": 0.5}, "where"), range(3)))
    return len({each["pid"] for each in asked})


def test_an_async_hang_is_cancelled(ray_host: LiveHost, tmp_path: Path) -> None:
    note = tmp_path / "note"
    reply = ray_host.post({"seconds": 60, "note": str(note)}, "waits", {"x-request-timeout": "1"})
    told = {"error": "The request to waits ran out of time (1 s) in fetch."}
    assert (reply.status, reply.json()) == (504, told)
    ray_host.wait_for(note.exists, "the hook's word that it was cancelled")


# Deaths


def test_a_request_whose_worker_dies_is_answered_by_another(ray_host: LiveHost, tmp_path: Path) -> None:
    note = tmp_path / "died"
    answer = ray_host.predict({"die": True, "once": str(note)}, "dies")
    assert answer["pid"] != int(note.read_text())
    ray_host.wait_for(lambda: f"(pid {note.read_text()} on node " in ray_host.log, "the word of its end")
    assert "was killed by SIGKILL" in ray_host.log


def test_a_request_survives_the_actor_of_its_worker(cluster: RayCluster, on_ray: Any, tmp_path: Path) -> None:
    before = set(cluster.actors())
    host, note = on_ray("where", workers=1), tmp_path / "note"
    with ThreadPoolExecutor(1) as client:
        asked = client.submit(host.predict, {"note": str(note), "seconds": 2})
        host.wait_for(lambda: len(noted(note)) == 1, "the hook")
        [actor] = (name for name in cluster.actors(" compute ") if name not in before)
        cluster.ask("kill", actor)
        answer = asked.result()
    first, second = noted(note)
    assert answer["pid"] == second["pid"] != first["pid"]
    host.wait_for(lambda: not proc.alive(first["pid"]), "the end of the worker, whose actor is gone")
    with ThreadPoolExecutor(1) as client:
        note.unlink()
        asked = client.submit(host.predict, {"note": str(note), "seconds": 2})
        host.wait_for(lambda: len(noted(note)) == 1, "the hook")
        for template in set(cluster.actors(" template ")) - before:
            cluster.ask("kill", template)
        assert asked.result()["parent"] != noted(note)[0]["parent"], "forked from another template"


def test_a_host_outside_the_cluster_comes_in_through_rays_client_port(
    cluster: RayCluster, tmp_path: Path
) -> None:
    no_cpus = {"ray_num_cpus": 0, "workers": 1}
    host = RayHost(cluster, "where", "stages", plugin=no_cpus, address=cluster.client_address)
    try:
        assert host.predict({"value": 1}, "stages")["fetch"][2] == 1
        assert host.predict({})["pid"]
    finally:
        assert host.stop() == 0


def test_nothing_outlives_a_host_that_is_killed(cluster: RayCluster, on_ray: Any, tmp_path: Path) -> None:
    before = set(cluster.actors())
    host, note = on_ray("where"), tmp_path / "note"
    with ThreadPoolExecutor(1) as client:
        asked = client.submit(host.post, {"note": str(note), "seconds": 60})
        host.wait_for(lambda: noted(note), "the hook")
        pids = [*proc.family(host.process.pid), *(noted(note)[0][which] for which in ("pid", "parent"))]
        host.process.send_signal(signal.SIGKILL)
        host.process.wait()
        assert asked.exception() is not None
    wait_until(lambda: not any(proc.alive(pid) for pid in pids), "the end of all processes", SLOWLY)
    wait_until(lambda: not set(cluster.actors()) - before, "the end of all actors", SLOWLY)


def test_what_cannot_be_forked_is_loaded_by_each_worker_and_replaced_when_it_grows(on_ray: Any) -> None:
    host = on_ray("not-fork-safe", workers=1, max_rss=1)
    assert "each worker loads for itself: model not-fork-safe says fork_safe = False" in host.log
    pid = host.predict({})["pid"]
    assert Path(f"/proc/{proc.parent(pid)}/cmdline").read_bytes().startswith(b"ray::"), "its actor's child"
    host.wait_for(lambda: "is replaced: it holds " in host.log, "the word of its size", SLOWLY)
    host.wait_for(lambda: host.predict({})["pid"] != pid, "another worker", SLOWLY)


def test_a_node_that_is_lost_takes_no_request_with_it(
    cluster: RayCluster, ray_host: LiveHost, tmp_path: Path
) -> None:
    payload = {"note": str(tmp_path / "note"), "seconds": 4}
    with ThreadPoolExecutor(3) as clients:
        asked = [clients.submit(ray_host.predict, payload, "where") for _ in range(3)]
        ray_host.wait_for(lambda: len(noted(tmp_path / "note")) == 3, "all hooks")
        cluster.ask("remove", 0)
        answers = [each.result() for each in asked]
    assert len({each["parent"] for each in answers}) == 1, "all were answered on the node that is left"
    assert len(noted(tmp_path / "note")) > 3, "some were run once more"
    lack = "the Ray cluster has no room for a worker: 1 CPU wanted, 0 of 2 free"
    ray_host.wait_for(lambda: lack in ray_host.log, "what is missing", SLOWLY)
    cluster.ask("add", 2, {})
    ray_host.wait_for(lambda: _workers(ray_host) == 3, "three workers again", SLOWLY)


# The end of the cluster comes last


def test_a_cluster_that_goes_away_costs_other_plugins_nothing_and_comes_back(
    cluster: RayCluster, ray_host: LiveHost
) -> None:
    port = int(cluster.address.rpartition(":")[2])
    cluster.stop()
    ray_host.wait_for(lambda: not ray_host.ready("where"), "not ready", SLOWLY)
    assert ray_host.post({}, "where").status == 503
    assert ray_host.get("/").status == 200
    again = RayCluster(4, port=port)
    try:
        ray_host.wait_until_ready(SLOWLY)
        assert ray_host.predict({}, "where")["pid"]
        assert ray_host.predict(QUESTIONS[0][1], "outlink-topic-model")
    finally:
        again.stop()
