"""The event that follows from a score: which fields it has, for every kind of event that it is made from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liftwing_plugin_revscoring.events import revision_score

Ask = Callable[..., Any]

STREAM = "mediawiki.revision_score_goodfaith"

# As in Wikimedia's schema of the event, by field: its type.
FIELDS = {
    "$schema": str, "dt": str, "meta": dict, "database": str, "page_id": int, "page_title": str,
    "page_namespace": int, "page_is_redirect": bool, "rev_id": int, "rev_timestamp": str, "rev_parent_id": int,
    "performer": dict, "scores": dict,
}  # fmt: skip
META = {"stream", "id", "request_id", "domain", "uri"}
PERFORMER = {"user_text", "user_groups", "user_is_bot", "user_id", "user_registration_dt", "user_edit_count"}
SCORE = {"model_name": str, "model_version": str, "prediction": list, "probability": dict}

SOURCE_META = {
    "stream": "mediawiki.revision-create",
    "id": "b0caf18d",
    "request_id": "7f1b2c",
    "domain": "en.wikipedia.org",
    "uri": "https://en.wikipedia.org/wiki/T",
    "dt": "2022-07-25T00:00:01Z",
    "topic": "eqiad.mediawiki.revision-create",
    "offset": 12,
}

CREATE: dict[str, Any] = {
    "$schema": "/mediawiki/revision/create/1.1.0",
    "meta": SOURCE_META,
    "database": "enwiki",
    "page_id": 3,
    "page_title": "T",
    "page_namespace": 0,
    "page_is_redirect": False,
    "rev_id": 12345,
    "rev_timestamp": "2022-07-25T00:00:00Z",
    "rev_parent_id": 12344,
    "rev_sha1": "x",
    "rev_len": 5,
    "rev_slots": {"main": {}},
    "comment": "c",
    "performer": {
        "user_text": "Ada", "user_groups": ["*"], "user_is_bot": False, "user_id": 7, "user_edit_count": 5,
        "user_registration_dt": "2019-01-01T00:00:00Z", "user_central_id": 9,
    },
}  # fmt: skip

CHANGE: dict[str, Any] = {
    "$schema": "/mediawiki/page/change/1.0.0",
    "meta": SOURCE_META,
    "dt": "2022-07-25T00:00:02Z",
    "wiki_id": "enwiki",
    "page_change_kind": "edit",
    "page": {"page_id": 3, "page_title": "T", "namespace_id": 0, "is_redirect": False},
    "performer": {"user_text": "Ada", "groups": ["*"], "is_bot": False, "user_id": 7, "is_system": False},
    "revision": {
        "rev_id": 12345, "rev_parent_id": 12344, "rev_dt": "2022-07-25T00:00:00Z", "is_minor_edit": False,
        "content_slots": {},
    },
    "prior_state": {},
}  # fmt: skip

SOURCES = {
    "revision-create 1": CREATE,
    "revision-create 2": CREATE
    | {"$schema": "/mediawiki/revision/create/2.0.0", "dt": "2022-07-25T00:00:03Z"},
    "page-change 1": CHANGE,
}


def event_of(source: dict[str, Any], **score: Any) -> dict[str, Any]:
    score = {"prediction": True, "probability": {"true": 0.9, "false": 0.1}} | score
    return revision_score(source, score, stream=STREAM, name="goodfaith", version="0.5.1")


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("key", ["event", "revision_create_event"])
def test_an_event_is_scored_and_gives_an_event(ask: Ask, source: dict[str, Any], key: str) -> None:
    answer, event = ask({key: source}, eventgate_stream=STREAM)
    score = answer["enwiki"]["scores"]["12345"]["goodfaith"]["score"]
    assert event == {
        "$schema": "/mediawiki/revision/score/3.0.0",
        "dt": source["dt"] if source is CHANGE else "2022-07-25T00:00:00Z",
        "meta": {
            "stream": STREAM,
            "id": event["meta"]["id"],
            "request_id": "7f1b2c",
            "domain": "en.wikipedia.org",
            "uri": "https://en.wikipedia.org/wiki/T",
        },
        "database": "enwiki",
        "page_id": 3,
        "page_title": "T",
        "page_namespace": 0,
        "page_is_redirect": False,
        "rev_id": 12345,
        "rev_timestamp": "2022-07-25T00:00:00Z",
        "rev_parent_id": 12344,
        "performer": event["performer"],
        "scores": {
            "goodfaith": {
                "model_name": "goodfaith",
                "model_version": "0.5.1",
                "prediction": ["false"],
                "probability": score["probability"],
            }
        },
    }
    assert event["meta"]["id"] != SOURCE_META["id"]
    assert {name: event["performer"][name] for name in ("user_text", "user_groups", "user_is_bot")} == {
        "user_text": "Ada",
        "user_groups": ["*"],
        "user_is_bot": False,
    }


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_an_event_has_no_field_that_its_schema_does_not_know(source: dict[str, Any]) -> None:
    event = event_of(source | {"unheard_of": 1})
    assert set(event) <= set(FIELDS)
    assert all(isinstance(value, FIELDS[name]) for name, value in event.items())
    assert set(event["meta"]) <= META
    assert set(event["performer"]) <= PERFORMER
    [score] = event["scores"].values()
    assert {name: type(value) for name, value in score.items()} == SCORE


@pytest.mark.parametrize(
    ("prediction", "told"),
    [
        (True, ["true"]),
        (False, ["false"]),
        ("FA", ["FA"]),
        (["STEM.STEM*", "Culture"], ["STEM.STEM*", "Culture"]),
    ],
)
def test_a_prediction_is_an_array_of_texts(prediction: Any, told: list[str]) -> None:
    event = event_of(CREATE, prediction=prediction, probability={True: 1, False: 0})
    score = event["scores"]["goodfaith"]
    assert score["prediction"] == told
    assert score["probability"] == {"true": 1.0, "false": 0.0}
    assert all(isinstance(value, float) for value in score["probability"].values())


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_what_the_source_leaves_out_is_left_out(source: dict[str, Any]) -> None:
    bare = {
        name: value for name, value in source.items() if name not in ("performer", "meta", "rev_parent_id")
    }
    if "revision" in bare:
        bare["revision"] = {
            name: value for name, value in bare["revision"].items() if name != "rev_parent_id"
        }
    event = event_of(bare)
    assert "performer" not in event
    assert "rev_parent_id" not in event
    assert set(event["meta"]) == {"stream", "id"}


@pytest.mark.parametrize(("source", "missing"), [
    *((CREATE, name) for name in ("database", "page_id", "page_is_redirect", "rev_timestamp")),
    *((CHANGE, name) for name in ("wiki_id", "dt", "page", "revision")),
])  # fmt: skip
def test_a_source_without_a_field_that_must_be_there_gives_no_event(
    source: dict[str, Any], missing: str
) -> None:
    with pytest.raises(ValueError, match=f"the source event has no {missing}"):
        event_of({name: value for name, value in source.items() if name != missing})


@pytest.mark.parametrize("missing", ["namespace_id", "is_redirect"])
def test_a_page_change_must_tell_of_its_page(missing: str) -> None:
    page = {name: value for name, value in CHANGE["page"].items() if name != missing}
    with pytest.raises(ValueError, match=f"the source event has no {missing}"):
        event_of(CHANGE | {"page": page})


def test_a_performer_of_whom_too_little_is_known_is_left_out() -> None:
    assert "performer" not in event_of(CREATE | {"performer": {"user_text": "Ada"}})


def test_without_a_stream_or_an_event_there_is_no_event(ask: Ask, trained: dict[str, Path]) -> None:
    assert ask({"event": CREATE})[1] is None
    assert ask({"rev_id": 12345}, eventgate_stream=STREAM)[1] is None
