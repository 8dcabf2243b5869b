"""How a host ends: what is under way is answered, nothing is left behind, and a second signal hastens it."""

from __future__ import annotations

import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import proc
from distributions import install, path_with
from liftwing_host.pytest_plugin import LiveHost, wait_until
from raw_http import RawClient
from tells import metric

ALL_KINDS = pytest.mark.parametrize("workers", [2, 0], ids=["workers", "solo"])

STOPS_SLOWLY = """
import os, time
from liftwing_host import Model

class Stops(Model):
    def predict(self, features):
        return features

    def stop(self):
        time.sleep(0.4)
        with open(os.environ["ZOO_STOPPED"], "a") as file:
            file.write("stopped\\n")
"""


def ended(host: LiveHost, number: int = signal.SIGTERM) -> None:
    """End it with one signal: exit status 0, and no process left."""
    pids = proc.family(host.process.pid)
    assert host.stop(number) == 0
    wait_until(lambda: not any(proc.alive(pid) for pid in pids), "the end of all processes")


def under_way(host: LiveHost, model: str, payload: bytes) -> RawClient:
    client = RawClient(host.port)
    client.post(payload, model)
    host.get("/")
    return client


@ALL_KINDS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_requests_that_are_under_way_are_answered_before_the_end(
    liftwing: Any, workers: int, number: int
) -> None:
    host = liftwing("slow", "waits", "stages", arguments=["--workers", str(workers)])
    clients = [
        under_way(host, "slow", b'{"seconds": 0.6}'),
        under_way(host, "waits", b'{"seconds": 0.6}'),
        under_way(host, "stages", b'{"value": 1, "wait": 0.6}'),
    ]
    # One that has come no further than its first half is under way, too.
    half = RawClient(host.port)
    half.send(b"POST /v1/models/slow:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{")
    host.get("/")
    host.process.send_signal(number)
    host.wait_for(lambda: "told to end; not ready any more" in host.log, "the log")
    half.send(b"}")
    for client in [*clients, half]:
        with client:
            reply = client.reply()
            assert reply.status == 200
            assert client.rest() == b"", "the connection is closed after the answer"
    assert host.process.wait(10) == 0


@ALL_KINDS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_host_ends_at_once_with_status_0_and_nothing_is_left(
    liftwing: Any, workers: int, number: int
) -> None:
    host = liftwing("stages", "slow", arguments=["--workers", str(workers)])
    with RawClient(host.port) as idle:
        idle.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.reply().status == 200
        began = time.monotonic()
        ended(host, number)
        assert time.monotonic() - began < 5, "an idle connection does not hold it up"


def test_readiness_goes_first_while_requests_are_still_served(liftwing: Any) -> None:
    host = liftwing("echo", arguments=["--workers", "1", "--drain-delay", "60"])
    host.process.send_signal(signal.SIGTERM)
    host.wait_for(lambda: host.get("/v1/models/echo").status == 503, "not ready")
    assert host.get("/v1/models/echo").json() == {"error": "Model with name echo is not ready."}
    assert host.predict({"a": 1}) == {"a": 1}
    assert host.get("/").json() == {"status": "alive"}
    ended(host)  # The second signal hastens it.


def test_the_port_is_closed_while_the_last_requests_are_answered(liftwing: Any) -> None:
    host = liftwing("slow", arguments=["--workers", "1"])
    with under_way(host, "slow", b'{"seconds": 1.5}') as client:
        host.process.send_signal(signal.SIGTERM)

        def closed() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", host.port)) != 0

        host.wait_for(closed, "a closed port")
        reply = client.reply()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
    assert host.process.wait(10) == 0


@ALL_KINDS
def test_a_second_signal_ends_it_without_waiting_for_a_request(liftwing: Any, workers: int) -> None:
    host = liftwing("slow", "blocks-loop", arguments=["--workers", str(workers)])
    with under_way(host, "slow", b'{"seconds": 60}'), under_way(host, "blocks-loop", b'{"seconds": 60}'):
        host.process.send_signal(signal.SIGTERM)
        host.wait_for(lambda: "told to end" in host.log, "the log")
        ended(host)


def test_a_request_that_never_ends_holds_it_up_no_longer_than_the_drain_timeout(liftwing: Any) -> None:
    host = liftwing("slow", config={"drain_timeout": 0.5}, arguments=["--workers", "1"])
    with RawClient(host.port) as never:
        never.send(b"POST /v1/models/slow:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{")
        with under_way(host, "slow", b'{"seconds": 60}'):
            ended(host)


@ALL_KINDS
def test_async_stop_hooks_run_before_the_end(liftwing: Any, tmp_path: Path, workers: int) -> None:
    note = tmp_path / "note"
    host = liftwing("stops", environ={"ZOO_STOPPED": str(note)}, arguments=["--workers", str(workers)])
    ended(host)
    assert note.read_text() == "stopped\n"


@ALL_KINDS
def test_stop_hooks_that_take_a_moment_are_given_it_in_every_worker(
    liftwing: Any, tmp_path: Path, workers: int
) -> None:
    note = tmp_path / "note"
    install(
        tmp_path, "liftwing-plugin-lento", models={"lento": "lento:Stops"}, code={"lento": STOPS_SLOWLY},
    )  # fmt: skip
    environ = path_with(tmp_path) | {"ZOO_STOPPED": str(note)}
    host = liftwing("lento", environ=environ, arguments=["--workers", str(workers)])
    lento = {"plugin": "liftwing-plugin-lento", "kind": "compute" if workers else "solo"}
    host.wait_for(lambda: metric(host, "liftwing_workers", **lento) == max(1, workers), "every worker")
    ended(host)
    assert note.read_text() == "stopped\n" * max(1, workers)


def test_a_host_that_is_told_to_end_while_a_model_loads_ends_at_once(liftwing: Any, tmp_path: Path) -> None:
    host = liftwing("slow-to-load", wait=False, environ={"ZOO_MAY_LOAD": str(tmp_path / "x")})
    host.wait_for(lambda: proc.family(host.process.pid), "a child")
    began = time.monotonic()
    ended(host)
    assert time.monotonic() - began < 10


def test_requests_that_came_before_the_signal_are_answered_even_if_nobody_had_looked_at_them(
    liftwing: Any,
) -> None:
    host = liftwing("echo", arguments=["--workers", "1"])
    host.process.send_signal(signal.SIGSTOP)
    clients = [RawClient(host.port) for _ in range(10)]
    for client in clients:
        client.post(b'{"a":1}')
    host.process.send_signal(signal.SIGTERM)
    host.process.send_signal(signal.SIGCONT)
    for client in clients:
        with client:
            assert client.reply().body == b'{"a":1}'
    assert host.process.wait(10) == 0


def test_no_answer_is_an_error_while_clients_go_on_asking_until_the_end(liftwing: Any) -> None:
    host = liftwing("stages", arguments=["--workers", "2"])

    def ask(number: int) -> int | None:
        try:
            return int(host.post({"value": number, "wait": 0.01}).status)
        except (ConnectionRefusedError, ConnectionResetError):
            return None  # The port is closed, or was closed before the host had accepted the connection.

    with ThreadPoolExecutor(10) as clients:
        asked = [clients.submit(ask, number) for number in range(300)]
        host.wait_for(lambda: sum(each.done() for each in asked) > 50, "some answers")
        host.process.send_signal(signal.SIGTERM)
        statuses = [each.result() for each in asked]
    assert set(statuses) <= {200, None}
    assert host.process.wait(10) == 0


HOLDS_THE_GIL = """
import ctypes
from liftwing_host import Model

class Holds(Model):
    def predict(self, features):
        ctypes.PyDLL(None).sleep(60)
"""


@pytest.mark.parametrize("unread", [False, True], ids=["template busy", "host busy"])
def test_a_host_that_is_killed_leaves_no_worker_that_cannot_look_up(
    liftwing: Any, tmp_path: Path, unread: bool
) -> None:
    """A worker in native code that holds the interpreter's lock: the template has to end it, whatever comes between."""
    models = {"holds": "holds_model:Holds"}
    install(tmp_path, "liftwing-plugin-holds", models=models, code={"holds_model": HOLDS_THE_GIL})
    host = liftwing("holds", arguments=["--workers", "2"], environ=path_with(tmp_path))
    # With one of its workers it is ready; the report waits for both.
    host.wait_for(lambda: "is ready" in host.log, "the report")
    template = proc.template(host)
    before = {pid: cpu_switches(pid) for pid in proc.workers(host)}
    with under_way(host, "holds", b"{}"):
        (busy,) = wait_until(
            lambda: [pid for pid in before if cpu_switches(pid) != before[pid]], "a busy worker"
        )
        (idle,) = set(before) - {busy}
        if unread:
            # The host is gone before it has read of a worker's end: its connections are reset.
            proc.kill(host.process.pid, signal.SIGSTOP)
            proc.kill(idle, signal.SIGKILL)
            wait_until(lambda: not Path(f"/proc/{idle}").exists(), "the end of the idle worker")
            proc.kill(host.process.pid, signal.SIGKILL)
        else:
            # The template hears at the same moment of its worker's end and of its host's.
            proc.kill(template, signal.SIGSTOP)
            proc.kill(host.process.pid, signal.SIGKILL)
            wait_until(lambda: not proc.alive(idle), "the end of the idle worker")
            proc.kill(template, signal.SIGCONT)
        try:
            wait_until(lambda: not proc.alive(template), "the end of the template")
            wait_until(lambda: not proc.alive(busy), "the end of the busy worker", 5)
        finally:
            if proc.alive(busy):
                proc.kill(busy, signal.SIGKILL)
    host.kill()


def cpu_switches(pid: int) -> int:
    """How often a process has begun to wait."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
