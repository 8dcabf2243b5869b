"""What the model answered, and how it travels from a predictor to a transformer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from liftwing_host import LiftwingError

from .query import Query

__all__ = ["Prediction"]


@dataclass(frozen=True)
class Prediction:
    """What the model answered.

    Attributes:
        query: The client's question.
        scores: The topics of the model that matter, each with its score from 0.0 to 1.0: every one where an event
            may follow, else those that reach the threshold.
    """

    query: Query
    scores: tuple[tuple[str, float], ...]

    @property
    def ranking(self) -> list[tuple[str, float]]:
        """The topics and their scores, highest score first, equal ones by name."""
        return sorted(self.scores, key=lambda told: (-told[1], told[0]))

    def as_json(self) -> dict[str, Any]:
        """What Lift Wing's predictor answered its transformer in 2022, and what else of the question is needed."""
        return {"topics": [[topic, score] for topic, score in self.ranking], **self.query.as_json()}

    @classmethod
    def read(cls, told: Any) -> Prediction:
        """The prediction from `as_json`, or from another predictor, which may have kept to the threshold by itself.

        Raises:
            LiftwingError: It is none (502).
        """
        try:
            scores = tuple((str(topic), float(score)) for topic, score in told["topics"])
            query = Query(
                lang=told["lang"],
                page_title=told.get("page_title"),
                page_id=told.get("page_id"),
                threshold=float(told.get("threshold", 0.0)),
                change=told.get("change"),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            raise LiftwingError(
                "The predictor answered what is no prediction of topics.", status=502
            ) from None
        return cls(query, scores)
