"""The front as an adversary tries it: heads without end, clients that are slow, and clients that leave."""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from liftwing_host.pytest_plugin import LiveHost, wait_until
from raw_http import RawClient

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
ALIVE = b'{"status":"alive"}'
HEAD_LIMIT = 64 << 10
PATIENCE = 1.0

_IMPATIENT = f"""
import os
from liftwing_host.server import http_connection, llhttp
from liftwing_host.server.cli import main
http_connection.PATIENCE, llhttp._SWEEP = {PATIENCE}, 0.1
http_connection.IDLE = float(os.environ.get("IDLE", http_connection.IDLE))
main(prog_name="liftwing-host")
"""


class ImpatientHost(LiveHost):
    """Waits for clients a second where others wait a minute."""

    def command(self) -> list[str]:
        return [sys.executable, "-c", _IMPATIENT]


@pytest.fixture(scope="module")
def host() -> Iterator[LiveHost]:
    host = LiveHost(["echo", "raw", "slow", "waits", "returns"], arguments=["--workers", "1"])
    yield host
    assert "Traceback" not in host.log
    host.stop()


@pytest.fixture(scope="module")
def impatient() -> Iterator[LiveHost]:
    host = ImpatientHost(["echo", "slow"], arguments=["--workers", "1"])
    yield host
    assert "Traceback" not in host.log
    host.stop()


def rss(host: LiveHost) -> int:
    return int(psutil.Process(host.process.pid).memory_info().rss)


def descriptors(host: LiveHost) -> int:
    return int(psutil.Process(host.process.pid).num_fds())


def send_all(client: RawClient, data: bytes) -> bytes:
    """Send until the host answers or ends the connection; what it said."""
    try:
        for at in range(0, len(data), 1 << 14):
            client.send(data[at : at + (1 << 14)])
            if select.select([client.socket], [], [], 0)[0]:
                break
    except (BrokenPipeError, ConnectionResetError):
        pass
    return client.rest()


# Heads

ENDLESS = {
    "header": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * (8 << 20),
    "headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * (1 << 20),
    "name": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a" * (8 << 20),
    "url": b"GET /" + b"a" * (8 << 20),
    "method": b"G" * (8 << 20),
    "empty lines": b"\r\n" * (4 << 20),
    "trailer": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"a" * (8 << 20),
    "trailers": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    + b"X: a\r\n" * (1 << 20),
    "chunk extension": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;"
    + b"a" * (8 << 20),
}


@pytest.mark.parametrize("data", ENDLESS.values(), ids=ENDLESS)
def test_a_head_without_end_is_refused_and_kept_nowhere(host: LiveHost, data: bytes) -> None:
    before = rss(host)
    with RawClient(host.port) as client:
        answer = send_all(client, data)
    assert answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 ")), answer[:200]
    assert answer.count(b"HTTP/1.1 ") == 1
    assert rss(host) - before < 4 << 20
    assert host.get("/").body == ALIVE


def test_a_head_of_nearly_the_limit_is_taken_and_one_above_it_is_not(host: LiveHost) -> None:
    frame = b"GET / HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n"
    for drip in (1 << 20, 1000):
        for size, status in ((HEAD_LIMIT - 100, 200), (HEAD_LIMIT + 1, 431)):
            with RawClient(host.port) as client:
                data = frame % (b"a" * size)
                for at in range(0, len(data), drip):
                    client.send(data[at : at + drip])
                assert client.reply().status == status, (drip, size)


def test_a_thousand_headers_reach_the_application(host: LiveHost) -> None:
    with RawClient(host.port) as client:
        client.send(
            b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(1000)) + b"\r\n"
        )
        assert client.reply().body == ALIVE


def test_long_paths_that_are_asked_for_once_are_not_kept(host: LiveHost) -> None:
    path = b"/v1/models/%05d" + b"%%e9" * 15_000
    with RawClient(host.port) as client:
        for number in range(700):
            client.send(b"GET " + path % number + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.reply().status == 404
            if number == 100:
                before = rss(host)
    assert rss(host) - before < 30 << 20


# Slow clients


@pytest.mark.parametrize("drip", [b"", b"a"], ids=["stops", "drips"])
def test_a_slow_head_is_a_408(impatient: LiveHost, drip: bytes) -> None:
    with RawClient(impatient.port) as client:
        began = time.monotonic()
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
        while not select.select([client.socket], [], [], 0.1)[0]:
            client.send(drip)
            assert time.monotonic() - began < PATIENCE + 8, "it may go on for ever"
        assert time.monotonic() - began >= PATIENCE * 0.9
        answer = client.rest()
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert answer.endswith(b'{"error":"Request Timeout"}')


@pytest.mark.parametrize("size", [7, 700_000], ids=["small", "large"])
def test_a_body_that_stops_is_a_408_and_one_that_is_slow_is_taken(impatient: LiveHost, size: int) -> None:
    head = b"POST /v1/models/echo:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
    body = b'"' + b"a" * (size - 2) + b'"'
    with RawClient(impatient.port) as slow, RawClient(impatient.port) as stopped:
        stopped.send(head + body[: size // 2])
        slow.send(head)
        for at in range(0, size, size // 7):
            time.sleep(PATIENCE / 3)
            slow.send(body[at : at + size // 7])
        assert slow.reply().body == body.strip(b'"')
        assert stopped.rest().startswith(b"HTTP/1.1 408 ")


def test_a_request_that_waits_for_the_one_before_it_is_not_taken_for_a_slow_one(impatient: LiveHost) -> None:
    """The host itself does not read on meanwhile."""
    with RawClient(impatient.port) as client:
        client.post(b'{"seconds": %g}' % (PATIENCE * 2), "slow")
        client.send(b"POST /v1/models/echo:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n{")
        assert client.reply().status == 200
        client.send(b'"a":1}')
        assert client.reply().body == b'{"a":1}'


def test_an_idle_connection_and_one_that_waits_for_its_answer_are_kept(impatient: LiveHost) -> None:
    with (
        RawClient(impatient.port) as unused,
        RawClient(impatient.port) as used,
        RawClient(impatient.port) as waits,
    ):
        used.send(GET)
        assert used.reply().body == ALIVE
        waits.post(b'{"seconds": %g}' % (PATIENCE * 2.5), "slow")
        assert waits.reply().status == 200
        for client in (unused, used, waits):
            client.send(GET)
            assert client.reply().body == ALIVE


def test_a_connection_that_is_idle_for_very_long_is_ended_and_one_that_waits_is_not() -> None:
    host = ImpatientHost(["slow"], arguments=["--workers", "1"], environ={"IDLE": "0.5"})
    try:
        with RawClient(host.port) as unused, RawClient(host.port) as used, RawClient(host.port) as waits:
            used.send(GET)
            assert used.reply().body == ALIVE
            waits.post(b'{"seconds": 1.5}', "slow")
            assert unused.ends()
            assert used.ends()
            assert waits.reply().status == 200
    finally:
        host.stop()


def stingy(port: int) -> RawClient:
    """A client whose socket takes little of an answer as long as it does not read."""
    client = RawClient.__new__(RawClient)
    client.socket = socket.socket()
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    client.socket.settimeout(30)
    client.socket.connect(("127.0.0.1", port))
    client._file = client.socket.makefile("rb")  # noqa: SLF001
    return client


def test_an_answer_that_nobody_reads_ends_the_connection_and_frees_its_memory(impatient: LiveHost) -> None:
    size = 40 << 20
    body = b'"' + b"a" * size + b'"'
    assert impatient.post(body).status == 200
    before, memory = descriptors(impatient), rss(impatient)
    with stingy(impatient.port) as client:
        client.post(body)
        assert impatient.get("/").body == ALIVE
        wait_until(lambda: descriptors(impatient) == before, "the end of the connection", 10 + PATIENCE)
    wait_until(lambda: rss(impatient) < memory + size / 2, "its memory", 5)


def test_an_answer_that_is_read_slowly_arrives_as_a_whole(impatient: LiveHost) -> None:
    size = 40 << 20
    with stingy(impatient.port) as client:
        client.post(b'"' + b"a" * size + b'"')
        client.socket.recv(1)
        got, began = 1, time.monotonic()
        while time.monotonic() - began < PATIENCE * 3:
            got += len(client.socket.recv(300_000, socket.MSG_WAITALL))
            time.sleep(0.05)
        assert got < size, "it was read too fast to show anything"
        while got < size:
            piece = client.socket.recv(1 << 20)
            assert piece, f"the connection ended after {got} bytes"
            got += len(piece)


def test_a_client_that_asks_and_asks_and_never_reads_takes_no_memory(host: LiveHost) -> None:
    before = rss(host)
    with stingy(host.port) as client:
        client.socket.setblocking(False)
        sent, end = 0, time.monotonic() + 3
        while time.monotonic() < end:
            try:
                sent += client.socket.send(GET * 2000)
            except BlockingIOError:
                time.sleep(0.01)
        assert sent > 0
        grown = rss(host) - before
        assert grown < 10 << 20, f"{grown >> 20} MiB after {sent >> 20} MiB"


def test_a_client_that_was_refused_and_stays_is_not_waited_for(host: LiveHost) -> None:
    with RawClient(host.port) as client:
        client.send(GET)
        assert client.reply().body == ALIVE
        with_it = descriptors(host)
        client.send(b"garbage\r\n\r\n")
        assert client.rest().startswith(b"HTTP/1.1 400 ")
        wait_until(lambda: descriptors(host) < with_it, "the end of the connection", 10)


def test_large_answers_that_nobody_reads_do_not_pile_up(host: LiveHost) -> None:
    body = b'{"return": "a megabyte"}'
    assert len(host.post(body, "returns").body) == 1 << 20
    before = rss(host)
    with stingy(host.port) as client:
        for _ in range(300):
            client.post(body, "returns")
        # One worker answers all in turn: whatever it may answer of these, it does beside those.
        assert {host.post(body, "returns").status for _ in range(60)} == {200}
        assert rss(host) - before < 20 << 20


# Clients that leave

WHOLE = (
    b"POST /v1/models/waits:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n" + b'{"seconds": 60}'
)
PHASES = {
    "nothing": b"",
    "head": WHOLE[:40],
    "body": WHOLE[:-5],
    "large body": b"POST /v1/models/echo:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 20000002\r\n\r\n"
    + b'"' + b"a" * 1_000_000,
    "chunks": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    "waiting": WHOLE,
    "half of the next": WHOLE + WHOLE[:30],
    "kept alive": GET,
    "large answer": b"POST /v1/models/echo:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 20000002\r\n\r\n"
    + b'"' + b"a" * 20_000_000 + b'"',
}  # fmt: skip


@pytest.mark.parametrize("how", ["close", "reset", "half"])
@pytest.mark.parametrize("data", PHASES.values(), ids=PHASES)
def test_a_client_that_leaves_leaves_nothing_behind(host: LiveHost, data: bytes, how: str) -> None:
    wait_until(lambda: not psutil.Process(host.process.pid).net_connections()[1:], "no connections")
    before = descriptors(host)
    clients = [stingy(host.port) for _ in range(3)]
    for client in clients:
        client.send(data)
    # The host has seen all of them once it answers one that came later.
    wait_until(lambda: descriptors(host) >= before + len(clients), "the connections")
    assert host.get("/").body == ALIVE
    for client in clients:
        if how == "half":
            client.socket.shutdown(socket.SHUT_WR)
            if len(data) < 1000:
                client.rest()
        elif how == "reset":
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    wait_until(lambda: descriptors(host) <= before, "the end of their connections", 10)
    assert host.predict({}, "waits")["pid"] != os.getpid()


@pytest.mark.parametrize("size", [100, 20_000_000], ids=["small", "large"])
def test_a_client_that_left_within_a_body_does_not_hold_up_the_end(
    liftwing: Callable[..., LiveHost], size: int
) -> None:
    host = liftwing("raw", config={"drain_timeout": 60.0})
    before = descriptors(host)
    with RawClient(host.port) as client:
        head = b"POST /v1/models/raw:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
        client.send(head + b"a" * (size // 2))
        assert [host.get("/").body for _ in range(5)] == [ALIVE] * 5
    wait_until(lambda: descriptors(host) <= before, "the end of the connection")
    assert host.stop(timeout=15) == 0


def test_an_answer_that_is_being_read_when_the_host_ends_arrives_as_a_whole(
    liftwing: Callable[..., LiveHost],
) -> None:
    host = liftwing("echo")
    size = 20 << 20
    with stingy(host.port) as client:
        client.post(b'"' + b"a" * size + b'"')
        assert client.start_line() == b"HTTP/1.1 200 OK\r\n"
        host.process.send_signal(signal.SIGTERM)
        host.wait_for(lambda: "told to end" in host.log, "the log")
        assert client.rest().endswith(b"\r\n\r\n" + b"a" * size)
    assert host.process.wait(10) == 0
