"""What a client is told where there is no score: Lift Wing's texts, to the letter."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liftwing_host import LiftwingError
from liftwing_plugin_revscoring import RevscoringModel
from liftwing_plugin_revscoring.documents import Documents

Ask = Callable[..., Any]
Load = Callable[..., RevscoringModel]

NO_REV_ID = 'Expected "rev_id" in input data.'
NO_INTEGER = 'Expected "rev_id" to be an integer.'
UNAVAILABLE = (
    "An error happened while fetching feature values from the MediaWiki API, "
    "please contact the ML-Team if the issue persists."
)
INCOMPLETE = (
    "The rev-id doc retrieved from the MW API does not contain all the data needed to extract features properly. "
    "Please contact the ML-Team if the issue persists."
)
UNKNOWN = (
    "The MW API does not have any info related to the rev-id provided as input ({}), therefore it is not possible "
    "to extract features properly. One possible cause is the deletion of the page related to the revision id. "
    "Please contact the ML-Team if you need more info."
)
CREATE = {"$schema": "/mediawiki/revision/create/1.1.0"}
CHANGE = {"$schema": "/mediawiki/page/change/1.0.0"}


def told(ask: Ask, payload: Any, **options: Any) -> tuple[int, str]:
    """The status and the text that the client gets."""
    with pytest.raises(LiftwingError) as caught:
        ask(payload, **options)
    return caught.value.http_status, caught.value.message


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ({}, NO_REV_ID),
        ({"rev_id": None}, NO_REV_ID),
        ({"revid": 5}, NO_REV_ID),
        ({"event": None}, NO_REV_ID),
        ({"event": {}}, NO_REV_ID),
        ({"event": "x", "rev_id": 5}, NO_REV_ID),
        ({"event": {"$schema": None, "rev_id": 5}}, NO_REV_ID),
        ({"event": CREATE}, NO_REV_ID),
        ({"event": CHANGE | {"rev_id": 5}}, NO_REV_ID),
        ({"event": CHANGE | {"revision": {}}}, NO_REV_ID),
        ({"event": CHANGE | {"revision": 5}}, NO_REV_ID),
        ({"rev_id": "12345"}, NO_INTEGER),
        ({"rev_id": 12345.0}, NO_INTEGER),
        ({"rev_id": True}, NO_INTEGER),
        ({"rev_id": [12345]}, NO_INTEGER),
        ({"event": CREATE | {"rev_id": "12345"}}, NO_INTEGER),
        ({"event": CHANGE | {"revision": {"rev_id": False}}}, NO_INTEGER),
        ([], "Please verify that request input is a json dict"),
        ("12345", "Please verify that request input is a json dict"),
        (b'{"rev_id": 12345}', "Please verify that request input is a json dict"),
        ({"rev_id": 5, "extended_output": "true"}, 'Expected "extended_output" to be a boolean.'),
        *(
            (
                {"event": {"$schema": schema, "rev_id": 5}},
                f"Unsupported event of schema {schema}, the rev_id value cannot be determined.",
            )
            for schema in (
                "/mediawiki/page/create/1.0.0",
                "/mediawiki/revision/create/3.0.0",
                "/mediawiki/revision/create/10.0.0",
                "/mediawiki/page/change/2.0.0",
                "",
                7,
            )
        ),
    ],
)
def test_a_question_that_is_none_is_refused(ask: Ask, wiki: Any, payload: Any, text: str) -> None:
    assert told(ask, payload) == (400, text)
    assert wiki.asked == []


@pytest.mark.parametrize("rev_id", [99, 0, -1, 2**63])
def test_a_revision_that_the_wiki_does_not_have_is_told_in_the_words_that_ores_legacy_looks_for(
    ask: Ask, rev_id: int
) -> None:
    assert told(ask, {"rev_id": rev_id}) == (400, UNKNOWN.format(rev_id))


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"batchcomplete": ""},
        {"query": {}},
        {"query": {"pages": {}}},
        {"query": {"pages": []}},
        {"query": {"pages": {"-1": {"missing": ""}}}},
        {"query": {"pages": {"1": {"revisions": []}}}},
        {"query": {"pages": {"1": {"revisions": [{"revid": 12345}]}}}},
    ],
)
def test_an_answer_without_the_revision_is_a_500(ask: Ask, wiki: Any, answer: Any) -> None:
    wiki.answers["12345"] = answer
    assert told(ask, {"rev_id": 12345}) == (500, INCOMPLETE)


@pytest.mark.parametrize("of", ["12345", "12344", "Ada"])
@pytest.mark.parametrize(
    "answer",
    [
        503,
        404,
        301,
        b"<html>",
        b"[]",
        {"error": {"code": "internal_api_error_DBQueryError", "info": "secret"}},
    ],
    ids=str,
)
def test_a_wiki_that_fails_is_a_500_whichever_call_it_fails(
    ask: Ask, wiki: Any, of: str, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    wiki.answers[of] = answer
    assert told(ask, {"rev_id": 12345}) == (500, UNAVAILABLE)
    assert "request a-request: " in caplog.text


@pytest.mark.parametrize("of", ["12345", "12344", "Ada"])
def test_a_wiki_that_is_slower_than_the_timeout_is_a_500_then(ask: Ask, wiki: Any, of: str) -> None:
    wiki.delays[of] = 5
    began = time.monotonic()
    assert told(ask, {"rev_id": 12345}, aiohttp_client_timeout=0.2) == (500, UNAVAILABLE)
    assert time.monotonic() - began < 3


def test_a_wiki_that_is_not_there_is_a_500(ask: Ask, load: Load) -> None:
    assert told(ask, {"rev_id": 12345}, model=load()) == (500, UNAVAILABLE)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"user": None, "userid": None}, "UserDeleted: User deleted (<datasource.revision.user>)"),
        ({"slots": {"main": {"texthidden": ""}}}, "TextDeleted: Text deleted (<datasource.revision.text>)"),
    ],
)
def test_what_was_hidden_is_a_missing_resource(ask: Ask, wiki: Any, changes: Any, cause: str) -> None:
    wiki.add(6, "text", parent=12344, **changes)
    status, text = told(ask, {"rev_id": 6})
    assert status == 400
    assert text.startswith("Missing resource for rev-id 6: ")
    assert text.partition(": ")[2].partition(" (")[0] == cause.partition(" (")[0]


def test_a_parent_that_was_deleted_is_a_missing_resource(ask: Ask, wiki: Any) -> None:
    wiki.add(6, "text", parent=98)
    status, text = told(ask, {"rev_id": 6})
    assert status == 400
    assert text.startswith("Missing resource for rev-id 6: RevisionNotFound: Could not find revision (")
    assert text.endswith(":98)")


def test_text_that_is_no_item_is_an_unexpected_content_type(
    ask: Ask, wiki: Any, trained: dict[str, Path]
) -> None:
    status, text = told(
        ask, {"rev_id": 12345}, name="wikidatawiki-itemquality", model_path=str(trained["item"])
    )
    assert status == 400
    assert text.startswith(
        "Unexpected content type for rev-id 12345: UnexpectedContentType: Expected content "
    )
    assert "{e}" not in text


def test_any_other_failure_of_a_feature_is_told_without_a_traceback(ask: Ask, wiki: Any) -> None:
    wiki.add(6, "text", parent=12344, timestamp="yesterday")
    status, text = told(ask, {"rev_id": 6})
    assert status == 400
    assert text.startswith(
        "Generic error while extracting features for rev-id 6: ValueError: Failed to process "
    )
    assert "Traceback" not in text
    assert "/" not in text


def test_a_document_that_was_not_fetched_is_an_error_and_not_a_call(load: Load, wiki: Any) -> None:
    model = load(wiki_url=wiki.url)
    page = {"pageid": 1, "ns": 0, "title": "T", "revisions": [wiki.revisions["12345"]]}
    documents = Documents({"query": {"pages": {"1": page}}})
    with pytest.raises(LiftwingError) as caught:
        model._extraction.values(documents, 12345, extended=False)  # noqa: SLF001
    assert (caught.value.http_status, caught.value.message) == (500, UNAVAILABLE)
    assert wiki.asked == []


def test_a_model_that_fails_is_a_500(
    ask: Ask, load: Load, wiki: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(wiki_url=wiki.url)
    monkeypatch.setattr(model._model, "score", lambda values: 1 / 0)  # noqa: SLF001
    assert told(ask, {"rev_id": 12345}, model=model) == (
        500,
        "An error happened while scoring the revision-id, please contact the ML-Team if the issue persists.",
    )
