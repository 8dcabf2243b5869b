"""What the front makes of messages that are unusual and right: pipelines, chunks, offers, old versions."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import psutil
import pytest

from liftwing_host.pytest_plugin import LiveHost
from raw_http import RawClient, replies

ALIVE = b'{"status":"alive"}'
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
LIMIT = 4 << 20
ECHO = b"POST /v1/models/echo:predict HTTP/1.1\r\nHost: x\r\n"
CHUNKED = ECHO + b"Transfer-Encoding: chunked\r\n"


@pytest.fixture(scope="module")
def host() -> Iterator[LiveHost]:
    host = LiveHost(["echo", "raw", "slow", "knows"], arguments=["--workers", "2"])
    yield host
    assert "Traceback" not in host.log
    host.stop()


@pytest.fixture(scope="module")
def small() -> Iterator[LiveHost]:
    host = LiveHost(["raw"], config={"max_body_size": LIMIT}, arguments=["--workers", "1"])
    yield host
    assert "Traceback" not in host.log
    host.stop()


def post(body: bytes, model: bytes = b"echo", header: bytes = b"") -> bytes:
    head = b"POST /v1/models/%s:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n"
    return head % (model, len(body), header) + body


def talk(host: LiveHost, data: bytes) -> list[tuple[int, bytes]]:
    """Statuses and bodies of all that the host answers to some bytes before it closes the connection."""
    with RawClient(host.port) as client:
        client.send(data)
        return [(reply.status, reply.body) for reply in replies(client.rest())]


BAD = (400, b'{"error":"Bad Request"}')
OK = (200, ALIVE)

# Pipelines


@pytest.mark.parametrize("count", [2, 100, 1000])
def test_a_pipeline_is_answered_in_its_order(host: LiveHost, count: int) -> None:
    pairs = [(post(b'{"n":%d}' % n), b'{"n":%d}' % n) if n % 3 else (GET, ALIVE) for n in range(count)]
    answers = talk(host, b"".join(sent for sent, _ in pairs) + LAST)
    assert answers == [(200, body) for _, body in pairs] + [OK]


def test_an_empty_line_after_a_body_is_no_request(host: LiveHost) -> None:
    with RawClient(host.port) as client:
        for number in range(3):
            client.send(post(b"[%d]" % number))
            assert client.reply().body == b"[%d]" % number
            client.send(b"\r\n")
            assert [host.get("/").body for _ in range(3)] == [ALIVE] * 3, "it has been read by itself"


def test_what_is_fast_waits_for_what_is_slow_before_it(host: LiveHost) -> None:
    answers = talk(host, post(b'{"seconds":0.5}', b"slow") + GET + post(b"[1]") + GET + LAST)
    assert answers[0][1].startswith(b'{"pid"')
    assert answers[1:] == [OK, (200, b"[1]"), OK, OK]


def test_a_thousand_that_wait_for_a_slow_one_are_answered(host: LiveHost) -> None:
    answers = talk(host, post(b'{"seconds":0.3}', b"slow") + GET * 1000 + LAST)
    assert answers[1:] == [OK] * 1001


def test_a_body_too_large_in_the_middle_of_a_pipeline_harms_nothing_after_it(small: LiveHost) -> None:
    answers = talk(
        small, post(b"ab", b"raw") + post(b"a" * (LIMIT + 1), b"raw") + post(b"abc", b"raw") + LAST
    )
    assert [status for status, _ in answers] == [200, 413, 200, 200]
    assert answers[2][1] == b'{"type":"bytes","length":3}'


@pytest.mark.parametrize(
    "first", [GET, post(b'{"seconds":0.3}', b"slow"), GET + post(b"[1]") + GET + post(b"[2]")]
)
@pytest.mark.parametrize(
    "garbage",
    [
        b"garbage\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        ECHO + b"Content-Length: x\r\n\r\n",
        CHUNKED + b"\r\n1\r\n[\r\nno size\r\n",
    ],
)
def test_garbage_is_refused_after_all_that_came_before_it_is_answered(
    host: LiveHost, first: bytes, garbage: bytes
) -> None:
    answers = talk(host, first + garbage + GET)
    assert [status for status, _ in answers] == [200] * first.count(b"HTTP/1.1") + [400]
    assert answers[-1] == BAD


def test_a_body_that_breaks_off_into_garbage_is_answered_once(small: LiveHost) -> None:
    head = b"POST /v1/models/raw:predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    large = b"%x\r\n" % (LIMIT + 1) + b"a" * (LIMIT + 1) + b"\r\n"
    assert [status for status, _ in talk(small, head + b"1\r\na\r\nzz\r\n" + GET)] == [400]
    assert [status for status, _ in talk(small, head + large + b"zz\r\n" + GET)] == [413]


def test_after_a_connection_is_to_be_closed_nothing_more_is_run(small: LiveHost) -> None:
    asks = post(b"a" * 50, b"raw", b"Connection: close\r\n") + post(b"abc", b"raw")
    assert talk(small, asks) == [(200, b'{"type":"bytes","length":50}')]
    head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (LIMIT + 1)
    assert [status for status, _ in talk(small, head + GET * 3 + b"garbage")] == [413]


# Chunks


def test_a_chunked_body_in_any_cut_is_put_together(host: LiveHost) -> None:
    body = b'{"a":[1,2]}'
    for size in range(1, len(body) + 1):
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        chunks = b"".join(b"%x;a=b;c\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
        assert talk(host, CHUNKED + b"\r\n" + chunks + b"0\r\n\r\n" + LAST) == [(200, body), OK]
    with RawClient(host.port) as client:
        for byte in CHUNKED + b"\r\n" + chunks + b"0\r\nTrailer: x\r\n\r\n":
            client.send(bytes([byte]))
        assert client.reply().body == body
        client.send(LAST)
        assert client.reply().body == ALIVE


def test_trailers_are_no_headers(host: LiveHost) -> None:
    trailers = b"0\r\nX-Request-Timeout: no number\r\nUser-Agent: smuggled\r\nX: y\r\n\r\n"
    head = CHUNKED.replace(b"echo", b"knows") + b"User-Agent: honest\r\n\r\n"
    (status, body), last = talk(host, head + b"2\r\n[]\r\n" + trailers + LAST)
    assert (status, b'"agent":"honest"' in body, last) == (200, True, OK)


def test_a_body_in_tiny_chunks_costs_no_more_than_its_size(small: LiveHost) -> None:
    process = psutil.Process(small.process.pid)
    before = process.memory_info().rss
    with RawClient(small.port) as client:
        client.send(CHUNKED.replace(b"echo", b"raw") + b"\r\n" + b"2\r\nab\r\n" * (LIMIT // 2 - 1))
        small.wait_for(lambda: small.get("/").body == ALIVE, "all read")
        assert process.memory_info().rss - before < 6 * LIMIT
        client.send(b"0\r\n\r\n")
        assert client.reply().json()["length"] == LIMIT - 2


# Large bodies


def test_a_body_of_the_default_limit_is_taken_and_one_above_it_is_a_413(host: LiveHost) -> None:
    limit = 100 << 20
    for size, status in ((limit, 200), (limit + 1, 413), (2 * limit, 413)):
        with RawClient(host.port) as client:
            client.send(
                b"POST /v1/models/raw:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
            )
            for at in range(0, size, 1 << 20):
                client.send(b"a" * min(1 << 20, size - at))
            assert client.reply().status == status
            client.send(GET)
            assert client.reply().body == ALIVE


def test_a_body_over_the_limit_costs_no_memory_while_it_is_read(small: LiveHost) -> None:
    process = psutil.Process(small.process.pid)
    before = process.memory_info().rss
    size = 16 * LIMIT
    with RawClient(small.port) as client:
        client.send(b"POST /v1/models/raw:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        client.send(b"a" * (size - 1))
        assert process.memory_info().rss - before < 2 * LIMIT
        client.send(b"a")
        assert client.reply().status == 413
        client.send(GET)
        assert client.reply().body == ALIVE


# What may be asked otherwise


def test_a_client_that_asks_first_is_told_to_go_on_when_its_turn_has_come(host: LiveHost) -> None:
    with RawClient(host.port) as client:
        client.send(
            post(b'{"seconds":0.3}', b"slow") + ECHO + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        )
        assert client.reply().json()["pid"]
        assert client.start_line() + client.start_line() == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"[1]")
        assert client.reply().body == b"[1]"


def test_an_old_client_is_not_told_to_go_on(host: LiveHost) -> None:
    with RawClient(host.port) as client:
        client.send(
            b"POST /v1/models/echo:predict HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        )
        client.send(b"[1]")
        assert client.reply().body == b"[1]"
        assert client.ends()


def test_an_old_client_keeps_its_connection_where_it_says_so(host: LiveHost) -> None:
    with RawClient(host.port) as client:
        for _ in range(3):
            client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert client.reply().headers["connection"].lower() == "keep-alive"
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        assert (client.reply().body, client.ends()) == (ALIVE, True)


def test_head_is_answered_without_a_body(host: LiveHost) -> None:
    with RawClient(host.port) as client:
        client.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
        assert client.reply(has_body=False).status == 405
        assert client.reply().body == ALIVE


@pytest.mark.parametrize("url", [b"http://x", b"http://x/", b"http://x:80/?a=b", b"/?a=/v1/models", b"/#x"])
def test_a_url_may_be_whole(host: LiveHost, url: bytes) -> None:
    (answer,) = talk(host, LAST.replace(b" / ", b" %s " % url))
    assert answer == OK or (url == b"/#x" and answer[0] in {400, 404})


def test_names_in_a_url_may_be_encoded(host: LiveHost) -> None:
    for path in (
        b"/v1/models/%65cho:predict",
        b"/v1/models/echo%3Apredict",
        b"/v1/models/%65ch%6F%3apredict",
    ):
        with RawClient(host.port) as client:
            client.send(post(b"[1]").replace(b"/v1/models/echo:predict", path))
            assert client.reply().body == b"[1]", path
    assert host.get("/v1/models/%ff%2f%00").status == 404


OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"


def test_an_offer_to_speak_something_else_is_ignored(host: LiveHost) -> None:
    get = b"GET / HTTP/1.1\r\nHost: x\r\n" + OFFER + b"\r\n"
    chunked = CHUNKED + OFFER + b"\r\n2\r\n[]\r\n0\r\n\r\n"
    asked = get + post(b"[1]", header=OFFER) + chunked + GET
    assert talk(host, asked + LAST) == [OK, (200, b"[1]"), (200, b"[]"), OK, OK]
    assert talk(host, get * 3000 + LAST) == [OK] * 3001
    for arguments in ([], ["--data-binary", "@-"]):
        url = host.url + ("/v1/models/echo:predict" if arguments else "/")
        body = b"[" + b"1," * 100_000 + b"1]"
        command = ["curl", "--silent", "--http2", "--noproxy", "*", *arguments, url]
        got = subprocess.run(command, input=body, capture_output=True, check=True, timeout=30).stdout
        assert got == (body if arguments else ALIVE)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET / HTTP/0.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ECHO + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ECHO + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
        ECHO + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n1",
        ECHO + b"Content-Length: " + b"0" * 5000 + b"1\r\n\r\n",
        ECHO + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        CHUNKED + b"\r\nffffffffffffffffff\r\n",
        CHUNKED + b"\r\n-1\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n X: folded\r\n\r\n",
    ],
    ids=range(16),
)
def test_what_could_be_read_in_two_ways_is_refused(host: LiveHost, request_: bytes) -> None:
    assert talk(host, request_ + GET) == [BAD]
