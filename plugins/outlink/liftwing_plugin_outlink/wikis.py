"""Which Wikipedia a client means, by its language or by its wiki_id."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from liftwing_host import InvalidInput

__all__ = ["NOT_A_WIKIPEDIA", "is_database", "is_known", "language_of", "language_of_wiki_id"]

NOT_A_WIKIPEDIA = (
    "This model is not recommended for use in projects outside of Wikipedia — e.g. Wiktionary, Wikinews, etc."
)

_TABLE = Path(__file__).with_name("wikis.tsv")
_LANGUAGE_CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST_HOST_LABEL = 63
_OTHER_PROJECT = re.compile(r".+(wiktionary|wikinews|wikibooks|wikiquote|wikisource|wikiversity|wikivoyage)")

# Languages whose Wikipedia goes by an older code in its host name, or by a newer one than its database.
_HOST_NAMES = {
    "be-x-old": "be-tarask",
    "gsw": "als",
    "lzh": "zh-classical",
    "nan": "zh-min-nan",
    "nb": "no",
    "rup": "roa-rup",
    "sgs": "bat-smg",
    "vro": "fiu-vro",
    "yue": "zh-yue",
}


def language_of(code: str) -> str:
    """The language as it stands in the host name of its Wikipedia.

    Args:
        code: What a client sent as `lang`.

    Raises:
        InvalidInput: It does not look like a language code. The code becomes a host name, so nothing else
            may pass.
    """
    lang = code.strip().lower()
    if len(lang) > _LONGEST_HOST_LABEL or not _LANGUAGE_CODE.fullmatch(lang):
        raise InvalidInput('Expected "lang" to be the language code of a Wikipedia, such as "en".')
    return _HOST_NAMES.get(lang, lang)


def language_of_wiki_id(wiki_id: str) -> str:
    """The language of a Wikipedia by the name of its database, such as `enwiki`.

    Raises:
        InvalidInput: No Wikipedia has that database.
    """
    lang = _languages().get(wiki_id)
    if lang is not None:
        return lang
    if _OTHER_PROJECT.fullmatch(wiki_id):
        raise InvalidInput(NOT_A_WIKIPEDIA)
    raise InvalidInput(f"Unknown wiki_id: {wiki_id}")


def is_database(wiki_id: str) -> bool:
    """Whether the table knows the database as a Wikipedia's. It may miss one younger than this release."""
    return wiki_id in _languages()


def is_known(lang: str) -> bool:
    """Whether the table knows a Wikipedia of that language. It may miss one younger than this release."""
    return lang in _languages().values()


@functools.cache
def _languages() -> dict[str, str]:
    lines = _TABLE.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t", maxsplit=1) for line in lines)
