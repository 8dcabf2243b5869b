"""What a client of ORES gets: the models' answers, put together into one JSON document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import responses as reasons
from typing import Any, NoReturn

from liftwing_host.extension import Reply

__all__ = ["Info", "Outcome", "Scores", "outcome_of", "reply"]

Info = dict[str, Any]
"""What ORES tells about a model: ``{"version": …}``."""

_UNKNOWN_REVISION = "The MW API does not have any info related to the rev-id"
"""How the text begins that Lift Wing's models have for a revision that MediaWiki does not know."""

_NOT_A_SCORE = "The model's answer is not in the shape of ORES."


def reply(document: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A document as ores-legacy writes it (`PrettyJSONResponse`): spaces at the ends of lines included.

    Args:
        document: Any JSON value.
        status: The HTTP status.
        headers: Further headers.
    """
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2, separators=(", ", ": "))
    # A lone surrogate has no UTF-8; with a backslash it is JSON's own way to write it.
    return Reply(status, text.encode("utf-8", "backslashreplace"), headers=headers or {})


@dataclass(frozen=True)
class Outcome:
    """What came of one revision and one model.

    Attributes:
        told: What the client is told: ``{"score": …}``, with ``"features"`` where they were asked for, or
            ``{"error": …}``.
        info: What the model told about itself, if it did.
    """

    told: dict[str, Any]
    info: Info | None = None


def outcome_of(context: str, revision: int, kind: str, answer: Reply) -> Outcome:
    """Read the answer of a model.

    Args:
        context: The wiki.
        revision: The revision.
        kind: What the model's own answer calls it.
        answer: Its answer, which may be an error.
    """
    if answer.status != HTTPStatus.OK:
        return _failed(revision, answer)
    try:
        of_wiki = json.loads(answer.body, parse_constant=_refuse)[context]
        told, info = of_wiki["scores"][str(revision)][kind], of_wiki["models"][kind]
    except (ValueError, KeyError, TypeError, RecursionError):
        told = info = None
    if not isinstance(told, dict) or not isinstance(info, dict):
        return _error(_NOT_A_SCORE, HTTPStatus.INTERNAL_SERVER_ERROR.phrase)
    return Outcome(told, info)


def _failed(revision: int, answer: Reply) -> Outcome:
    """As `get_liftwing_response` of ores-legacy: the type of an error is the phrase of its HTTP status."""
    try:
        message = json.loads(answer.body)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        message = answer.body.decode(errors="replace")
    if isinstance(message, str) and message.startswith(_UNKNOWN_REVISION):
        not_found = "RevisionNotFound"
        return _error(f"{not_found}: Could not find revision ({{revision}}:{revision})", not_found)
    # (A predictor behind a gateway may have statuses of the gateway's own, such as nginx' 499.)
    return _error(message, reasons.get(answer.status, "Unknown"))


def _error(message: object, kind: str) -> Outcome:
    return Outcome({"error": {"message": message, "type": kind}})


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


@dataclass
class Scores:
    """The scores of one wiki, as they come in.

    Attributes:
        context: The wiki.
        models: What is known of each model, by the name that the client calls it.
        scores: What came of each revision, by that name.
    """

    context: str
    models: dict[str, Info] = field(default_factory=dict)
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, revision: int, model: str, outcome: Outcome, known: Info) -> None:
        """Put in what came of one revision and one model.

        Args:
            revision: The revision.
            model: The model, as the client calls it.
            outcome: What came of them.
            known: What earlier answers told about the model.
        """
        if outcome.info is not None:
            self.models[model] = outcome.info
        else:
            self.models.setdefault(model, known)
        self.scores.setdefault(str(revision), {})[model] = outcome.told

    def document(self) -> dict[str, Any]:
        """All of them."""
        return {self.context: {"models": self.models, "scores": self.scores}}
