"""What a client sees of a fault of the host itself: an answer or the end of its connection, and never a wait without end."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import psutil
import pytest

from liftwing_host.pytest_plugin import LiveHost, wait_until
from raw_http import RawClient, replies

_FAULTY = """
from types import SimpleNamespace

from liftwing_host.body_arena import BodyArena
from liftwing_host.server import http_body
from liftwing_host.server.app import Application
from liftwing_host.server.cli import main
from liftwing_host.server.http_connection import Connection

exchange, head_arrived = Application.exchange, Connection.head_arrived

def fails_at_some(self, method, path, *others):
    if path == "/fails":
        raise KeyError("the reason")
    return exchange(self, method, path, *others)

def fails_at_others(self, message):
    if message.path == "/fails-while-it-is-read":
        raise KeyError("the reason")
    return head_arrived(self, message)

def no_memory(fd, length):
    raise OSError(12, "Cannot allocate memory")

# All of the arena is taken, and the kernel has no more.
BodyArena.take = lambda self, length: None
http_body.mmap = SimpleNamespace(mmap=no_memory)
Application.exchange, Connection.head_arrived = fails_at_some, fails_at_others
main(prog_name="liftwing-host")
"""


class FaultyHost(LiveHost):
    """Fails at requests for some paths, and finds no memory for a large body at once."""

    def command(self) -> list[str]:
        return [sys.executable, "-c", _FAULTY]


@pytest.fixture(scope="module")
def host() -> Iterator[LiveHost]:
    host = FaultyHost(["slow", "echo"], arguments=["--workers", "1"])
    yield host
    assert host.stop() == 0


GET = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW = b'POST /v1/models/slow:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n{"seconds":0.2}'
LARGE = b"POST /fails HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"a" * 1_000_000
OTHER = GET % b"/"
FAILS = GET % b"/fails"
TOLD = b'{"error":"Internal Server Error"}'


def answers(host: LiveHost, data: bytes) -> list[int]:
    """The statuses of all that the host answers to some bytes before it ends the connection and lets go of it."""
    process = psutil.Process(host.process.pid)
    before, logged = process.num_fds(), host.log.count("KeyError: 'the reason'")
    with RawClient(host.port) as client:
        client.send(data)
        told = replies(client.rest())
        wait_until(lambda: process.num_fds() <= before, "the end of the connection")
    assert [reply.body for reply in told if reply.status != 200] in ([TOLD], [])
    host.wait_for(lambda: host.log.count("KeyError: 'the reason'") == logged + 1, "the reason in the log")
    assert host.get("/").status == 200
    return [reply.status for reply in told]


@pytest.mark.parametrize(
    ("data", "statuses"),
    [
        (FAILS, [500]),
        (LARGE, [500]),
        (OTHER + FAILS + OTHER, [200, 500]),
        (SLOW + FAILS + OTHER + FAILS, [200, 500]),
    ],
    ids=["alone", "with a large body", "after another", "after one that is waited for"],
)
def test_a_request_at_which_the_host_fails_is_a_500_and_ends_its_connection(
    host: LiveHost, data: bytes, statuses: list[int]
) -> None:
    before = host.log.count("Traceback")
    assert answers(host, data) == statuses
    assert host.log.count("Traceback") == before + 1, "nothing else fails in consequence"


def test_a_fault_while_a_request_is_read_is_not_the_clients_and_ends_its_connection(host: LiveHost) -> None:
    fails = GET % b"/fails-while-it-is-read"
    assert answers(host, fails) == []
    assert answers(host, OTHER + fails) == [200]


def test_a_large_body_for_which_there_is_no_memory_at_once_comes_in_pieces(host: LiveHost) -> None:
    body = b"[" + b",".join(b"%d" % number for number in range(200_000)) + b"]"
    with RawClient(host.port) as client:
        client.post(body)
        assert client.reply().body == body
        client.send(OTHER)
        assert client.reply().status == 200
