"""What surrounds the host's process: its streams, signals and limits, from the first moment."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import proc
from command import COMMAND
from distributions import install, path_with
from liftwing_host.pytest_plugin import wait_until
from raw_http import RawClient

PRINTS = """
from liftwing_host import Model

class Prints(Model):
    def predict(self, features):
        print("x" * 5000)
        return features
"""


class Host:
    """A host by itself, whose log nobody reads."""

    def __init__(self, *before: str, arguments: tuple[str, ...], **options: Any) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        served = ["serve", "--address", "127.0.0.1", "--port", str(self.port), "--workers", "1", *arguments]
        self.process = subprocess.Popen([*before, *COMMAND, *served], **options)

    def predict(self, model: str, payload: Any) -> Any:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("POST", f"/v1/models/{model}:predict", json.dumps(payload))
            with connection.getresponse() as answer:
                return json.loads(answer.read())

    def answers(self, model: str) -> bool:
        with contextlib.suppress(OSError):
            return bool(self.predict(model, {"a": 1}) == {"a": 1})
        return False


@contextlib.contextmanager
def running(host: Host) -> Iterator[Host]:
    """End it with SIGTERM, in good order."""
    try:
        yield host
        host.process.send_signal(signal.SIGTERM)
        assert host.process.wait(20) == 0
    finally:
        host.process.kill()
        host.process.wait()


def test_a_log_that_nobody_reads_holds_up_neither_requests_nor_the_end(tmp_path: Path) -> None:
    code = {"prints": PRINTS}
    site = install(
        tmp_path, "liftwing-plugin-prints-much", models={"prints-much": "prints:Prints"}, code=code
    )
    reading, writing = os.pipe()
    environ = os.environ | path_with(site)
    host = Host(arguments=("--model", "prints-much"), stderr=writing, env=environ)
    os.close(writing)
    os.set_blocking(reading, False)
    with os.fdopen(reading, "rb", buffering=0) as log, running(host):
        wait_until(lambda: host.answers("prints-much"), "the model")
        for number in range(100):
            assert host.predict("prints-much", {"a": number}) == {"a": number}
        seen = b""

        def told() -> bool:
            nonlocal seen
            assert host.predict("prints-much", {}) == {}
            while part := log.read(1 << 16):
                seen += part
            return b" lines were not written: nobody read the log)\n" in seen

        wait_until(told, "what was left out")
        assert b"x" * 5000 + b"\n" in seen


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", "<&- >&-", "2>&-"])
def test_a_host_without_standard_streams_serves(closed: str) -> None:
    host = Host("sh", "-c", f'exec "$@" {closed}', "sh", arguments=("--model", "echo"))
    with running(host):
        wait_until(lambda: host.answers("echo"), "the model")


def test_more_clients_than_the_soft_limit_of_descriptors_are_served() -> None:
    host = Host("sh", "-c", 'ulimit -Sn 64; exec "$@"', "sh", arguments=("--model", "echo"))
    with running(host), contextlib.ExitStack() as clients:
        wait_until(lambda: host.answers("echo"), "the model")
        for _ in range(100):
            client = clients.enter_context(RawClient(host.port))
            client.post(b"{}", "echo")
            assert client.reply().status == 200


SLOW = """
import asyncio, pathlib
from liftwing_host import hookimpl

@hookimpl
async def liftwing_start():
    pathlib.Path(__file__).with_name("starts").touch()
    await asyncio.sleep(60)
"""


def test_a_host_that_is_told_to_end_while_an_extension_starts_ends_at_once_in_good_order(
    tmp_path: Path,
) -> None:
    site = install(tmp_path, "slow-extension", extensions={"slow": "slow"}, code={"slow": SLOW})
    host = Host(arguments=("--model", "echo"), env=os.environ | path_with(site))
    with running(host):
        wait_until((site / "starts").exists, "the start")
        host.process.send_signal(signal.SIGHUP)
        children = proc.family(host.process.pid)
        assert children
    assert not any(map(proc.alive, children))


def test_a_host_that_is_told_to_end_leaves_no_interpreter_that_it_asks(tmp_path: Path) -> None:
    python, config = tmp_path / "python", tmp_path / "liftwing.toml"
    python.write_text("#!/bin/sh\necho $$ > $0.pid.new\nmv $0.pid.new $0.pid\nexec sleep 60\n")
    python.chmod(0o755)
    config.write_text(f'[plugins.zoo]\npython = "{python}"\n')
    host = Host(arguments=("--model", "echo", "--config", str(config)))
    with running(host):
        wait_until((tmp_path / "python.pid").exists, "the question")
        asked = int((tmp_path / "python.pid").read_text())
        assert proc.alive(asked)
    assert not proc.alive(asked)
