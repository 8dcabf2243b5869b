"""The documents of MediaWiki that a model's features are made of: which it needs, and fetching them.

Lift Wing (inference-services, `get_revscoring_extractor_cache`) decides by the kind of model whether to ask for the
parent revision and the author; here the model's own features decide. The parameters and the texts are Lift Wing's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from liftwing_host import InferenceError, InvalidInput, Request

from .mediawiki import MediaWiki

__all__ = ["Documents", "IncompleteRevision", "Needs", "UnknownRevision", "fetch_documents", "read_documents"]

_logger = logging.getLogger("liftwing_plugin_revscoring")

_LARGEST_ID = 2**63 - 1
_REVISION = {"action": "query", "prop": "revisions", "rvslots": "main"}
_REVISION["rvprop"] = "ids|user|userid|timestamp|size|comment|contentmodel|content"
_USER = {"action": "query", "list": "users", "usprop": "groups|registration|editcount|gender"}
_SUGGESTIONS = {"action": "wbsgetsuggestions", "include": "all", "limit": "50"}


class UnknownRevision(InvalidInput):
    """The wiki has no such revision. ores-legacy looks at the beginning of the text: it is not to be reworded."""

    def __init__(self, rev_id: int) -> None:
        super().__init__(
            "The MW API does not have any info related to the rev-id provided as input "
            f"({rev_id}), therefore it is not possible to extract features properly. "
            "One possible cause is the deletion of the page related to the revision id. "
            "Please contact the ML-Team if you need more info."
        )


class IncompleteRevision(InferenceError):
    """The wiki's answer does not hold the revision."""

    def __init__(self) -> None:
        super().__init__(
            "The rev-id doc retrieved from the MW API does not contain all the data needed "
            "to extract features properly. Please contact the ML-Team if the issue persists."
        )


@dataclass(frozen=True)
class Needs:
    """What a model needs beside the revision itself.

    Attributes:
        parent: The parent revision.
        user: The account of the author.
        suggestions: The properties that Wikibase suggests for an item.
    """

    parent: bool = False
    user: bool = False
    suggestions: bool = False


@dataclass(frozen=True)
class Documents:
    """Answers of MediaWiki's API in its format version 1, which is the one that revscoring reads.

    Attributes:
        revision: That of `prop=revisions` for the revision.
        parent: The id of the parent revision, and the same for that. None: not needed, or there is none.
        user: The name of the author, and the answer of `list=users`. None: not needed, or not logged in, or hidden.
        suggestions: The id of the item, and the answer of `wbsgetsuggestions`. None: not needed.
    """

    revision: dict[str, Any]
    parent: tuple[int, dict[str, Any]] | None = None
    user: tuple[str, dict[str, Any]] | None = None
    suggestions: tuple[str, dict[str, Any]] | None = None


async def fetch_documents(wiki: MediaWiki, rev_id: int, needs: Needs, request: Request) -> Documents:
    """Ask for the revision, and then, at the same time, for what else is needed of what it names.

    Raises:
        UnknownRevision: There is no such revision.
        IncompleteRevision: The answer does not hold the revision.
        FeaturesUnavailable: MediaWiki did not answer.
    """
    if not 0 < rev_id <= _LARGEST_ID:
        raise UnknownRevision(rev_id)
    revision = await wiki.ask(_REVISION | {"revids": str(rev_id)}, request)
    parent_id, user, item = _named(revision, rev_id, needs)
    return Documents(
        revision,
        *await _together(
            _answer(wiki, parent_id, _REVISION | {"revids": str(parent_id)}, request),
            _answer(wiki, user, _USER | {"ususers": str(user)}, request),
            _answer(wiki, item, _SUGGESTIONS | {"entity": str(item)}, request, may_fail=True),
        ),
    )


def read_documents(
    revision: dict[str, Any], parent: dict[str, Any] | None, user: dict[str, Any] | None, rev_id: int
) -> Documents:
    """Documents that are at hand already, under the names by which revscoring looks for them.

    Raises:
        UnknownRevision: The document tells of no such revision.
        IncompleteRevision: It does not hold the revision.
    """
    parent_id, name, _ = _named(revision, rev_id, Needs(parent=parent is not None, user=user is not None))
    return Documents(
        revision,
        None if parent is None or parent_id is None else (parent_id, parent),
        None if user is None or name is None else (name, user),
    )


def _named(document: dict[str, Any], rev_id: int, needs: Needs) -> tuple[int | None, str | None, str | None]:
    """The parent's id, the author's name and the item that a revision names, each where it is needed."""
    query = document.get("query")
    if isinstance(query, dict) and "badrevids" in query:
        raise UnknownRevision(rev_id)
    try:
        page = next(iter(document["query"]["pages"].values()))
        revision = page["revisions"][0]
        # A first revision has the parent 0; of who was not logged in there is no account; a hidden name is left out.
        parent_id = int(revision["parentid"]) if needs.parent else 0
        account = needs.user and revision.get("userid") and revision.get("user")
        item = page["title"].rpartition(":")[2] if needs.suggestions else None
    except (AttributeError, IndexError, KeyError, StopIteration, TypeError, ValueError) as error:
        _logger.error("revision %d: %r in the answer %.1000r", rev_id, error, document)
        raise IncompleteRevision from error
    return parent_id or None, account or None, item


async def _answer(
    wiki: MediaWiki, of: Any, parameters: dict[str, str], request: Request, *, may_fail: bool = False
) -> tuple[Any, dict[str, Any]] | None:
    return None if of is None else (of, await wiki.ask(parameters, request, may_fail=may_fail))


async def _together(*questions: Awaitable[Any]) -> list[Any]:
    """All answers. Where one fails, nobody waits for the others."""
    asked = [asyncio.ensure_future(question) for question in questions]
    try:
        return await asyncio.gather(*asked)
    finally:
        for each in asked:
            each.cancel()
        # A call that is given up has closed its connection when this returns.
        await asyncio.wait(asked)
