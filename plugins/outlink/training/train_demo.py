"""Train the demo topic model of liftwing-plugin-outlink from ``items.tsv``.

The script makes up articles (lists of linked Wikidata items) from the table of items, trains a
small fastText classifier on them, quantizes it, measures it, and writes it::

    python train_demo.py [--output PATH]

The same table, seed and fastText version give the same model, byte for byte. Everything that the
model card states as a number is printed here.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import fasttext
from check_demo import ARTICLES, MODEL, load_articles, print_article, rank_topics

HERE = Path(__file__).parent
ITEMS = HERE / "items.tsv"
SAMPLE_TOPICS = HERE / "sample_topics.json"

SEED = 2019
TRAINING_ARTICLES = 80_000
HELD_OUT_ARTICLES = 3_000
THRESHOLD = 0.5

# Linked from articles of every topic: the model has to learn that these alone say little.
COMMON = [
    *("Q30", "Q145", "Q142", "Q183", "Q38", "Q17", "Q148", "Q668"),  # countries
    *("Q1860", "Q150", "Q188"),  # languages
    *("Q362", "Q361", "Q1065", "Q458"),  # the wars, the United Nations, the European Union
    *("Q5043", "Q9592", "Q571", "Q3918", "Q9531", "Q52"),  # Christianity, book, university, BBC
    *("Q54919", "Q131454", "Q193563", "Q27302"),  # authority files and national libraries
]

LINKS = (8, 60)
ON_TOPIC, COMMON_SHARE = 0.66, 0.15
SECOND_SUBJECT = 0.3

# Supersets ("STEM.STEM*") would drown the narrower topics that an article is about.
SUPERSET_MARK = "*"
BIOGRAPHY = "Culture.Biography.Biography*"


@dataclass(frozen=True)
class Item:
    """A Wikidata item and the topics that it speaks for."""

    qid: str
    topics: frozenset[str]


@dataclass(frozen=True)
class Article:
    """What an article is about, and the items that it links to."""

    topics: frozenset[str]
    qids: tuple[str, ...]


class Catalogue:
    """The items of the table, by topic."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.topics = sorted({topic for item in items for topic in item.topics})
        self.by_topic = {t: [i for i in items if t in i.topics] for t in self.topics}
        known = {item.qid for item in items}
        self.common = [qid for qid in COMMON if qid in known]


def read_items(path: Path) -> list[Item]:
    """Read the table of items."""
    with path.open(encoding="utf-8", newline="") as table:
        rows = csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [Item(row["qid"], frozenset(row["topics"].split("|"))) for row in rows]


def narrow(topics: Iterable[str]) -> list[str]:
    """The topics that are not supersets of others, except people, which have no narrower one."""
    chosen = sorted(t for t in topics if not t.endswith(SUPERSET_MARK) or t == BIOGRAPHY)
    return chosen or sorted(topics)


def related(rng: random.Random, catalogue: Catalogue, topics: frozenset[str]) -> str:
    """An item of one of the topics; of several drawn, the one that strays least from them.

    Half of the time the first one drawn is taken: a novelist's article links to novels as well as
    to novelists.
    """
    pool = catalogue.by_topic[rng.choice(narrow(topics))]
    drawn = [rng.choice(pool) for _ in range(rng.choice((1, 3)))]
    return max(drawn, key=lambda i: len(i.topics & topics) / len(i.topics | topics)).qid


def draw_link(rng: random.Random, catalogue: Catalogue, topics: frozenset[str]) -> str:
    """An item to link to: mostly on topic, sometimes one that everybody links to, or any."""
    dice = rng.random()
    if dice < ON_TOPIC:
        return related(rng, catalogue, topics)
    if dice < ON_TOPIC + COMMON_SHARE:
        return rng.choice(catalogue.common)
    return rng.choice(catalogue.items).qid


def draw_article(rng: random.Random, catalogue: Catalogue) -> Article:
    """An article that has the topics of one item, or now and then of two."""
    topics = rng.choice(catalogue.by_topic[rng.choice(catalogue.topics)]).topics
    if rng.random() < SECOND_SUBJECT:
        topics |= rng.choice(catalogue.by_topic[rng.choice(catalogue.topics)]).topics
    links = {draw_link(rng, catalogue, topics): None for _ in range(rng.randint(*LINKS))}
    return Article(topics, tuple(links))


def draw_articles(catalogue: Catalogue, count: int, seed: int) -> list[Article]:
    """The same articles for the same seed."""
    rng = random.Random(seed)  # noqa: S311 - repeatable, not secret
    return [draw_article(rng, catalogue) for _ in range(count)]


def training_line(article: Article) -> str:
    """An article as fastText reads it."""
    labels = " ".join(f"__label__{topic}" for topic in sorted(article.topics))
    return f"{labels} {' '.join(article.qids)}\n"


def train(articles: Sequence[Article]) -> fasttext.FastText._FastText:
    """A quantized model. One thread, because more would make it differ from run to run."""
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "articles.txt"
        lines.write_text("".join(map(training_line, articles)), encoding="utf-8")
        model = fasttext.train_supervised(
            str(lines),
            loss="ova",
            dim=32,
            epoch=6,
            lr=0.1,
            minCount=1,
            bucket=0,
            maxn=0,
            thread=1,
            verbose=0,
        )
        model.quantize(str(lines), dsub=2, qnorm=True, thread=1, verbose=0)
    return model


@dataclass(frozen=True)
class Score:
    """How many topics were right, of those predicted and of those wanted."""

    hits: int
    predicted: int
    wanted: int

    @property
    def precision(self) -> float:
        """The share of the predicted topics that is right."""
        return self.hits / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """The share of the wanted topics that was predicted."""
        return self.hits / self.wanted if self.wanted else 0.0


Judged = list[tuple[frozenset[str], frozenset[str]]]


def judge(model: fasttext.FastText._FastText, articles: Iterable[Article]) -> Judged:
    """The wanted and the predicted topics of each article."""
    return [
        (a.topics, frozenset(t for t, score in rank_topics(model, a.qids) if score >= THRESHOLD))
        for a in articles
    ]


def score(judged: Judged, keep: Callable[[str], bool] = bool) -> Score:
    """Count over all articles, for the topics that `keep` lets through."""
    hits = sum(keep(t) for wanted, predicted in judged for t in wanted & predicted)
    predicted = sum(keep(t) for _, predicted in judged for t in predicted)
    return Score(hits, predicted, sum(keep(t) for wanted, _ in judged for t in wanted))


def print_score(name: str, result: Score) -> None:
    """Print precision, recall and how many were wanted."""
    print(f"{name:<56} {result.precision:9.3f} {result.recall:9.3f} {result.wanted:7d}")


def print_table(judged: Judged, topics: Iterable[str]) -> None:
    """Print the scores of each topic, and of all together."""
    print(f"{'topic (held-out made-up articles)':<56} precision    recall  wanted")
    for topic in topics:
        print_score(topic, score(judged, topic.__eq__))
    print_score("all (micro)", score(judged))


def print_items(items: Sequence[Item]) -> None:
    """Print how many items there are, and how they spread over the topics."""
    counts = Counter(topic for item in items for topic in item.topics)
    each = counts.values()
    print(
        f"items {len(items)}, topics {len(counts)}, items of a topic: "
        f"least {min(each)}, median {median(each):.0f}, most {max(each)}"
    )


def print_samples(model: fasttext.FastText._FastText, known: frozenset[str]) -> None:
    """What the model makes of the articles that ship beside it."""
    wanted: dict[str, list[str]] = json.loads(SAMPLE_TOPICS.read_text(encoding="utf-8"))
    articles = load_articles(ARTICLES)
    for article in articles:
        print_article(model, article)
    subjects = [
        Article(frozenset(wanted[article["page_title"]]), tuple(q for _, q in article["links"]))
        for article in articles
    ]
    links = [qid for article in articles for _, qid in article["links"]]
    strange = sum(qid not in known for qid in links)
    print(f"\nsample articles {len(articles)}, links {len(links)}, unknown to the model {strange}")
    print_score("sample articles (micro)", score(judge(model, subjects)))


def write(model: fasttext.FastText._FastText, path: Path) -> None:
    """Write the model, and print its size and digest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save_model(str(path))
    content = path.read_bytes()
    print(f"wrote {path.name}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Train the demo topic model.")
    parser.add_argument("--output", type=Path, default=MODEL, help="default: %(default)s")
    output: Path = parser.parse_args().output

    catalogue = Catalogue(read_items(ITEMS))
    print_items(catalogue.items)
    model = train(draw_articles(catalogue, TRAINING_ARTICLES, SEED))
    held_out = draw_articles(catalogue, HELD_OUT_ARTICLES, SEED + 1)
    print(f"made-up articles: {TRAINING_ARTICLES} to train, {len(held_out)} held out\n")
    print_table(judge(model, held_out), catalogue.topics)
    print_samples(model, frozenset(item.qid for item in catalogue.items))
    write(model, output)


if __name__ == "__main__":
    main()
