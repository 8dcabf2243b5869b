"""KServe's v1 protocol, row by row: what a client sends, and the bytes that it gets back."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest

from liftwing_host.pytest_plugin import LiveHost, Reply
from raw_http import RawClient

MODELS = ["echo", "zoo-0.6b", "raises", "async-raises", "returns", "raw", "knows", "stages", "load-raises"]

NOT_JSON = "Unrecognized request format: "
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def zoo_host() -> Any:
    """All models but the last become ready, so that one of them is known and not ready."""
    host = LiveHost(MODELS, arguments=["--workers", "2"], wait=False)
    for name in MODELS[:-1]:
        host.wait_for(lambda name=name: host.ready(name), f"{name} ready")  # type: ignore[misc]
    yield host
    host.stop()


def said(reply: Reply) -> tuple[int, bytes]:
    assert reply.headers.get("content-type") == "application/json"
    return reply.status, reply.body


def error(text: str) -> bytes:
    return json.dumps({"error": text}, separators=(",", ":"), ensure_ascii=False).encode()


# Asking about the host and its models


def test_the_host_says_that_it_is_alive(zoo_host: LiveHost) -> None:
    assert said(zoo_host.get("/")) == (200, b'{"status":"alive"}')


def test_all_models_are_listed_in_the_operators_order_those_that_are_not_ready_too(
    zoo_host: LiveHost,
) -> None:
    expected = {"models": MODELS}
    assert said(zoo_host.get("/v1/models")) == (200, json.dumps(expected, separators=(",", ":")).encode())


def test_a_ready_model_says_so(zoo_host: LiveHost) -> None:
    assert said(zoo_host.get("/v1/models/echo")) == (200, b'{"name":"echo","ready":true}')


def test_a_model_that_is_not_ready_is_a_503_in_the_envelope(zoo_host: LiveHost) -> None:
    text = error("Model with name load-raises is not ready.")
    assert said(zoo_host.get("/v1/models/load-raises")) == (503, text)
    assert said(zoo_host.post({}, "load-raises")) == (503, text)


@pytest.mark.parametrize("path", ["/v1/models/nope", "/v1/models/nope:predict", "/v1/models/nope:explain"])
def test_an_unknown_model_is_a_404_that_names_it(zoo_host: LiveHost, path: str) -> None:
    method = "POST" if ":" in path else "GET"
    assert said(zoo_host.request(method, path, b"{}")) == (404, error("Model with name nope does not exist."))


def test_get_takes_predict_for_a_part_of_the_models_name(zoo_host: LiveHost) -> None:
    text = error("Model with name echo:predict does not exist.")
    assert said(zoo_host.get("/v1/models/echo:predict")) == (404, text)


def test_a_model_without_explainer_is_a_501(zoo_host: LiveHost) -> None:
    reply = zoo_host.request("POST", "/v1/models/echo:explain", b"{}")
    assert said(reply) == (501, error("Could not find explainer_host."))


def test_a_slash_at_the_end_of_the_list_is_redirected(zoo_host: LiveHost) -> None:
    reply = zoo_host.get("/v1/models/")
    assert (reply.status, reply.headers["location"], reply.body) == (307, "/v1/models", b"")


@pytest.mark.parametrize(
    "path", ["/nope", "/v1", "/v1/", "//v1/models", "/v1/models/echo/x", "/v1/models/echo:nope", "/V1/models"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_is_a_404_in_the_envelope(zoo_host: LiveHost, method: str, path: str) -> None:
    status, body = said(zoo_host.request(method, path, b"{}" if method == "POST" else None))
    as_a_model = method == "GET" and path == "/v1/models/echo:nope"
    told = "Model with name echo:nope does not exist." if as_a_model else "Not Found"
    if path == "/v1/models/echo:nope" and method == "POST":
        assert (status, body) == (405, error("Method Not Allowed"))
    else:
        assert (status, body) == (404, error(told))


@pytest.mark.parametrize(
    ("path", "methods", "allowed"),
    [
        ("/", ["HEAD", "OPTIONS", "PUT", "POST", "DELETE", "PATCH"], "GET"),
        ("/v1/models", ["HEAD", "OPTIONS", "PUT", "POST"], "GET"),
        ("/v1/models/echo", ["HEAD", "OPTIONS", "PUT", "POST"], "GET"),
        ("/v1/models/echo:predict", ["HEAD", "OPTIONS", "PUT"], "POST"),
    ],
)
def test_a_wrong_method_is_a_405_that_tells_the_right_one(
    zoo_host: LiveHost, path: str, methods: list[str], allowed: str
) -> None:
    for method in methods:
        with RawClient(zoo_host.port) as client:
            client.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
            reply = client.reply(has_body=method != "HEAD")
            assert (method, reply.status, reply.headers["allow"]) == (method, 405, allowed)
            assert reply.body == (b"" if method == "HEAD" else error("Method Not Allowed"))
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.reply().body == b'{"status":"alive"}', f"after {method}"


# Names


def test_a_dotted_name_works(zoo_host: LiveHost) -> None:
    assert said(zoo_host.get("/v1/models/zoo-0.6b")) == (200, b'{"name":"zoo-0.6b","ready":true}')
    assert said(zoo_host.post({"a": 1}, "zoo-0.6b")) == (200, b'{"a":1}')


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("caf%C3%A9", "café"),
        ("a%2Fb", "a/b"),
        ("%FF", "\ufffd"),
        ("x%0D%0ASet-Cookie:%20a", "x\r\nSet-Cookie: a"),
    ],
)
def test_a_percent_encoded_name_is_told_decoded_and_stays_in_the_body(
    zoo_host: LiveHost, path: str, name: str
) -> None:
    reply = zoo_host.get(f"/v1/models/{path}")
    assert (reply.status, reply.json()) == (404, {"error": f"Model with name {name} does not exist."})
    assert "set-cookie" not in reply.headers


@pytest.mark.parametrize(
    "path", ["%65cho:predict", "echo%3Apredict", "zoo%2D0%2E6b:predict", "echo:predict?x=1"]
)
def test_a_percent_encoded_path_finds_its_model(zoo_host: LiveHost, path: str) -> None:
    assert said(zoo_host.request("POST", f"/v1/models/{path}", b'{"a":1}')) == (200, b'{"a":1}')


# What is sent


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "application/x-www-form-urlencoded",
        "application/json",
        "application/json; charset=utf-8",
        "text/plain",
        "application/cloudevents+json",
        "application/ld+json",
        "application/octet-stream",
        "no type at all",
    ],
)
def test_a_body_is_read_as_json_whatever_its_content_type(
    zoo_host: LiveHost, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    reply = zoo_host.post({"rev_id": 1, "title": "é"}, headers=headers)
    assert said(reply) == (200, '{"rev_id":1,"title":"é"}'.encode())


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "Input is a zero-length, empty document: line 1 column 1 (char 0)"),
        (b"{1", "unexpected character, expected a string key: line 1 column 2 (char 1)"),
        (b"{", "unexpected end of data: line 1 column 2 (char 1)"),
        (b"NaN", "unexpected character, expected a JSON value: line 1 column 1 (char 0)"),
        (b"a=1&b=2", "unexpected character, expected a JSON value: line 1 column 1 (char 0)"),
        (b'"\\ud800"', "no low surrogate in string: line 1 column 2 (char 1)"),
        (b"\xff", "str is not valid UTF-8: surrogates not allowed: line 1 column 1 (char 0)"),
    ],
)
def test_a_body_that_is_no_json_is_a_400_that_says_where(zoo_host: LiveHost, body: bytes, text: str) -> None:
    # The words after the prefix are those of the installed orjson.
    status, answer = said(zoo_host.post(body))
    assert (status, answer) == (400, error(NOT_JSON + text))


@pytest.mark.parametrize("key", ["instances", "inputs"])
@pytest.mark.parametrize("value", ["x", {"a": 1}, 1, None])
def test_instances_and_inputs_must_be_lists(zoo_host: LiveHost, key: str, value: Any) -> None:
    assert said(zoo_host.post({key: value})) == (400, error(f'Expected "{key}" to be a list'))
    assert said(zoo_host.post({key: []})) == (200, b'{"%s":[]}' % key.encode())


@pytest.mark.parametrize("value", [[1, 2], [], "text", 0, None, True, 1.5])
def test_a_body_may_be_any_json_value(zoo_host: LiveHost, value: Any) -> None:
    reply = zoo_host.post(value, "knows")
    assert reply.status == 200
    assert reply.json()["payload"] == value


def test_a_list_that_a_hook_cannot_take_is_a_500_that_names_the_hook(zoo_host: LiveHost) -> None:
    reply = zoo_host.post([1], "stages")
    expected = "The hook fetch of model stages failed; the log has the reason under request id "
    assert said(reply) == (500, error(f"{expected}{reply.headers['x-request-id']}."))


@pytest.mark.parametrize("body", [b"", b"\x00\xff", b"{not json", b'{"instances":"x"}'])
def test_a_model_that_accepts_raw_bytes_gets_them_as_they_came(zoo_host: LiveHost, body: bytes) -> None:
    assert said(zoo_host.post(body, "raw")) == (200, b'{"type":"bytes","length":%d}' % len(body))


def test_a_hook_knows_the_request(zoo_host: LiveHost) -> None:
    known = zoo_host.post({"a": 1}, "knows", {"X-Request-Id": "abc", "User-Agent": "me/1 (\xe9)"}).json()
    assert 50 < known.pop("remaining") <= 60
    assert known == {
        "id": "abc", "model": "knows", "protocol": "v1", "agent": "me/1 (\xe9)", "payload": {"a": 1},
    }  # fmt: skip


# What comes back


@pytest.mark.parametrize(
    ("returned", "body"),
    [
        ("list", b"[1,2]"),
        ("none", b"null"),
        ("nan", b'{"a":null,"b":[null,1.5]}'),
        ("int keys", b'{"12345":{"ok":true},"null":1,"1.5":2}'),
        ("unicode", '{"é":"</script>"}'.encode()),
        ("big", b'{"n":1180591620717411303424,"text":"\\ud800"}'),
        ("numpy", b'{"scalar":0.5,"integer":3,"array":[[1.0,null],[2.0,3.0]],"strided":[0,2,4],"7":true}'),
    ],
)
def test_a_response_is_encoded_compactly(zoo_host: LiveHost, returned: str, body: bytes) -> None:
    assert said(zoo_host.post({"return": returned}, "returns")) == (200, body)


@pytest.mark.parametrize(("returned", "body"), [("str", "plain é".encode()), ("bytes", b"\x00\xff")])
def test_text_and_bytes_are_sent_as_they_are_without_a_content_type(
    zoo_host: LiveHost, returned: str, body: bytes
) -> None:
    reply = zoo_host.post({"return": returned}, "returns")
    assert (reply.status, reply.body, "content-type" in reply.headers) == (200, body, False)


def test_a_set_is_a_500_whose_reason_stays_in_the_log(zoo_host: LiveHost) -> None:
    given = str(uuid.uuid4())
    reply = zoo_host.post({"return": "set"}, "returns", {"X-Request-Id": given})
    text = f"Encoding the response of model returns failed; the log has the reason under request id {given}."
    assert said(reply) == (500, error(text))
    logged = zoo_host.log.partition(f"request {given}: encode of model returns failed")[2]
    assert "TypeError: Type is not JSON serializable: set" in logged


def test_every_answer_has_a_date_a_length_and_a_request_id(zoo_host: LiveHost) -> None:
    for reply in (zoo_host.get("/"), zoo_host.get("/nope"), zoo_host.post({})):
        assert set(reply.headers) == {"content-type", "content-length", "date", "x-request-id"}
        assert UUID.fullmatch(reply.headers["x-request-id"])
