"""MediaWiki's events of changed pages: what they say about the page, and what of them goes on into the model's own event.

The schema is /mediawiki/page/change, version 1. The texts of the errors are Lift Wing's (`preprocess_utils`), and so
are the lists of the fields that are passed on (`events`): MediaWiki's events gain fields, and a field that the schema
of the model's event does not know would have the event refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from liftwing_host import InvalidInput

from .wikis import NOT_A_WIKIPEDIA, is_database, language_of, language_of_wiki_id

__all__ = ["carried_over", "language_of_change", "page_of_change"]

_SCHEMA = re.compile(r"/mediawiki/page/change/1(\..*)?")

_EVENT = ("changelog_kind", "page_change_kind", "dt", "wiki_id", "comment")
_META = ("request_id", "domain", "uri")
_PAGE = ("page_id", "page_title", "is_redirect", "namespace_id", "namespace_is_content", "revision_count")
_LINK = ("interwiki_prefix", "is_redirect", "namespace_id", "page_id", "page_title")
_REVISION = (
    "rev_id", "rev_dt", "comment", "is_comment_visible", "is_content_visible", "is_editor_visible", "is_minor_edit",
    "rev_parent_id", "rev_sha1", "rev_size",
)  # fmt: skip
_USER = (
    "edit_count", "groups", "is_bot", "is_system", "is_temp", "registration_dt", "user_central_id", "user_id",
    "user_text",
)  # fmt: skip


def language_of_change(event: object) -> str:
    """The language of the Wikipedia whose page has changed, as in its host name.

    The name of the database tells it, or the domain where the table does not know that database yet.

    Raises:
        InvalidInput: It is no such event, or the wiki is no Wikipedia.
    """
    if not isinstance(event, dict):
        raise InvalidInput('Expected "event" to be a json dict.')
    schema, wiki_id = event.get("$schema"), event.get("wiki_id")
    if schema is None or wiki_id is None:
        raise InvalidInput('Missing "lang" in input data.')
    if not isinstance(schema, str) or not _SCHEMA.fullmatch(schema):
        raise InvalidInput(f"Unsupported event of schema {schema}, the lang value cannot be determined.")
    if not isinstance(wiki_id, str):
        raise InvalidInput('Expected "wiki_id" to be a string.')
    labels = _labels(event)
    if labels and "wikipedia" not in labels:
        raise InvalidInput(NOT_A_WIKIPEDIA)
    if labels and not is_database(wiki_id):
        return language_of(labels[0])
    return language_of_wiki_id(wiki_id)


def _labels(event: Mapping[str, Any]) -> list[str]:
    domain = _object(event, "meta").get("domain")
    return domain.lower().split(".") if isinstance(domain, str) else []


def page_of_change(event: Mapping[str, Any]) -> dict[str, Any]:
    """The page that has changed, as a client would name it: by its id, as Lift Wing does, or else by its title.

    Raises:
        InvalidInput: The event does not say which page it is.
    """
    page = _object(event, "page")
    for name in ("page_id", "page_title"):
        if page.get(name) is not None:
            return {name: page[name]}
    raise InvalidInput('Missing "page_id" in input data.')


def carried_over(event: Mapping[str, Any]) -> dict[str, Any]:
    """What of the event goes on into the model's: the known fields of each part, and nothing else."""
    carried = _known(event, _EVENT) | {"meta": _known(_object(event, "meta"), _META)}
    if _has(event, "page"):
        carried["page"] = _page(event["page"])
        if _has(event["page"], "redirect_page_link"):
            carried["page"]["redirect_page_link"] = _known(event["page"]["redirect_page_link"], _LINK)
    if _has(event, "revision"):
        carried["revision"] = _revision(event["revision"])
    if _has(event, "performer"):
        carried["performer"] = _known(event["performer"], _USER)
    if _has(event, "prior_state"):
        carried["prior_state"] = _prior_state(event["prior_state"])
    if _has(event, "created_redirect_page"):
        carried["created_redirect_page"] = _page(event["created_redirect_page"])
    return carried


def _prior_state(state: Mapping[str, Any]) -> dict[str, Any]:
    carried = {}
    if _has(state, "page"):
        carried["page"] = _page(state["page"])
    if _has(state, "revision"):
        carried["revision"] = _revision(state["revision"])
    return carried


def _page(page: Mapping[str, Any]) -> dict[str, Any]:
    return _known(page, _PAGE)


def _revision(revision: Mapping[str, Any]) -> dict[str, Any]:
    carried = _known(revision, _REVISION)
    if _has(revision, "editor"):
        carried["editor"] = _known(revision["editor"], _USER)
    return carried


def _known(part: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: part[name] for name in names if name in part}


def _has(part: Mapping[str, Any], name: str) -> bool:
    return isinstance(part.get(name), dict)


def _object(part: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return part[name] if _has(part, name) else {}
