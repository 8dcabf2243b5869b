"""Whatever an extension's route answers, its client gets an answer; and which paths are the route's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from distributions import install, path_with
from liftwing_host.pytest_plugin import LiveHost

EXTENSION = """
import asyncio, json

from liftwing_host import LiftwingError, hookimpl
from liftwing_host.extension import Reply, Route

class Busy(LiftwingError):
    retry_after = "1\\r\\nX-Smuggled: 1"

class Speechless(LiftwingError):
    def __init__(self):
        pass

async def cancels_itself():
    asyncio.current_task().cancel()
    await asyncio.sleep(60)

async def waits_for_one_that_was_cancelled():
    task = asyncio.create_task(asyncio.sleep(60))
    task.cancel()
    await task

async def odd(request):
    kind = request.arguments["kind"]
    if kind == "surrogate":
        raise LiftwingError("half a character: \\ud800", status=418)
    if kind == "busy":
        raise Busy("come again")
    if kind == "speechless":
        raise Speechless
    if kind == "cancels itself":
        await cancels_itself()
    if kind == "cancelled":
        await waits_for_one_that_was_cancelled()
    return {
        "none": None,
        "text": Reply(200, "text"),
        "dict": {"status": 200},
        "no status": Reply(None, b""),
        "no answer yet": Reply(100, b""),
        "header not latin-1": Reply(200, b"{}", headers={"X-Name": "\\u0142"}),
        "header name": Reply(200, b"{}", headers={"X Name": "1"}),
        "header split": Reply(200, b"{}", headers={"X-Name": "1\\r\\nX-Smuggled: 1"}),
        "header cut": Reply(200, b"{}", headers={"X-Name": "1\\0"}),
        "name split": Reply(200, b"{}", headers={"X-Name: 1\\r\\nX-Smuggled": "1"}),
        "no headers": Reply(200, b"{}", headers=None),
        "length": Reply(200, b"{}", headers={"content-Length": "3"}),
        "chunks": Reply(200, b"{}", headers={"Transfer-Encoding": "chunked"}),
        "type split": Reply(200, b"{}", "text/plain\\nX-Smuggled: 1"),
        "right": Reply(200, bytearray(b"{}"), None, headers={"X-Name": "caf\\u00e9\\t1", "X-Number": 5}),
    }[kind]

async def length(request):
    return Reply(200, str(len(request.body)).encode())

async def arguments(request):
    return Reply(200, json.dumps(dict(request.arguments)).encode())

@hookimpl
def liftwing_routes(host):
    return [
        Route("GET", "/odd/(?P<kind>[^/]+)", odd),
        Route("POST", "/length", length),
        Route("GET", "/own(?:/(?P<rev>[^/]+))?", arguments),
        Route("GET", "/one|/two/(?P<a>.*)", arguments),
        Route("GET", "(?i)/case|/other-case", arguments),
    ]
"""


@pytest.fixture(scope="module", params=["llhttp", "tornado"])
def host(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[LiveHost]:
    folder: Path = tmp_path_factory.mktemp("site")
    install(folder, "own-extension", extensions={"own": "own"}, code={"own": EXTENSION})
    arguments = ["--workers", "1", "--http", request.param]
    host = LiveHost(["echo"], environ=path_with(folder), arguments=arguments)
    yield host
    # What is not answered would hold it up for longer.
    assert host.stop(timeout=10) == 0


def told_of(host: LiveHost, request: str) -> str:
    """What the log has of a request, up to its traceback's end."""
    return host.log.rpartition(f"request {request} failed in the host\n")[2]


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/own", 200, {}),
        ("/own/12", 200, {"rev": "12"}),
        ("/own/%C3%A9%2f%ff+", 200, {"rev": "é/\N{REPLACEMENT CHARACTER}+"}),
        ("/own/", 404, {"error": "Not Found"}),
        ("/one", 200, {}),
        ("/one/more", 404, {"error": "Not Found"}),
        ("/two/", 200, {"a": ""}),
        ("/two/a/b", 200, {"a": "a/b"}),
        ("/zero/two/", 404, {"error": "Not Found"}),
        ("/CASE", 200, {}),
        ("/Other-Case", 200, {}),
        ("/Case/more", 404, {"error": "Not Found"}),
    ],
)
def test_a_route_gets_the_paths_that_its_pattern_matches_as_a_whole(
    host: LiveHost, path: str, status: int, told: object
) -> None:
    reply = host.request("GET", path, timeout=10)
    assert (reply.status, reply.json()) == (status, told)


def test_an_error_whose_text_cannot_be_sent_is_answered_all_the_same(host: LiveHost) -> None:
    reply = host.request("GET", "/odd/surrogate", timeout=10)
    assert (reply.status, reply.json()) == (418, {"error": "half a character: \\ud800"})


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("none", "the handler gave NoneType, and not a Reply"),
        ("dict", "the handler gave dict, and not a Reply"),
        ("text", "the body of the reply is str, and not bytes"),
        ("no status", "None is no status of an answer"),
        ("no answer yet", "100 is no status of an answer"),
        ("header not latin-1", "the header 'X-Name': '\u0142' cannot be sent"),
        ("header name", "the header 'X Name': '1' cannot be sent"),
        ("header split", r"the header 'X-Name': '1\r\nX-Smuggled: 1' cannot be sent"),
        ("header cut", r"the header 'X-Name': '1\x00' cannot be sent"),
        ("name split", r"the header 'X-Name: 1\r\nX-Smuggled': '1' cannot be sent"),
        ("type split", r"the header 'Content-Type': 'text/plain\nX-Smuggled: 1' cannot be sent"),
        ("no headers", "AttributeError: 'NoneType' object has no attribute 'items'"),
        ("length", "the header content-Length is sent by the host"),
        ("chunks", "the header Transfer-Encoding is sent by the host"),
        ("busy", r"the header 'Retry-After': '1\r\nX-Smuggled: 1' cannot be sent"),
        ("speechless", "AttributeError: 'Speechless' object has no attribute"),
        ("cancels itself", "the handler was cancelled, though its client has not left"),
        ("cancelled", "the handler was cancelled, though its client has not left"),
    ],
)
def test_what_cannot_be_sent_is_a_500_and_the_log_says_why(host: LiveHost, kind: str, reason: str) -> None:
    request = kind.replace(" ", "-")
    reply = host.request("GET", f"/odd/{quote(kind)}", headers={"X-Request-Id": request}, timeout=10)
    assert reply.status == 500
    assert reply.json() == {"error": f"The host failed; its log has the reason under request id {request}."}
    assert "x-smuggled" not in reply.headers
    host.wait_for(lambda: reason in told_of(host, request), "the reason in the log")


def test_what_is_unusual_and_can_be_sent_is_sent(host: LiveHost) -> None:
    reply = host.request("GET", "/odd/right", timeout=10)
    assert (reply.status, reply.body) == (200, b"{}")
    assert (reply.headers["x-name"], reply.headers["x-number"]) == ("caf\u00e9\t1", "5")
    assert "content-type" not in reply.headers


def test_a_route_gets_bodies_of_any_size(host: LiveHost) -> None:
    for size in (0, 1, 100_000, 3_000_000):
        assert host.request("POST", "/length", b"a" * size, timeout=10).body == b"%d" % size
    assert host.request("PUT", "/length", b"a" * 100_000, timeout=10).status == 405
