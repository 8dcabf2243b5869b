"""The beginning and the end of a worker, as a plugin sees them."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

import proc
from distributions import install, path_with

HOOKS = ("fetch", "preprocess", "predict", "postprocess")
MODEL = """
import asyncio
from liftwing_host import Model

class StopsSlowly(Model):
    async def fetch(self, payload):
        return payload

    async def stop(self):
        await asyncio.sleep(60)

    def predict(self, features):
        return features
"""


def test_a_stop_hook_that_takes_too_long_is_logged(liftwing: Any, tmp_path: Path) -> None:
    site = install(
        tmp_path / "site",
        "liftwing-plugin-ends",
        models={"stops-slowly": "ends:StopsSlowly"},
        code={"ends": MODEL},
    )
    host = liftwing("stops-slowly", environ=path_with(site), arguments=["--workers", "1"])
    assert host.predict({}) == {}
    assert host.stop() == 0
    assert "stop of model stops-slowly failed in the async worker" in host.log
    assert "TimeoutError" in host.log


IMPATIENT = """
import asyncio, os, socket
from liftwing_host import Model

socket.setdefaulttimeout(0.2)

class Impatient(Model):
    async def fetch(self, payload):
        await asyncio.sleep(payload)
        return payload

    def predict(self, features):
        return os.getpid()
"""


def test_a_worker_waits_for_its_next_call_whatever_timeout_the_plugin_sets_for_sockets(
    liftwing: Any, tmp_path: Path
) -> None:
    install(tmp_path, "plugin-impatient", models={"impatient": "imp:Impatient"}, code={"imp": IMPATIENT})
    host = liftwing("impatient", environ=path_with(tmp_path), arguments=["--workers", "1"])
    pid = host.predict(0)
    # The compute worker has nothing to do while the other one waits, for five times the timeout.
    assert host.predict(1) == pid


ON_UVLOOP = """
import asyncio, uvloop
from liftwing_host import Model

asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())

class OnUvloop(Model):
    async def fetch(self, payload):
        return [payload, type(asyncio.get_running_loop()).__module__]

    def predict(self, features):
        return features
"""


@pytest.mark.parametrize("workers", ["1", "0"], ids=["workers", "solo"])
def test_a_plugin_may_have_uvloop_for_its_loop(liftwing: Any, tmp_path: Path, workers: str) -> None:
    install(tmp_path, "plugin-on-uvloop", models={"on-uvloop": "uv:OnUvloop"}, code={"uv": ON_UVLOOP})
    host = liftwing("on-uvloop", environ=path_with(tmp_path), arguments=["--workers", workers])
    large = "a" * (1 << 20)
    assert host.predict(large) == [large, "uvloop"]
    assert "Traceback" not in host.log


@pytest.mark.parametrize("workers", [1, 0], ids=["workers", "solo"])
def test_a_reload_that_is_told_to_every_process_ends_none(liftwing: Any, workers: int) -> None:
    """As by `systemctl kill -s HUP`, or when the terminal is closed."""
    host = liftwing("stages", arguments=["--workers", str(workers)])
    before = host.predict({"value": 1})
    processes = proc.family(host.process.pid)
    assert len(processes) == (3 if workers else 1)
    for pid in processes:
        proc.kill(pid, signal.SIGHUP)
    after = host.predict({"value": 1})
    assert [after[hook][1] for hook in HOOKS] == [before[hook][1] for hook in HOOKS]
    if workers:
        # The template forks on.
        killed = after["predict"][1]
        proc.kill(killed, signal.SIGKILL)
        host.wait_for(
            lambda: host.predict({"value": 1})["predict"][1] != killed, "an answer by the next worker"
        )
        assert proc.template(host) == before["load"]


@pytest.mark.parametrize("workers", [1, 0], ids=["workers", "solo"])
def test_what_is_told_to_every_process_ends_none_that_has_only_just_been_begun(
    liftwing: Any, workers: int
) -> None:
    """Ctrl-C, too, reaches the whole group of the terminal."""
    host = liftwing("stages", arguments=["--workers", str(workers)], wait=False)
    first, *_ = host.wait_for(lambda: proc.family(host.process.pid), "a process")

    def told_all_the_time() -> Any:
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            proc.kill(first, number)
        return host.get("/v2/health/ready").status == 200

    host.wait_for(told_all_the_time, "the model")
    assert first in proc.family(host.process.pid)
    for trace in ("Traceback", "was killed by", "begun again"):
        assert trace not in host.log


LAST_WORDS = """
import ctypes
from liftwing_host import Model

class LastWords(Model):
    def predict(self, features):
        print("half a character: \\ud83d")
        if features:
            ctypes.string_at(0)
        return features
"""


def test_the_line_that_had_a_library_crash_is_in_the_log(liftwing: Any, tmp_path: Path) -> None:
    code = {"last_words": LAST_WORDS}
    models = {"last-words": "last_words:LastWords"}
    site = install(tmp_path / "site", "liftwing-plugin-last-words", models=models, code=code)
    host = liftwing("last-words", environ=path_with(site), arguments=["--workers", "1"])
    assert host.predict({}) == {}, "what is printed fails no request"
    host.wait_for(lambda: "half a character: \\ud83d" in host.log, "what was printed")
    assert host.post({"crash": True}).status == 500
    host.wait_for(lambda: 'last_words.py", line 9 in predict' in host.log, "the line")
