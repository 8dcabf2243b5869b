"""What the model is asked, and how it travels from a transformer to a predictor."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from liftwing_host import InvalidInput

from .query import Query

__all__ = ["Features"]


@dataclass(frozen=True)
class Features:
    """What the model is asked.

    Attributes:
        query: The client's question.
        text: Wikidata items joined by spaces.
    """

    query: Query
    text: str

    def as_json(self) -> dict[str, Any]:
        """What Lift Wing's transformer sent to its predictor in 2022, and what else of the question the answer needs."""
        # `debug` has made a threshold of 0 already.
        return {"features_str": self.text, **self.query.as_json(), "debug": False}

    @classmethod
    def read(cls, told: Any) -> Features:
        """The features from `as_json`, or from another transformer.

        Raises:
            InvalidInput: They are none; the message says why.
        """
        query = Query.parse(told)
        if query.features is None:
            raise InvalidInput('Missing "features_str" in input data.')
        change = told.get("change")
        if not isinstance(change, dict | None):
            raise InvalidInput('Expected "change" to be a json dict.')
        return cls(dataclasses.replace(query, change=change), query.features)
