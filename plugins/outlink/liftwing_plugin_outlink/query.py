"""What a client asks, parsed once.

The error texts are Lift Wing's to the letter, grammar included, wherever Lift Wing has one: clients may
compare them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from liftwing_host import InvalidInput

from .page_change import carried_over, language_of_change, page_of_change
from .wikis import language_of, language_of_wiki_id

__all__ = ["Query"]

_DEFAULT_THRESHOLD = 0.5
_LARGEST_ID = 2**63 - 1
_DIGITS = re.compile(r"[0-9]{1,19}")
_LONGEST_TITLE = 512  # bytes; MediaWiki's limit is 255, without the namespace
_NEVER_IN_A_TITLE = re.compile(r"[|\x00-\x1f\x7f\ud800-\udfff]")
_UNQUOTED_IN_A_PATH = ";@$!*(),/~:"  # what MediaWiki leaves as it is in its own links


@dataclass(frozen=True)
class Query:
    """A client's question.

    Attributes:
        lang: The language in the host name of the Wikipedia.
        page_title: The page's title as the client wrote it; None where the client named the page by its id.
        page_id: The page's id; None where the client named it by its title.
        revision_id: The revision whose links are meant; None: the latest one.
        threshold: The least score of a topic that is told.
        features: The Wikidata items that the page links to, where the client sent them, joined by spaces.
        change: Where the client named the page by an event of MediaWiki's, what of that goes into the model's event.
    """

    lang: str
    page_title: str | None = None
    page_id: int | None = None
    revision_id: int | None = None
    threshold: float = _DEFAULT_THRESHOLD
    features: str | None = None
    change: dict[str, Any] | None = None

    @classmethod
    def parse(cls, payload: object) -> Query:
        """Read the body of a request.

        Raises:
            InvalidInput: It is not a question that can be answered; the message says why.
        """
        if not isinstance(payload, dict):
            raise InvalidInput("Please verify that request input is a json dict")
        event = payload.get("event")
        if event is None:
            lang, page_title, page_id = _language(payload), *_page(payload)
        else:
            # As in Lift Wing, the event tells the page, whatever stands beside it.
            lang = language_of_change(event)
            page_title, page_id = _page(page_of_change(event))
        return cls(
            lang=lang,
            page_title=page_title,
            page_id=page_id,
            revision_id=_id(payload, "revision_id"),
            threshold=_threshold(payload),
            features=_features(payload),
            change=None if event is None else carried_over(event),
        )

    def as_json(self) -> dict[str, Any]:
        """What of it a transformer needs again when the predictor has answered."""
        told = {
            "lang": self.lang,
            "page_title": self.page_title,
            "page_id": self.page_id,
            "threshold": self.threshold,
            "change": self.change,
        }
        # Lift Wing's predictor of 2022 knows these two, or fails without them.
        always = ("lang", "page_title")
        return {key: value for key, value in told.items() if value is not None or key in always}

    @property
    def host(self) -> str:
        """The Wikipedia's host name."""
        return f"{self.lang}.wikipedia.org"

    @property
    def article(self) -> str:
        """The page's address, as the client named the page."""
        if self.page_title is None:
            return f"https://{self.host}/wiki?curid={self.page_id}"
        path = quote(self.page_title.replace(" ", "_"), safe=_UNQUOTED_IN_A_PATH)
        return f"https://{self.host}/wiki/{path}"


def _language(payload: Mapping[str, Any]) -> str:
    if "lang" in payload:
        lang = payload["lang"]
        if not isinstance(lang, str):
            raise InvalidInput('Expected "lang" to be a string.')
        return language_of(lang)
    wiki_id = payload.get("wiki_id")
    if wiki_id is None:
        raise InvalidInput('Missing "lang" in input data.')
    if not isinstance(wiki_id, str):
        raise InvalidInput('Expected "wiki_id" to be a string.')
    return language_of_wiki_id(wiki_id)


def _page(payload: Mapping[str, Any]) -> tuple[str | None, int | None]:
    title, page_id = _title(payload), _id(payload, "page_id")
    if title is not None and page_id is not None:
        raise InvalidInput(
            "Detected both `page_title` and `page_id` in the request. Please pass only one of those."
        )
    if title is None and page_id is None:
        raise InvalidInput("You must pass either `page_title` or `page_id`.")
    return title, page_id


def _title(payload: Mapping[str, Any]) -> str | None:
    title = payload.get("page_title")
    if title is None:
        return None
    if not isinstance(title, str):
        raise InvalidInput('Expected "page_title" to be a string.')
    title = title.strip(" _")
    # "|" would make two titles of it, and the others have no place in a URL.
    if _NEVER_IN_A_TITLE.search(title) or len(title.encode()) > _LONGEST_TITLE:
        raise InvalidInput('Expected "page_title" to be the title of a page; no page can have this one.')
    return title or None


def _id(payload: Mapping[str, Any], name: str) -> int | None:
    value = payload.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _LARGEST_ID:
        raise InvalidInput(f'Expected "{name}" to be a integer.')
    return value


def _threshold(payload: Mapping[str, Any]) -> float:
    threshold = payload.get("threshold", _DEFAULT_THRESHOLD)
    if not isinstance(threshold, int | float) or isinstance(threshold, bool) or not _is_finite(threshold):
        raise InvalidInput('Expected "threshold" to be a float')
    return 0.0 if _debug(payload) else float(threshold)


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def _debug(payload: Mapping[str, Any]) -> bool:
    debug = payload.get("debug")
    if debug not in (None, False, True):
        raise InvalidInput('Expected "debug" to be a boolean.')
    return bool(debug)


def _features(payload: Mapping[str, Any]) -> str | None:
    features = payload.get("features_str")
    if features is None:
        return None
    if not isinstance(features, str) or not features.isascii():
        raise InvalidInput('Expected "features_str" to be Wikidata items joined by spaces, such as "Q5 Q42".')
    items = features.split()
    if not items:
        raise InvalidInput('"features_str" is empty: there is nothing to predict topics from.')
    return " ".join(items)
