"""Large bodies of all clients together have a bound: what goes beyond it is refused, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from liftwing_host.pytest_plugin import LiveHost
from liftwing_host.server.memory import available_memory
from raw_http import RawClient
from tells import metric

LIMIT = 1 << 20
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
NO_ROOM = {"error": "The host has no room for so large a body beside those of other requests now."}
HEAD = "POST /v1/models/raw:predict HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("limits", "least"),
    [
        ({}, None),
        ({"a.slice/b.service": "1000"}, 1000),
        ({"a.slice": "1000", "a.slice/b.service": "max"}, 1000),
        ({".": "1000", "a.slice": "2000"}, 1000),
        ({"other.slice": "1000", "a.slice": "rubbish"}, None),
    ],
    ids=str,
)
def test_the_memory_is_the_least_of_what_the_control_groups_allow(
    tmp_path: Path, limits: dict[str, str], least: int | None
) -> None:
    for group, limit in limits.items():
        (tmp_path / group).mkdir(parents=True, exist_ok=True)
        (tmp_path / group / "memory.max").write_text(f"{limit}\n")
    own = tmp_path / "own"
    own.write_text("0::/a.slice/b.service\n")
    assert available_memory(tmp_path, own) == (least or psutil.virtual_memory().total)


@pytest.fixture(scope="module", params=["llhttp", "tornado"])
def host(request: pytest.FixtureRequest) -> Iterator[LiveHost]:
    config = {"max_body_memory": LIMIT}
    host = LiveHost(
        ["raw", "echo", "slow", "waits"], config=config, arguments=["--workers", "1", "--http", request.param]
    )
    yield host
    assert host.stop(timeout=10) == 0
    assert "Traceback" not in host.log


def announced(length: int) -> bytes:
    return f"{HEAD}Content-Length: {length}\r\n\r\n".encode()


def chunk(size: int) -> bytes:
    return b"%x\r\n" % size + b"a" * size + b"\r\n"


def status_of(host: LiveHost, size: int) -> int:
    """The status of a request with so large a body."""
    reply = host.post(b"a" * size, "raw")
    if reply.status == 200:
        assert reply.json()["length"] == size
    else:
        assert (reply.status, reply.json(), reply.headers["retry-after"]) == (503, NO_ROOM, "1")
    return reply.status


def holds(host: LiveHost, size: int) -> None:
    """Wait until so many bytes of large bodies are in the host's memory."""
    host.wait_for(lambda: metric(host, "liftwing_body_memory_bytes") == size, "what was sent")


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_what_is_too_large_beside_others_is_refused_until_they_are_answered(
    host: LiveHost, is_chunked: bool
) -> None:
    first = 700_000
    with RawClient(host.port) as slow:
        if is_chunked:
            slow.send(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk(first - 1))
        else:
            slow.send(announced(first) + b"a" * (first - 1))
        holds(host, first - 1)
        assert status_of(host, 600_000) == 503
        assert status_of(host, 200_000) == 200, "there is room for this one"
        assert host.predict({"small": 1}, "echo") == {"small": 1}
        slow.send(chunk(1) + b"0\r\n\r\n" if is_chunked else b"a")
        assert slow.reply().json()["length"] == first
    holds(host, 0)
    assert status_of(host, 600_000) == 200


def test_what_has_arrived_counts_and_not_what_was_announced(host: LiveHost) -> None:
    with RawClient(host.port) as idle:
        idle.send(announced(50 << 20) + b"a" * 100_000)
        host.wait_for(lambda: metric(host, "liftwing_body_memory_bytes"), "its beginning")
        assert status_of(host, LIMIT - 110_000) == 200


def test_one_alone_may_be_as_large_as_a_body_may_be(host: LiveHost) -> None:
    assert status_of(host, 3 * LIMIT) == 200


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_the_client_that_is_refused_is_told_at_once_and_its_connection_goes_on(
    host: LiveHost, is_chunked: bool
) -> None:
    size = 50 << 20
    process = psutil.Process(host.process.pid)
    with RawClient(host.port) as slow, RawClient(host.port) as other:
        slow.send(announced(LIMIT) + b"a" * (LIMIT - 1))
        holds(host, LIMIT - 1)
        before = process.memory_info().rss
        if is_chunked:
            other.send(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk(100_000))
        else:
            other.send(announced(size) + b"a" * 100_000)
        reply = other.reply()
        assert (reply.status, reply.json()) == (503, NO_ROOM)
        rest = chunk(size) + b"0\r\n\r\n" if is_chunked else b"a" * (size - 100_000)
        other.send(rest[:-1])
        assert process.memory_info().rss - before < size / 2
        other.send(rest[-1:] + GET)
        assert other.reply().json() == {"status": "alive"}, "the connection goes on"
        slow.send(b"a")
        assert slow.reply().status == 200


def test_what_a_client_that_leaves_has_sent_is_let_go(host: LiveHost) -> None:
    with RawClient(host.port) as slow:
        slow.send(announced(LIMIT) + b"a" * (LIMIT - 1))
        holds(host, LIMIT - 1)
    holds(host, 0)


def test_what_a_model_works_on_counts(host: LiveHost, tmp_path: Path) -> None:
    note = str(tmp_path / "cancelled")
    body = json.dumps({"fill": "a" * 900_000, "seconds": 60, "note": note}).encode()
    with RawClient(host.port) as first:
        first.post(body, "waits")
        holds(host, len(body))
        assert status_of(host, 300_000) == 503
    # Nothing computes there: what was cancelled is gone at once.
    holds(host, 0)


def test_what_a_worker_still_has_counts_when_its_client_has_left(host: LiveHost) -> None:
    body = json.dumps({"fill": "a" * 900_000, "seconds": 1}).encode()
    with RawClient(host.port) as first:
        first.post(body, "slow")
        holds(host, len(body))
    for _ in range(3):
        host.get("/")
    assert metric(host, "liftwing_body_memory_bytes") == len(body)
    holds(host, 0)


def test_what_is_refused_is_counted(host: LiveHost) -> None:
    refused = metric(host, "liftwing_requests_total", model="raw", status="503") or 0
    with RawClient(host.port) as slow:
        slow.send(announced(LIMIT) + b"a" * (LIMIT - 1))
        holds(host, LIMIT - 1)
        assert status_of(host, 100_000) == 503
    assert metric(host, "liftwing_requests_total", model="raw", status="503") == refused + 1
