"""The event that follows from the prediction for a changed page: /mediawiki/page/prediction_classification_change."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["prediction_event"]

_SCHEMA = "/mediawiki/page/prediction_classification_change/1.3.0"
_MODEL_NAME = "outlink-topic-model"
_REQUIRED = ("changelog_kind", "page_change_kind", "dt", "wiki_id", "page", "revision")


def prediction_event(
    change: Mapping[str, Any],
    topics: Iterable[tuple[str, float]],
    *,
    threshold: float,
    stream: str,
    model_version: str,
) -> dict[str, Any]:
    """Make the event.

    Args:
        change: What goes over from the event of the changed page (`page_change.carried_over`).
        topics: Every topic with its score, highest first.
        threshold: The score above which a topic is predicted. One that has just this score is not, though the
            client is told it: so does Lift Wing.
        stream: The stream that the event belongs to.
        model_version: What the operator calls the model.

    Raises:
        ValueError: The event of the changed page lacks what this one must have.
    """
    missing = [name for name in _REQUIRED if name not in change]
    if missing:
        raise ValueError(f"the page_change event has no {', '.join(missing)}")
    probabilities = dict(topics)
    meta = {"stream": stream, "id": str(uuid.uuid4()), **change["meta"]}
    return {
        "$schema": _SCHEMA,
        **change,
        "meta": meta,
        "predicted_classification": {
            "model_name": _MODEL_NAME,
            "model_version": model_version,
            "predictions": [topic for topic, score in probabilities.items() if score > threshold],
            "probabilities": probabilities,
        },
    }
