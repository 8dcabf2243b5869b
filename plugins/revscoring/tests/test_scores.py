"""What a client gets: scores in the form of ORES, of every kind of model."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liftwing_host import InvalidInput, LiftwingError, Request
from liftwing_plugin_revscoring import RevscoringModel
from liftwing_plugin_revscoring.documents import Documents, Needs
from liftwing_plugin_revscoring.model import Features, Fetched, Scored
from liftwing_plugin_revscoring.query import Query

Ask = Callable[..., Any]
Load = Callable[..., RevscoringModel]


def test_a_score_has_the_form_of_ores(ask: Ask) -> None:
    answer, event = ask({"rev_id": 12345})
    [score] = answer["enwiki"]["scores"]["12345"].values()
    assert event is None
    probability = score["score"]["probability"]
    assert answer == {
        "enwiki": {
            "models": {"goodfaith": {"version": "0.5.1"}},
            "scores": {"12345": {"goodfaith": {"score": {"prediction": False, "probability": probability}}}},
        }
    }
    assert set(probability) == {"true", "false"}
    assert sum(probability.values()) == pytest.approx(1)


def test_a_model_of_several_labels_tells_all_of_them(ask: Ask, trained: dict[str, Path]) -> None:
    answer, _ = ask({"rev_id": 12345}, name="enwiki-articlequality", model_path=str(trained["article"]))
    score = answer["enwiki"]["scores"]["12345"]["articlequality"]["score"]
    assert score["prediction"] == "Stub"
    assert set(score["probability"]) == {"Stub", "FA"}


def test_a_model_of_topics_predicts_a_list(ask: Ask, trained: dict[str, Path]) -> None:
    answer, _ = ask({"rev_id": 12345}, name="enwiki-articletopic", model_path=str(trained["topics"]))
    score = answer["enwiki"]["scores"]["12345"]["articletopic"]["score"]
    assert score["prediction"] == ["Culture"]
    assert set(score["probability"]) == {"STEM.STEM*", "Culture"}


def test_a_name_with_several_dashes_is_split_at_the_last(ask: Ask) -> None:
    answer, _ = ask({"rev_id": 12345}, name="zh-min-nan-goodfaith")
    assert list(answer) == ["zh-min-nan"]
    assert list(answer["zh-min-nan"]["models"]) == ["goodfaith"]


def test_extended_output_tells_the_basic_features_by_name(ask: Ask) -> None:
    answer, _ = ask({"rev_id": 12345, "extended_output": True})
    told = answer["enwiki"]["scores"]["12345"]["goodfaith"]
    assert list(told) == ["score", "features"]
    assert told["features"] == {
        "feature.wikitext.revision.chars": 37,
        "feature.wikitext.revision.diff.words_added": 4,
        "feature.len(<datasource.wikitext.revision.parent.words>)": 4,
        "feature.revision.user.is_anon": False,
        "feature.temporal.revision.user.seconds_since_registration": 31536000,
    }
    assert told["score"] == ask({"rev_id": 12345})[0]["enwiki"]["scores"]["12345"]["goodfaith"]["score"]
    assert json.loads(json.dumps(answer)) == answer


@pytest.mark.parametrize("no", [False, None, 0])
def test_without_extended_output_the_features_are_not_told(ask: Ask, no: Any) -> None:
    answer, _ = ask({"rev_id": 12345, "extended_output": no})
    assert list(answer["enwiki"]["scores"]["12345"]["goodfaith"]) == ["score"]


def test_extended_output_computes_each_feature_once(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    from revscoring.features import wikitext

    model = load()
    [feature] = (each for each in model._model.features if str(each) == str(wikitext.revision.chars))  # noqa: SLF001
    calls = []
    before = feature.process
    monkeypatch.setattr(feature, "process", lambda *arguments: calls.append(1) or before(*arguments))
    values = model._extraction.values(documents(), 5, extended=True)  # noqa: SLF001
    assert values.told is not None
    assert values.told["feature.wikitext.revision.chars"] == 4
    assert len(calls) == 1


def documents() -> Documents:
    """A page's first revision, by somebody who was not logged in."""
    slot = {"contentmodel": "wikitext", "*": "text"}
    revision = {"revid": 5, "parentid": 0, "user": "192.0.2.1", "userid": 0, "slots": {"main": slot}}
    revision |= {"timestamp": "2020-01-01T00:00:00Z", "size": 4, "comment": ""}
    return Documents(
        {"query": {"pages": {"1": {"pageid": 1, "ns": 0, "title": "T", "revisions": [revision]}}}}
    )


def copied(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - it was made a moment ago


def test_what_goes_between_the_hooks_can_cross_processes(load: Load) -> None:
    model = load()
    question = Query(5, True, {"$schema": "/mediawiki/revision/create/1.1.0", "rev_id": 5})
    features = model.preprocess(copied(Fetched(question, documents())))
    scored = model.predict(json.loads(json.dumps(features)))
    assert model.predict(features) == scored
    assert Features.read(features).query == question
    assert model.postprocess(json.loads(json.dumps(scored))) == model.postprocess(scored)
    assert Scored.read(scored).query == question


@pytest.mark.parametrize(
    ("features", "text"),
    [
        ({"rev_id": 5}, 'Expected "values" to be the list of the values of the model\'s features.'),
        ([], "Please verify that request input is a json dict"),
    ],
)
def test_features_that_are_none_are_a_400_that_says_why(load: Load, features: Any, text: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(text)):
        load().predict(features)


@pytest.mark.parametrize("answer", [{}, [], {"rev_id": 5}, {"rev_id": 5, "score": 1}])
def test_an_answer_that_is_no_score_is_a_502(load: Load, answer: Any) -> None:
    with pytest.raises(LiftwingError) as caught:
        load().postprocess(answer)
    assert caught.value.http_status == 502


def test_a_models_own_features_say_what_is_asked_for(load: Load, trained: dict[str, Path]) -> None:
    assert load()._extraction.needs == Needs(parent=True, user=True)  # noqa: SLF001
    article = load("enwiki-articlequality", model_path=str(trained["article"]))
    assert article._extraction.needs == Needs()  # noqa: SLF001


@pytest.mark.parametrize("payload", [{"rev_id": 12345}, {"rev_id": 12345, "event": None}])
def test_the_wiki_is_asked_for_the_revision_and_then_for_parent_and_author(
    ask: Ask, wiki: Any, payload: Any
) -> None:
    wiki.delays = {"12344": 0.3, "Ada": 0.3}
    ask(payload, aiohttp_client_timeout=0.5, wiki_host="en.wikipedia.org", custom_ua="a test")
    assert wiki.asked[0] == "12345"
    assert sorted(wiki.asked[1:]) == ["12344", "Ada"]
    for headers in wiki.headers:
        assert headers["host"] == "en.wikipedia.org"
        assert headers["user-agent"] == "a test"
        assert headers["x-request-id"] == "a-request"


def test_a_first_revision_and_an_author_without_account_are_not_asked_for(ask: Ask, wiki: Any) -> None:
    wiki.add(5, "text", user="192.0.2.1", userid=0)
    answer, _ = ask({"rev_id": 5, "extended_output": True})
    assert wiki.asked == ["5"]
    told = answer["enwiki"]["scores"]["5"]["goodfaith"]["features"]
    assert told["feature.revision.user.is_anon"] is True


def test_a_model_of_the_revision_alone_asks_once(ask: Ask, wiki: Any, trained: dict[str, Path]) -> None:
    ask({"rev_id": 12345}, name="enwiki-articlequality", model_path=str(trained["article"]))
    assert wiki.asked == ["12345"]


def test_the_payload_is_logged_where_the_operator_wants_it(
    ask: Ask, load: Load, wiki: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "liftwing_plugin_revscoring")
    ask({"rev_id": 12345, "secret": 1})
    assert "secret" not in caplog.text
    ask({"rev_id": 12345, "secret": 1}, log_json_payload=True)
    assert 'request a-request: payload {"rev_id": 12345, "secret": 1}' in caplog.text


def test_requests_at_the_same_time_get_each_their_own_event(load: Load) -> None:
    """Nothing of a request is on the model: what `event` gets is all that it knows."""
    model = load(eventgate_stream="a-stream")
    before = dict(vars(model))
    model.event(Scored(Query(1), {"prediction": True, "probability": {}}, None).as_json())
    model.preprocess(Fetched(Query(5), documents()))
    assert vars(model) == before
    assert Request("x", "y").id == "x"
