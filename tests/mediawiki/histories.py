"""Pages with histories by different people: good edits and bad ones, for models that judge revisions."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LONG = 70_000


@dataclass(frozen=True)
class Person:
    """Someone with an account."""

    name: str
    registration: str
    editcount: int
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Edit:
    """One revision to be. Who is not among the people has an address in place of a name: an anonymous edit."""

    title: str
    user: str
    text: str
    comment: str = ""
    minor: bool = False
    good: bool = True


PEOPLE = (
    Person("Example Lakewriter", "20070314092653", 8312),
    Person("Example Administrator", "20050109180000", 40215, ("sysop",)),
    Person("Example Robot", "20100228120000", 250_001, ("bot",)),
    Person("Esimerkki Äänekoski", "20190704000000", 57),
    Person("Example Prankster", "20260101235959", 1),
)
WRITER, ADMINISTRATOR, ROBOT, FINN, PRANKSTER = (person.name for person in PEOPLE)
ADDRESS, ADDRESS_6 = "192.0.2.17", "2001:DB8:0:0:0:0:0:17"

SUBJECTS = (
    ("Lake Harmaja", "a lake in Northern Example", "Perch, pike and vendace are caught there"),
    ("Aroniemi", "a town on the western shore of [[Lake Harmaja]]", "It grew around a sawmill"),
    ("Sirkka Bridge", "a bridge of riveted steel", "It replaced the ferry in 1951"),
    ("SS Aalto", "a steamer built in 1894", "She has been a museum ship since 1978"),
    ("Vuohisaari", "an island that has been inhabited since the 1600s", "Goats graze on it"),
    ("Kuusto Observatory", "an observatory with a refractor of 42 cm", "It found eleven minor planets"),
    ("Talk:Lake Harmaja", "the subject of this discussion", "I think that the depth is wrong"),
    ("Harmajan lehti", "a newspaper; its motto: ''«Ääni järveltä»'' 🛶", "It appears on Thursdays"),
)

FACTS = (
    "In 1902 a fire destroyed most of what was there.",
    "A survey of 1987 gives other figures, which the council does not accept.",
    "Its name is first found in a tax roll of 1571.",
    "It was listed as a monument in 1994, against the wish of its owner.",
)
INSULTS = (
    "hahahaha you are all stupid losers lol!!!!!!!!!",
    "josh is a dumb idiot and this page SUCKS",
    "asdfghjkl poop poop poop omggggggg",
    "your mom wrote this crap",
)


def histories(seed: int = 17) -> list[Edit]:
    """Six revisions of each of eight pages."""
    rng = random.Random(seed)  # noqa: S311 - repeatable, not secret
    return [edit for subject in SUBJECTS for edit in history(rng, *subject)]


def history(rng: random.Random, title: str, what: str, detail: str) -> list[Edit]:
    """A page that is created and edited, where what is bad is taken back."""
    creator = rng.choice((WRITER, FINN, ADDRESS))
    good = Edit(title, creator, article(title, what, detail), "A page about it")
    edits = [good]
    for change in rng.sample(CHANGES, 2):
        good = change(rng, good)
        bad = rng.choice(VANDALISM)(rng, good)
        edits += [good, bad]
    edits.append(Edit(title, ADMINISTRATOR, good.text, f"Reverted an edit by [[{bad.user}]]"))
    return edits


def article(title: str, what: str, detail: str) -> str:
    """A short article with what articles have: a box, a source, links, headings, a category."""
    return (
        f"{{{{Infobox thing\n| name = {title}\n| area = 41\n}}}}\n'''{title}''' is {what}.\n\n"
        f'== Description ==\n{detail}.<ref name="survey">{{{{cite book |title=A survey |author=A. Sample '
        "|year=1987 |page=112}}}}</ref> It is discribed in [[Thing 1]] and in [[Thing 2|another thing]].\n\n"
        "== See also ==\n* [[Douglas Adams]]\n\n== References ==\n{{reflist}}\n\n[[Category:Things]]\n"
    )


Change = Callable[[random.Random, Edit], Edit]


def adds_a_fact(rng: random.Random, before: Edit) -> Edit:
    """A sentence with a source."""
    source = f"<ref>{{{{cite news |title=Old news |date={rng.randint(1, 28)} June 1978}}}}</ref>"
    text = before.text.replace(
        "\n\n== See also", f" {rng.choice(FACTS)}{source}\n\n== History ==\nNot much.\n\n== See also"
    )
    return Edit(before.title, WRITER, text, "/* Description */ with a source")


def corrects_a_word(rng: random.Random, before: Edit) -> Edit:
    """One letter, by somebody without an account."""
    text = before.text.replace("discribed", "described")
    return Edit(before.title, rng.choice((ADDRESS, ADDRESS_6)), text, "typo", minor=True)


def links_elsewhere(rng: random.Random, before: Edit) -> Edit:
    """What a robot does."""
    text = before.text.replace("[[Category:Things]]", "[[Category:Things|{{PAGENAME}}]]\n[[fi:Asia]]")
    return Edit(before.title, ROBOT, text, "Robot: [[WP:AES|←]] links", minor=True)


def rewrites(rng: random.Random, before: Edit) -> Edit:
    """Half of the page, with a table."""
    lead, _, rest = before.text.partition("== Description ==")
    table = '{| class="wikitable"\n! Year !! Figure\n|-\n| 1987 || 41\n|-\n| 1994 || 42\n|}\n'
    return Edit(before.title, FINN, f"{lead}{table}\n== Description ==\n{rng.choice(FACTS)}{rest}", "")


def insults(rng: random.Random, before: Edit) -> Edit:
    """A line of abuse."""
    text = before.text.replace("== See also ==", f"{rng.choice(INSULTS)}\n== See also ==")
    return Edit(before.title, rng.choice((ADDRESS, ADDRESS_6, PRANKSTER)), text, good=False)


def blanks(rng: random.Random, before: Edit) -> Edit:
    """Most of the page is gone."""
    return Edit(
        before.title, rng.choice((ADDRESS, PRANKSTER)), rng.choice(INSULTS), "fixed it lol", good=False
    )


def empties(rng: random.Random, before: Edit) -> Edit:
    """All of the page is gone."""
    return Edit(before.title, PRANKSTER, "", "", good=False)


CHANGES: Sequence[Change] = (adds_a_fact, corrects_a_word, links_elsewhere, rewrites)
VANDALISM: Sequence[Change] = (insults, insults, blanks, empties)


def long_history(revisions: int = 4, seed: int = 17) -> list[Edit]:
    """A page of 70,000 characters, of which each revision changes a few paragraphs."""
    rng = random.Random(seed)  # noqa: S311 - repeatable, not secret
    paragraphs: list[str] = []
    while sum(map(len, paragraphs)) + 2 * len(paragraphs) < LONG:
        paragraphs.append(paragraph(rng))
    edits = []
    for number in range(revisions):
        for _ in range(5):
            paragraphs[rng.randrange(len(paragraphs))] = paragraph(rng)
        text = "\n\n".join(paragraphs)[:LONG].rstrip()
        edits.append(Edit("A long article", WRITER, text, f"revision {number}"))
    return edits


def paragraph(rng: random.Random) -> str:
    """Sentences with links, numbers and words that no dictionary has."""
    words = " ".join(f"{what} {detail.lower()}" for _, what, detail in SUBJECTS).split()
    sentences = []
    for _ in range(6):
        chosen = rng.choices(words, k=14)
        chosen[rng.randrange(14)] = f"[[Thing {rng.randint(1, 60)}]]"
        chosen[rng.randrange(14)] = "".join(rng.choices("aeioklmnrst", k=7))
        sentences.append(f"{' '.join(chosen).capitalize()} in {rng.randint(1500, 2000)}.")
    return " ".join(sentences)
