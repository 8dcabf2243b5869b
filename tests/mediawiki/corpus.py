"""What the wikis contain: articles with real items, and pages that try a reader's patience."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ARTICLES = Path(__file__).with_name("articles.tsv")
THINGS = 1600  # In answers of 500, the outlink model stops before the fourth: past 1,000 items.
LONG_TITLES = 60  # More than the 50 titles that one query takes.


@dataclass(frozen=True)
class Page:
    """A page with its history, oldest revision first."""

    title: str
    revisions: tuple[str, ...]
    item: str | None = None
    deleted: bool = False


def links(titles: Iterable[str]) -> str:
    """Wikitext of a list that links to each title; the colon keeps a category a link."""
    return "\n".join(f"* [[:{title}]]" for title in titles)


def articles(wiki: str) -> list[Page]:
    """The wiki's pages in the table of articles."""
    with ARTICLES.open(encoding="utf-8", newline="") as table:
        rows = csv.DictReader(table, dialect="excel-tab", quoting=csv.QUOTE_NONE)
        return [article(row) for row in rows if row["wiki"] == wiki]


def article(row: dict[str, str]) -> Page:
    """A page that links to what its row names; a short row names nothing."""
    targets = row["links"].split("|") if row["links"] else ()
    text = f"'''{row['title']}''' is an article.\n{links(targets)}"
    return Page(row["title"], (text,), row["item"])


def redirect(title: str, target: str) -> Page:
    """A page that only leads to another."""
    return Page(title, (f"#REDIRECT [[{target}]]",))


def thing(number: int) -> str:
    """Title of one of the many stubs that the lists link to."""
    return f"Thing {number}"


def long_title(number: int) -> str:
    """A title near the 255 bytes that MediaWiki allows, three times as long in a URL."""
    return f"{'Очень длинное название ' * 5}{number}"


def stubs() -> list[Page]:
    """Pages that only exist to be linked to, with made-up items."""
    things = [Page(thing(n), ("A thing.",), f"Q{90_000_000 + n}") for n in range(1, THINGS + 1)]
    longs = [Page(long_title(n), ("A long title.",), f"Q{90_020_000 + n}") for n in range(1, LONG_TITLES + 1)]
    return things + longs


def long_lists() -> list[Page]:
    """Pages with more links than one answer holds."""
    return [
        Page(f"List of {count} things", (links(map(thing, range(1, count + 1))),), item)
        for count, item in ((700, "Q90030001"), (1200, "Q90030002"), (THINGS, "Q90030009"))
    ]


def redirects() -> list[Page]:
    """Redirects that arrive, arrive late, never arrive, and the pages that link to them."""
    return [
        redirect("Douglas Noel Adams", "Douglas Adams"),
        redirect("DNA (author)", "Douglas Noel Adams"),
        redirect("USA", "United States"),
        redirect("Lost redirect", "Nowhere at all"),
        redirect("Circle A", "Circle B"),
        redirect("Circle B", "Circle A"),
        Page("Towel Day", (links(("Douglas Noel Adams", "Novel", "USA")),), "Q90030003"),
        Page("Double redirect reader", (links(("DNA (author)", "Satire")),)),
        Page("Lost redirect reader", (links(("Circle A", "Lost redirect", "Satire")),)),
    ]


def odd_links() -> list[Page]:
    """Pages whose links are missing, few, or not to articles."""
    mixed = (
        "Category:Things",
        "Lonely page",
        "No such page",
        "Physics",
        "Talk:Douglas Adams",
        "User:Example",
    )
    return [
        Page("Lonely page", ("No link leads from here.",)),
        Page("Red links only", (links(("No such page", "No such page either")),), "Q90030004"),
        Page("Mixed links", (links(mixed),), "Q90030005"),
        Page("Talk:Douglas Adams", (links(("Paris",)),)),
        Page("User:Example", (links(("Paris",)),)),
    ]


def histories() -> list[Page]:
    """Pages whose earlier revisions link elsewhere, and one that is gone."""
    return [
        Page(
            "Rewritten page",
            (
                links((*map(thing, range(1, 71)), "User:Example")),
                links(("Douglas Noel Adams", "No such page", "Physics")),
                links(("Helsinki", "Paris")),
            ),
            "Q90030006",
        ),
        Page(
            "Page of long titles",
            (links(map(long_title, range(1, LONG_TITLES + 1))), links(("Paris",))),
            "Q90030007",
        ),
        Page("Deleted page", (links(("Paris",)), links(("Berlin",))), "Q90030008", deleted=True),
    ]


CORPUS: dict[str, tuple[Page, ...]] = {
    "en": (
        *articles("en"),
        *odd_links(),
        *redirects(),
        *histories(),
        *long_lists(),
        *stubs(),
    ),
    "fi": tuple(articles("fi")),
    "de": tuple(articles("de")),
}
