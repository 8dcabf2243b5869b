"""The languages that the models know: their codes, their Wikipedias and their English names."""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Language", "known_languages"]

_TABLE = Path(__file__).with_name("languages.tsv")


@dataclass(frozen=True)
class Language:
    """A language in one script.

    Attributes:
        code: ISO 639-3 and ISO 15924, as in FLORES-200: `eng_Latn`.
        wikicode: The code of its Wikipedia, as in the host name; empty where there is none.
        name: Its name in English.
    """

    code: str
    wikicode: str
    name: str


@functools.cache
def known_languages() -> Mapping[str, Language]:
    """The languages by the labels of the models, without fastText's prefix: lid201's `eng_Latn`, lid.176's `en`."""
    found = {}
    with _TABLE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            language = Language(row["language"], row["wikicode"], row["languagename"])
            found[language.code] = language
            if row["lid176"]:
                found[row["lid176"]] = language
    return found
