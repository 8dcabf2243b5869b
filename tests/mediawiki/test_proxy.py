"""The proxy misbehaves as told, and what it says in MediaWiki's place is what MediaWiki says."""

from __future__ import annotations

import asyncio
import json
import math
import time
from typing import Any

import aiohttp
import pytest

from .faults import ApiError, Drop, Slow, Status
from .proxy import FlakyProxy
from .wiki import Wiki

QUERY = {"action": "query", "titles": "Douglas Adams", "format": "json", "formatversion": "2"}


async def ask(url: str, **more: str) -> tuple[int, dict[str, str], Any]:
    """Status, headers and body of an answer."""
    timeout = aiohttp.ClientTimeout(total=0.5)
    headers = {"Host": "fi.wikipedia.org"}
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(f"{url}/w/api.php", params={**QUERY, **more}, headers=headers) as response,
    ):
        body = await response.read()
        return (
            response.status,
            dict(response.headers),
            json.loads(body) if body[:1] == b"{" else body,
        )


def test_what_passes_is_the_wikis_answer_and_is_remembered(
    mediawiki: Wiki, flaky_mediawiki: FlakyProxy
) -> None:
    started = time.monotonic()
    _, _, body = asyncio.run(ask(flaky_mediawiki.url))
    assert body["query"]["pages"][0]["pageid"] == mediawiki.page_id("fi", "Douglas Adams")
    [asked] = flaky_mediawiki.asked
    assert (asked.method, asked.path, asked.parameters) == ("GET", "/w/api.php", QUERY)
    assert (asked.headers["Host"], asked.status) == ("fi.wikipedia.org", 200)
    assert started < asked.time < time.monotonic()


@pytest.mark.parametrize("title", ["100% (song)", "C++", "Simon & Garfunkel", "What Is Life?"])
def test_an_encoded_title_passes_unchanged(flaky_mediawiki: FlakyProxy, title: str) -> None:
    _, _, body = asyncio.run(ask(flaky_mediawiki.url, titles=title))
    assert body["query"]["pages"][0]["title"] == title
    assert flaky_mediawiki.asked[0].parameters["titles"] == title


def test_a_form_is_passed_on(mediawiki: Wiki, flaky_mediawiki: FlakyProxy) -> None:
    async def post() -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{flaky_mediawiki.url}/w/api.php", data={**QUERY, "titles": "Łódź"}) as response,
        ):
            return await response.json()

    assert asyncio.run(post())["query"]["pages"][0]["pageid"] == mediawiki.page_id("en", "Łódź")
    assert flaky_mediawiki.asked[0].parameters["titles"] == "Łódź"


def test_an_http_error_comes_as_often_as_told(flaky_mediawiki: FlakyProxy) -> None:
    flaky_mediawiki.fail(Status(429, retry_after=1))
    flaky_mediawiki.fail(Status(503), times=2)
    answers = [asyncio.run(ask(flaky_mediawiki.url)) for _ in range(4)]
    assert [status for status, _, _ in answers] == [429, 503, 503, 200]
    assert answers[0][1]["Retry-After"] == "1"
    assert [asked.status for asked in flaky_mediawiki.asked] == [429, 503, 503, 200]


def test_a_fault_can_be_for_some_requests_only(flaky_mediawiki: FlakyProxy) -> None:
    flaky_mediawiki.fail(Status(500), math.inf, lambda asked: asked.parameters["titles"] == "Moon")
    assert asyncio.run(ask(flaky_mediawiki.url))[0] == 200
    assert [asyncio.run(ask(flaky_mediawiki.url, titles="Moon"))[0] for _ in range(3)] == [500] * 3
    flaky_mediawiki.heal()
    assert asyncio.run(ask(flaky_mediawiki.url, titles="Moon"))[0] == 200


@pytest.mark.parametrize("version", ["1", "2"])
def test_an_api_error_looks_like_mediawikis(flaky_mediawiki: FlakyProxy, version: str) -> None:
    """The lag of a wiki with one database is minus one: asking for less gives a real error."""
    status, headers, body = asyncio.run(ask(flaky_mediawiki.url, maxlag="-2", formatversion=version))
    flaky_mediawiki.fail(ApiError("maxlag"))
    ours = asyncio.run(ask(flaky_mediawiki.url, formatversion=version))
    assert (ours[0], ours[1]["MediaWiki-API-Error"]) == (status, headers["MediaWiki-API-Error"])
    assert set(ours[2]["error"]) == set(body["error"])
    assert {"Retry-After", "X-Database-Lag"} <= set(headers) & set(ours[1])


@pytest.mark.parametrize("code", ["ratelimited", "readonly", "internal_api_error_DBQueryError"])
def test_an_api_error_has_its_code_and_status_200(flaky_mediawiki: FlakyProxy, code: str) -> None:
    flaky_mediawiki.fail(ApiError(code))
    status, headers, body = asyncio.run(ask(flaky_mediawiki.url))
    assert (status, headers["MediaWiki-API-Error"], body["error"]["code"]) == (200, code, code)


def test_a_slow_answer_is_late_and_its_client_may_leave(flaky_mediawiki: FlakyProxy) -> None:
    flaky_mediawiki.fail(Slow(0.1))
    started = time.monotonic()
    assert asyncio.run(ask(flaky_mediawiki.url))[0] == 200
    assert time.monotonic() - started >= 0.1
    flaky_mediawiki.fail(Slow(60))
    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(ask(flaky_mediawiki.url))
    assert flaky_mediawiki.asked[-1].status is None


def test_a_connection_is_dropped_at_once(flaky_mediawiki: FlakyProxy) -> None:
    """Twice, as aiohttp asks once more by itself."""
    flaky_mediawiki.fail(Drop(), times=2)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        asyncio.run(ask(flaky_mediawiki.url))
    assert [asked.status for asked in flaky_mediawiki.asked] == [None, None]


def test_a_connection_is_dropped_midway(flaky_mediawiki: FlakyProxy) -> None:
    flaky_mediawiki.fail(Drop(midway=True))
    with pytest.raises(aiohttp.ClientPayloadError):
        asyncio.run(ask(flaky_mediawiki.url))
    assert [asked.status for asked in flaky_mediawiki.asked] == [None]


def test_nothing_listens_nowhere(nowhere: str) -> None:
    with pytest.raises(aiohttp.ClientConnectorError):
        asyncio.run(ask(nowhere))
