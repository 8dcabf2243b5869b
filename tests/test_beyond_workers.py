"""Processes that a plugin begins in a worker: they stand in nobody's way."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import proc
from distributions import install, path_with
from liftwing_host.pytest_plugin import LiveHost

MODEL = """
import ctypes, multiprocessing, os, signal, subprocess, time
from liftwing_host import Model

def fork(of):
    pid = of()
    if not pid:
        time.sleep(60)
        os._exit(0)
    return pid

def end_by(number):
    child = subprocess.Popen(["sleep", "60"])
    child.send_signal(number)
    try:
        return child.wait(10)
    finally:
        child.kill()

BEGIN = {
    "fork": lambda: fork(os.fork),
    "a library's fork": lambda: fork(ctypes.CDLL(None).fork),
    "subprocess": lambda: subprocess.Popen(["sleep", "60"], close_fds=False).pid,
    "system": lambda: os.system("sleep 60 & echo $! > $ZOO_PID") or int(open(os.environ["ZOO_PID"]).read()),
}

class Begins(Model):
    idempotent = False

    def predict(self, features):
        with open(os.environ["ZOO_BEGUN"], "w") as file:
            file.write(str(BEGIN[features["begin"]]()))
        os.kill(os.getpid(), signal.SIGKILL)

class BeginsAlone(Begins):
    fork_safe = False

class Terminates(Model):
    def predict(self, features):
        child = multiprocessing.Process(target=time.sleep, args=(60,))
        child.start()
        child.terminate()
        child.join()
        numbers = signal.SIGTERM, signal.SIGINT, signal.SIGHUP
        return [child.exitcode, *map(end_by, numbers)]
"""
MODELS = {
    name: f"begins_model:{name.title().replace('-', '')}" for name in ("begins", "begins-alone", "terminates")
}


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[Path]:
    """The file in which the model notes the process that it began, which ends with the test."""
    file = tmp_path / "begun"
    yield file
    if file.exists() and proc.alive(pid := int(file.read_text())):
        proc.kill(pid, signal.SIGKILL)


def serve(liftwing: Any, folder: Path, begun: Path, model: str) -> LiveHost:
    install(folder, "liftwing-plugin-begins", models=MODELS, code={"begins_model": MODEL})
    notes = {"ZOO_BEGUN": str(begun), "ZOO_PID": str(folder / "pid")}
    arguments = ["--workers", "1", "--timeout", "20"]
    host: LiveHost = liftwing(model, arguments=arguments, environ=path_with(folder) | notes)
    return host


@pytest.mark.parametrize(
    ("model", "begin"),
    [
        ("begins", "fork"),
        ("begins", "a library's fork"),
        ("begins", "subprocess"),
        ("begins", "system"),
        ("begins-alone", "fork"),
        ("begins-alone", "subprocess"),
    ],
)
def test_a_worker_that_dies_is_replaced_though_what_it_began_lives_on(
    liftwing: Any, tmp_path: Path, begun: Path, model: str, begin: str
) -> None:
    host = serve(liftwing, tmp_path / "site", begun, model)
    for _ in range(2):
        began = time.monotonic()
        reply = host.post({"begin": begin})
        assert (reply.status, b"died on this request" in reply.body) == (500, True), reply.body
        assert time.monotonic() - began < 10
        left = int(begun.read_text())
        assert proc.alive(left)
        proc.kill(left, signal.SIGKILL)


def test_a_plugin_can_end_the_processes_that_it_has_begun(liftwing: Any, tmp_path: Path, begun: Path) -> None:
    host = serve(liftwing, tmp_path / "site", begun, "terminates")
    assert host.predict({}) == [-signal.SIGTERM, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP]
