"""What a client is told when a hook fails, and what stays in the log; and the request's id, which joins the two."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

import proc
from liftwing_host.pytest_plugin import LiveHost, Reply
from raw_http import RawClient

MODELS = ["raises", "async-raises", "returns", "unpicklable", "echo"]
BOTH_COLOURS = pytest.mark.parametrize(("model", "hook"), [("raises", "predict"), ("async-raises", "fetch")])


@pytest.fixture(scope="module")
def open_host() -> Iterator[LiveHost]:
    """Shows errors for the whole host, but not for one of its models."""
    config = {"expose_errors": True, "models": {"async-raises": {"expose_errors": False}}}
    host = LiveHost(MODELS, config=config, arguments=["--workers", "1"])
    yield host
    host.stop()


@pytest.fixture(scope="module")
def beside_loop() -> Iterator[LiveHost]:
    """Runs `def predict` in a thread of the async worker."""
    host = LiveHost(["raises"], config={"INFERENCE_MP": False}, arguments=["--workers", "1"])
    yield host
    host.stop()


def said(reply: Reply) -> tuple[int, Any]:
    assert reply.headers["content-type"] == "application/json"
    return reply.status, json.loads(reply.body)


@BOTH_COLOURS
@pytest.mark.parametrize(
    ("raised", "status", "text"),
    [
        ("InvalidInput", 400, "m"),
        ("nothing more", 400, "Bad Request"),
        ("InferenceError", 500, "m"),
        ("teapot", 418, "short and stout"),
        ("an enumeration's", 422, "m"),
    ],
)
def test_an_error_that_is_meant_for_clients_reaches_them_with_its_status(
    zoo_host: LiveHost, model: str, hook: str, raised: str, status: int, text: str
) -> None:
    assert said(zoo_host.post({"raise": raised}, model)) == (status, {"error": text})


@BOTH_COLOURS
@pytest.mark.parametrize(
    ("raised", "status", "last_line"),
    [
        ("RuntimeError", 500, "RuntimeError: boom at /secret/path"),
        ("NotImplementedError", 501, "NotImplementedError: not yet"),
        ("SystemExit", 500, "SystemExit: 3"),
        ("KeyboardInterrupt", 500, "KeyboardInterrupt"),
        ("ConfigurationError", 500, "liftwing_host.errors.ConfigurationError: for the operator"),
    ],
)
def test_any_other_exception_stays_in_the_log_under_the_request_id(
    zoo_host: LiveHost, model: str, hook: str, raised: str, status: int, last_line: str
) -> None:
    given = f"id-{uuid.uuid4()}"
    reply = zoo_host.post({"raise": raised}, model, {"X-Request-Id": given})
    text = f"The hook {hook} of model {model} failed; the log has the reason under request id {given}."
    assert said(reply) == (status, {"error": text})
    logged = zoo_host.log.partition(f"request {given}: {hook} of model {model} failed\n")[2]
    assert logged.startswith("Traceback (most recent call last):\n")
    assert last_line in logged.splitlines()
    assert zoo_host.post({"raise": "InvalidInput"}, model).status == 400, "the worker goes on"


@BOTH_COLOURS
@pytest.mark.parametrize(
    ("raised", "status", "text"),
    [
        ("half a character", 400, "half: \\ud83d"),
        ("half in the log", 500, "RuntimeError: half: \\ud83d"),
        ("no text", 500, "_NoText: <exception str() failed>"),
        ("no string", 400, "b'm'"),
    ],
)
def test_an_error_whose_text_cannot_be_sent_is_answered_all_the_same(
    zoo_host: LiveHost, model: str, hook: str, raised: str, status: int, text: str
) -> None:
    reply = zoo_host.post({"raise": raised}, model)
    assert reply.status == status, reply.body
    assert text in (reply.json()["error"] if status == 400 else zoo_host.log)
    assert zoo_host.post({"raise": "InvalidInput"}, model).status == 400, "the worker goes on"


@BOTH_COLOURS
def test_an_error_of_a_plugin_that_forgot_to_call_its_base_class_is_answered(
    zoo_host: LiveHost, model: str, hook: str
) -> None:
    assert said(zoo_host.post({"raise": "no init"}, model)) == (418, {"error": "short"})


@pytest.mark.parametrize("status", [99, 100, 200, 204, 304, 600, 400.5, "400"])
def test_an_error_whose_status_is_none_of_an_error_is_a_500(zoo_host: LiveHost, status: Any) -> None:
    assert said(zoo_host.post({"raise": "no error's status", "status": status}, "raises")) == (
        500,
        {"error": "m"},
    )
    assert f"LiftwingError has the HTTP status {status!r}, which is none of an error" in zoo_host.log


@BOTH_COLOURS
@pytest.mark.parametrize(
    ("again", "sent"), [("7", "7"), (7, "7"), (None, None), ("a\r\nSet-Cookie: b", None), ("soon", None)]
)
def test_an_error_of_a_plugin_may_ask_the_client_to_come_again(
    zoo_host: LiveHost, model: str, hook: str, again: Any, sent: str | None
) -> None:
    reply = zoo_host.post({"raise": "busy", "again": again}, model)
    assert said(reply) == (503, {"error": "busy"})
    assert reply.headers.get("retry-after") == sent
    assert (
        sent
        or again is None
        or f"_Busy has the retry_after {again!r}, which is no whole number" in zoo_host.log
    )


@BOTH_COLOURS
@pytest.mark.parametrize(("raised", "status"), [("what it got", 400), ("what it got, in the log", 500)])
def test_an_error_that_repeats_a_long_request_costs_no_worker(
    zoo_host: LiveHost, model: str, hook: str, raised: str, status: int
) -> None:
    before = proc.workers(zoo_host)
    # More than a head of a message may have.
    reply = zoo_host.post({"raise": raised, "more": "x" * (17 << 20)}, model)
    assert reply.status == status, reply.body[:200]
    assert len(reply.body) < 100_000
    assert reply.json()["error"].startswith("Unknown: {" if status == 400 else "The hook ")
    assert proc.workers(zoo_host) == before
    assert len(zoo_host.log) < 1_000_000


def test_a_value_that_cannot_go_to_the_next_process_is_laid_at_the_door_of_its_hook(
    zoo_host: LiveHost,
) -> None:
    reply = zoo_host.post({}, "unpicklable")
    assert said(reply)[0] == 500
    assert said(reply)[1]["error"].startswith("The hook preprocess of model unpicklable failed;")
    told = (
        "what preprocess returned cannot be pickled, and the next hook runs in another process: cannot pickle"
    )
    assert told in zoo_host.log


def test_a_plain_hook_that_returns_a_coroutine_is_told_to_be_async(zoo_host: LiveHost) -> None:
    assert zoo_host.post({"return": "coroutine"}, "returns").status == 500
    assert "predict is a `def` that returned a coroutine. Declare it `async def`" in zoo_host.log
    assert "was never awaited" not in zoo_host.log


@pytest.mark.parametrize("raised", ["StopIteration", "RuntimeError", "SystemExit", "InvalidInput"])
def test_what_a_plain_hook_raises_beside_the_loop_is_answered_at_once(
    beside_loop: LiveHost, raised: str
) -> None:
    reply = beside_loop.post({"raise": raised}, headers={"X-Request-Timeout": "10"})
    assert reply.status == (400 if raised == "InvalidInput" else 500), reply.body


def test_the_operator_may_show_errors_in_kserves_words(open_host: LiveHost) -> None:
    reply = open_host.post({"raise": "RuntimeError"}, "raises")
    assert said(reply) == (500, {"error": "RuntimeError : boom at /secret/path"})
    reply = open_host.post({"raise": "NotImplementedError"}, "raises")
    assert said(reply) == (501, {"error": "NotImplementedError : not yet"})
    reply = open_host.post({"return": "set"}, "returns")
    assert said(reply) == (500, {"error": "TypeError : Type is not JSON serializable: set"})


def test_one_model_may_hide_what_the_host_shows(open_host: LiveHost) -> None:
    reply = open_host.post({"raise": "RuntimeError"}, "async-raises")
    assert reply.status == 500
    assert b"boom" not in reply.body


def test_one_model_may_show_what_the_host_hides(liftwing: Any) -> None:
    host = liftwing("raises", "async-raises", settings={"expose_errors": True})
    assert b"boom" in host.post({"raise": "RuntimeError"}, "raises").body
    assert b"boom" not in host.post({"raise": "RuntimeError"}, "async-raises").body


# Request ids


@pytest.mark.parametrize("given", ["a", "x" * 128, "!~/:;<>{}", '"quoted"'])
def test_the_clients_request_id_is_given_back(zoo_host: LiveHost, given: str) -> None:
    assert zoo_host.post({}, "echo", {"X-Request-Id": given}).headers["x-request-id"] == given
    assert zoo_host.request("GET", "/nope", None, {"x-request-id": given}).headers["x-request-id"] == given


@pytest.mark.parametrize(
    "given",
    [b"", b"two words", b"x" * 129, "é".encode(), b"tab\there", b"\xff"],
    ids=["empty", "space", "too long", "not ascii", "tab", "not utf-8"],
)
def test_a_request_id_that_could_confuse_a_log_is_replaced(zoo_host: LiveHost, given: bytes) -> None:
    with RawClient(zoo_host.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: " + given + b"\r\n\r\n")
        answered = client.reply().headers["x-request-id"]
    assert str(uuid.UUID(answered)) == answered


@pytest.mark.parametrize(
    "attack", [b"a\r\n\tX-Evil: 1", b"a\rX-Evil: 1", b"a\nX-Evil: 1", b"a\x00b", b"a%0d%0aX-Evil: 1"]
)
def test_no_header_can_be_smuggled_in_through_the_request_id(zoo_host: LiveHost, attack: bytes) -> None:
    with RawClient(zoo_host.port) as client:
        client.send(
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: " + attack + b"\r\n\r\n"
        )
        head = client.rest().partition(b"\r\n\r\n")[0]
    assert head.startswith((b"HTTP/1.1 400 Bad Request", b"HTTP/1.1 200 OK"))
    assert b"evil:" not in head.lower()
