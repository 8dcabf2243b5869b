"""Questions that are events of changed pages, and the events that follow from their answers."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liftwing_host import InvalidInput, Request
from liftwing_plugin_outlink import OutlinkTopicModel
from liftwing_plugin_outlink.prediction import Prediction
from liftwing_plugin_outlink.query import Query

Load = Callable[..., OutlinkTopicModel]

CHANGE: dict[str, Any] = json.loads(Path(__file__).with_name("page_change.json").read_text(encoding="utf-8"))
OTHER_PROJECT = (
    "This model is not recommended for use in projects outside of Wikipedia — e.g. Wiktionary, Wikinews, etc."
)
NO_LANGUAGE = 'Missing "lang" in input data.'
NO_PAGE = 'Missing "page_id" in input data.'
SCORES = (("B", 0.5), ("A", 0.9), ("C", 0.2))
GONE = object()


def change(**changes: Any) -> dict[str, Any]:
    """The sample event with other values; `meta__domain` is the domain in its meta, and `GONE` takes a key away."""
    event = copy.deepcopy(CHANGE)
    for path, value in changes.items():
        part, (*outer, name) = event, path.split("__")
        for key in outer:
            part = part[key]
        if value is GONE:
            del part[name]
        else:
            part[name] = value
    return event


def query(event: object, **payload: Any) -> Query:
    """What a client asks with an event."""
    return Query.parse({"event": event, **payload})


def told(load: Load, event: dict[str, Any], scores: Any = SCORES, **payload: Any) -> dict[str, Any]:
    """The event that follows from these scores."""
    model = load(eventgate_stream="a.stream", model_version="20221111111111")
    body = model.event(Prediction(query(event, **payload), scores).as_json())
    assert body is not None
    return body


@pytest.mark.parametrize(
    ("changes", "host"),
    [
        ({}, "en"),
        ({"wiki_id": "be_x_oldwiki", "meta__domain": "be-tarask.wikipedia.org"}, "be-tarask"),
        ({"wiki_id": "zh_min_nanwiki", "meta__domain": "zh-min-nan.wikipedia.org"}, "zh-min-nan"),
        ({"meta__domain": GONE}, "en"),
        ({"meta": GONE}, "en"),
        ({"wiki_id": "notyetwiki", "meta__domain": "not-yet.wikipedia.org"}, "not-yet"),
        ({"$schema": "/mediawiki/page/change/1"}, "en"),
        ({"$schema": "/mediawiki/page/change/1.99.0"}, "en"),
    ],
)
def test_the_wikipedia_is_that_of_the_event(changes: dict[str, Any], host: str) -> None:
    assert query(change(**changes)).host == f"{host}.wikipedia.org"


def test_the_page_is_that_of_the_event_by_its_id_whatever_stands_beside_it() -> None:
    found = query(CHANGE, lang="fi", page_title="Helsinki", threshold=0.2, features_str="Q42")
    assert (found.lang, found.page_id, found.page_title) == ("en", 8091, None)
    assert (found.threshold, found.features, found.revision_id) == (0.2, "Q42", None)
    assert found.article == "https://en.wikipedia.org/wiki?curid=8091"
    by_title = query(change(page__page_id=GONE))
    assert (by_title.page_id, by_title.page_title) == (None, "Douglas_Adams")


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (5, 'Expected "event" to be a json dict.'),
        ([], 'Expected "event" to be a json dict.'),
        ({}, NO_LANGUAGE),
        (change(**{"$schema": GONE}), NO_LANGUAGE),
        (change(wiki_id=GONE), NO_LANGUAGE),
        (change(wiki_id=5), 'Expected "wiki_id" to be a string.'),
        (change(page=GONE), NO_PAGE),
        (change(page="Douglas_Adams"), NO_PAGE),
        (change(page__page_id=None, page__page_title=None), NO_PAGE),
        (change(page__page_id="x"), 'Expected "page_id" to be a integer.'),
        (change(page__page_id=-1), 'Expected "page_id" to be a integer.'),
        *((change(**{"$schema": schema}), f"Unsupported event of schema {schema}, the lang value cannot be determined.")
          for schema in ("/mediawiki/revision/create/2.0.0", "/mediawiki/page/change/2.0.0", "/mediawiki/page/change/10.0.0", 5)),
        *((change(meta__domain=domain), OTHER_PROJECT)
          for domain in ("en.wiktionary.org", "commons.wikimedia.org", "www.wikidata.org", "canary", "wikipedia-not.org")),
        (change(wiki_id="enwiktionary", meta__domain=GONE), OTHER_PROJECT),
        (change(wiki_id="wikidatawiki", meta__domain=GONE), "Unknown wiki_id: wikidatawiki"),
        (change(wiki_id="notyetwiki", meta__domain="evil_host.wikipedia.org"),
         'Expected "lang" to be the language code of a Wikipedia, such as "en".'),
    ],
)  # fmt: skip
def test_an_event_that_cannot_be_answered_is_a_400_that_says_why(event: object, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        query(event)
    assert (caught.value.http_status, caught.value.message) == (400, text)


def test_a_page_that_an_event_names_is_predicted_and_an_event_follows(load: Load) -> None:
    model = load(eventgate_stream="a.stream", model_version="20221111111111")
    request = Request("a-request", "outlink-topic-model")
    fetched = asyncio.run(model.fetch({"event": CHANGE}, request))
    prediction = model.predict(model.preprocess(pickle.loads(pickle.dumps(fetched))))  # noqa: S301
    results = model.postprocess(prediction)["prediction"]["results"]
    event = model.event(prediction)
    assert event is not None
    classified = event["predicted_classification"]
    assert classified["predictions"] == [result["topic"] for result in results]
    assert len(classified["probabilities"]) > 40
    assert json.loads(json.dumps(event)) == event


def test_the_event_says_this_and_nothing_else(load: Load) -> None:
    event = told(load, CHANGE)
    assert str(uuid.UUID(event["meta"].pop("id"))) != CHANGE["meta"]["id"]
    editor = {
        "edit_count": 42, "groups": ["*", "user"], "is_bot": False, "is_system": False, "is_temp": False,
        "registration_dt": "2020-01-01T00:00:00Z", "user_central_id": 7, "user_id": 6, "user_text": "Zarniwoop",
    }  # fmt: skip
    revision = {
        "rev_id": 2, "rev_dt": "2026-08-21T10:00:00Z", "comment": "a comment", "is_comment_visible": True,
        "is_content_visible": True, "is_editor_visible": True, "is_minor_edit": False, "rev_parent_id": 1,
        "rev_sha1": "phoiac9h4m842xq45sp7s6u21eteeq1", "rev_size": 30, "editor": editor,
    }  # fmt: skip
    page = {
        "page_id": 8091, "page_title": "Douglas_Adams", "is_redirect": False, "namespace_id": 0,
        "namespace_is_content": True, "revision_count": 2,
    }  # fmt: skip
    link = {
        "interwiki_prefix": "de", "is_redirect": False, "namespace_id": -1, "page_id": 9,
        "page_title": "Special:RecentChanges",
    }  # fmt: skip
    assert event == {
        "$schema": "/mediawiki/page/prediction_classification_change/1.3.0",
        "changelog_kind": "update",
        "page_change_kind": "edit",
        "dt": "2026-08-21T10:00:00Z",
        "meta": {
            "stream": "a.stream",
            "request_id": "9b1c3f6e-0000-4000-8000-000000000001",
            "domain": "en.wikipedia.org",
            "uri": "https://en.wikipedia.org/wiki/Douglas_Adams",
        },
        "wiki_id": "enwiki",
        "comment": "a comment",
        "page": page | {"redirect_page_link": link},
        "revision": revision,
        "performer": editor,
        "prior_state": {"page": page | {"page_title": "D._Adams"}, "revision": revision | {"rev_id": 1}},
        "created_redirect_page": page | {"page_id": 10, "page_title": "D._Adams"},
        "predicted_classification": {
            "model_name": "outlink-topic-model",
            "model_version": "20221111111111",
            "predictions": ["A"],
            "probabilities": {"A": 0.9, "B": 0.5, "C": 0.2},
        },
    }


def test_what_the_source_event_has_not_is_not_made_up(load: Load) -> None:
    gone = (
        "comment",
        "performer",
        "prior_state",
        "created_redirect_page",
        "meta",
        "page__redirect_page_link",
    )
    event = told(load, change(**dict.fromkeys(gone, GONE), revision__editor=GONE))
    assert set(event) == {
        "$schema", "changelog_kind", "page_change_kind", "dt", "meta", "wiki_id", "page", "revision", "predicted_classification",
    }  # fmt: skip
    assert set(event["meta"]) == {"stream", "id"}
    assert "redirect_page_link" not in event["page"]
    assert "editor" not in event["revision"]
    assert told(load, change(prior_state={"new": 1}))["prior_state"] == {}


@pytest.mark.parametrize(
    ("payload", "answered", "predicted"),
    [
        ({}, ["A", "B"], ["A"]),
        ({"threshold": 0.2}, ["A", "B", "C"], ["A", "B"]),
        ({"debug": True}, ["A", "B", "C"], ["A", "B", "C"]),
        ({"threshold": 0.95}, [], []),
    ],
)
def test_a_score_of_just_the_threshold_is_told_to_the_client_and_not_predicted_in_the_event(
    load: Load, payload: dict[str, Any], answered: list[str], predicted: list[str]
) -> None:
    results = load().postprocess(Prediction(query(CHANGE, **payload), SCORES).as_json())["prediction"][
        "results"
    ]
    assert [result["topic"] for result in results] == answered
    classified = told(load, CHANGE, **payload)["predicted_classification"]
    assert classified["predictions"] == predicted
    assert list(classified["probabilities"].items()) == [("A", 0.9), ("B", 0.5), ("C", 0.2)]


def test_there_is_no_event_without_a_stream_and_none_without_a_source_event(load: Load) -> None:
    asked = Prediction(query(CHANGE), SCORES).as_json()
    assert load().event(asked) is None
    with_stream = load(eventgate_stream="a.stream", model_version="1")
    assert with_stream.event(Prediction(Query("en", "Physics"), SCORES).as_json()) is None
    assert (
        with_stream.event(
            Prediction(Query.parse({"event": None, "lang": "en", "page_id": 5}), SCORES).as_json()
        )
        is None
    )
    assert with_stream.event(asked) is not None


def test_two_events_have_two_ids(load: Load) -> None:
    assert told(load, CHANGE)["meta"]["id"] != told(load, CHANGE)["meta"]["id"]


@pytest.mark.parametrize("name", ["changelog_kind", "page_change_kind", "dt", "revision"])
def test_a_source_event_that_lacks_what_the_event_must_have_makes_none(load: Load, name: str) -> None:
    with pytest.raises(ValueError, match=f"the page_change event has no {name}"):
        told(load, change(**{name: GONE}))


def test_a_stream_without_a_version_is_a_warning_and_the_event_says_so(
    load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    event = load(eventgate_stream="a.stream").event(Prediction(query(CHANGE), SCORES).as_json())
    assert event is not None
    assert event["predicted_classification"]["model_version"] == "unknown"
    assert "MODEL_VERSION is not" in caplog.text
