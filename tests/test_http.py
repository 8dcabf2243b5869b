"""HTTP itself: connections, bodies of every size, the limit on them, and what is no HTTP at all."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from liftwing_host.pytest_plugin import LiveHost
from raw_http import RawClient
from tells import metric

LIMIT = 100_000
TOO_LARGE = b'{"error":"The request body is larger than the limit of 100000 bytes."}'
ALIVE = b'{"status":"alive"}'


@pytest.fixture(scope="module", params=["llhttp", "tornado"])
def front(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def host(front: str) -> Iterator[LiveHost]:
    arguments = ["--workers", "2", "--http", front]
    host = LiveHost(["echo", "raw", "knows", "stages"], arguments=arguments)
    yield host
    host.stop()


@pytest.fixture(scope="module")
def small_host(front: str) -> Iterator[LiveHost]:
    """Takes bodies of up to 100,000 bytes."""
    arguments = ["--workers", "1", "--http", front]
    host = LiveHost(["raw"], config={"max_body_size": LIMIT}, arguments=arguments)
    yield host
    host.stop()


def still_serves(host: LiveHost) -> None:
    assert host.get("/").body == ALIVE
    assert host.post({"a": 1}).status == 200


# Connections


def test_one_connection_serves_many_requests(host: LiveHost) -> None:
    with RawClient(host.port) as client:
        for number in range(50):
            client.post(b'{"n":%d}' % number)
            assert client.reply().body == b'{"n":%d}' % number


def test_pipelined_requests_are_answered_in_their_order(host: LiveHost) -> None:
    with RawClient(host.port) as client:
        for number in range(50):
            client.post(b'{"n":%d}' % number, "echo", f"X-Request-Id: r{number}")
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        for number in range(50):
            reply = client.reply()
            assert (reply.headers["x-request-id"], reply.body) == (f"r{number}", b'{"n":%d}' % number)
        assert client.reply().body == ALIVE


def test_a_request_that_arrives_byte_by_byte_is_answered(host: LiveHost) -> None:
    with RawClient(host.port) as client:
        for byte in b'POST /v1/models/echo:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n{"a":1}':
            client.send(bytes([byte]))
        assert client.reply().body == b'{"a":1}'


def test_a_connection_is_closed_where_the_client_says_so(host: LiveHost) -> None:
    for request in (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"):
        with RawClient(host.port) as client:
            client.send(request)
            assert client.reply().body == ALIVE
            assert client.rest() == b""


# Bodies


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 1 << 20, 20 << 20])
def test_a_body_of_any_size_goes_there_and_back_unharmed(host: LiveHost, size: int) -> None:
    text = random.Random(size).randbytes(size // 2 + 1).hex()[:size]  # noqa: S311 - any text will do
    reply = host.post(json.dumps({"t": text}).encode())
    assert (reply.status, reply.body == b'{"t":"%s"}' % text.encode()) == (200, True)
    assert host.post(text.encode(), "raw").json()["length"] == size


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 3 << 20])
def test_a_value_of_any_size_goes_from_leg_to_leg_unharmed(host: LiveHost, size: int) -> None:
    value = "v" * size
    answer = host.predict({"value": value}, "stages")
    assert [answer[hook][2] == value for hook in ("fetch", "preprocess", "predict", "postprocess")] == [
        True
    ] * 4


@pytest.mark.parametrize("encoding", ["gzip", "identity, GZIP"])
def test_a_compressed_body_is_a_415_that_says_what_to_do(host: LiveHost, encoding: str) -> None:
    for model in ("echo", "stages"):
        reply = host.post(gzip.compress(b'{"a":1}'), model, {"Content-Encoding": encoding})
        assert (reply.status, reply.json()) == (
            415,
            {
                "error": f"A body with the Content-Encoding {encoding} is not supported: send it as it is, without that header."
            },
        )
    assert host.post({"a": 1}, headers={"Content-Encoding": "Identity"}).json() == {"a": 1}
    still_serves(host)


def test_a_model_that_takes_bytes_gets_them_compressed(host: LiveHost) -> None:
    body = gzip.compress(b'{"a":1}')
    reply = host.post(body, "raw", {"Content-Encoding": "gzip"})
    assert reply.json() == {"type": "bytes", "length": len(body)}


def test_a_chunked_body_is_put_together(host: LiveHost) -> None:
    with RawClient(host.port) as client:
        client.send(b"POST /v1/models/echo:predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in (b"{", b'"a":', b"[1,", b"2]" + b" " * 300, b"}"):
            client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        client.send(b"0\r\n\r\n")
        assert client.reply().body == b'{"a":[1,2]}'
        client.post(b'{"b":1}')
        assert client.reply().body == b'{"b":1}'


def test_a_client_that_asks_first_is_told_to_go_on(host: LiveHost, front: str) -> None:
    with RawClient(host.port) as client:
        client.send(
            b"POST /v1/models/echo:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n"
        )
        words = b"Continue" if front == "llhttp" else b"(Continue)"
        assert client.start_line() + client.start_line() == b"HTTP/1.1 100 %s\r\n\r\n" % words
        client.send(b'{"a":1}')
        assert client.reply().body == b'{"a":1}'


# The limit


def test_a_body_of_exactly_the_limit_is_taken(small_host: LiveHost) -> None:
    assert small_host.post(b"x" * LIMIT).json() == {"type": "bytes", "length": LIMIT}


@pytest.mark.parametrize("size", [LIMIT + 1, 5_000_000])
def test_a_body_over_the_limit_is_a_413_in_the_envelope(small_host: LiveHost, size: int) -> None:
    with RawClient(small_host.port) as client:
        client.post(b"x" * size, "raw")
        reply = client.reply()
        assert (reply.status, reply.body) == (413, TOO_LARGE)
        assert reply.headers["content-type"] == "application/json"
        client.post(b"xy", "raw")
        assert client.reply().json()["length"] == 2, "the connection goes on"
    still_serves(small_host)


def test_a_chunked_body_over_the_limit_is_a_413(small_host: LiveHost) -> None:
    with RawClient(small_host.port) as client:
        client.send(b"POST /v1/models/raw:predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(3):
            client.send(b"c350\r\n" + b"x" * 50_000 + b"\r\n")
        client.send(b"0\r\n\r\n")
        reply = client.reply()
        assert (reply.status, reply.body) == (413, TOO_LARGE)
        client.post(b"xy", "raw")
        assert client.reply().json()["length"] == 2, "the connection goes on"
    still_serves(small_host)


def test_a_client_that_asks_first_is_refused_before_it_sends(small_host: LiveHost) -> None:
    with RawClient(small_host.port) as client:
        client.send(
            b"POST /v1/models/raw:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        reply = client.reply()
        assert (reply.status, reply.body) == (413, TOO_LARGE)
        assert client.rest() == b"", "what follows could be taken for a request"
    still_serves(small_host)


def test_the_limit_holds_on_every_path(small_host: LiveHost) -> None:
    for path in ("/", "/nope", "/v1/models/nope:predict"):
        assert small_host.request("POST", path, b"x" * (LIMIT + 1)).status == 413


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_counted_for_its_model(liftwing: Any, front: str, chunked: bool) -> None:
    limit = {"LIFTWING_MAX_BODY_SIZE": "1000"}
    host = liftwing("raw", environ=limit, arguments=["--workers", "1", "--http", front])
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 2000"
    with RawClient(host.port) as client:
        client.send(b"POST /v1/models/raw:predict HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n" % length)
        client.send(b"7d0\r\n" * chunked + b"x" * 2000 + b"\r\n0\r\n\r\n" * chunked)
        assert client.reply().status == 413
    assert metric(host, "liftwing_requests_total", model="raw", status="413") == 1


def test_a_length_that_nobody_could_send_is_refused_at_once(small_host: LiveHost) -> None:
    with RawClient(small_host.port) as client:
        client.send(
            b"POST /v1/models/raw:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999\r\n\r\n"
        )
        assert client.reply().body == TOO_LARGE
        assert client.rest() == b""
    still_serves(small_host)


# No HTTP


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello, is this TLS?\r\n\r\n",
        b"GET /\r\n\r\n",
        b"\r\n\r\n\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\nabc",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    ],
    ids=range(11),
)
def test_garbage_closes_its_connection_and_no_other(host: LiveHost, front: str, garbage: bytes) -> None:
    with RawClient(host.port) as bystander, RawClient(host.port) as client:
        client.send(garbage)
        answer = client.rest()
        if front == "llhttp":
            assert answer.startswith((b"HTTP/1.1 400 Bad Request\r\n", b"HTTP/1.1 431 ")), answer
            assert answer.endswith(b'"}')
            assert b'{"error":"' in answer
        else:
            # Tornado's own words, or none.
            assert answer in {b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"}
        bystander.post(b'{"a":1}')
        assert bystander.reply().body == b'{"a":1}'


@pytest.mark.parametrize("hosts", [b"", b"Host: x\r\nHost: x\r\n"], ids=["none", "two"])
@pytest.mark.parametrize("body", [b"", b"[1]"], ids=["GET", "POST"])
def test_a_request_that_names_no_host_or_two_is_a_400_and_is_not_run(
    host: LiveHost, hosts: bytes, body: bytes
) -> None:
    start = b"POST /v1/models/echo:predict" if body else b"GET /"
    with RawClient(host.port) as client:
        client.send(start + b" HTTP/1.1\r\n" + hosts + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        answer = client.rest()
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"[1]" not in answer
    assert "Traceback" not in host.log
    still_serves(host)


def test_clients_that_leave_in_the_middle_leave_nothing_behind(host: LiveHost) -> None:
    whole = b'POST /v1/models/echo:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n{"a":1}'
    for sent in range(1, len(whole) + 1, 3):
        with RawClient(host.port) as client:
            client.send(whole[:sent])
    still_serves(host)
    assert "Traceback" not in host.log
