"""A host that ends while a client has not read its answer: the client has the time of the drain for it, and no more."""

from __future__ import annotations

import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from liftwing_host.pytest_plugin import LiveHost
from raw_http import RawClient

LINGER = 0.3
SIZE = 20 << 20
BODY = b'"' + b"a" * SIZE + b'"'
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"

_HASTY = f"""
from liftwing_host.server import http_lingering
http_lingering.LINGER = {LINGER}
from liftwing_host.server.cli import main
main(prog_name="liftwing-host")
"""


class HastyHost(LiveHost):
    """Waits 0.3 s at the very end where others wait 2."""

    def command(self) -> list[str]:
        return [sys.executable, "-c", _HASTY]


@pytest.fixture(params=["llhttp", "tornado"])
def serve(request: pytest.FixtureRequest) -> Iterator[Callable[..., LiveHost]]:
    hosts = []

    def serve(**config: Any) -> LiveHost:
        hosts.append(
            HastyHost(["echo"], config=config, arguments=["--workers", "1", "--http", request.param])
        )
        return hosts[0]

    yield serve
    for host in hosts:
        host.stop()


def reads_late(host: LiveHost) -> RawClient:
    """A client that has read the first line of an answer of 20 MB, of which its socket takes little more."""
    client = RawClient.__new__(RawClient)
    client.socket = socket.socket()
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    client.socket.settimeout(30)
    client.socket.connect(("127.0.0.1", host.port))
    client._file = client.socket.makefile("rb")  # noqa: SLF001
    client.post(BODY)
    assert client.start_line() == b"HTTP/1.1 200 OK\r\n"
    return client


def tell_to_end(host: LiveHost) -> None:
    """Send SIGTERM, and wait until the port is closed."""
    host.process.send_signal(signal.SIGTERM)

    def closed() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", host.port)) != 0

    host.wait_for(closed, "a closed port")


def test_an_answer_that_is_read_late_arrives_as_a_whole(serve: Callable[..., LiveHost]) -> None:
    host = serve(drain_timeout=60.0)
    with RawClient(host.port) as idle, reads_late(host) as client:
        idle.send(GET)
        assert idle.reply().status == 200
        tell_to_end(host)
        time.sleep(4 * LINGER)  # Longer than it once was given; nothing else is to happen meanwhile.
        assert client.rest().endswith(b"\r\n\r\n" + BODY.strip(b'"'))
        assert host.process.wait(10) == 0, "an idle connection does not hold it up"


def test_one_that_nobody_reads_holds_it_up_no_longer_than_the_drain_timeout(
    serve: Callable[..., LiveHost],
) -> None:
    host = serve(drain_timeout=1.0)
    with reads_late(host):
        began = time.monotonic()
        tell_to_end(host)
        assert host.process.wait(10) == 0
        assert time.monotonic() - began >= 1


def test_a_second_signal_cuts_it_off(serve: Callable[..., LiveHost]) -> None:
    host = serve(drain_timeout=60.0)
    with reads_late(host) as client:
        tell_to_end(host)
        host.process.send_signal(signal.SIGTERM)
        assert host.process.wait(10) == 0
        assert len(client.rest()) < SIZE
