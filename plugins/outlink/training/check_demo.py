"""Print what the shipped demo model says about each sample article.

Needs fasttext-predict only, as the plugin does at run time (the training package works as well)::

    python check_demo.py [--top N] [--model PATH]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypedDict

import fasttext

DEMO = Path(__file__).parent.parent / "liftwing_plugin_outlink" / "demo"
MODEL = DEMO / "model.ftz"
ARTICLES = DEMO / "articles.json"


class SampleArticle(TypedDict):
    """An article as `articles.json` has it; `links` are pairs of a title and an item."""

    lang: str
    page_title: str
    page_id: int | None
    qid: str
    links: list[tuple[str, str]]


def load_articles(path: Path) -> list[SampleArticle]:
    """Read the sample articles that ship with the plugin."""
    articles: list[SampleArticle] = json.loads(path.read_text(encoding="utf-8"))
    return articles


def rank_topics(model: Any, qids: Iterable[str]) -> list[tuple[str, float]]:
    """All topics with their scores, best first."""
    labels, scores = model.predict(" ".join(qids), k=-1)
    # fastText adds 1e-5 to each score, so a sure topic comes out just above 1.
    pairs = zip(labels, scores, strict=True)
    return [(label.removeprefix("__label__"), min(float(score), 1.0)) for label, score in pairs]


def print_article(model: Any, article: SampleArticle, top: int = 5) -> None:
    """Print the best topics of an article."""
    print(f"\n{article['lang']}:{article['page_title']} ({len(article['links'])} links)")
    for topic, score in rank_topics(model, (qid for _, qid in article["links"]))[:top]:
        print(f"  {score:.3f}  {topic}")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Show the demo model's topics.")
    parser.add_argument("--top", type=int, default=5)
    parser.add_argument("--model", type=Path, default=MODEL)
    options = parser.parse_args()
    model = fasttext.load_model(str(options.model))
    for article in load_articles(ARTICLES):
        print_article(model, article, options.top)


if __name__ == "__main__":
    main()
