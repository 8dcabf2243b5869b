"""SIGTERM while clients go on asking: nothing that was taken is lost, and nothing is refused too early."""

from __future__ import annotations

import http.client
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import proc
from distributions import install, path_with
from liftwing_host.pytest_plugin import LiveHost, wait_until

TALLY = """
import os, time
from liftwing_host import Model

class Tally(Model):
    def predict(self, features):
        time.sleep(features["seconds"])
        fd = os.open(os.environ["TALLY"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(fd, b"%s\\n" % str(features["number"]).encode())
        os.close(fd)
        return features["number"]
"""
DELAY = 1.0
FRONTS = pytest.mark.parametrize("front", ["llhttp", "tornado"])


class Clients:
    """Ask in closed loops until told to stop, half of them over connections that they keep."""

    def __init__(self, port: int, count: int, seconds: float) -> None:
        self._port = port
        self._seconds = seconds
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._number = 0
        self.answers: dict[int, int] = {}
        self.failures: list[tuple[float, str]] = []
        self._threads = [
            threading.Thread(target=self._ask_on, args=(number % 2 == 0,)) for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask_on(self, keep: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._over.is_set():
            with self._lock:
                self._number += 1
                number = self._number
            try:
                body = b'{"seconds": %g, "number": %d}' % (self._seconds, number)
                connection.request("POST", "/v1/models/tally:predict", body)
                response = connection.getresponse()
                response.read()
                with self._lock:
                    self.answers[number] = response.status
            except (OSError, http.client.HTTPException) as error:
                with self._lock:
                    self.failures.append((time.monotonic(), repr(error)))
                connection.close()
                time.sleep(0.02)
            if not keep:
                connection.close()
        connection.close()


@pytest.fixture
def tally(liftwing: Any, tmp_path: Path) -> Any:
    """Serves a model that notes each request that it has run."""
    install(tmp_path, "liftwing-plugin-tally", models={"tally": "tally:Tally"}, code={"tally": TALLY})
    note = tmp_path / "tally.txt"

    def serve(front: str, **config: Any) -> tuple[LiveHost, Path]:
        environ = path_with(tmp_path) | {"TALLY": str(note)}
        arguments = ["--workers", "2", "--http", front]
        return liftwing("tally", config=config, environ=environ, arguments=arguments), note

    return serve


def ended(host: LiveHost, pids: list[int], timeout: float) -> None:
    assert host.process.wait(timeout) == 0
    wait_until(lambda: not any(proc.alive(pid) for pid in pids), "the end of all processes")
    assert "Traceback" not in host.log


@FRONTS
def test_sigterm_under_load_loses_nothing_that_was_taken_and_refuses_nothing_early(
    tally: Any, front: str
) -> None:
    host, note = tally(front, drain_delay=DELAY)
    pids = proc.family(host.process.pid)
    clients = Clients(host.port, 8, 0.02)
    try:
        host.wait_for(lambda: len(clients.answers) > 50, "answers")
        told = time.monotonic()
        host.process.send_signal(signal.SIGTERM)
        unready = wait_until(lambda: not host.ready("tally") and time.monotonic(), "not ready")
        seen = len(clients.answers)
        ended(host, pids, 20)
    finally:
        clients.stop()
    assert unready - told < DELAY
    assert set(clients.answers.values()) == {200}
    assert len(clients.answers) > seen + 10, "it went on serving"
    early = [what for when, what in clients.failures if when < unready + DELAY * 0.9]
    assert not early
    ran = {int(number) for number in note.read_text().split()}
    assert ran == set(clients.answers), "whatever was run was answered"


@FRONTS
def test_clients_that_keep_connections_are_told_during_the_delay_to_open_others(
    tally: Any, front: str
) -> None:
    """So that none of them asks over a connection that is just being closed."""
    host, _ = tally(front, drain_delay=30.0)
    connection = http.client.HTTPConnection("127.0.0.1", host.port, timeout=30)
    connection.request("GET", "/")
    response = connection.getresponse()
    response.read()
    assert response.getheader("connection", "keep-alive").lower() == "keep-alive"
    host.process.send_signal(signal.SIGTERM)
    host.wait_for(lambda: not host.ready("tally"), "not ready")
    connection.request("GET", "/")
    response = connection.getresponse()
    assert (response.status, response.getheader("connection")) == (200, "close")
    connection.close()
    host.process.send_signal(signal.SIGTERM)
    assert host.process.wait(10) == 0


@FRONTS
def test_a_second_sigterm_under_load_ends_it_at_once(tally: Any, front: str) -> None:
    host, _ = tally(front, drain_delay=60.0)
    pids = proc.family(host.process.pid)
    clients = Clients(host.port, 4, 3.0)
    try:
        host.wait_for(lambda: host.get("/").status == 200, "alive")
        host.process.send_signal(signal.SIGTERM)
        host.wait_for(lambda: not host.ready("tally"), "not ready")
        began = time.monotonic()
        host.process.send_signal(signal.SIGTERM)
        host.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "Traceback" in host.log or host.process.poll() is not None, "its end", 15)
        ended(host, pids, 15)
        assert time.monotonic() - began < 15
    finally:
        clients.stop()
