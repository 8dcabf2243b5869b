"""A predictor that is down, slow or broken: what the client of the transformer is told, and what it is not told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from halves import site, transformer
from liftwing_host.pytest_plugin import LiveHost, Reply, wait_until
from predictor_stand_in import Behaviour, PredictorStandIn, answer, sends, waits
from raw_http import RawClient

LIMIT = 100_000
UNAVAILABLE = "The predictor of model whole is not available. Try again later."
FAILED = "The predictor of model whole failed; the log has the reason."
TOO_LATE = "The request to whole ran out of time in predict at the predictor."


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return site(tmp_path_factory.mktemp("halves"))


@pytest.fixture(scope="module")
def stand_in() -> Iterator[PredictorStandIn]:
    with PredictorStandIn(answer(200, {"got": 1})) as running:
        yield running


@pytest.fixture(scope="module")
def host(environ: dict[str, str], stand_in: PredictorStandIn) -> Iterator[LiveHost]:
    config = {"max_body_size": LIMIT, "models": {"before": {"predictor_request_timeout_seconds": 0.5}}}
    running = transformer(environ, stand_in.at, "whole", "before", config=config)
    yield running
    assert running.stop() == 0
    assert "Task exception" not in running.log
    assert "Unclosed" not in running.log


def ask(
    host: LiveHost, stand_in: PredictorStandIn, behaviour: Behaviour, seconds: str = "30"
) -> tuple[Reply, int]:
    """What the client gets while the predictor behaves so, and how often that was asked."""
    stand_in.behaviour = behaviour
    before = len(stand_in.asked)
    reply = host.post({}, "whole", {"X-Request-Timeout": seconds})
    assert stand_in.at not in reply.body.decode()
    return reply, len(stand_in.asked) - before


def goes_on(host: LiveHost, stand_in: PredictorStandIn) -> None:
    stand_in.behaviour = answer(200, {"got": 2})
    assert host.predict({}, "whole")["told"] == {"got": 2}


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"


@pytest.mark.parametrize(
    ("behaviour", "logged"),
    [
        (sends(b"\x00\x01 this is no HTTP\r\n\r\n"), "the predictor of model whole at"),
        (sends(b"SSH-2.0-OpenSSH_9.2\r\n"), "the predictor of model whole at"),
        (sends(HEAD[:30]), "the predictor of model whole at"),
        (sends(HEAD + b"\r\n" + b'{"got"'), "ClientPayloadError"),
        (sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"go"), "ClientPayloadError"),
        (answer(200, b'{"got": '), "answered no JSON: unexpected end of data"),
        (answer(200, b"<html>"), "answered no JSON"),
        (answer(200, b""), "answered no JSON"),
        (answer(200, b"\x1f\x8b", Content_Encoding="gzip"), "its answer is gzip"),
        (answer(200, b'"' + b"x" * LIMIT + b'"'), f"its answer is larger than {LIMIT} bytes"),
        (answer(204, b""), "it answered 204"),
        (answer(302, b"", Location="http://127.0.0.1:9/"), "it answered 302"),
        (answer(500, {"error": "boom at http://10.0.0.1"}), "it answered 500 boom at http://10.0.0.1"),
        (answer(500, {"error": "boom\nnext line\x1b[31m"}), "it answered 500 boom next line [31m\n"),
        (answer(501, {"error": "x"}), "it answered 501"),
        (answer(502, b"<html>"), "it answered 502"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_a_502_and_the_log_says_why(
    host: LiveHost, stand_in: PredictorStandIn, behaviour: Behaviour, logged: str
) -> None:
    before = len(host.log)
    reply, asked = ask(host, stand_in, behaviour)
    assert (reply.status, reply.json(), asked) == (502, {"error": FAILED}, 1)
    host.wait_for(lambda: logged in host.log[before:], "the reason in the log")
    assert f"request {reply.headers['x-request-id']}: " in host.log[before:]
    goes_on(host, stand_in)


@pytest.mark.parametrize(
    ("behaviour", "after"),
    [
        (answer(503, {"error": "Model with name whole is overloaded."}, Retry_After="7"), "7"),
        (answer(503, {"error": "Model with name whole is not ready."}), "1"),
        (sends(b""), "1"),
    ],
    ids=["queue", "not-ready", "closed"],
)
def test_a_predictor_that_answers_nobody_now_is_a_503_and_is_not_asked_again(
    host: LiveHost, stand_in: PredictorStandIn, behaviour: Behaviour, after: str
) -> None:
    """Nor is one that closes the connection over which it was asked: it may have done what it was asked."""
    goes_on(host, stand_in)
    reply, asked = ask(host, stand_in, behaviour)
    assert (reply.status, reply.json(), asked) == (503, {"error": UNAVAILABLE}, 1)
    assert reply.headers["retry-after"] == after
    goes_on(host, stand_in)


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (400, {"error": 'Missing "é"'}, 'Missing "é"'),
        (404, {"detail": "Not Found"}, "Not Found"),
        (422, {"detail": [{"msg": "Field required", "loc": ["a"]}, {"msg": "No"}]}, "Field required; No"),
        (400, {"code": 400, "type": "BadRequest", "message": "too small"}, "too small"),
        (429, {"error": "slow down"}, "slow down"),
        (401, b"<html>", "The predictor of model whole refused the request (401)."),
        (403, {"error": {"code": 7}}, "The predictor of model whole refused the request (403)."),
        (400, [], "The predictor of model whole refused the request (400)."),
    ],
)
def test_a_refusal_of_the_predictor_reaches_the_client(
    host: LiveHost, stand_in: PredictorStandIn, status: int, body: Any, text: str
) -> None:
    reply, asked = ask(host, stand_in, answer(status, body, Retry_After="3"))
    assert (reply.status, reply.json(), asked) == (status, {"error": text}, 1)
    assert reply.headers["retry-after"] == "3"
    goes_on(host, stand_in)


def test_a_refusal_that_names_the_predictors_address_is_told_without(
    host: LiveHost, stand_in: PredictorStandIn
) -> None:
    told = f"bad x, '400 Bad Request' for url 'http://{stand_in.at}/v1/models/bad:predict'"
    reply, _ = ask(host, stand_in, answer(400, {"error": told}))
    assert reply.json() == {"error": "The predictor of model whole refused the request (400)."}


def test_a_predictor_that_is_slow_is_a_504_at_the_requests_own_deadline(
    host: LiveHost, stand_in: PredictorStandIn
) -> None:
    left = threading.Event()
    reply, asked = ask(host, stand_in, waits(left), seconds="0.5")
    told = "The request to whole ran out of time (0.5 s) in predict at the predictor."
    assert (reply.status, reply.json(), asked) == (504, {"error": told}, 1)
    assert left.wait(20), "the call to the predictor was not ended"
    assert ask(host, stand_in, answer(504, {"error": "in predict"}))[0].json() == {"error": TOO_LATE}
    goes_on(host, stand_in)


def test_the_predictor_may_take_less_time_than_the_request(
    host: LiveHost, stand_in: PredictorStandIn
) -> None:
    left = threading.Event()
    stand_in.behaviour = waits(left)
    began = time.monotonic()
    reply = host.post({}, "before")
    assert 0.4 < time.monotonic() - began < 30
    assert (reply.status, reply.json()["error"]) == (504, TOO_LATE.replace("whole", "before"))
    assert left.wait(20)
    assert float(stand_in.asked[-1].headers["x-request-timeout"]) <= 0.5
    goes_on(host, stand_in)


def test_a_client_that_leaves_ends_the_call_to_the_predictor(
    host: LiveHost, stand_in: PredictorStandIn
) -> None:
    left = threading.Event()
    stand_in.behaviour = waits(left)
    asked = len(stand_in.asked)
    with RawClient(host.port) as client:
        client.post(b"{}", "whole")
        wait_until(lambda: len(stand_in.asked) > asked, "the request at the predictor")
        assert not left.is_set()
    assert left.wait(20), "the call to the predictor was not ended"
    goes_on(host, stand_in)


def test_headers_that_are_none_are_not_sent_on(host: LiveHost, stand_in: PredictorStandIn) -> None:
    stand_in.behaviour = answer(200, b"{}", Content_Type="a/\xe9\udc80")
    reply = host.post({}, "before")
    assert (reply.status, reply.body) == (200, b"{}")
    assert "content-type" not in reply.headers
    assert "retry-after" not in ask(host, stand_in, answer(400, {}, Retry_After="\xff"))[0].headers


@pytest.mark.parametrize(
    ("given", "sent_on"),
    [
        ("0", "0"),
        ("Fri, 31 Dec 1999 23:59:59 GMT", "Fri, 31 Dec 1999 23:59:59 GMT"),
        ("soon", "1"),
        ("-1", "1"),
        ("1.5 s", "1"),
        ("9" * 5000, "1"),
    ],
)
def test_when_to_come_back_is_sent_on_where_clients_can_read_it(
    host: LiveHost, stand_in: PredictorStandIn, given: str, sent_on: str
) -> None:
    reply, _ = ask(host, stand_in, answer(503, {}, Retry_After=given))
    assert (reply.status, reply.headers["retry-after"]) == (503, sent_on)
    reply, _ = ask(host, stand_in, answer(429, {}, Retry_After=given))
    assert (reply.status, reply.headers.get("retry-after")) == (429, None if sent_on == "1" else sent_on)


def test_an_error_after_the_predictor_is_the_transformers_own(
    host: LiveHost, stand_in: PredictorStandIn
) -> None:
    reply, _ = ask(host, stand_in, answer(200, {"other": 1}))
    assert reply.status == 500
    assert reply.json()["error"].startswith(
        "The hook postprocess of model whole failed; the log has the reason"
    )
    assert "KeyError" in host.log
