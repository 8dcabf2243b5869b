"""The outlink plugin, served: what a client of the HTTP route gets, from the demo and from a real MediaWiki."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

import liftwing_plugin_outlink
from liftwing_host.pytest_plugin import LiveHost
from mediawiki.faults import Slow
from mediawiki.proxy import FlakyProxy
from mediawiki.wiki import Wiki

MODEL = "outlink-topic-model"
ADAMS = {"page_title": "Douglas_Adams", "lang": "en"}
WEIGHTS = str(files(liftwing_plugin_outlink) / "demo" / "model.ftz")
UNAVAILABLE = (
    "An unexpected error has occurred while trying to get outlinks from MW API. "
    "Please contact the ML team for more info."
)

Serve = Callable[..., LiveHost]


def topics(answer: dict[str, Any]) -> dict[str, float]:
    return {result["topic"]: result["score"] for result in answer["prediction"]["results"]}


def test_the_demo_answers_the_first_curl_of_the_readme(liftwing: Serve) -> None:
    host = liftwing(MODEL, arguments=["--demo"])
    answer = host.predict(ADAMS)
    assert list(answer) == ["prediction"]
    assert answer["prediction"]["article"] == "https://en.wikipedia.org/wiki/Douglas_Adams"
    found = topics(answer)
    assert "Culture.Literature" in found
    assert "STEM.Mathematics" not in found
    scores = list(found.values())
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= 0.5
    assert len(topics(host.predict(ADAMS | {"debug": True}))) > 40
    assert host.predict(ADAMS) == answer


def test_the_demo_names_its_articles_to_who_asks_for_another(liftwing: Serve) -> None:
    host = liftwing(MODEL, arguments=["--demo"])
    reply = host.post({"page_title": "Not in the demo", "lang": "en"})
    assert reply.status == 400
    assert "Douglas Adams (en)" in reply.json()["error"]


def test_a_real_wiki_answers_with_its_own_links(liftwing: Serve, mediawiki: Wiki) -> None:
    host = liftwing(MODEL, settings={"wiki_url": mediawiki.url, "model_path": WEIGHTS})
    answer = host.predict(ADAMS)
    assert answer["prediction"]["article"] == "https://en.wikipedia.org/wiki/Douglas_Adams"
    assert "Culture.Literature" in topics(answer)
    by_id = host.predict({"page_id": mediawiki.page_id("en", "Douglas Adams"), "wiki_id": "enwiki"})
    assert topics(by_id) == topics(answer)
    finnish = host.predict(ADAMS | {"lang": "fi", "debug": True})
    assert finnish["prediction"]["article"].startswith("https://fi.wikipedia.org/")
    assert topics(finnish) != topics(host.predict(ADAMS | {"debug": True}))


def test_editing_the_page_changes_the_answer(liftwing: Serve, mediawiki: Wiki) -> None:
    host = liftwing(MODEL, settings={"wiki_url": mediawiki.url, "model_path": WEIGHTS})
    page = {"page_title": "Edited in a test", "lang": "en", "debug": True}
    mediawiki.edit("en", "Edited in a test", "[[:Physics]] [[:Chemistry]] [[:Gravity]]")
    first = topics(host.predict(page))
    mediawiki.edit("en", "Edited in a test", "[[:Rock music]] [[:Guitar]] [[:Hard rock]]")
    second = topics(host.predict(page))
    assert first["STEM.STEM*"] > second["STEM.STEM*"]
    assert first["Culture.Media.Music"] < second["Culture.Media.Music"]


def test_a_missing_page_is_a_400_that_names_it(liftwing: Serve, mediawiki: Wiki) -> None:
    host = liftwing(MODEL, settings={"wiki_url": mediawiki.url, "model_path": WEIGHTS})
    reply = host.post({"page_title": "No such page", "lang": "en"})
    assert reply.status == 400
    assert "https://en.wikipedia.org/wiki/No_such_page" in reply.json()["error"]


def test_a_wiki_that_is_down_is_a_500_with_lift_wings_text_and_the_cause_in_the_log(
    liftwing: Serve, nowhere: str
) -> None:
    table = {"wiki_url": nowhere, "model_path": WEIGHTS, "mw_api_max_retries": 0}
    host = liftwing(MODEL, settings=table)
    reply = host.post(ADAMS, headers={"X-Request-Id": "find-me"})
    assert (reply.status, reply.json()) == (500, {"error": UNAVAILABLE})
    host.wait_for(lambda: "find-me" in host.log, "the cause in the log")
    assert nowhere.removeprefix("http://") in host.log


def test_slow_answers_of_the_wiki_overlap(liftwing: Serve, flaky_mediawiki: FlakyProxy) -> None:
    flaky_mediawiki.fail(Slow(0.5), times=1000)
    table = {"wiki_url": flaky_mediawiki.url, "model_path": WEIGHTS}
    host = liftwing(MODEL, settings=table, arguments=["--workers", "1"])
    with ThreadPoolExecutor(20) as clients:
        replies = list(clients.map(lambda _: host.post(ADAMS), range(20)))
    assert {reply.status for reply in replies} == {200}
    began = sorted(asked.time for asked in flaky_mediawiki.asked)
    # Twenty requests of two queries of half a second each, one after the other, would take 20 s.
    assert began[-1] - began[0] < 10


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (
            "AIOHTTP_CLIENT_TIMEOUT",
            "soon",
            "AIOHTTP_CLIENT_TIMEOUT='soon' is not allowed: expected a number greater",
        ),
        (
            "MW_API_MAX_RETRIES",
            "-1",
            "MW_API_MAX_RETRIES='-1' is not allowed: expected a whole number of at least 0",
        ),
        ("WIKI_URL", "en.wikipedia.org", "WIKI_URL"),
    ],
)
def test_a_wrong_setting_names_the_variable_the_value_and_what_is_allowed(
    liftwing: Serve, variable: str, value: str, said: str
) -> None:
    host = liftwing(MODEL, environ={variable: value}, arguments=["--demo"], wait=False)
    host.wait_for(lambda: "is NOT READY" in host.log, "the report")
    assert said in host.log
    assert value in host.log
    assert host.post(ADAMS).status == 503


def test_the_file_wins_over_the_environment(liftwing: Serve, mediawiki: Wiki, nowhere: str) -> None:
    table = {"wiki_url": mediawiki.url, "model_path": WEIGHTS}
    host = liftwing(MODEL, settings=table, environ={"WIKI_URL": nowhere})
    assert host.post(ADAMS).status == 200


def test_an_unknown_key_is_named_with_the_one_that_was_meant(liftwing: Serve) -> None:
    host = liftwing(MODEL, settings={"wiki_ulr": "http://localhost"}, arguments=["--demo"], wait=False)
    said = "[models.outlink-topic-model]: unknown key 'wiki_ulr'. Did you mean 'wiki_url'?"
    host.wait_for(lambda: said in host.log, "the report")


def test_without_a_model_file_the_report_says_where_it_is_published(liftwing: Serve, tmp_path: Path) -> None:
    host = liftwing(MODEL, environ={"LIFTWING_DOWNLOADS": str(tmp_path)}, wait=False)
    host.wait_for(lambda: "is NOT READY" in host.log, "the report")
    for said in (
        "/mnt/models/model.bin",
        f"{tmp_path}/{MODEL}/model.bin",
        "https://analytics.wikimedia.org/published/wmf-ml-models/articletopic/outlink/",
        f"liftwing-host download {MODEL}",
        "--demo",
    ):
        assert said in host.log
    assert "Traceback" not in host.log


def test_a_downloaded_file_is_served(liftwing: Serve, mediawiki: Wiki, tmp_path: Path) -> None:
    (tmp_path / MODEL).mkdir()
    (tmp_path / MODEL / "model.bin").write_bytes(Path(WEIGHTS).read_bytes())
    host = liftwing(
        MODEL, settings={"wiki_url": mediawiki.url}, environ={"LIFTWING_DOWNLOADS": str(tmp_path)}
    )
    assert host.post(ADAMS).status == 200


def test_a_half_says_in_its_log_whether_it_has_loaded_a_model(liftwing: Serve) -> None:
    back = liftwing(MODEL, arguments=["--demo", "--role", "predictor", "--workers", "1"])
    at = f"127.0.0.1:{back.port}"
    front = liftwing(MODEL, arguments=["--demo", "--predictor-host", at, "--workers", "1"])
    assert front.post(ADAMS).status == 200
    assert "role predictor, version not told; loaded fastText's model" in back.log
    assert "role transformer, version not told; loaded no fastText model: the predictor has it" in front.log
    assert "loaded fastText's model" not in front.log
