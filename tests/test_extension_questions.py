"""What an extension asks a model, where its client leaves at the wrong moment."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import proc
from distributions import install, path_with
from raw_http import RawClient

MODEL = """
import time
from pathlib import Path
from liftwing_host import Model

class Gated(Model):
    def predict(self, features):
        Path(features["note"]).write_text("begun")
        while not Path(features["gate"]).exists():
            time.sleep(0.005)
        Path(features["note"]).write_text("ended")
        return features
"""

EXTENSION = """
from liftwing_host import hookimpl
from liftwing_host.extension import Route

@hookimpl
def liftwing_routes(host):
    async def ask(request):
        return await host.predict("own-gated", request.body)

    return [Route("POST", "/own", ask)]
"""


def test_a_client_that_leaves_when_the_answer_is_there_is_counted_once(liftwing: Any, tmp_path: Path) -> None:
    """A pool that is replaced would end under a request that it still runs, otherwise."""
    site = install(
        tmp_path / "site", "plugin-gated", models={"own-gated": "gated:Gated"}, code={"gated": MODEL}
    )
    install(site, "own-extension", extensions={"own": "own"}, code={"own": EXTENSION})
    host = liftwing("own-gated", environ=path_with(site), arguments=["--workers", "1"])
    note, gate = tmp_path / "note", tmp_path / "gate"
    payload = json.dumps({"note": str(note), "gate": str(gate)}).encode()
    old = proc.workers(host)
    for _ in range(5):
        gate.unlink(missing_ok=True)
        note.unlink(missing_ok=True)
        with RawClient(host.port) as client:
            head = f"POST /own HTTP/1.1\r\nHost: x\r\nContent-Length: {len(payload)}\r\n\r\n"
            client.send(head.encode() + payload)
            host.wait_for(note.exists, "the question to be run")
            # The host hears of the client's end and of the answer at once, in this order.
            host.process.send_signal(signal.SIGSTOP)
            host.wait_for(lambda: proc.stopped(host.process.pid), "the host to stop")
            client.close()
            gate.touch()
            host.wait_for(lambda: note.read_text() == "ended", "its end")
            host.wait_for(lambda: all(map(proc.sleeping, old)), "the worker to have answered")
        host.process.send_signal(signal.SIGCONT)
        assert host.get("/").status == 200
    gate.unlink()
    note.unlink()
    with RawClient(host.port) as client:
        client.post(payload, "own-gated")
        host.wait_for(note.exists, "a request that the old pool runs")
        host.process.send_signal(signal.SIGHUP)
        host.wait_for(lambda: "was reloaded" in host.log, "the new pool")
        gate.touch()
        assert client.reply().status == 200
    host.wait_for(lambda: not any(map(proc.alive, old)), "the end of the old pool")
