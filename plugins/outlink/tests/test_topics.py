"""What a client gets from the demo: topics of its sample articles, or of the items that it sends."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import liftwing_plugin_outlink
from liftwing_host import InvalidInput, LiftwingError, ModelConfig, ModelFileMissing
from liftwing_plugin_outlink import OutlinkTopicModel
from liftwing_plugin_outlink.features import Features
from liftwing_plugin_outlink.model import Outlinks
from liftwing_plugin_outlink.prediction import Prediction
from liftwing_plugin_outlink.query import Query
from liftwing_plugin_outlink.settings import OutlinkSettings

Ask = Callable[..., dict[str, Any]]

ARTICLES = Path(liftwing_plugin_outlink.__file__).parent / "demo" / "articles.json"
SAMPLES = json.loads(ARTICLES.read_text(encoding="utf-8"))
QUESTION = Query("en", "Physics")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample['lang']}:{sample['page_title']}")
def test_a_sample_article_has_topics(ask: Ask, sample: dict[str, Any]) -> None:
    results = ask(lang=sample["lang"], page_title=sample["page_title"])["results"]
    assert results
    assert all(0.5 <= result["score"] <= 1.0 for result in results)


@pytest.mark.parametrize(
    "title", ["Douglas_Adams", "Douglas Adams", "douglas Adams", " Douglas  Adams_"]
)  # fmt: skip
def test_a_sample_article_is_found_however_its_title_is_written(ask: Ask, title: str) -> None:
    assert ask(lang="en", page_title=title)["results"] == ask(lang="en", page_id=8091)["results"]


def test_the_article_is_named_as_the_client_named_it(ask: Ask) -> None:
    by_title, by_id = ask(lang="en", page_title="Douglas Adams"), ask(lang="en", page_id=8091)
    assert by_title["article"] == "https://en.wikipedia.org/wiki/Douglas_Adams"
    assert by_id["article"] == "https://en.wikipedia.org/wiki?curid=8091"


@pytest.mark.parametrize(
    "payload",
    [
        {"lang": "en", "page_title": "An article that is not among the samples"},
        {"lang": "en", "page_title": "Douglas adams"},
        {"lang": "sv", "page_title": "Douglas Adams"},
        {"lang": "en", "page_id": 1},
        {"lang": "en", "page_title": "Douglas Adams", "revision_id": 5},
    ],
)
def test_the_demo_says_which_articles_it_knows(ask: Ask, payload: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        ask(**payload)
    assert caught.value.message.startswith("This is the demo. It knows only ")
    assert "Douglas Adams (en)" in caught.value.message
    assert "without --demo" in caught.value.message


def test_items_that_the_client_sends_are_predicted_from(ask: Ask) -> None:
    answer = ask(lang="en", page_title="Of my own", features_str="Q413 Q937", threshold=0)
    assert answer["article"] == "https://en.wikipedia.org/wiki/Of_my_own"
    assert answer["results"]


def test_topics_come_highest_score_first(ask: Ask) -> None:
    scores = [result["score"] for result in ask(lang="en", page_title="Douglas Adams", debug=True)["results"]]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) > 10


def test_a_threshold_keeps_what_reaches_it(ask: Ask) -> None:
    everything = ask(lang="en", page_title="Douglas Adams", threshold=0)["results"]
    third = everything[2]["score"]
    kept = ask(lang="en", page_title="Douglas Adams", threshold=third)["results"]
    assert kept == [result for result in everything if result["score"] >= third]
    assert ask(lang="en", page_title="Douglas Adams", threshold=2)["results"] == []


def test_debug_tells_every_topic(ask: Ask) -> None:
    debug = ask(lang="en", page_title="Douglas Adams", debug=True, threshold=0.9)
    assert debug == ask(lang="en", page_title="Douglas Adams", threshold=0)


def test_an_answer_is_json(ask: Ask) -> None:
    answer = ask(lang="en", page_title="Douglas_Adams")
    assert json.loads(json.dumps(answer)) == answer
    assert all(set(result) == {"topic", "score"} for result in answer["results"])
    assert not any(result["topic"].startswith("__label__") for result in answer["results"])


def test_the_same_links_give_the_same_features_in_any_order(load: Callable[..., OutlinkTopicModel]) -> None:
    model = load()
    assert model.preprocess(Outlinks(QUESTION, ("Q5", "Q42", "Q1")))["features_str"] == "Q1 Q42 Q5"
    assert model.preprocess(Outlinks(QUESTION, ("Q42", "Q1", "Q5")))["features_str"] == "Q1 Q42 Q5"


def test_equal_scores_are_told_by_name_and_none_is_above_one(load: Callable[..., OutlinkTopicModel]) -> None:
    model = load()
    model._weights = Certain()  # noqa: SLF001
    prediction = model.predict(Features(Query("en", "Physics", threshold=1.0), "Q413").as_json())
    results = model.postprocess(prediction)["prediction"]["results"]
    assert results == [{"topic": "A", "score": 1.0}, {"topic": "B", "score": 1.0}]


class Certain:
    """A model that is sure of two topics, as fastText puts it."""

    def predict(self, text: str, k: int = 1) -> tuple[tuple[str, ...], tuple[float, ...]]:
        """Answer all labels."""
        assert (text, k) == ("Q413", -1)
        return ("__label__B", "__label__A", "__label__C"), (1.00001, 1.00001, 0.99)


def test_what_goes_from_fetch_to_preprocess_can_be_pickled() -> None:
    value = Outlinks(QUESTION, ("Q1", "Q2"))
    assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301


def test_what_goes_to_a_predictor_and_back_is_json_and_loses_nothing() -> None:
    question = Query("en", None, 8091, threshold=0.1, features="Q1 Q2", change={"dt": "today"})
    features = Features(question, "Q1 Q2")
    assert Features.read(json.loads(json.dumps(features.as_json()))) == features
    told = Query("en", None, 8091, threshold=0.1, change={"dt": "today"})
    prediction = Prediction(told, (("B", 0.9876543210987654), ("A", 0.1)))
    assert Prediction.read(json.loads(json.dumps(prediction.as_json()))) == prediction


def test_features_of_lift_wings_transformer_of_2022_are_predicted_from(
    load: Callable[..., OutlinkTopicModel],
) -> None:
    features = {
        "features_str": "Q413 Q937",
        "page_title": "Of my own",
        "lang": "en",
        "threshold": 0.1,
        "debug": False,
    }
    told = load().predict(features)
    assert (told["lang"], told["page_title"]) == ("en", "Of my own")
    assert told["topics"]
    assert all(score >= 0.1 for _, score in told["topics"])
    everything = load().predict(features | {"debug": True})["topics"]
    assert len(everything) > len(told["topics"])


@pytest.mark.parametrize(
    ("features", "error"),
    [
        ({"lang": "en", "page_title": "X"}, 'Missing "features_str" in input data.'),
        ({"lang": "en", "page_title": "X", "features_str": "Q1", "change": 1}, 'Expected "change" to be a json dict.'),
        (["Q1"], "Please verify that request input is a json dict"),
    ],
)  # fmt: skip
def test_features_that_are_none_are_a_400_that_says_why(
    load: Callable[..., OutlinkTopicModel], features: Any, error: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        load().predict(features)
    assert caught.value.message == error


def test_an_answer_of_lift_wings_predictor_of_2022_is_told(load: Callable[..., OutlinkTopicModel]) -> None:
    answer = load().postprocess({"topics": [["A", 0.2], ["B", 0.3]], "lang": "en", "page_title": "Physics"})
    results = [{"topic": "B", "score": 0.3}, {"topic": "A", "score": 0.2}]
    assert answer == {"prediction": {"article": "https://en.wikipedia.org/wiki/Physics", "results": results}}


@pytest.mark.parametrize(
    "answer", [{}, [], None, {"topics": 1, "lang": "en"}, {"topics": [["A"]], "lang": "en"}]
)
def test_an_answer_that_is_no_prediction_is_a_502(
    load: Callable[..., OutlinkTopicModel], answer: Any
) -> None:
    with pytest.raises(LiftwingError) as caught:
        load().postprocess(answer)
    assert caught.value.http_status == 502


def test_a_transformer_needs_no_fasttext_and_a_predictor_no_wiki(tmp_path: Path) -> None:
    """The file of the model is not even looked for."""
    settings = OutlinkSettings(model_path=tmp_path / "none.bin")
    config = ModelConfig("outlink-topic-model", settings, role="transformer")
    OutlinkTopicModel(config).load(config)
    config = ModelConfig("outlink-topic-model", settings, role="predictor")
    with pytest.raises(ModelFileMissing):
        OutlinkTopicModel(config).load(config)


def test_a_request_leaves_nothing_on_the_model(load: Callable[..., OutlinkTopicModel]) -> None:
    model = load()
    before = dict(vars(model))
    model.postprocess(model.predict(model.preprocess(Outlinks(QUESTION, ("Q413",)))))
    assert vars(model) == before
