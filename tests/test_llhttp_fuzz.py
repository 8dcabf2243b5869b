"""Requests that are cut and broken at random: the front lives, and both fronts say the same of what both take."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from liftwing_host.pytest_plugin import LiveHost
from raw_http import RawClient, replies

SECONDS = 12.0
ALIVE = b'{"status":"alive"}'
LAST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
POST = b"POST /v1/models/%s:predict HTTP/1.1\r\nHost: x\r\n"

SEEDS = [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/models?a=b HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n",
    b"GET /v1/models/echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET /v1/models/%65cho HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD /nope HTTP/1.1\r\nHost: x\r\n\r\n",
    b"DELETE /v1/models HTTP/1.1\r\nHost: x\r\n\r\n",
    POST % b"echo" + b'Content-Length: 7\r\n\r\n{"a":1}',
    POST % b"echo" + b"Content-Length: 5\r\nX-Request-Id: id\r\n\r\n{nope",
    POST % b"nope" + b"Content-Length: 0\r\n\r\n",
    POST % b"echo" + b'Transfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n',
    POST % b"knows" + b"User-Agent: a\r\nUser-Agent: b\r\nContent-Length: 2\r\n\r\n[]",
    POST % b"raw" + b"Content-Length: 30000\r\n\r\n" + b"r" * 30_000,
    POST % b"raw" + b"Content-Length: 70000\r\n\r\n" + b"r" * 70_000,
    POST % b"echo" + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n[1]",
    POST % b"echo" + b"X-Request-Timeout: -1\r\nContent-Length: 2\r\n\r\n[]",
]
OFFERS = [
    SEEDS[0][:-2] + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    POST % b"echo" + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\n[1]",
    b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
]
MORSELS = [b"\r\n", b"\n", b"\r", b"\x00", b":", b" ", b"\t", b",", b"%", b"\xff", b"0", b"ffffffff", b"-1", b"chunked",
    b"Content-Length: 1\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"Connection: close\r\n",
    b"Upgrade: h2c\r\nConnection: upgrade\r\n", b"HTTP/1.0", b"HTTP/9.9", b"a" * 70_000, b"{" * 100,
]  # fmt: skip


@pytest.fixture(scope="module")
def fronts() -> Iterator[list[LiveHost]]:
    hosts = [
        LiveHost(
            ["echo", "raw", "knows"],
            config={"max_body_size": 50_000, "timeout": 5.0},
            arguments=["--workers", "1", "--http", front],
        )
        for front in ("llhttp", "tornado")
    ]
    yield hosts
    for host in hosts:
        host.stop()


def mutated(dice: random.Random) -> bytes:
    data = bytearray(b"".join(dice.choices(SEEDS + OFFERS, k=dice.randint(1, 4))))
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(5):
            case 0:
                data[at:at] = dice.choice(MORSELS)
            case 1:
                del data[at : at + dice.randint(1, 20)]
            case 2:
                data[at : at + 1] = dice.randbytes(1)
            case 3:
                data[at:at] = data[max(0, at - 40) : at]
            case _:
                del data[at:]
    return bytes(data)


def cut(data: bytes, dice: random.Random, pieces: int) -> list[bytes]:
    at = sorted(dice.randrange(len(data) + 1) for _ in range(pieces - 1))
    return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]


def throw(host: LiveHost, seed: int, seconds: float) -> int:
    """Send broken requests for a while; how many."""
    dice, count, end = random.Random(seed), 0, time.monotonic() + seconds  # noqa: S311 - seeded, to be repeated
    while time.monotonic() < end:
        count += 1
        with RawClient(host.port, timeout=0.5) as client, contextlib.suppress(OSError):
            for piece in cut(mutated(dice), dice, dice.randint(1, 3)):
                client.send(piece)
            if dice.random() < 0.3:
                client.send(LAST)
                assert client.rest()[:9] in {b"", b"HTTP/1.1 "}
    return count


def test_thousands_of_broken_requests_leave_no_trace(fronts: list[LiveHost]) -> None:
    host = fronts[0]
    process = psutil.Process(host.process.pid)
    throw(host, 0, 1.0)
    host.wait_for(lambda: not process.net_connections()[1:], "the end of all connections")
    before, memory = process.num_fds(), process.memory_info().rss
    with ThreadPoolExecutor(8) as clients:
        counts = list(clients.map(lambda seed: throw(host, seed, SECONDS), range(1, 9)))
    assert sum(counts) > 1000
    assert host.get("/").body == ALIVE
    assert host.predict({"a": 1}, "echo") == {"a": 1}
    host.wait_for(lambda: process.num_fds() <= before, "no more file descriptors than before")
    assert process.memory_info().rss < memory + (20 << 20)
    assert "Traceback" not in host.log
    assert "exception" not in host.log.lower()


def answers(host: LiveHost, pieces: list[bytes]) -> list[tuple[int, bytes]]:
    with RawClient(host.port) as client:
        for piece in pieces:
            client.send(piece)
            time.sleep(0.001)
        return [(reply.status, _without_id(reply.body)) for reply in replies(client.rest())]


def _without_id(body: bytes) -> bytes:
    """The body without what differs from request to request."""
    return b"knows" + body.partition(b'"agent":')[2].partition(b",")[0] if b'"remaining":' in body else body


def test_both_fronts_say_the_same_in_whatever_pieces_it_arrives(fronts: list[LiveHost]) -> None:
    dice = random.Random(7)  # noqa: S311 - seeded, to be repeated
    corpus = [seed for seed in SEEDS if not seed.startswith(b"HEAD")]
    for _ in range(150):
        data = b"".join(dice.choices(corpus, k=dice.randint(1, 6))) + LAST
        pieces = cut(data, dice, dice.randint(1, 12))
        one, other = (answers(host, pieces) for host in fronts)
        assert one == other, data[:2000]
        assert one[-1] == (200, ALIVE)
