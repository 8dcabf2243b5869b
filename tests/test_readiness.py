"""What serves while something else loads, fails to load, or is busy."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import proc
from distributions import install, path_with
from liftwing_host.pytest_plugin import LiveHost
from raw_http import RawClient

ALL_KINDS = pytest.mark.parametrize("workers", [1, 0], ids=["workers", "solo"])

OTHER = """
import os, time
from pathlib import Path
from liftwing_host import Model

class Echo(Model):
    def predict(self, features):
        return features

class SlowToStart(Echo):
    def start(self):
        while not Path(os.environ["MAY_START"]).exists():
            time.sleep(0.01)

class BadExample(Echo):
    example = {"image": b"bytes"}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A second plugin, with a pool of its own."""
    models = {"other": "other:Echo", "slow-to-start": "other:SlowToStart", "bad-example": "other:BadExample"}
    models |= {"exits-at-import": "exits_at_import:Model", "dies-silently": "dies_silently:Model"}
    code = {
        "other": OTHER,
        "exits_at_import": "raise SystemExit(5)",
        "dies_silently": "import os; os._exit(3)",
    }
    return install(tmp_path / "site", "liftwing-plugin-other", models=models, code=code)


def not_ready(host: LiveHost, model: str) -> None:
    told = {"error": f"Model with name {model} is not ready."}
    for reply in (host.get(f"/v1/models/{model}"), host.post({}, model)):
        assert (reply.status, reply.json()) == (503, told)


@ALL_KINDS
def test_a_model_is_503_until_it_is_loaded_while_others_serve(
    liftwing: Any, site: Path, tmp_path: Path, workers: int
) -> None:
    may_load = tmp_path / "may load"
    host = liftwing(
        "slow-to-load", "other", wait=False, environ=path_with(site) | {"ZOO_MAY_LOAD": str(may_load)},
        arguments=["--workers", str(workers)],
    )  # fmt: skip
    host.wait_for(lambda: host.ready("other"), "the other plugin")
    for _ in range(20):
        not_ready(host, "slow-to-load")
        assert host.get("/").json() == {"status": "alive"}
        assert host.predict({"a": 1}, "other") == {"a": 1}
    assert "is ready" not in host.log, "the report comes when all is settled"
    may_load.touch()
    host.wait_for(lambda: host.ready("slow-to-load"), "slow-to-load")
    assert host.predict({"a": 1}, "slow-to-load") == {"a": 1}
    host.wait_for(lambda: "slow-to-load (liftwing-plugin-zoo 1.0) is ready" in host.log, "the report")


@ALL_KINDS
def test_a_model_is_503_until_its_start_hook_has_run(
    liftwing: Any, site: Path, tmp_path: Path, workers: int
) -> None:
    may_start = tmp_path / "may start"
    host = liftwing(
        "slow-to-start", "echo", wait=False, environ=path_with(site) | {"MAY_START": str(may_start)},
        arguments=["--workers", str(workers)],
    )  # fmt: skip
    host.wait_for(lambda: host.ready("echo"), "the other plugin")
    host.wait_for(lambda: "loaded slow-to-start" in host.log, "loaded")
    for _ in range(20):
        not_ready(host, "slow-to-start")
    may_start.touch()
    host.wait_for(lambda: host.ready("slow-to-start"), "slow-to-start")
    assert host.predict([1], "slow-to-start") == [1]


# Quarantine

FAILURES = {
    "load-raises": ("RuntimeError: the weights are rotten", True),
    "load-exits": ("SystemExit: I give up", True),
    "load-misconfigured": ("Set THE_VARIABLE to the path of the weights.", False),
    "missing-module": ("ModuleNotFoundError: No module named 'zoo_is_not_here'", True),
    "missing-attribute": (
        "the entry point zoo:IsNotHere names 'IsNotHere', which is not there. Entry points are in the plugin's "
        "pyproject.toml; install it again when they have changed (pip install).",
        False,
    ),
}


@ALL_KINDS
def test_a_model_that_fails_to_load_is_503_and_the_log_tells_why_while_the_others_serve(
    liftwing: Any, site: Path, workers: int
) -> None:
    host = liftwing(
        *FAILURES, "echo", "stages", "other", wait=False, environ=path_with(site),
        arguments=["--workers", str(workers)],
    )  # fmt: skip
    host.wait_for(lambda: all(map(host.ready, ("echo", "stages", "other"))), "those that are well")
    host.wait_for(lambda: "echo (liftwing-plugin-zoo 1.0) is ready" in host.log, "the report")
    for name, (reason, traced) in FAILURES.items():
        not_ready(host, name)
        told = host.log.partition(f"{name} (liftwing-plugin-zoo 1.0) is NOT READY: ")[2]
        first, _, rest = told.partition("\n")
        assert first == reason
        assert rest.startswith("Traceback (most recent call last):\n") == traced, name
    assert "liftwing_host.errors.ConfigurationError" not in host.log
    assert host.predict({"a": 1}, "echo") == {"a": 1}
    assert host.predict({"value": 1}, "stages")["load"]
    assert host.predict([2], "other") == [2]


@ALL_KINDS
def test_a_model_whose_loading_kills_its_process_is_503_and_another_plugin_serves(
    liftwing: Any, site: Path, workers: int
) -> None:
    host = liftwing(
        "load-dies", "other", wait=False, environ=path_with(site), arguments=["--workers", str(workers)]
    )
    host.wait_for(lambda: host.ready("other"), "the other plugin")
    host.wait_for(lambda: "load-dies (liftwing-plugin-zoo 1.0) is NOT READY: " in host.log, "the report")
    not_ready(host, "load-dies")
    assert "was killed by SIGKILL" in host.log
    assert "its last lines:\nout of memory, nearly" in host.log
    assert host.predict([1], "other") == [1]


def test_a_model_whose_loading_ends_without_a_word_is_said_to_have_printed_none(
    liftwing: Any, site: Path
) -> None:
    host = liftwing("dies-silently", wait=False, environ=path_with(site), arguments=["--workers", "1"])
    told = "NOT READY: the process that loads it exited with status 3 each time; it printed nothing\n"
    host.wait_for(lambda: told in host.log, "the report")


@pytest.mark.parametrize("order", [["echo", "load-dies", "slow"], ["load-dies", "echo", "slow"]])
def test_a_model_whose_loading_kills_its_process_leaves_those_of_its_plugin_serving(
    liftwing: Any, order: list[str]
) -> None:
    host = liftwing(*order, wait=False, arguments=["--workers", "1"])
    host.wait_for(lambda: host.ready("echo") and host.ready("slow"), "the others", timeout=8)
    host.wait_for(lambda: "load-dies (liftwing-plugin-zoo 1.0) is NOT READY: " in host.log, "the report")
    not_ready(host, "load-dies")
    assert host.predict([1], "echo") == [1]


def test_a_failed_model_does_not_keep_one_that_cannot_be_forked_from_serving(liftwing: Any) -> None:
    host = liftwing("not-fork-safe", "load-raises", wait=False, arguments=["--workers", "2"])
    host.wait_for(lambda: host.ready("not-fork-safe"), "not-fork-safe", timeout=8)
    not_ready(host, "load-raises")
    host.wait_for(lambda: "NOT READY: RuntimeError: the weights are rotten" in host.log, "the report")


@ALL_KINDS
def test_a_module_that_exits_when_it_is_imported_is_told_and_its_neighbours_serve(
    liftwing: Any, site: Path, workers: int
) -> None:
    host = liftwing(
        "exits-at-import", "other", wait=False, environ=path_with(site), arguments=["--workers", str(workers)]
    )
    host.wait_for(lambda: host.ready("other"), "its neighbour", timeout=8)
    host.wait_for(
        lambda: "exits-at-import (liftwing-plugin-other 1.0) is NOT READY: SystemExit: 5" in host.log, "told"
    )


def test_an_example_that_is_no_json_does_not_keep_its_model_from_serving(liftwing: Any, site: Path) -> None:
    host = liftwing("bad-example", wait=False, environ=path_with(site), arguments=["--workers", "1"])
    host.wait_for(lambda: host.ready("bad-example"), "bad-example", timeout=8)
    assert host.predict([1]) == [1]


# Liveness


@ALL_KINDS
def test_liveness_never_waits_for_a_worker(liftwing: Any, workers: int, record_property: Any) -> None:
    config = {"queue_size": 4, "max_concurrency": 2}
    host = liftwing("slow", "blocks-loop", config=config, arguments=["--workers", str(workers)])
    clients = [RawClient(host.port) for _ in range(16)]
    for number, client in enumerate(clients):
        client.post(b'{"seconds": 60}', ("slow", "blocks-loop")[number % 2])
    host.wait_for(lambda: host.post({}, "slow").status == 503, "a full queue")
    times = []
    with RawClient(host.port) as probe:
        for _ in range(300):
            began = time.monotonic()
            probe.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert probe.reply().body == b'{"status":"alive"}'
            times.append(time.monotonic() - began)
    for client in clients:
        client.close()
    p99 = sorted(times)[-4]
    record_property("liveness, p99 in seconds", p99)
    assert p99 < 0.25
    host.process.kill()


def test_liveness_is_answered_while_large_bodies_are_read_and_refused(liftwing: Any) -> None:
    host = liftwing("raw", arguments=["--workers", "1"])
    body = b"x" * (30 << 20)
    with ThreadPoolExecutor(3) as clients:
        sending = [clients.submit(host.post, body) for _ in range(6)]
        slowest = 0.0
        while not all(each.done() for each in sending):
            began = time.monotonic()
            assert host.get("/").status == 200
            slowest = max(slowest, time.monotonic() - began)
        assert [each.result().json()["length"] for each in sending] == [len(body)] * 6
    assert slowest < 1.0
    assert proc.alive(host.process.pid)
