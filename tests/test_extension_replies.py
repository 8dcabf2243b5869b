"""Whatever an extension's route answers, its client gets an answer; and which paths are the route's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from distributions import install, path_with
from liftwing_host.pytest_plugin import LiveHost

EXTENSION = """
import asyncio, json

from liftwing_host import LiftwingError, hookimpl
from liftwing_host.extension import Reply, Route

class Busy(LiftwingError):
    status = 503
    retry_after = "1\\r\\nX-Smuggled: 1"

async def cancels_itself():
    asyncio.current_task().cancel()
    await asyncio.sleep(60)

async def waits_for_one_that_was_cancelled():
    task = asyncio.create_task(asyncio.sleep(60))
    task.cancel()
    await task

class Tells:
    def __getattr__(self, name):
        raise RuntimeError("told")

async def odd(request):
    kind = request.arguments["kind"]
    if kind == "surrogate":
        raise LiftwingError("half a character: \\ud800", status=418)
    if kind == "busy":
        raise Busy("come again")
    if kind == "cancels itself":
        await cancels_itself()
    if kind == "cancelled":
        await waits_for_one_that_was_cancelled()
    return {
        "none": None,
        "text": Reply(200, "text"),
        "dict": {"status": 200},
        "no status": Reply(None, b""),
        "status of its own": Reply(99, b""),
        "too early": Reply(100, b""),
        "header not latin-1": Reply(200, b"{}", headers={"X-Name": "\\u0142"}),
        "header name": Reply(200, b"{}", headers={"X Name": "1"}),
        "header split": Reply(200, b"{}", headers={"X-Name": "1\\r\\nX-Smuggled: 1"}),
        "header cut": Reply(200, b"{}", headers={"X-Name": "1\\0"}),
        "name split": Reply(200, b"{}", headers={"X-Name: 1\\r\\nX-Smuggled": "1"}),
        "no headers": Reply(200, b"{}", headers=None),
        "type split": Reply(200, b"{}", "text/plain\\nX-Smuggled: 1"),
        "right": Reply(200, bytearray(b"{}"), None, headers={"X-Name": "caf\\u00e9\\t1", "X-Number": 5}),
    }[kind]

async def arguments(request):
    return Reply(200, json.dumps(dict(request.arguments)).encode())

@hookimpl
def liftwing_routes(host):
    return [
        Route("GET", "/odd/(?P<kind>[^/]+)", odd),
        Route("GET", "/own(?:/(?P<rev>[^/]+))?", arguments),
        Route("GET", "/one|/two/(?P<a>.*)", arguments),
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
    ],
)
def test_a_route_gets_the_paths_that_its_pattern_matches_as_a_whole(
    host: LiveHost, path: str, status: int, told: object
) -> None:
    reply = host.request("GET", path, timeout=10)
    assert (reply.status, reply.json()) == (status, told)
