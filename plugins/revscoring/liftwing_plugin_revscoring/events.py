"""The event that tells a score: `/mediawiki/revision/score/3.0.0`, made from the event that asked for it.

The fields are those that Lift Wing sends (inference-services, `generate_revision_score_event`). Only fields that are
named here are taken over, since EventGate refuses an event with a field that its schema does not know. Other than
there, `rev_parent_id` is taken from a page change, too.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from .query import PAGE_CHANGE

__all__ = ["SCHEMA", "label", "revision_score"]

SCHEMA = "/mediawiki/revision/score/3.0.0"

_META = ("request_id", "domain", "uri")
_OF_REVISION_CREATE = (
    "database", "page_id", "page_title", "page_namespace", "page_is_redirect", "rev_id", "rev_timestamp",
)  # fmt: skip
_PERFORMER_REQUIRED = ("user_text", "user_groups", "user_is_bot")
_PERFORMER = (*_PERFORMER_REQUIRED, "user_id", "user_registration_dt", "user_edit_count")


def revision_score(
    source: Mapping[str, Any], score: Mapping[str, Any], *, stream: str, name: str, version: str
) -> dict[str, Any]:
    """The event of a score.

    Args:
        source: The event that the client sent.
        score: The model's `prediction` and `probability`.
        stream: The stream that the event belongs to.
        name: What the model is called in the event, such as `goodfaith`.
        version: The model's version.

    Raises:
        ValueError: The source lacks a field that the event must have.
    """
    is_change = PAGE_CHANGE.match(str(source["$schema"]))
    fields = _from_page_change(source) if is_change else _from_revision_create(source)
    prediction = score["prediction"]
    return {
        "$schema": SCHEMA,
        "meta": _meta(source, stream),
        **fields,
        "scores": {
            name: {
                "model_name": name,
                "model_version": version,
                "prediction": [
                    label(each) for each in (prediction if isinstance(prediction, list) else [prediction])
                ],
                "probability": {label(key): float(value) for key, value in score["probability"].items()},
            }
        },
    }


def label(value: object) -> str:
    """A label of a model as JSON has it for a key: `true` for True."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _meta(source: Mapping[str, Any], stream: str) -> dict[str, Any]:
    meta = source.get("meta")
    carried = _taken(meta, _META) if isinstance(meta, Mapping) else {}
    return {"stream": stream, "id": str(uuid.uuid4()), **carried}


def _from_revision_create(source: Mapping[str, Any]) -> dict[str, Any]:
    fields = {name: _required(source, name) for name in _OF_REVISION_CREATE}
    fields |= _taken(source, ("rev_parent_id",))
    return {"dt": fields["rev_timestamp"], **fields, **_performer(source.get("performer"))}


def _from_page_change(source: Mapping[str, Any]) -> dict[str, Any]:
    page, revision = _required(source, "page"), _required(source, "revision")
    performer = source.get("performer")
    if isinstance(performer, Mapping):
        renamed = {"user_text": "user_text", "groups": "user_groups", "is_bot": "user_is_bot"}
        performer = {new: performer[old] for old, new in renamed.items() if old in performer}
    return {
        "dt": _required(source, "dt"),
        "database": _required(source, "wiki_id"),
        "page_id": _required(page, "page_id"),
        "page_title": _required(page, "page_title"),
        "page_namespace": _required(page, "namespace_id"),
        "page_is_redirect": _required(page, "is_redirect"),
        "rev_id": _required(revision, "rev_id"),
        "rev_timestamp": _required(revision, "rev_dt"),
        **_taken(revision, ("rev_parent_id",)),
        **_performer(performer),
    }


def _performer(performer: object) -> dict[str, Any]:
    """Who made the edit; nobody where the source hides it, or leaves out what the schema wants."""
    if not isinstance(performer, Mapping) or any(name not in performer for name in _PERFORMER_REQUIRED):
        return {}
    return {"performer": _taken(performer, _PERFORMER)}


def _taken(source: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: source[name] for name in names if source.get(name) is not None}


def _required(source: Any, name: str) -> Any:
    if not isinstance(source, Mapping) or source.get(name) is None:
        raise ValueError(f"the source event has no {name}: no event can be made of it")
    return source[name]
