"""The outlink plugin before a real MediaWiki: what it makes of pages and revisions, and of their absence."""

from __future__ import annotations

import asyncio
from urllib.parse import quote_plus

import pytest

from liftwing_host import InvalidInput
from mediawiki.corpus import LONG_TITLES, THINGS
from mediawiki.proxy import FlakyProxy
from mediawiki.wiki import Wiki
from outlink import ADAMS, UNAVAILABLE, asking, error, fetch_all, items, items_of, linked, load

NO_LINKS = "has no links to articles with Wikidata items to predict topics from."


# Pages


def test_an_article_has_the_items_that_it_links_to(mediawiki: Wiki) -> None:
    assert items(mediawiki.url, ADAMS) == linked("Douglas Adams")


def test_topics_come_with_the_address_of_the_article(mediawiki: Wiki) -> None:
    model = load(mediawiki.url)
    payload = {"lang": "en", "page_title": "Douglas_Adams", "debug": True}
    [found] = asyncio.run(fetch_all(model, [payload], asking()))
    answer = model.postprocess(model.predict(model.preprocess(found)))["prediction"]
    assert answer["article"] == "https://en.wikipedia.org/wiki/Douglas_Adams"
    assert len(answer["results"]) > 1


@pytest.mark.parametrize(
    ("payload", "wiki"),
    [
        ({"lang": "fi"}, "fi"),
        ({"lang": "de"}, "de"),
        ({"lang": "EN"}, "en"),
        ({"wiki_id": "fiwiki"}, "fi"),
        ({"wiki_id": "fiwiki", "lang": "de"}, "de"),
    ],
)
def test_the_language_chooses_the_wikipedia(mediawiki: Wiki, payload: dict[str, str], wiki: str) -> None:
    found = items(mediawiki.url, {**payload, "page_title": "Douglas Adams"})
    assert found == linked("Douglas Adams", wiki)


def test_requests_at_the_same_time_are_answered_each_by_its_own_wikipedia(mediawiki: Wiki) -> None:
    languages = ["en", "fi", "de"] * 4
    payloads = [{"lang": lang, "page_title": "Douglas Adams"} for lang in languages]
    found = asyncio.run(fetch_all(load(mediawiki.url), payloads, asking()))
    assert [set(one.items) for one in found] == [linked("Douglas Adams", lang) for lang in languages]


@pytest.mark.parametrize(
    ("title", "same_as"),
    [
        ("Douglas_Adams", "Douglas Adams"),
        ("douglas Adams", "Douglas Adams"),
        (" _Douglas  Adams_ ", "Douglas Adams"),
        ("AC/DC", "AC/DC"),
        ("C++", "C++"),
        ("100% (song)", "100% (song)"),
        ("Simon & Garfunkel", "Simon & Garfunkel"),
        ("What Is Life?", "What Is Life?"),
        ("Łódź", "Łódź"),
        ("The Hitchhiker's Guide to the Galaxy", "The Hitchhiker's Guide to the Galaxy"),
        ("Douglas Noel Adams", "Douglas Adams"),
        ("DNA (author)", "Douglas Adams"),
        ("Douglas Adams#Life", "Douglas Adams"),
    ],
)
def test_a_title_is_found_however_it_is_written(mediawiki: Wiki, title: str, same_as: str) -> None:
    found = items(mediawiki.url, {"lang": "en", "page_title": title})
    assert found == linked(same_as)
    assert found


@pytest.mark.parametrize("as_text", [False, True])
def test_a_page_is_found_by_its_id(mediawiki: Wiki, as_text: bool) -> None:
    page_id = mediawiki.page_id("en", "Albert Einstein")
    payload = {"lang": "en", "page_id": str(page_id) if as_text else page_id}
    assert items(mediawiki.url, payload) == linked("Albert Einstein")


def test_links_to_redirects_count_as_links_to_their_targets(mediawiki: Wiki) -> None:
    found = items(mediawiki.url, {"lang": "en", "page_title": "Towel Day"})
    assert found == items_of("Douglas Adams", "Novel", "United States")


def test_red_links_and_links_to_other_namespaces_count_for_nothing(mediawiki: Wiki) -> None:
    assert items(mediawiki.url, {"lang": "en", "page_title": "Mixed links"}) == items_of("Physics")


@pytest.mark.parametrize(("count", "answers", "kept"), [(700, 2, 700), (1200, 3, 1200), (THINGS, 3, 1500)])
def test_many_links_are_read_on_until_there_are_more_than_a_thousand_items(
    flaky_mediawiki: FlakyProxy, count: int, answers: int, kept: int
) -> None:
    found = items(flaky_mediawiki.url, {"lang": "en", "page_title": f"List of {count} things"})
    assert len(found) == kept
    assert sum("generator" in asked.parameters for asked in flaky_mediawiki.asked) == answers


# Pages that there is nothing to say about


@pytest.mark.parametrize(
    ("title", "path"),
    [
        ("No such page", "No_such_page"),
        ("Kadonnut sivu & ääni?", "Kadonnut_sivu_%26_%C3%A4%C3%A4ni%3F"),
        ("Deleted page", "Deleted_page"),
        ("Lost redirect", "Lost_redirect"),
        ("Circle A", "Circle_A"),
        ("Special:RecentChanges", "Special:RecentChanges"),
        ("commons:Paris", "commons:Paris"),
    ],
)
def test_a_title_without_a_page_is_a_400_that_names_it(mediawiki: Wiki, title: str, path: str) -> None:
    told = error(mediawiki.url, {"lang": "en", "page_title": title})
    assert (told.http_status, told.message) == (
        400,
        f"no matching article for https://en.wikipedia.org/wiki/{path}",
    )


@pytest.mark.parametrize("title", ["A[B]", "<b>", "Paris|Berlin", "A" * 300, "A/../B", "%41"])
def test_a_title_that_no_page_can_have_is_a_400(mediawiki: Wiki, title: str) -> None:
    told = error(mediawiki.url, {"lang": "en", "page_title": title})
    assert told.http_status == 400
    assert told.message == 'Expected "page_title" to be the title of a page; no page can have this one.'


@pytest.mark.parametrize("which", ["never used", "deleted"])
def test_an_id_without_a_page_is_a_400_that_names_it(mediawiki: Wiki, which: str) -> None:
    page_id = 999_999_999 if which == "never used" else mediawiki.page_id("en", "Deleted page")
    told = error(mediawiki.url, {"lang": "en", "page_id": page_id})
    assert told.http_status == 400
    assert told.message == f"no matching article for https://en.wikipedia.org/wiki?curid={page_id}"


@pytest.mark.parametrize("title", ["Lonely page", "Red links only"])
def test_a_page_without_links_to_articles_is_a_400_that_says_so(mediawiki: Wiki, title: str) -> None:
    told = error(mediawiki.url, {"lang": "en", "page_title": title})
    path = title.replace(" ", "_")
    assert (told.http_status, told.message) == (400, f"https://en.wikipedia.org/wiki/{path} {NO_LINKS}")


def test_a_page_without_links_to_articles_is_named_by_the_id_that_was_sent(mediawiki: Wiki) -> None:
    page_id = mediawiki.page_id("en", "Lonely page")
    told = error(mediawiki.url, {"lang": "en", "page_id": page_id})
    assert told.message == f"https://en.wikipedia.org/wiki?curid={page_id} {NO_LINKS}"


def test_a_language_without_a_wikipedia_is_a_400(mediawiki: Wiki) -> None:
    told = error(mediawiki.url, {"lang": "tlh", "page_title": "Physics"})
    assert (told.http_status, told.message) == (400, "Unsupported lang: tlh.")


def test_a_wikipedia_that_the_operators_server_does_not_have_is_a_500(mediawiki: Wiki) -> None:
    told = error(mediawiki.url, {"lang": "sv", "page_title": "Physics"})
    assert (told.http_status, told.message) == (500, UNAVAILABLE)


# Revisions


def test_a_revision_has_the_items_that_it_linked_to(flaky_mediawiki: FlakyProxy, mediawiki: Wiki) -> None:
    first, second, third = mediawiki.revision_ids("en", "Rewritten page")
    page = {"lang": "en", "page_title": "Rewritten page"}
    expected = [
        items_of(*(f"Thing {n}" for n in range(1, 71))),
        items_of("Douglas Adams", "Physics"),
        items_of("Helsinki", "Paris"),
    ]
    for revision, those in zip((first, second, third), expected, strict=True):
        assert items(flaky_mediawiki.url, {**page, "revision_id": revision}) == those
    titles = "|".join(asked.parameters.get("titles", "") for asked in flaky_mediawiki.asked)
    assert "Thing 1|" in titles
    assert "No such page" not in titles
    assert "User:Example" not in titles


def test_the_titles_of_a_revision_are_asked_for_in_batches(
    flaky_mediawiki: FlakyProxy, mediawiki: Wiki
) -> None:
    first, _ = mediawiki.revision_ids("en", "Page of long titles")
    payload = {"lang": "en", "page_title": "Page of long titles", "revision_id": first}
    assert len(items(flaky_mediawiki.url, payload)) == LONG_TITLES
    batches = [a.parameters["titles"] for a in flaky_mediawiki.asked if "ppprop" in a.parameters]
    assert max(len(quote_plus(batch)) for batch in batches) <= 6000
    assert max(batch.count("|") for batch in batches) < 50
    assert len(batches) < LONG_TITLES / 2


def test_the_links_of_a_revision_are_read_until_there_are_more_than_a_thousand_items(
    flaky_mediawiki: FlakyProxy, mediawiki: Wiki
) -> None:
    [revision] = mediawiki.revision_ids("en", f"List of {THINGS} things")
    page_id = mediawiki.page_id("en", f"List of {THINGS} things")
    payload = {"lang": "en", "page_id": page_id, "revision_id": revision}
    assert len(items(flaky_mediawiki.url, payload)) == 1050
    batches = [a.parameters["titles"] for a in flaky_mediawiki.asked if "ppprop" in a.parameters]
    assert [batch.count("|") for batch in batches] == [49] * 21


def test_a_redirect_may_be_named_with_a_revision_of_its_own_or_of_its_target(mediawiki: Wiki) -> None:
    mediawiki.edit("en", "Renamed thinker", "[[Physics]]")
    own = mediawiki.edit("en", "Renamed thinker", "#REDIRECT [[Albert Einstein]]") - 1
    [of_target] = mediawiki.revision_ids("en", "Albert Einstein")
    page = {"lang": "en", "page_title": "Renamed thinker"}
    assert items(mediawiki.url, {**page, "revision_id": own}) == items_of("Physics")
    assert items(mediawiki.url, {**page, "revision_id": of_target}) == linked("Albert Einstein")


@pytest.mark.parametrize("which", ["never used", "deleted"])
def test_a_revision_that_is_not_there_is_a_400_with_mediawikis_code(mediawiki: Wiki, which: str) -> None:
    revision = 999_999_999 if which == "never used" else mediawiki.revision_ids("en", "Deleted page")[0]
    told = error(mediawiki.url, {**ADAMS, "revision_id": revision})
    assert told.http_status == 400
    assert told.message == (
        f"Cannot fetch revision {revision} on en.wikipedia.org: MediaWiki API error 'nosuchrevid'."
    )


@pytest.mark.parametrize("by", ["page_title", "page_id"])
def test_a_revision_of_another_page_is_a_400(mediawiki: Wiki, by: str) -> None:
    revision = mediawiki.revision_ids("en", "Albert Einstein")[0]
    page_id = mediawiki.page_id("en", "Douglas Adams")
    page = ADAMS if by == "page_title" else {"lang": "en", "page_id": page_id}
    told = error(mediawiki.url, {**page, "revision_id": revision})
    path = "wiki/Douglas_Adams" if by == "page_title" else f"wiki?curid={page_id}"
    assert isinstance(told, InvalidInput)
    assert told.message == f"Revision {revision} is not one of https://en.wikipedia.org/{path}."


def test_a_revision_without_links_is_a_400_that_names_it(mediawiki: Wiki) -> None:
    [revision] = mediawiki.revision_ids("en", "Lonely page")
    told = error(mediawiki.url, {"lang": "en", "page_title": "Lonely page", "revision_id": revision})
    assert told.message == f"Revision {revision} of https://en.wikipedia.org/wiki/Lonely_page {NO_LINKS}"
