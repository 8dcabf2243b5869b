"""The test wikis answer as Wikipedia does what the outlink model asks."""

from __future__ import annotations

from typing import Any

import pytest

from .corpus import LONG_TITLES, THINGS, long_title
from .wiki import Wiki

Answer = dict[str, Any]


def outlinks(wiki: Wiki, language: str, page: int, **more: str) -> Answer:
    """Ask for the items of the articles that a page links to, as the model does."""
    return wiki.get(
        language,
        action="query",
        generator="links",
        redirects="",
        prop="pageprops",
        ppprop="wikibase_item",
        gplnamespace=0,
        gpllimit=500,
        formatversion=2,
        pageids=page,
        **more,
    )


def items(answer: Answer) -> set[str]:
    """The items in one answer."""
    pages = answer.get("query", {}).get("pages", [])
    return {page["pageprops"]["wikibase_item"] for page in pages if "pageprops" in page}


def batches(wiki: Wiki, title: str) -> list[set[str]]:
    """The items in each answer, for as long as there is more."""
    page = wiki.page_id("en", title)
    answer = outlinks(wiki, "en", page)
    found = [items(answer)]
    while "continue" in answer:
        answer = outlinks(wiki, "en", page, **answer["continue"])
        found.append(items(answer))
    return found


def links_of_revision(wiki: Wiki, revision: int) -> dict[str, int]:
    """Titles that a revision links to, with their namespaces."""
    answer = wiki.get("en", action="parse", oldid=revision, prop="links", formatversion=2)
    return {link["title"]: link["ns"] for link in answer["parse"]["links"]}


def item_of(wiki: Wiki, title: str, language: str = "en") -> str:
    """The item of one article."""
    answer = wiki.get(language, action="query", prop="pageprops", titles=title, formatversion=2)
    return str(answer["query"]["pages"][0]["pageprops"]["wikibase_item"])


@pytest.mark.parametrize(
    "title",
    ["100% (song)", "AC/DC", "C++", "Douglas Adams", "Simon & Garfunkel", "What Is Life?", "Łódź"],
)
def test_a_title_is_found(mediawiki: Wiki, title: str) -> None:
    page = mediawiki.page_id("en", title)
    answer = mediawiki.get("en", action="query", titles=title)
    assert answer["query"]["pages"] == {str(page): {"pageid": page, "ns": 0, "title": title}}


def test_a_title_that_is_missing_has_the_id_minus_one(mediawiki: Wiki) -> None:
    answer = mediawiki.get("en", action="query", titles="No such page")
    assert answer["query"]["pages"] == {"-1": {"ns": 0, "title": "No such page", "missing": ""}}


def test_a_page_id_that_is_missing_has_no_links_and_no_error(mediawiki: Wiki) -> None:
    answer = outlinks(mediawiki, "en", 999_999_999)
    assert items(answer) == set()
    assert "error" not in answer


def test_the_links_of_a_page_have_items(mediawiki: Wiki) -> None:
    [found] = batches(mediawiki, "Douglas Adams")
    assert len(found) == 22
    assert {"Q9531", "Q25169"} < found


def test_the_host_header_selects_the_wiki(mediawiki: Wiki) -> None:
    finnish = outlinks(mediawiki, "fi", mediawiki.page_id("fi", "Douglas Adams"))
    german = outlinks(mediawiki, "de", mediawiki.page_id("de", "Douglas Adams"))
    assert items(finnish) == {"Q9531", "Q350", "Q21", "Q36180", "Q84"}
    assert items(german) == {"Q84", "Q16402", "Q145"}


def test_redirects_lead_to_the_items_of_their_targets(mediawiki: Wiki) -> None:
    assert batches(mediawiki, "Towel Day") == [{"Q42", "Q8261", "Q30"}]
    assert batches(mediawiki, "Double redirect reader") == [{"Q42", "Q128758"}]
    assert batches(mediawiki, "Lost redirect reader") == [{"Q128758"}]


def test_only_existing_articles_with_an_item_count(mediawiki: Wiki) -> None:
    assert batches(mediawiki, "Mixed links") == [{"Q413"}]
    assert batches(mediawiki, "Red links only") == [set()]
    assert batches(mediawiki, "Lonely page") == [set()]


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(700, [500, 200]), (1200, [500, 500, 200]), (THINGS, [500, 500, 500, 100])],
)
def test_many_links_come_in_several_answers(mediawiki: Wiki, count: int, sizes: list[int]) -> None:
    found = batches(mediawiki, f"List of {count} things")
    assert [len(batch) for batch in found] == sizes
    assert len(set.union(*found)) == count


def test_revisions_link_to_different_pages(mediawiki: Wiki) -> None:
    first, second, third = mediawiki.revision_ids("en", "Rewritten page")
    assert len(links_of_revision(mediawiki, first)) == 71
    assert links_of_revision(mediawiki, first)["User:Example"] == 2
    assert set(links_of_revision(mediawiki, second)) == {
        "Douglas Noel Adams",
        "No such page",
        "Physics",
    }
    assert links_of_revision(mediawiki, third) == {"Helsinki": 0, "Paris": 0}
    assert batches(mediawiki, "Rewritten page") == [{"Q1757", "Q90"}]


def test_long_titles_are_linked_and_have_items(mediawiki: Wiki) -> None:
    first, _ = mediawiki.revision_ids("en", "Page of long titles")
    titles = {long_title(number) for number in range(1, LONG_TITLES + 1)}
    assert set(links_of_revision(mediawiki, first)) == titles
    assert item_of(mediawiki, long_title(7)) == "Q90020007"


@pytest.mark.parametrize(("count", "refused"), [(50, False), (51, True)])
def test_a_query_takes_fifty_titles(mediawiki: Wiki, count: int, refused: bool) -> None:
    titles = "|".join(map(long_title, range(1, count + 1)))
    answer = mediawiki.get("en", action="query", prop="pageprops", titles=titles, formatversion=2)
    assert (answer.get("error", {}).get("code") == "toomanyvalues") is refused
    assert (len(items(answer)) == count) is not refused


def test_a_title_of_another_wiki_is_no_page(mediawiki: Wiki) -> None:
    answer = mediawiki.get("en", action="query", titles="commons:Paris")
    assert answer["query"] == {"interwiki": [{"title": "commons:Paris", "iw": "commons"}]}


def test_a_redirect_has_an_id_of_its_own_and_its_targets_links(mediawiki: Wiki) -> None:
    """Page ids are resolved too, although only titles are documented to be."""
    page = mediawiki.page_id("en", "Douglas Noel Adams")
    assert page != mediawiki.page_id("en", "Douglas Adams")
    assert len(items(outlinks(mediawiki, "en", page))) == 22


def test_a_deleted_page_is_missing_and_so_are_its_revisions(mediawiki: Wiki) -> None:
    answer = mediawiki.get("en", action="query", titles="Deleted page")
    assert "-1" in answer["query"]["pages"]
    assert items(outlinks(mediawiki, "en", mediawiki.page_id("en", "Deleted page"))) == set()
    for revision in mediawiki.revision_ids("en", "Deleted page"):
        answer = mediawiki.get("en", action="parse", oldid=revision, prop="links")
        assert answer["error"]["code"] == "nosuchrevid"


def test_an_edit_changes_the_links_and_keeps_the_item(mediawiki: Wiki) -> None:
    assert item_of(mediawiki, "Folk music") == "Q43343"
    revision = mediawiki.edit("en", "Folk music", "[[Guitar]]")
    assert mediawiki.revision_ids("en", "Folk music")[-1] == revision
    assert batches(mediawiki, "Folk music") == [{"Q6607"}]
    assert item_of(mediawiki, "Folk music") == "Q43343"


def test_a_page_can_be_deleted(mediawiki: Wiki) -> None:
    mediawiki.edit("en", "Short-lived page", "[[Guitar]]")
    mediawiki.delete("en", "Short-lived page")
    answer = mediawiki.get("en", action="query", titles="Short-lived page")
    assert "-1" in answer["query"]["pages"]
