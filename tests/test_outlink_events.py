"""The outlink plugin, served: MediaWiki's events in, and the events that follow, as an extension of the host gets them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from distributions import install, path_with
from eventgate.validation import judge
from liftwing_host.pytest_plugin import LiveHost

MODEL = "outlink-topic-model"
STREAM = "mediawiki.page_outlink_topic_prediction_change.v1"
ROOT = Path(__file__).parent.parent
CHANGE = json.loads((ROOT / "plugins/outlink/tests/page_change.json").read_text(encoding="utf-8"))
TAKER = """
import json
from pathlib import Path

from liftwing_host import hookimpl

@hookimpl
async def liftwing_accept(events):
    with Path(__file__).with_name("taken").open("a") as file:
        for event in events:
            file.write(json.dumps({"body": event.body, "model": event.model}) + "\\n")
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return install(tmp_path / "site", "taker", extensions={"taker": "taker"}, code={"taker": TAKER})


@pytest.fixture
def host(liftwing: Callable[..., LiveHost], site: Path) -> LiveHost:
    settings = {"eventgate_stream": STREAM, "model_version": "20221111111111"}
    return liftwing(MODEL, settings=settings, arguments=["--demo"], environ=path_with(site))


def taken(site: Path) -> list[dict[str, Any]]:
    path = site / "taken"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_changed_page_is_answered_and_its_event_is_one_that_eventgate_takes(
    host: LiveHost, site: Path
) -> None:
    answer = host.predict({"event": CHANGE})["prediction"]
    assert answer["article"] == "https://en.wikipedia.org/wiki?curid=8091"
    assert answer == host.predict({"page_id": 8091, "lang": "en"})["prediction"]
    [event] = taken(site)
    assert event["model"] == MODEL
    body = event["body"]
    assert (body["meta"]["stream"], body["meta"]["request_id"]) == (STREAM, CHANGE["meta"]["request_id"])
    classified = body["predicted_classification"]
    assert classified["predictions"] == [result["topic"] for result in answer["results"]]
    assert all(0 <= probability <= 1 for probability in classified["probabilities"].values())
    assert "new_upstream_field" not in json.dumps(body)
    assert judge(body) == ("success", {})


def test_the_event_of_the_examples_has_one_follow_that_eventgate_takes(host: LiveHost, site: Path) -> None:
    host.predict(json.loads((ROOT / "docs" / "examples" / "page_change.json").read_text(encoding="utf-8")))
    [event] = taken(site)
    assert (event["body"]["changelog_kind"], event["body"]["revision"]["rev_id"]) == ("update", 12345)
    assert judge(event["body"]) == ("success", {})


def test_an_event_of_another_project_is_a_400_and_none_follows(host: LiveHost, site: Path) -> None:
    event = copy.deepcopy(CHANGE)
    event["meta"]["domain"] = "en.wiktionary.org"
    reply = host.post({"event": event})
    text = "This model is not recommended for use in projects outside of Wikipedia — e.g. Wiktionary, Wikinews, etc."
    assert (reply.status, reply.json()) == (400, {"error": text})
    assert taken(site) == []


def test_a_source_event_that_lacks_something_is_answered_and_the_log_says_why_none_follows(
    host: LiveHost, site: Path
) -> None:
    event = {name: value for name, value in CHANGE.items() if name != "changelog_kind"}
    assert host.predict({"event": event})["prediction"]["results"]
    host.wait_for(lambda: "the page_change event has no changelog_kind" in host.log, "the log")
    assert taken(site) == []


def test_many_events_at_once_are_each_told_their_own_page(host: LiveHost, site: Path) -> None:
    def ask(number: int) -> None:
        event = copy.deepcopy(CHANGE)
        event["revision"]["rev_id"] = number
        event["meta"]["request_id"] = str(number)
        assert host.post({"event": event} if number % 2 else {"page_id": 8091, "lang": "en"}).status == 200

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(40)))
    told = [event["body"] for event in taken(site)]
    assert sorted(body["revision"]["rev_id"] for body in told) == list(range(1, 40, 2))
    assert all(body["meta"]["request_id"] == str(body["revision"]["rev_id"]) for body in told)
