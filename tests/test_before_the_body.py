"""What is refused whatever its body is: answered before a large one has come, and nothing holds it."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest

from liftwing_host.pytest_plugin import LiveHost
from raw_http import RawClient

SIZE = 50 << 20
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
MODELS = ["slow", "echo", "load-raises"]


@pytest.fixture(scope="module", params=["llhttp", "tornado"])
def host(request: pytest.FixtureRequest) -> Iterator[LiveHost]:
    config = {"models": {"slow": {"queue_size": 1}}}
    host = LiveHost(MODELS, config=config, arguments=["--workers", "1", "--http", request.param], wait=False)
    host.wait_for(lambda: "load-raises" in host.log and host.ready("slow") and host.ready("echo"), "ready")
    yield host
    assert host.stop(timeout=10) == 0


def head(path: str, *headers: str, length: int = SIZE) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {length}", *headers, "", ""]
    return "\r\n".join(lines).encode()


REFUSED = pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/nope", 404, "Not Found"),
        ("/v1/models", 405, "Method Not Allowed"),
        ("/v1/models/nobody:predict", 404, "Model with name nobody does not exist."),
        ("/v1/models/load-raises:predict", 503, "Model with name load-raises is not ready."),
        ("/v1/models/echo:explain", 501, "Could not find explainer_host."),
    ],
)


@REFUSED
def test_a_request_that_is_refused_in_any_case_is_answered_before_its_body_comes(
    host: LiveHost, path: str, status: int, error: str
) -> None:
    process = psutil.Process(host.process.pid)
    with RawClient(host.port) as client:
        client.send(head(path))
        reply = client.reply()
        assert (reply.status, reply.json()) == (status, {"error": error})
        before = process.memory_info().rss
        client.send(b"a" * (SIZE - 1))
        assert process.memory_info().rss - before < SIZE / 2
        client.send(b"a" + GET)
        assert client.reply().json() == {"status": "alive"}, "the connection goes on"


@REFUSED
def test_a_client_that_sends_first_and_reads_then_has_its_answer(
    host: LiveHost, path: str, status: int, error: str
) -> None:
    for size in (0, 1, 100_000, SIZE):
        reply = host.request("POST", path, b"a" * size)
        assert (reply.status, reply.json()) == (status, {"error": error})


def test_a_client_that_asks_first_need_not_send(host: LiveHost) -> None:
    with RawClient(host.port) as client:
        client.send(head("/nope", "Expect: 100-continue"))
        assert client.reply().status == 404
        assert client.rest() == b"", "what follows could be taken for a request"


def test_a_chunked_body_is_refused_once_it_is_large(host: LiveHost) -> None:
    with RawClient(host.port) as client:
        client.send(b"POST /nope HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(b"%x\r\n" % 100_000 + b"a" * 100_000 + b"\r\n")
        assert client.reply().status == 404
        client.send(b"5\r\nabcde\r\n0\r\n\r\n" + GET)
        assert client.reply().json() == {"status": "alive"}


def test_a_full_queue_is_told_before_the_body_comes(host: LiveHost) -> None:
    with RawClient(host.port) as first, RawClient(host.port) as second, RawClient(host.port) as third:
        first.post(b'{"seconds": 1}', "slow")
        host.get("/")
        second.post(b'{"seconds": 0}', "slow")
        host.get("/")
        third.send(head("/v1/models/slow:predict"))
        reply = third.reply()
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        assert first.reply().status == second.reply().status == 200
    told = host.get("/metrics").body
    assert b'liftwing_requests_total{model="slow",status="503"} 1.0' in told


def test_what_is_to_be_run_is_told_to_go_on(host: LiveHost) -> None:
    with RawClient(host.port) as client:
        client.send(head("/v1/models/echo:predict", "Expect: 100-continue", length=3))
        assert client.start_line().startswith(b"HTTP/1.1 100 ")
        assert client.start_line() == b"\r\n"
        client.send(b"[1]")
        assert client.reply().body == b"[1]"
