"""Asks the host's models for scores, a few at a time, and remembers which versions of the models answered."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from liftwing_host.extension import HostView, Reply, RouteRequest

from .document import Info, Outcome, Scores, outcome_of, reply
from .question import Question
from .refusal import unreadable
from .served import name_of

__all__ = ["Scorer"]

_AT_ONCE = 5
"""Scores of one request that are worked out at the same time: a request for 20 does not push all others aside."""

_LITTLE = 32 << 10
"""Bytes of answers that are put together on the event loop; that takes about a millisecond."""

_TIMEOUT = "x-request-timeout"
_RETRY_AFTER = "retry-after"

Answers = Mapping[tuple[int, str], Reply]
"""The models' answers, by the revision and the host's name of the model."""


@dataclass(frozen=True)
class _Written:
    reply: Reply
    versions: Mapping[str, Info]


class Scorer:
    """Gets scores from the host's models.

    Args:
        host: The host.
    """

    def __init__(self, host: HostView) -> None:
        self._host = host
        self._versions: dict[str, Info] = {}

    def version(self, context: str, model: str) -> Info:
        """Which version of a model answered last; null before its first answer, since only answers tell it."""
        return self._versions.get(name_of(context, model), {"version": None})

    async def score(self, question: Question, request: RouteRequest) -> Reply:
        """Ask the models, and put their answers together.

        Each revision and model has a score or an error of its own, and the status is 200, as in ores-legacy; where
        the host is too busy for every one of them, it is 503, with the longest ``Retry-After`` of all.

        Raises:
            Refusal: The client's time limit is not a number.
        """
        answers = await self._ask(question, request)
        known = {model: self.version(question.context, model) for model in question.models}
        if sum(len(answer.body) for answer in answers.values()) > _LITTLE:
            written = await asyncio.to_thread(_write, question, answers, known)
        else:
            written = _write(question, answers, known)
        self._versions.update(written.versions)
        return written.reply

    async def _ask(self, question: Question, request: RouteRequest) -> Answers:
        places = asyncio.Semaphore(_AT_ONCE)
        ends = _end_of(request)

        async def ask(revision: int, name: str) -> Reply:
            body = json.dumps({"rev_id": revision, "extended_output": question.features}).encode()
            async with places:
                headers = {"x-request-id": request.id, "content-type": "application/json"}
                if ends is not None:
                    headers[_TIMEOUT] = str(max(ends - time.monotonic(), 0.001))
                return await self._host.predict(name, body, headers)

        # Two names of one model need one answer.
        asked = list(
            dict.fromkeys(
                (revision, name_of(question.context, model))
                for revision in question.revisions
                for model in question.models
            )
        )
        replies = await asyncio.gather(*(ask(revision, name) for revision, name in asked))
        return dict(zip(asked, replies, strict=True))


def _end_of(request: RouteRequest) -> float | None:
    """When the client's time is over: its limit is for all scores together."""
    text = request.headers.get(_TIMEOUT)
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise unreadable(f"the header {_TIMEOUT}", "a number of seconds greater than 0")
    return time.monotonic() + seconds


def _write(question: Question, answers: Answers, known: Mapping[str, Info]) -> _Written:
    scores, versions = Scores(question.context), {}
    outcomes: dict[tuple[int, str], Outcome] = {}
    for (revision, name), answer in answers.items():
        outcome = outcome_of(question.context, revision, name.rpartition("-")[2], answer)
        outcomes[revision, name] = outcome
        if outcome.info is not None:
            versions[name] = outcome.info
    for revision in question.revisions:
        for model in question.models:
            outcome = outcomes[revision, name_of(question.context, model)]
            scores.add(revision, model, outcome, known[model])
    if all(answer.status == HTTPStatus.SERVICE_UNAVAILABLE for answer in answers.values()):
        written = reply(scores.document(), status=503, headers=_retry_after(answers))
    else:
        written = reply(scores.document())
    return _Written(written, versions)


def _retry_after(answers: Answers) -> dict[str, str]:
    told = [
        int(value)
        for answer in answers.values()
        for name, value in answer.headers.items()
        if name.lower() == _RETRY_AFTER and value.isdecimal()
    ]
    return {"Retry-After": str(max(told))} if told else {}
