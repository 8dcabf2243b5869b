"""What a client and the operator see when processes are killed, all at once or again and again."""

from __future__ import annotations

import resource
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import proc
from distributions import install, path_with
from liftwing_host.pytest_plugin import LiveHost, wait_until
from raw_http import RawClient

ALL_KINDS = pytest.mark.parametrize("workers", [2, 0], ids=["workers", "solo"])


def die(pid: int) -> None:
    proc.kill(pid, signal.SIGKILL)


@contextmanager
def asked_all_the_time(host: LiveHost, model: str, payload: Any, clients: int = 3) -> Iterator[list[int]]:
    """The statuses of requests that are sent one after the other meanwhile."""
    statuses: list[int] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            statuses.append(host.post(payload, model).status)

    with ThreadPoolExecutor(clients) as pool:
        asking = [pool.submit(ask) for _ in range(clients)]
        try:
            yield statuses
            seen = len(statuses)
            host.wait_for(lambda: len(statuses) > seen + clients, "further answers")
        finally:
            over.set()
        for each in asking:
            each.result()


def replaced(host: LiveHost, before: list[int], kind: str) -> Any:
    return host.wait_for(
        lambda: len(now := proc.named(host, kind)) == len(before) and now != before and now, f"a new {kind}"
    )


def test_a_killed_worker_is_replaced_and_nobody_notices(liftwing: Any, record_property: Any) -> None:
    host = liftwing("stages", arguments=["--workers", "2"])
    times = []
    with asked_all_the_time(host, "stages", {"value": 1, "wait": 0.01}) as statuses:
        for kind in ("lw-compute-0", "lw-async-0", "lw-compute-1", "lw-async-0"):
            before = proc.named(host, kind)
            died = time.monotonic()
            die(before[0])
            replaced(host, before, kind)
            times.append(time.monotonic() - died)
            seen = len(statuses)
            host.wait_for(lambda seen=seen: len(statuses) > seen + 6, "answers by the new worker")
    assert set(statuses) == {200}
    record_property("seconds until a killed worker was replaced", times)
    print("replaced after", ", ".join(f"{seconds * 1000:.0f} ms" for seconds in times))
    assert max(times) < 5
    assert "compute worker 0 (pid " in host.log
    assert "was killed by SIGKILL" in host.log


@ALL_KINDS
def test_a_request_whose_worker_dies_is_answered_by_another(
    liftwing: Any, tmp_path: Path, workers: int
) -> None:
    host = liftwing("dies", arguments=["--workers", str(workers)])
    note = tmp_path / "died"
    answer = host.predict({"die": True, "once": str(note)})
    assert answer["pid"] != int(note.read_text())


@ALL_KINDS
def test_a_request_that_must_not_be_run_twice_is_a_500(liftwing: Any, tmp_path: Path, workers: int) -> None:
    host = liftwing("dies-once", "dies", arguments=["--workers", str(workers)])
    reply = host.post({"die": True, "once": str(tmp_path / "died")}, "dies-once")
    told = (
        "The process that ran dies-once died on this request; "
        "it was not run again, since the model is not idempotent."
    )
    assert (reply.status, reply.json()) == (500, {"error": told})
    assert host.predict({}, "dies-once")["pid"]


def test_the_operator_may_say_that_a_model_must_not_be_run_twice(liftwing: Any, tmp_path: Path) -> None:
    host = liftwing("dies", settings={"idempotent": False}, arguments=["--workers", "1"])
    assert host.post({"die": True, "once": str(tmp_path / "died")}).status == 500


def test_a_request_that_kills_two_workers_is_a_500_and_its_neighbours_go_on(liftwing: Any) -> None:
    host = liftwing("dies", "slow", arguments=["--workers", "3"])
    with asked_all_the_time(host, "slow", {"seconds": 0.01}) as statuses:
        reply = host.post({"die": True}, "dies", {"x-request-id": "deadly"})
    assert (reply.status, reply.json()) == (
        500, {"error": "The process that ran dies died twice on this request."},
    )  # fmt: skip
    assert "request deadly: the process that ran predict of dies died twice on this request" in host.log
    assert set(statuses) == {200}
    host.wait_for(lambda: len(proc.workers(host)) == 3, "three workers again")


def test_without_its_template_a_model_serves_on_and_the_template_comes_back(liftwing: Any) -> None:
    host = liftwing("stages", arguments=["--workers", "2"])
    old, workers = proc.template(host), proc.workers(host)
    with asked_all_the_time(host, "stages", {"value": 1}) as statuses:
        die(old)
        host.wait_for(lambda: "the template was killed by SIGKILL; it is begun again" in host.log, "the log")
        assert all(proc.alive(worker) for worker in workers)
        new = host.wait_for(
            lambda: [pid for pid in proc.family(host.process.pid) if pid != old], "a template"
        )[0]
        for worker in workers:
            die(worker)
            host.wait_for(lambda: proc.workers(host), "workers")
        host.wait_for(lambda: len(proc.workers(host)) == 3, "all workers")
        assert {proc.parent(worker) for worker in proc.workers(host)} == {new}
    assert set(statuses) == {200}


def test_a_worker_that_hangs_is_killed_even_when_its_template_is_gone(liftwing: Any) -> None:
    host = liftwing("slow", settings={"timeout": 0.5}, arguments=["--workers", "1"])
    (worker,) = proc.workers(host)
    with ThreadPoolExecutor(1) as client:
        hanging = client.submit(host.post, {"seconds": 60})
        die(proc.template(host))
        assert hanging.result().status == 504
    host.wait_for(lambda: not proc.alive(worker), "the end of the worker")
    host.wait_for(lambda: host.post({}).status == 200, "an answer by another")


# The host's own end


def none_left(pids: list[int]) -> None:
    wait_until(lambda: not any(proc.alive(pid) for pid in pids), "the end of all processes", 15)


@ALL_KINDS
@pytest.mark.parametrize("model", ["stages", "slow", "waits", "blocks-loop", "not-fork-safe"])
def test_nothing_outlives_a_killed_host_whatever_its_workers_do(
    liftwing: Any, tmp_path: Path, model: str, workers: int
) -> None:
    host = liftwing(model, arguments=["--workers", str(workers)])
    payload = {"value": 1, "wait": 60, "seconds": 60, "note": str(tmp_path / "note")}

    def ask() -> Any:
        try:
            return host.post(payload)
        except OSError:
            return None

    with ThreadPoolExecutor(1) as client:
        busy = client.submit(ask)
        host.wait_for(lambda: host.get("/").status == 200, "alive")
        pids = proc.family(host.process.pid)
        die(host.process.pid)
        assert pids
        none_left(pids)
        assert busy.result() is None


def test_nothing_outlives_a_host_that_is_killed_with_its_template(liftwing: Any) -> None:
    host = liftwing("slow", arguments=["--workers", "1"])
    with RawClient(host.port) as client:
        client.post(b'{"seconds": 60}', "slow")
        # What came later has been answered: the worker has the request.
        assert [host.get("/").status for _ in range(5)] == [200] * 5
        pids = proc.family(host.process.pid)
        die(proc.template(host))
        die(host.process.pid)
        none_left(pids)


@ALL_KINDS
def test_nothing_outlives_a_host_that_is_killed_while_a_model_loads(
    liftwing: Any, tmp_path: Path, workers: int
) -> None:
    code = f"open({str(tmp_path / 'loads')!r}, 'w').close()\nimport time\ntime.sleep(60)"
    install(tmp_path, "liftwing-plugin-lento", models={"lento": "lento:Model"}, code={"lento": code})
    host = liftwing("lento", wait=False, environ=path_with(tmp_path), arguments=["--workers", str(workers)])
    host.wait_for((tmp_path / "loads").exists, "the import")
    pids = proc.family(host.process.pid)
    die(host.process.pid)
    none_left(pids)


# Again and again


def test_workers_that_die_at_their_start_back_off_and_the_log_has_their_last_words(liftwing: Any) -> None:
    host = liftwing("dies-at-start", wait=False, arguments=["--workers", "1"])
    deaths: list[float] = []

    def seen() -> int:
        while len(deaths) < host.log.count("exited with status 7"):
            deaths.append(time.monotonic())
        return len(deaths)

    host.wait_for(lambda: seen() >= 6, "six deaths")
    assert deaths[5] - deaths[0] > 1.0, "0.1, 0.2, 0.4 and 0.8 seconds lie between them"
    assert host.get("/v1/models/dies-at-start").status == 503
    assert host.post({}).json() == {"error": "Model with name dies-at-start is not ready."}
    assert "it died while it started; its last lines:\nthese are my last words\n" in host.log
    assert "dies-at-start (liftwing-plugin-zoo 1.0) is NOT READY: it died while it started" in host.log
    assert host.get("/").status == 200


def test_a_start_hook_that_raises_makes_the_model_not_ready_and_the_log_tells_why(liftwing: Any) -> None:
    host = liftwing("start-raises", wait=False, arguments=["--workers", "1"])
    host.wait_for(lambda: "is NOT READY" in host.log, "the report")
    assert "start failed: RuntimeError: no connection to be had" in host.log
    assert 'raise RuntimeError("no connection to be had")' in host.log, "the traceback, too"
    assert host.post({}).status == 503


def test_a_slot_that_stays_broken_for_one_reason_is_told_once_and_its_end_is(
    liftwing: Any, tmp_path: Path
) -> None:
    code = f"""
import os
from pathlib import Path
from liftwing_host import Model

HERE = Path({str(tmp_path)!r})

class Waits(Model):
    def start(self):
        with (HERE / "starts").open("a") as starts:
            starts.write("one\\n")
        if not (HERE / "backend").exists():
            raise RuntimeError("no backend")

    def predict(self, features):
        return features
"""
    install(tmp_path, "liftwing-plugin-patient", models={"patient": "patient:Waits"}, code={"patient": code})
    host = liftwing("patient", wait=False, environ=path_with(tmp_path), arguments=["--workers", "1"])
    starts = tmp_path / "starts"
    host.wait_for(lambda: starts.exists() and len(starts.read_text().split()) >= 6, "six attempts")
    assert host.log.count("compute worker 0 is broken: start failed: RuntimeError: no backend") == 1
    (tmp_path / "backend").touch()
    host.wait_for(lambda: host.ready("patient"), "ready")
    host.wait_for(lambda: "compute worker 0 is in order again" in host.log, "the word of it")


def test_a_model_that_was_broken_serves_again_once_its_workers_live(liftwing: Any, tmp_path: Path) -> None:
    host = liftwing("dies", "slow", arguments=["--workers", "1"])
    for _ in range(4):
        host.post({"die": True}, "dies")
    host.wait_for(lambda: host.ready("dies") and host.post({}, "dies").status == 200, "serving again")


CANNOT_FORK = """
import os, resource, signal
from liftwing_host import Model

class CannotFork(Model):
    def load(self):
        if os.getuid() == 0:
            os.setuid(65534)  # What root may do is not limited.
        before = resource.getrlimit(resource.RLIMIT_NPROC)
        resource.setrlimit(resource.RLIMIT_NPROC, (1, before[1]))
        signal.signal(signal.SIGUSR1, lambda *_: resource.setrlimit(resource.RLIMIT_NPROC, before))

    def predict(self, features):
        return {"forked": True}
"""


def test_where_the_machine_takes_no_further_process_the_model_stays_loaded(
    liftwing: Any, tmp_path: Path
) -> None:
    models = {"cannot-fork": "cannot_fork:CannotFork"}
    install(tmp_path, "liftwing-plugin-cannot-fork", models=models, code={"cannot_fork": CANNOT_FORK})
    host = liftwing("cannot-fork", arguments=["--workers", "1"], environ=path_with(tmp_path), wait=False)
    host.wait_for(lambda: "compute worker 0 is broken" in host.log, "the log")
    assert "no worker can be forked: [Errno 11]" in host.log
    template = proc.template(host)
    proc.kill(template, signal.SIGUSR1)
    host.wait_until_ready()
    assert host.predict({}) == {"forked": True}
    assert proc.template(host) == template


@contextmanager
def without_further_files(host: LiveHost) -> Iterator[None]:
    """The host cannot open a file or a socket meanwhile."""
    pid = host.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("model", ["slow", "not-fork-safe"], ids=["forked", "launched"])
def test_a_worker_that_cannot_be_begun_for_want_of_files_is_begun_later(liftwing: Any, model: str) -> None:
    host = liftwing(model, arguments=["--workers", "1", "--timeout", "10"])
    (worker,) = proc.workers(host)
    with without_further_files(host):
        die(worker)
        host.wait_for(lambda: "compute worker 0 cannot be begun: " in host.log, "the log")
    assert host.post({}).status == 200
    assert len(proc.workers(host)) == 1


def test_a_template_that_cannot_be_begun_for_want_of_files_is_begun_later(liftwing: Any) -> None:
    host = liftwing("slow", arguments=["--workers", "1", "--timeout", "10"])
    (worker,) = proc.workers(host)
    with without_further_files(host):
        die(proc.template(host))
        host.wait_for(lambda: "no template can be begun: " in host.log, "the log")
    host.wait_for(lambda: "Too many open files" in host.log and proc.family(host.process.pid), "a template")
    assert host.predict({})["pid"] == worker, "it serves on"
    die(worker)
    host.wait_for(lambda: host.post({}).status == 200, "an answer")
    assert host.predict({})["pid"] != worker
