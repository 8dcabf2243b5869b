"""Which processes there are, what is in them, and what they cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import proc
from distributions import install, path_with
from liftwing_host.pytest_plugin import LiveHost
from raw_http import RawClient

MODELS = ["stages", "slow", "prints"]

TELLS_ITS_MODULES = """
import atexit, json, os, sys
folder = os.environ["MODULES_OF"]
atexit.register(lambda: open(f"{folder}/{os.getpid()}", "w").write(json.dumps(
    {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())})))
"""


@pytest.fixture(scope="module")
def zoo_host() -> Any:
    host = LiveHost(MODELS, arguments=["--workers", "2"])
    yield host
    host.stop()


def test_the_host_process_has_imported_no_plugin_and_nothing_that_computes(
    liftwing: Any, tmp_path: Path
) -> None:
    install(tmp_path, "witness", code={"sitecustomize": TELLS_ITS_MODULES})
    environ = path_with(tmp_path) | {"MODULES_OF": str(tmp_path)}
    host = liftwing("returns", "functions", "missing-module", environ=environ, wait=False)
    host.wait_for(lambda: host.ready("returns") and host.ready("functions"), "ready")
    assert host.post({"return": "numpy"}, "returns").status == 200, "the worker has imported numpy"
    assert host.stop() == 0
    modules = json.loads((tmp_path / str(host.process.pid)).read_text())
    assert "tornado.httpserver" in modules
    forbidden = {"zoo", "zoo_functions", "numpy", "fasttext", "aiohttp", "pickle5"}
    assert {name.partition(".")[0] for name in modules} & forbidden == set()
    assert [name for name in modules if name.startswith("liftwing_host.worker")] == []
    zoo = str(Path(__file__).parent / "zoo")
    assert [name for name, file in modules.items() if file and file.startswith(zoo)] == []


def test_workers_are_forked_from_the_template_which_is_the_hosts_only_child(zoo_host: LiveHost) -> None:
    template = proc.template(zoo_host)
    workers = proc.workers(zoo_host)
    assert len(workers) == 3
    assert {proc.parent(worker) for worker in workers} == {template}
    assert len(proc.family(zoo_host.process.pid)) == 4


def test_ps_shows_what_each_worker_is(zoo_host: LiveHost) -> None:
    for name in ("lw-async-0", "lw-compute-0", "lw-compute-1"):
        assert len(proc.named(zoo_host, name)) == 1, name


def test_compute_workers_give_way_to_the_host_and_the_async_worker(zoo_host: LiveHost) -> None:
    own = proc.niceness(zoo_host.process.pid)
    (async_worker,) = proc.named(zoo_host, "lw-async-0")
    assert proc.niceness(async_worker) == own
    for worker in proc.named(zoo_host, r"lw-compute-\d"):
        assert proc.niceness(worker) == min(19, own + 5)


def test_what_a_hook_prints_comes_out_of_the_host(zoo_host: LiveHost) -> None:
    assert zoo_host.predict({"a": 1}, "prints") == {"a": 1}
    zoo_host.wait_for(lambda: "printed by a hook\n" in zoo_host.log, "the line in the log")


def test_a_hook_may_print_though_nobody_reads_what_the_host_prints() -> None:
    command = [sys.executable, "-m", "liftwing_host.server", "serve", "--port", "0", "--address", "127.0.0.1"]
    with subprocess.Popen(
        [*command, "--workers", "1", "--model", "prints"], stderr=subprocess.PIPE, text=True
    ) as host:
        assert host.stderr is not None
        try:
            told = ""
            while "is ready" not in told:
                line = host.stderr.readline()
                assert line, told
                told += line
            port = int(told.partition(" port ")[2].split()[0])
            host.stderr.close()
            for _ in range(3):
                with RawClient(port) as client:
                    client.post(b'{"a":1}', "prints")
                    assert client.reply().body == b'{"a":1}'
        finally:
            host.kill()


def test_workers_hold_no_sockets_of_their_neighbours(zoo_host: LiveHost) -> None:
    links = {}
    for worker in proc.workers(zoo_host):
        targets = [str(entry.readlink()) for entry in Path(f"/proc/{worker}/fd").iterdir()]
        links[worker] = {target for target in targets if target.startswith("socket:")}
    seen: set[str] = set()
    for sockets in links.values():
        assert not sockets & seen
        seen |= sockets
    assert all(links.values())


def memory_of(host: LiveHost, workers: int) -> int:
    """Of the template and the workers, after every worker has answered."""
    seen: set[int] = set()
    with ThreadPoolExecutor(2 * workers) as clients:

        def all_have_answered() -> bool:
            answers = clients.map(lambda _: host.predict({"seconds": 0.05}, "slow"), range(2 * workers))
            seen.update(answer["pid"] for answer in answers)
            return len(seen) == workers

        host.wait_for(all_have_answered, "all workers")
    assert host.predict({}, "weights")["sum"] == 2
    return sum(proc.pss(pid) for pid in [proc.template(host), *proc.workers(host)])


def test_four_workers_take_little_more_memory_than_one(liftwing: Any, record_property: Any) -> None:
    one = memory_of(liftwing("weights", "slow", arguments=["--workers", "1"]), 1)
    four = memory_of(liftwing("weights", "slow", arguments=["--workers", "4"]), 4)
    record_property("memory of 4 workers / of 1", four / one)
    assert one > 200 << 20
    assert four <= 1.1 * one


# One process for all


@pytest.fixture(scope="module")
def solo() -> Any:
    host = LiveHost(["stages", "slow", "waits", "raises"], arguments=["--workers", "0"])
    yield host
    host.stop()


def test_without_workers_all_hooks_run_in_one_process(solo: LiveHost) -> None:
    (only,) = proc.family(solo.process.pid)
    answer = solo.predict({"value": 1}, "stages")
    pids = {answer[hook][1] for hook in ("fetch", "preprocess", "predict", "postprocess")} | {answer["load"]}
    assert pids == {only}
    assert proc.named(solo, "lw-solo-0") == [only]


def test_without_workers_computing_still_does_not_hold_up_waits(solo: LiveHost) -> None:
    with ThreadPoolExecutor(2) as clients:
        computing = clients.submit(solo.predict, {"seconds": 1.5}, "slow")
        for _ in range(5):
            solo.predict({"seconds": 0.01}, "waits")
        assert not computing.done()
        assert computing.result()["pid"] == proc.family(solo.process.pid)[0]


def test_without_workers_requests_keep_their_values_apart(solo: LiveHost) -> None:
    def ask(number: int) -> bool:
        answer = solo.predict({"value": number, "wait": number % 3 / 100}, "stages")
        return {answer[hook][2] for hook in ("fetch", "preprocess", "predict", "postprocess")} == {number}

    with ThreadPoolExecutor(20) as clients:
        assert all(clients.map(ask, range(100)))


def test_without_workers_errors_and_hidden_texts_are_the_same(solo: LiveHost) -> None:
    assert solo.post({"raise": "InvalidInput"}, "raises").body == b'{"error":"m"}'
    reply = solo.post({"raise": "SystemExit"}, "raises")
    assert (reply.status, "The hook predict of model raises failed" in reply.json()["error"]) == (500, True)
    solo.predict({}, "slow")


# What cannot be forked


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("threads", "1 other threads run after load (zoo-thread)"),
        ("not-fork-safe", "model not-fork-safe says fork_safe = False"),
    ],
)
def test_a_model_that_cannot_be_forked_is_loaded_in_each_worker_and_the_log_says_why(
    liftwing: Any, model: str, reason: str
) -> None:
    host = liftwing(model, arguments=["--workers", "2"])
    assert f"liftwing-plugin-zoo: each worker loads for itself: {reason}" in host.log
    host.wait_for(lambda: len(proc.workers(host)) == 2, "two workers")
    assert {proc.parent(worker) for worker in proc.workers(host)} == {host.process.pid}
    host.wait_for(lambda: len(proc.family(host.process.pid)) == 2, "no template left")
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda _: host.predict({"seconds": 0.2}), range(4)))
    assert {answer["pid"] for answer in answers} == set(proc.workers(host))
    assert {answer["nice"] for answer in answers} == {min(19, proc.niceness(host.process.pid) + 5)}


def test_the_start_is_told_line_by_line_with_a_command_to_try(zoo_host: LiveHost) -> None:
    def told() -> bool:
        return "stages (liftwing-plugin-zoo 1.0) is ready: loaded in " in zoo_host.log

    zoo_host.wait_for(told, "the report")
    assert "loading stages (liftwing-plugin-zoo 1.0)" in zoo_host.log
    legs = "fetch (async), then preprocess + predict (compute), then postprocess (async)"
    curl = f"curl localhost:{zoo_host.port}/v1/models/stages:predict -d "
    assert f"MiB, 3 workers; {legs}; try: {curl}" in zoo_host.log


def test_the_workers_do_nothing_while_nobody_asks(zoo_host: LiveHost) -> None:
    pids = [zoo_host.process.pid, *proc.family(zoo_host.process.pid)]

    def ticks() -> int:
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
        return sum(int(field[11]) + int(field[12]) for field in fields)

    before, began = ticks(), time.monotonic()
    while time.monotonic() < began + 1:
        time.sleep(0.1)  # An interval that is measured, not a condition that is hoped for.
    assert (ticks() - before) / os.sysconf("SC_CLK_TCK") < 0.1


class HostOfAnotherFolder(LiveHost):
    """Begun as the installed command is: Python does not put the current folder in front of the import path."""

    def command(self) -> list[str]:
        code = "import sys; sys.path.remove(''); from liftwing_host.server.cli import main; main()"
        return [sys.executable, "-c", code]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="PYTHONSAFEPATH is of Python 3.11")
def test_a_file_of_the_current_folder_stands_in_for_no_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("zoo", "orjson"):
        (tmp_path / f"{module}.py").write_text("raise RuntimeError('this one is not meant')\n")
    monkeypatch.chdir(tmp_path)
    host = HostOfAnotherFolder(["echo"], arguments=["--workers", "1"])
    try:
        assert host.predict({"a": 1}) == {"a": 1}
    finally:
        host.stop()
