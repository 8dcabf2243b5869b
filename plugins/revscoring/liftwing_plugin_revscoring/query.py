"""What a client asks, parsed once.

The keys and the texts of the errors are Lift Wing's (inference-services, `RevscoringModel.get_rev_id`): clients
compare them. Other than there, `true` is not the revision 1, and `"event": null` counts as no event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from liftwing_host import InvalidInput

__all__ = ["PAGE_CHANGE", "REVISION_CREATE", "Query"]

REVISION_CREATE = re.compile(r"/mediawiki/revision/create/[12](\.|$)")
"""The schemas of events that tell of a new revision, `rev_id` at the top."""

PAGE_CHANGE = re.compile(r"/mediawiki/page/change/1(\.|$)")
"""The schemas of events that tell of a changed page, `rev_id` under `revision`."""

# The second is the name of 2022.
_EVENT_KEYS = ("event", "revision_create_event")


@dataclass(frozen=True)
class Query:
    """A client's question.

    Attributes:
        rev_id: The revision to score.
        extended_output: Whether the values of the features are told, too.
        event: The event that the question came as; None where the client named the revision itself.
    """

    rev_id: int
    extended_output: bool = False
    event: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """What `parse` reads."""
        told = {"rev_id": self.rev_id, "extended_output": self.extended_output}
        return told if self.event is None else {**told, "event": self.event}

    @classmethod
    def parse(cls, payload: object) -> Query:
        """Read the body of a request.

        Raises:
            InvalidInput: It is not a question that can be answered; the message says why.
        """
        if not isinstance(payload, dict):
            raise InvalidInput("Please verify that request input is a json dict")
        event = next((payload[key] for key in _EVENT_KEYS if payload.get(key) is not None), None)
        rev_id = payload.get("rev_id") if event is None else _rev_id_of(event)
        if rev_id is None:
            raise InvalidInput('Expected "rev_id" in input data.')
        if not isinstance(rev_id, int) or isinstance(rev_id, bool):
            raise InvalidInput('Expected "rev_id" to be an integer.')
        extended = payload.get("extended_output")
        if extended not in (None, False, True):
            raise InvalidInput('Expected "extended_output" to be a boolean.')
        return cls(rev_id, bool(extended), event)


def _rev_id_of(event: object) -> object:
    """The revision that an event tells of, whatever its type; None where it names none."""
    if not isinstance(event, dict) or event.get("$schema") is None:
        return None
    schema = str(event["$schema"])
    if REVISION_CREATE.match(schema):
        return event.get("rev_id")
    if PAGE_CHANGE.match(schema):
        revision = event.get("revision")
        return revision.get("rev_id") if isinstance(revision, dict) else None
    raise InvalidInput(f"Unsupported event of schema {schema}, the rev_id value cannot be determined.")
