"""The Wikidata items of the articles that a page links to, as MediaWiki tells them.

A page is asked by its id, with its links as a generator; a revision is parsed, and its links are looked up in
batches. Links to redirects count as links to their targets. Red links, and pages outside the main namespace,
count for nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote_plus

from liftwing_host import InvalidInput, Request

from .mediawiki import ApiError, MediaWiki, UnknownWiki
from .query import Query

__all__ = ["batches", "outlinks"]

_ENOUGH_ITEMS = 1000
_MOST_TITLES = 50
_MOST_BYTES = 6000
_SEPARATOR = "|"
_ARTICLES = 0  # the main namespace

_ITEMS_OF_PAGES = {"action": "query", "prop": "pageprops", "ppprop": "wikibase_item", "redirects": "1"}


async def outlinks(wiki: MediaWiki, query: Query, request: Request) -> tuple[str, ...]:
    """The items, such as `Q42`, each once, in the order in which MediaWiki names them.

    Reading stops after the answer that brings more than 1000 of them.

    Raises:
        InvalidInput: There is no such page, revision or Wikipedia, or the page links to no article with an
            item.
        liftwing_host.InferenceError: MediaWiki does not answer.
    """
    try:
        return await _outlinks(wiki, query, request)
    except ApiError as error:
        raise InvalidInput(
            f"Cannot fetch {_asked(query)} on {query.host}: MediaWiki API error '{error.code}'."
        ) from error
    except UnknownWiki as error:
        raise InvalidInput(f"Unsupported lang: {query.lang}.") from error


async def _outlinks(wiki: MediaWiki, query: Query, request: Request) -> tuple[str, ...]:
    if query.revision_id is None:
        items = await _items_of_page(wiki, query, request)
    else:
        items = await _items_of_revision(wiki, query, request)
    if not items:
        raise InvalidInput(
            f"{_named(query)} has no links to articles with Wikidata items to predict topics from."
        )
    return items


async def _page_id(wiki: MediaWiki, query: Query, request: Request, *, follow: bool = False) -> int:
    """The id of the page that was asked for, or of the one that it redirects to."""
    which = {"pageids": str(query.page_id)} if query.page_title is None else {"titles": query.page_title}
    if follow:
        which["redirects"] = "1"
    for page in _pages(await wiki.ask(query.lang, {"action": "query", **which}, request)):
        if "pageid" in page and "missing" not in page:
            return int(page["pageid"])
        if "invalid" in page:
            raise InvalidInput('Expected "page_title" to be the title of a page; no page can have this one.')
    raise InvalidInput(f"no matching article for {query.article}")


async def _items_of_page(wiki: MediaWiki, query: Query, request: Request) -> tuple[str, ...]:
    page_id = query.page_id
    if page_id is None:
        page_id = await _page_id(wiki, query, request, follow=True)
    question = {
        **_ITEMS_OF_PAGES,
        "generator": "links",
        "gplnamespace": str(_ARTICLES),
        "gpllimit": "500",
        "pageids": str(page_id),
    }
    items: dict[str, None] = {}
    async for answer in _answers(wiki, query, request, question):
        items.update(_items(answer))
        if len(items) > _ENOUGH_ITEMS:
            break
    if not items and query.page_id is not None:
        # To this question, a page that is not there has the same answer as one without links.
        await _page_id(wiki, query, request)
    return tuple(items)


async def _items_of_revision(wiki: MediaWiki, query: Query, request: Request) -> tuple[str, ...]:
    question = {"action": "parse", "oldid": str(query.revision_id), "prop": "links"}
    parsed = (await wiki.ask(query.lang, question, request))["parse"]
    if not await _is_of_page(wiki, query, request, int(parsed["pageid"])):
        raise InvalidInput(f"Revision {query.revision_id} is not one of {query.article}.")
    titles = [link["title"] for link in parsed["links"] if link["ns"] == _ARTICLES and link["exists"]]
    items: dict[str, None] = {}
    for batch in batches(titles):
        question = {**_ITEMS_OF_PAGES, "titles": _SEPARATOR.join(batch)}
        async for answer in _answers(wiki, query, request, question):
            items.update(_items(answer))
        if len(items) > _ENOUGH_ITEMS:
            break
    return tuple(items)


async def _is_of_page(wiki: MediaWiki, query: Query, request: Request, page_id: int) -> bool:
    """Whether a revision's page is the one that was asked for.

    A redirect has revisions of its own, from when it was an article; a page that was moved has them under the
    title that the redirect leads to.
    """
    if query.page_id is not None:
        return page_id == query.page_id
    return page_id == await _page_id(wiki, query, request) or page_id == await _page_id(
        wiki, query, request, follow=True
    )


async def _answers(
    wiki: MediaWiki, query: Query, request: Request, question: Mapping[str, str]
) -> AsyncIterator[dict[str, Any]]:
    """The answers to one question, as long as MediaWiki says that it goes on."""
    going_on: Mapping[str, str] | None = {}
    while going_on is not None:
        answer = await wiki.ask(query.lang, {**question, **going_on}, request)
        yield answer
        going_on = answer.get("continue")


def _pages(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    pages: list[dict[str, Any]] = answer.get("query", {}).get("pages", [])
    return pages


def _items(answer: Mapping[str, Any]) -> Iterator[tuple[str, None]]:
    """The items of the articles in one answer; as pairs, for the dict that keeps each once and in order."""
    for page in _pages(answer):
        item = page.get("pageprops", {}).get("wikibase_item")
        if item is not None and page["ns"] == _ARTICLES and "missing" not in page:
            yield item, None


def batches(titles: Iterable[str]) -> Iterator[list[str]]:
    """Split titles so that each list fits into one URL, and into what MediaWiki takes at once.

    Args:
        titles: Titles of pages, each shorter than one batch.

    Returns:
        Lists of at most 50 titles, and of at most 6000 bytes where they are encoded and joined.
    """
    batch: list[str] = []
    size = 0
    for title in titles:
        more = len(quote_plus(_SEPARATOR + title))
        if batch and (len(batch) == _MOST_TITLES or size + more > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(title)
        size += more
    if batch:
        yield batch


def _asked(query: Query) -> str:
    if query.revision_id is not None:
        return f"revision {query.revision_id}"
    return f"page {query.page_id}" if query.page_title is None else f'page "{query.page_title}"'


def _named(query: Query) -> str:
    return query.article if query.revision_id is None else f"Revision {query.revision_id} of {query.article}"
