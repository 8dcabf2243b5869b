"""Every URL of the extension, on one page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from liftwing_host.extension import HostView, Reply, Route, RouteRequest

from .document import reply
from .question import Question, refuse_what_is_gone
from .refusal import Refusal, of_version_1, too_many_scores
from .scorer import Scorer
from .served import contexts
from .settings import OresSettings

__all__ = ["routes"]

_Answer = Callable[[RouteRequest], Awaitable[Reply]]


def routes(host: HostView, settings: OresSettings) -> list[Route]:
    """ORES' URLs; each may end in a slash.

    Args:
        host: Whose models are asked.
        settings: What the operator has set.
    """
    urls = _Urls(host, settings)
    answers: dict[str, _Answer] = {
        r"/v3/scores/?": urls.wikis,
        r"/v3/scores/(?P<context>[^/]+)/?": urls.wiki,
        r"/v3/scores/(?P<context>[^/]+)/(?P<revision>[^/]+)/?": urls.revision,
        r"/v3/scores/(?P<context>[^/]+)/(?P<revision>[^/]+)/(?P<model>[^/]+)/?": urls.revision,
        r"(?:/v1)?/scores(?:/.*)?": urls.version_1,
    }
    return [Route("GET", pattern, _refusing(answer)) for pattern, answer in answers.items()]


def _refusing(answer: _Answer) -> _Answer:
    async def handler(request: RouteRequest) -> Reply:
        try:
            return await answer(request)
        except Refusal as refusal:
            return refusal.reply()

    return handler


class _Urls:
    def __init__(self, host: HostView, settings: OresSettings) -> None:
        self._host = host
        self._limit = settings.lw_request_limit
        self._scorer = Scorer(host)

    async def wikis(self, request: RouteRequest) -> Reply:
        """Which wikis and models there are."""
        refuse_what_is_gone(request.query)
        served = contexts(self._host.models)
        return reply({context: self._models(context, models) for context, models in served.items()})

    async def wiki(self, request: RouteRequest) -> Reply:
        """Several revisions' scores, or which models a wiki has."""
        question = Question.parse(request, self._host.models)
        if not question.revisions:
            return reply({question.context: self._models(question.context, question.models)})
        if question.size > self._limit:
            raise too_many_scores(question.size, self._limit)
        return await self._scorer.score(question, request)

    async def revision(self, request: RouteRequest) -> Reply:
        """One revision's scores. No limit, as in ores-legacy: a wiki has no more than nine models."""
        return await self._scorer.score(Question.parse(request, self._host.models), request)

    async def version_1(self, request: RouteRequest) -> Reply:  # noqa: ARG002 - every handler gets it
        """What is gone for good."""
        raise of_version_1()

    def _models(self, context: str, models: list[str] | tuple[str, ...]) -> dict[str, object]:
        return {"models": {model: self._scorer.version(context, model) for model in models}}
