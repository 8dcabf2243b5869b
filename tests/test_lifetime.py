"""The beginning and the end of a worker, as a plugin sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from distributions import install, path_with

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
