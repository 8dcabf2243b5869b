"""Which wikis and models there are, and what a request asks of them; no host is needed."""

from __future__ import annotations

from typing import Any

import pytest

from liftwing_extension_ores.document import Outcome, Scores, outcome_of, reply
from liftwing_extension_ores.question import Question
from liftwing_extension_ores.refusal import Refusal
from liftwing_extension_ores.served import KINDS, contexts, name_of
from liftwing_host.extension import Reply, RouteRequest

NAMES = [f"enwiki-{kind}" for kind in KINDS]


def question(query: dict[str, list[str]] | None = None, **arguments: str) -> Question:
    """What a request asks."""
    arguments = {"context": "enwiki", **arguments}
    return Question.parse(RouteRequest("GET", "", arguments, query or {}, {}, b"", "id"), NAMES)


def test_the_nine_kinds_of_ores_are_found_in_the_names_of_the_models() -> None:
    others = ["outlink-topic-model", "enwiki-langid", "enwiki", "-goodfaith", "goodfaith", ""]
    assert contexts([*reversed(NAMES), *others]) == {"enwiki": sorted(KINDS)}
    assert contexts(["be_x_oldwiki-reverted"]) == {"be_x_oldwiki": ["reverted"]}
    assert len(KINDS) == 9


def test_an_alias_is_asked_under_the_name_of_its_model() -> None:
    assert name_of("enwiki", "wp10") == "enwiki-articlequality"
    assert name_of("enwiki", "damaging") == "enwiki-damaging"


def test_all_models_are_meant_where_none_is_named() -> None:
    assert question({"revids": ["5|07"]}) == Question("enwiki", tuple(sorted(KINDS)), (5, 7))


def test_the_path_wins_over_the_query() -> None:
    asked = question({"models": ["damaging"], "revids": ["1|2"]}, revision="3", model="wp10")
    assert asked == Question("enwiki", ("wp10",), (3,))


@pytest.mark.parametrize("revision", ["", "x", "1|2", "9" * 5000, "+1", "1_0", " 1"])
def test_a_revision_in_the_path_is_one_number(revision: str) -> None:
    with pytest.raises(Refusal) as caught:
        question(revision=revision)
    assert (caught.value.status, caught.value.code) == (400, "bad request")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"5", b"[]", b"null", b"{}", b'{"enwiki": 5}', b'{"enwiki": {"scores": {"1": {"damaging": {}}}}}',
        b'{"enwiki": {"models": {"damaging": 5}, "scores": {"1": {"damaging": {}}}}}',
        b'{"enwiki": {"models": {"damaging": {}}, "scores": {"1": {"damaging": {"score": NaN}}}}}',
        b"[" * 100_000, b"\xff",
    ],
    ids=lambda body: body[:20],
)  # fmt: skip
@pytest.mark.parametrize("status", [200, 500])
def test_whatever_a_model_answers_the_client_gets_json(body: bytes, status: int) -> None:
    outcome = outcome_of("enwiki", 1, "damaging", Reply(status, body))
    assert outcome.told["error"]["type"] == "Internal Server Error"
    assert reply(outcome.told).status == 200


def test_a_lone_surrogate_is_written_as_json_writes_it() -> None:
    told: Any = Outcome({"score": "\ud800ł"}).told
    assert reply(told).body == '{\n  "score": "\\ud800ł"\n}'.encode()


def test_what_a_model_told_wins_over_what_was_known_of_it_whichever_comes_first() -> None:
    failed, answered = Outcome({"error": {}}), Outcome({"score": {}}, {"version": "2"})
    for order in ([failed, answered], [answered, failed]):
        scores = Scores("enwiki")
        for revision, outcome in enumerate(order):
            scores.add(revision, "damaging", outcome, {"version": "1"})
        assert scores.document()["enwiki"]["models"] == {"damaging": {"version": "2"}}
