"""The outlink plugin before a MediaWiki that misbehaves: what the client gets, and what the wiki has to bear."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass

import pytest
from aiohttp import web

from mediawiki.faults import ApiError, Drop, Fault, Forward, Slow, Status
from mediawiki.proxy import FlakyProxy
from mediawiki.wiki import Wiki
from outlink import ADAMS, UNAVAILABLE, asking, error, items, linked

# What the wiki sees


def test_each_call_says_which_wikipedia_it_wants_and_who_asks(flaky_mediawiki: FlakyProxy) -> None:
    items(flaky_mediawiki.url, {"lang": "fi", "page_title": "Douglas Adams"}, asking("id-7"))
    assert len(flaky_mediawiki.asked) == 2
    for asked in flaky_mediawiki.asked:
        headers = {name.lower(): value for name, value in asked.headers.items()}
        assert headers["host"] == "fi.wikipedia.org"
        assert headers["x-request-id"] == "id-7"
        assert headers["user-agent"].startswith("liftwing-plugin-outlink/")
        assert "https://" in headers["user-agent"]
        assert asked.path == "/w/api.php"


def test_only_links_to_articles_are_asked_for_as_many_at_once_as_mediawiki_gives(
    flaky_mediawiki: FlakyProxy,
) -> None:
    items(flaky_mediawiki.url, ADAMS)
    _, links = flaky_mediawiki.asked
    assert links.parameters["generator"] == "links"
    assert (links.parameters["gplnamespace"], links.parameters["gpllimit"]) == ("0", "500")


def test_an_operator_can_choose_the_user_agent(flaky_mediawiki: FlakyProxy) -> None:
    items(flaky_mediawiki.url + "/", ADAMS, custom_ua="my-host/1.0 (me@example.org)")
    assert {a.headers["User-Agent"] for a in flaky_mediawiki.asked} == {"my-host/1.0 (me@example.org)"}
    assert {asked.path for asked in flaky_mediawiki.asked} == {"/w/api.php"}


def test_features_that_the_client_sends_are_not_asked_for(flaky_mediawiki: FlakyProxy) -> None:
    assert items(flaky_mediawiki.url, {**ADAMS, "features_str": "Q42"}) == set()
    assert flaky_mediawiki.asked == []


# What goes wrong


TRANSIENT = [
    *(Status(code) for code in (429, 500, 502, 503, 504)),
    *(ApiError(code) for code in ("ratelimited", "readonly", "internal_api_error_DBQueryError")),
    Drop(midway=True),
]


@pytest.mark.parametrize("fault", TRANSIENT, ids=str)
def test_a_failure_that_passes_is_never_seen_by_the_client(flaky_mediawiki: FlakyProxy, fault: Fault) -> None:
    flaky_mediawiki.fail(fault, times=2)
    assert items(flaky_mediawiki.url, ADAMS) == linked("Douglas Adams")


@pytest.mark.parametrize("fault", TRANSIENT, ids=str)
def test_a_failure_that_stays_is_a_500_after_the_last_repetition(
    flaky_mediawiki: FlakyProxy, fault: Fault
) -> None:
    flaky_mediawiki.fail(fault, times=math.inf)
    told = error(flaky_mediawiki.url, ADAMS)
    assert (told.http_status, told.message) == (500, UNAVAILABLE)
    assert len(flaky_mediawiki.asked) == 3


@pytest.mark.parametrize("retries", [0, 1, 4])
def test_an_operator_can_choose_how_often_a_call_is_repeated(
    flaky_mediawiki: FlakyProxy, retries: int
) -> None:
    flaky_mediawiki.fail(Status(503), times=math.inf)
    assert error(flaky_mediawiki.url, ADAMS, mw_api_max_retries=retries).http_status == 500
    assert len(flaky_mediawiki.asked) == 1 + retries


@pytest.mark.parametrize(
    "fault", [Status(400), Status(403), Status(404), Status(301), ApiError("readapidenied")], ids=str
)
def test_any_other_failure_is_a_500_at_once(flaky_mediawiki: FlakyProxy, fault: Fault) -> None:
    flaky_mediawiki.fail(fault)
    told = error(flaky_mediawiki.url, ADAMS)
    assert (told.http_status, told.message) == (500, UNAVAILABLE)
    assert len(flaky_mediawiki.asked) == 1


@dataclass(frozen=True)
class Elsewhere:
    """A redirect to another server."""

    url: str

    async def answer(self, request: web.Request, forward: Forward) -> web.Response:
        """Answer without asking MediaWiki."""
        return web.Response(status=301, headers={"Location": self.url + request.raw_path})


def test_a_redirect_to_another_server_is_not_followed(flaky_mediawiki: FlakyProxy, mediawiki: Wiki) -> None:
    flaky_mediawiki.fail(Elsewhere(mediawiki.url))
    told = error(flaky_mediawiki.url, ADAMS)
    assert (told.http_status, told.message) == (500, UNAVAILABLE)


@pytest.mark.parametrize(
    "code", ["nosuchrevid", "missingtitle", "invalidtitle", "nosuchpageid", "permissiondenied"]
)
@pytest.mark.parametrize("revision", [None, 12])
def test_what_mediawiki_says_is_not_there_is_a_400_at_once(
    flaky_mediawiki: FlakyProxy, code: str, revision: int | None
) -> None:
    flaky_mediawiki.fail(ApiError(code))
    told = error(flaky_mediawiki.url, {**ADAMS, "revision_id": revision})
    asked = 'page "Douglas Adams"' if revision is None else "revision 12"
    assert told.http_status == 400
    assert told.message == f"Cannot fetch {asked} on en.wikipedia.org: MediaWiki API error '{code}'."
    assert len(flaky_mediawiki.asked) == 1


def test_a_failure_in_the_middle_of_many_answers_is_repeated_there(flaky_mediawiki: FlakyProxy) -> None:
    flaky_mediawiki.fail(Status(503), when=lambda asked: "gplcontinue" in asked.parameters)
    assert len(items(flaky_mediawiki.url, {"lang": "en", "page_title": "List of 700 things"})) == 700
    assert [asked.status for asked in flaky_mediawiki.asked] == [200, 200, 503, 200]


def test_a_server_that_is_down_is_a_500(nowhere: str) -> None:
    told = error(nowhere, ADAMS)
    assert (told.http_status, told.message) == (500, UNAVAILABLE)


def test_a_slow_call_ends_at_the_timeout_and_is_repeated(flaky_mediawiki: FlakyProxy) -> None:
    flaky_mediawiki.fail(Slow(30))
    started = time.monotonic()
    assert items(flaky_mediawiki.url, ADAMS, aiohttp_client_timeout=0.5) == linked("Douglas Adams")
    assert 0.5 <= time.monotonic() - started < 10


def test_a_server_that_stays_slow_is_a_500(flaky_mediawiki: FlakyProxy) -> None:
    flaky_mediawiki.fail(Slow(30), times=math.inf)
    started = time.monotonic()
    told = error(flaky_mediawiki.url, ADAMS, aiohttp_client_timeout=0.2, mw_api_max_retries=1)
    assert (told.http_status, told.message) == (500, UNAVAILABLE)
    assert 0.4 <= time.monotonic() - started < 10
    assert len(flaky_mediawiki.asked) == 2


def test_a_call_never_lasts_longer_than_the_client_waits(flaky_mediawiki: FlakyProxy) -> None:
    flaky_mediawiki.fail(Slow(30), times=math.inf)
    request = asking(seconds=0.3)
    assert error(flaky_mediawiki.url, ADAMS, request, aiohttp_client_timeout=30).http_status == 500
    assert request.remaining() == 0.0
    assert time.monotonic() - request.deadline < 10
    assert len(flaky_mediawiki.asked) == 1


def test_no_repetition_waits_beyond_the_time_of_the_client(flaky_mediawiki: FlakyProxy) -> None:
    flaky_mediawiki.fail(Status(503), times=math.inf)
    request = asking(seconds=60)
    assert error(flaky_mediawiki.url, ADAMS, request, mw_api_retry_base_delay=1000).http_status == 500
    assert request.remaining() > 0
    assert len(flaky_mediawiki.asked) == 1


def test_the_pause_before_each_further_repetition_is_twice_as_long(flaky_mediawiki: FlakyProxy) -> None:
    flaky_mediawiki.fail(Status(503), times=2)
    items(flaky_mediawiki.url, ADAMS, mw_api_retry_base_delay=0.4)
    first, second, third, *_ = (asked.time for asked in flaky_mediawiki.asked)
    assert second - first >= 0.3
    assert third - second >= 0.6


def test_a_server_that_names_the_pause_gets_it(flaky_mediawiki: FlakyProxy) -> None:
    flaky_mediawiki.fail(Status(429, retry_after=1))
    assert items(flaky_mediawiki.url, ADAMS) == linked("Douglas Adams")
    first, second, *_ = (asked.time for asked in flaky_mediawiki.asked)
    assert second - first >= 1


@pytest.mark.parametrize("fault", [Status(429, retry_after=3600), ApiError("maxlag")], ids=str)
def test_a_server_that_names_a_long_pause_gets_no_longer_one_than_a_call_may_take(
    flaky_mediawiki: FlakyProxy, fault: Fault
) -> None:
    flaky_mediawiki.fail(fault)
    assert items(flaky_mediawiki.url, ADAMS, aiohttp_client_timeout=2.0) == linked("Douglas Adams")
    first, second, *_ = (asked.time for asked in flaky_mediawiki.asked)
    assert second - first >= 2


def test_the_cause_of_a_failure_is_in_the_log_with_the_id_of_the_request(
    flaky_mediawiki: FlakyProxy, caplog: pytest.LogCaptureFixture
) -> None:
    flaky_mediawiki.fail(Status(503), times=math.inf)
    error(flaky_mediawiki.url, ADAMS, asking("id-42"), mw_api_max_retries=1)
    records = [record for record in caplog.records if record.name == "liftwing_plugin_outlink"]
    assert [record.levelno for record in records] == [logging.WARNING, logging.ERROR]
    for number, record in enumerate(records, start=1):
        line = record.getMessage()
        assert "request id-42" in line
        assert f"attempt {number} of 2" in line
        assert f"{flaky_mediawiki.url}/w/api.php" in line
        assert "Douglas Adams" in line
        assert "503" in line
