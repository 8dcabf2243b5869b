"""What a client may send, and what it is told where it may not."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from liftwing_host import InvalidInput
from liftwing_plugin_outlink.query import Query

BOTH = "Detected both `page_title` and `page_id` in the request. Please pass only one of those."
NEITHER = "You must pass either `page_title` or `page_id`."
NO_LANGUAGE = 'Expected "lang" to be the language code of a Wikipedia, such as "en".'
NO_ITEMS = 'Expected "features_str" to be Wikidata items joined by spaces, such as "Q5 Q42".'
NO_TITLE = 'Expected "page_title" to be the title of a page; no page can have this one.'
NOT_AN_ID = 'Expected "page_id" to be a integer.'
OTHER_PROJECT = (
    "This model is not recommended for use in projects outside of Wikipedia — e.g. Wiktionary, Wikinews, etc."
)

PAGE: dict[str, Any] = {"page_title": "Douglas Adams"}
LANG: dict[str, Any] = {"lang": "en"}


def query(**payload: Any) -> Query:
    """A question that is complete but for what a test changes."""
    return Query.parse({**LANG, **PAGE, **payload})


@pytest.mark.parametrize("payload", [None, [], "text", 5, [LANG | PAGE], b"{}"])
def test_a_body_that_is_no_object_is_refused(payload: object) -> None:
    with pytest.raises(InvalidInput, match=r"^Please verify that request input is a json dict$"):
        Query.parse(payload)


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (PAGE, 'Missing "lang" in input data.'),
        (PAGE | {"lang": 5}, 'Expected "lang" to be a string.'),
        (PAGE | {"lang": None}, 'Expected "lang" to be a string.'),
        (PAGE | {"lang": ["en"]}, 'Expected "lang" to be a string.'),
        (PAGE | {"wiki_id": None}, 'Missing "lang" in input data.'),
        (PAGE | {"wiki_id": 5}, 'Expected "wiki_id" to be a string.'),
        (PAGE | {"wiki_id": "enwikisomething"}, "Unknown wiki_id: enwikisomething"),
        (PAGE | {"wiki_id": ""}, "Unknown wiki_id: "),
        (PAGE | {"wiki_id": "commonswiki"}, "Unknown wiki_id: commonswiki"),
        (PAGE | {"wiki_id": "enwiktionary"}, OTHER_PROJECT),
        (PAGE | {"wiki_id": "frwikinews"}, OTHER_PROJECT),
        (LANG, NEITHER),
        (LANG | {"page_title": None, "page_id": None}, NEITHER),
        (LANG | {"page_title": "", "page_id": ""}, NEITHER),
        (LANG | {"page_title": " _ "}, NEITHER),
        (LANG | PAGE | {"page_id": 5355}, BOTH),
        (LANG | {"page_title": 5}, 'Expected "page_title" to be a string.'),
        (LANG | {"page_title": ["A"]}, 'Expected "page_title" to be a string.'),
        (LANG | {"page_title": "Paris|Berlin"}, NO_TITLE),
        (LANG | {"page_title": "Paris\nBerlin"}, NO_TITLE),
        (LANG | {"page_title": "Paris\x1fBerlin"}, NO_TITLE),
        (LANG | {"page_title": "\ud800"}, NO_TITLE),
        (LANG | {"page_title": "Ä" * 257}, NO_TITLE),
        *((LANG | {"page_id": wrong}, NOT_AN_ID) for wrong in (True, 1.0, 0, -1, "x", "-1", "1.0", "٣", [5])),
        (LANG | {"page_id": 2**63}, NOT_AN_ID),
        (LANG | {"page_id": "9" * 5000}, NOT_AN_ID),
        (LANG | PAGE | {"revision_id": "x"}, 'Expected "revision_id" to be a integer.'),
        (LANG | PAGE | {"revision_id": True}, 'Expected "revision_id" to be a integer.'),
        *(
            (LANG | PAGE | {"threshold": wrong}, 'Expected "threshold" to be a float')
            for wrong in ("0.5", True, False, None, [0.5], float("nan"), float("inf"), 10**400)
        ),
        (LANG | PAGE | {"debug": "yes"}, 'Expected "debug" to be a boolean.'),
        (LANG | PAGE | {"debug": []}, 'Expected "debug" to be a boolean.'),
        *((LANG | PAGE | {"features_str": wrong}, NO_ITEMS) for wrong in (5, ["Q5"], "Ä", "\ud800")),
        (LANG | PAGE | {"features_str": " \n"}, '"features_str" is empty: there is nothing to predict topics from.'),
        (LANG | {"features_str": "Q42"}, NEITHER),
        (PAGE | {"features_str": "Q42"}, 'Missing "lang" in input data.'),
        ({"event": None}, 'Missing "lang" in input data.'),
        ({}, 'Missing "lang" in input data.'),
    ],
)  # fmt: skip
def test_a_wrong_question_is_a_400_that_says_what_is_expected(payload: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Query.parse(payload)
    assert (caught.value.http_status, caught.value.message) == (400, text)


@pytest.mark.parametrize(
    "lang",
    [
        "", "-", "en-", "-en", "e n", "en.evil.example", "en/", "en@evil", "en:80", "en#", "en?", "en%2e",
        "en\r\nX-Evil: 1", "en\nhost", "\u0440\u0443", "e\u0301n", "1en", "e" * 64, "127.0.0.1", "en_us",
    ],
)  # fmt: skip
def test_a_language_that_could_change_the_host_name_is_refused(lang: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        query(lang=lang)
    assert caught.value.message == NO_LANGUAGE


@pytest.mark.parametrize(
    ("payload", "host"),
    [
        ({"lang": "en"}, "en"),
        ({"lang": " EN\n"}, "en"),
        ({"lang": "simple"}, "simple"),
        ({"lang": "zh-min-nan"}, "zh-min-nan"),
        ({"lang": "be-x-old"}, "be-tarask"),
        ({"lang": "yue"}, "zh-yue"),
        ({"lang": "gsw"}, "als"),
        ({"lang": "sgs"}, "bat-smg"),
        ({"lang": "nan"}, "zh-min-nan"),
        ({"lang": "lzh"}, "zh-classical"),
        ({"lang": "not-yet-founded"}, "not-yet-founded"),
        ({"wiki_id": "enwiki"}, "en"),
        ({"wiki_id": "be_x_oldwiki"}, "be-tarask"),
        ({"wiki_id": "zh_min_nanwiki"}, "zh-min-nan"),
        ({"wiki_id": "roa_rupwiki"}, "roa-rup"),
        ({"wiki_id": "simplewiki"}, "simple"),
        ({"wiki_id": "enwiki", "lang": "fi"}, "fi"),
        ({"wiki_id": "nonsense", "lang": "fi"}, "fi"),
    ],
)
def test_the_wikipedia_is_that_of_the_language_or_of_the_wiki_id(payload: dict[str, str], host: str) -> None:
    assert Query.parse(PAGE | payload).host == f"{host}.wikipedia.org"


@pytest.mark.parametrize(
    ("title", "path"),
    [
        ("Douglas_Adams", "Douglas_Adams"),
        ("Douglas Adams", "Douglas_Adams"),
        (" Douglas Adams ", "Douglas_Adams"),
        ("Toni Morrison", "Toni_Morrison"),
        ("AC/DC", "AC/DC"),
        ("C++", "C%2B%2B"),
        ("100% (song)", "100%25_(song)"),
        ("Simon & Garfunkel", "Simon_%26_Garfunkel"),
        ("What Is Life?", "What_Is_Life%3F"),
        ("Łódź", "%C5%81%C3%B3d%C5%BA"),
        ("Talk:Łódź#1", "Talk:%C5%81%C3%B3d%C5%BA%231"),
    ],
)
def test_the_address_of_the_article_can_be_followed(title: str, path: str) -> None:
    assert query(page_title=title).article == f"https://en.wikipedia.org/wiki/{path}"


@pytest.mark.parametrize("page_id", [5355, "5355"])
def test_an_article_by_its_id_has_an_address_by_its_id(page_id: int | str) -> None:
    found = Query.parse({"lang": "en", "page_id": page_id})
    assert found.article == "https://en.wikipedia.org/wiki?curid=5355"


@pytest.mark.parametrize(
    ("payload", "threshold"),
    [
        ({}, 0.5),
        ({"threshold": 0.3}, 0.3),
        ({"threshold": 0}, 0.0),
        ({"threshold": 1}, 1.0),
        ({"debug": True}, 0.0),
        ({"debug": 1, "threshold": 0.9}, 0.0),
        ({"debug": False, "threshold": 0.9}, 0.9),
        ({"debug": None}, 0.5),
    ],
)
def test_the_threshold_is_a_number_of_either_kind(payload: dict[str, Any], threshold: float) -> None:
    found = query(**payload).threshold
    assert found == threshold
    assert isinstance(found, float)


@pytest.mark.parametrize(
    ("payload", "revision"),
    [({}, None), ({"revision_id": None}, None), ({"revision_id": 7}, 7), ({"revision_id": "7"}, 7)],
)
def test_a_revision_may_be_named(payload: dict[str, Any], revision: int | None) -> None:
    assert query(**payload).revision_id == revision


def test_features_are_one_line_of_items() -> None:
    assert query(features_str=" Q42\n Q5\t").features == "Q42 Q5"


def test_a_question_can_be_pickled() -> None:
    question = query(page_title="Łódź", threshold=1)
    assert pickle.loads(pickle.dumps(question)) == question  # noqa: S301
