"""The demo's sample articles, in MediaWiki's place: their links lie in a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from liftwing_host import InvalidInput

from .query import Query

__all__ = ["DemoArticles"]

_FILE = Path(__file__).parent / "demo" / "articles.json"


@dataclass(frozen=True)
class _Article:
    lang: str
    title: str
    page_id: int | None
    items: tuple[str, ...]

    def is_meant_by(self, query: Query) -> bool:
        if query.lang != self.lang:
            return False
        if query.page_title is None:
            return query.page_id == self.page_id
        return _normal(query.page_title) == self.title


class DemoArticles:
    """A few articles and what they link to.

    Args:
        articles: As in the file: mappings with `lang`, `page_title`, `page_id` and `links`, which are pairs of
            a title and a Wikidata item.
    """

    def __init__(self, articles: list[Mapping[str, object]]) -> None:
        self._articles = [_read(article) for article in articles]

    @classmethod
    def load(cls) -> DemoArticles:
        """Read the file that ships with the plugin."""
        return cls(json.loads(_FILE.read_text(encoding="utf-8")))

    def outlinks(self, query: Query) -> tuple[str, ...]:
        """The items of the articles that the article links to.

        Raises:
            InvalidInput: It is not one of the sample articles, or a revision was asked for.
        """
        if query.revision_id is None:
            for article in self._articles:
                if article.is_meant_by(query):
                    return article.items
        known = ", ".join(f"{article.title} ({article.lang})" for article in self._articles)
        raise InvalidInput(
            f"This is the demo. It knows only the latest revision of these articles: {known}. "
            f"To ask Wikipedia about any article, serve the model without --demo."
        )


def _read(article: Mapping[str, object]) -> _Article:
    links = article["links"]
    page_id = article.get("page_id")
    if not isinstance(links, list) or not isinstance(page_id, int | None):
        raise TypeError(f"not a sample article: {article}")
    items = dict.fromkeys(item for _, item in links if item)
    return _Article(str(article["lang"]), _normal(str(article["page_title"])), page_id, tuple(items))


def _normal(title: str) -> str:
    """A title as MediaWiki sees it: underscores are spaces, the case of the first letter does not count."""
    words = " ".join(title.replace("_", " ").split())
    return words[:1].upper() + words[1:]
