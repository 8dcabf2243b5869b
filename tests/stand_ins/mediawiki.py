"""A stand-in for the Wikipedias: `python -m stand_ins.mediawiki`, on port 8080.

It knows the articles of the outlink plugin's demo, and answers the questions that the plugin asks of the latest revision of an
article: which page has this title, and which Wikidata items have the pages that it links to. All else is MediaWiki's own error.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aiohttp import web

__all__ = ["application"]

_FIRST_FREE_ID = 90_000_001


def application(articles: list[dict[str, Any]]) -> web.Application:
    """The server.

    Args:
        articles: As in the demo's file: mappings with `lang`, `page_title`, `page_id` and `links`, which are pairs of
            a title and a Wikidata item.
    """
    pages = {
        (article["lang"], article["page_id"] or _FIRST_FREE_ID + place): article
        for place, article in enumerate(articles)
    }

    async def answer(request: web.Request) -> web.Response:
        lang = request.host.partition(".")[0]
        of_wiki = {page: article for (wiki, page), article in pages.items() if wiki == lang}
        return web.json_response(_answer(request.query, of_wiki))

    app = web.Application()
    app.router.add_get("/w/api.php", answer)
    return app


def _answer(asked: Any, articles: dict[int, dict[str, Any]]) -> dict[str, Any]:
    if asked.get("action") != "query":
        return {"error": {"code": "badvalue", "info": "The stand-in knows the action query, and no other."}}
    if asked.get("generator") == "links":
        return _links(articles.get(int(asked["pageids"])))
    titles = {_normal(article["page_title"]): page for page, article in articles.items()}
    if "titles" in asked:
        title = _normal(asked["titles"])
        return _page(title, titles.get(title))
    page = int(asked.get("pageids", 0))
    article = articles.get(page)
    return _page(_normal(article["page_title"]), page) if article else _page("", None)


def _page(title: str, page: int | None) -> dict[str, Any]:
    known = {"missing": True} if page is None else {"pageid": page}
    return {"batchcomplete": True, "query": {"pages": [{"ns": 0, "title": title, **known}]}}


def _links(article: dict[str, Any] | None) -> dict[str, Any]:
    pages = [
        {"pageid": place, "ns": 0, "title": title, "pageprops": {"wikibase_item": item}}
        for place, (title, item) in enumerate(article["links"] if article else [], start=1)
        if item
    ]
    return {"batchcomplete": True, **({"query": {"pages": pages}} if pages else {})}


def _normal(title: str) -> str:
    return title.replace("_", " ")


if __name__ == "__main__":
    web.run_app(application(json.loads(Path("articles.json").read_text())))
