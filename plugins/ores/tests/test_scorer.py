"""What the extension does on the event loop of the host, in front of a host that is made up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence

from liftwing_extension_ores.question import Question
from liftwing_extension_ores.scorer import Scorer
from liftwing_host.extension import Reply, RouteRequest

NUMBERS = 300_000


class Talkative:
    """A host whose model tells very many features."""

    models: Sequence[str] = ("enwiki-damaging",)

    def __init__(self) -> None:
        told = {"score": {"prediction": True}, "features": {"many": list(range(NUMBERS))}}
        scores = {"models": {"damaging": {"version": "1"}}, "scores": {"1": {"damaging": told}}}
        self._answer = Reply(200, json.dumps({"enwiki": scores}).encode())

    def is_ready(self, model: str) -> bool:
        """Whether it would answer."""
        return model in self.models

    async def predict(self, model: str, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        """The answer."""
        assert (model, json.loads(body)) == (self.models[0], {"rev_id": 1, "extended_output": True})
        assert headers is not None
        assert "x-request-timeout" not in headers
        return self._answer


def test_a_large_document_does_not_hold_up_other_requests() -> None:
    async def run() -> tuple[Reply, int]:
        request = RouteRequest("GET", "", {}, {}, {}, b"", "an-id")
        question = Question("enwiki", ("damaging",), (1,), features=True)
        scoring = asyncio.ensure_future(Scorer(Talkative()).score(question, request))
        turns = 0
        while not scoring.done():
            await asyncio.sleep(0.001)
            turns += 1
        return scoring.result(), turns

    reply, turns = asyncio.run(run())
    assert reply.status == 200
    assert len(json.loads(reply.body)["enwiki"]["scores"]["1"]["damaging"]["features"]["many"]) == NUMBERS
    assert turns > 5, "the loop did nothing else in the meantime"


class Broken:
    """A host one of whose models fails with a status that no standard has."""

    models: Sequence[str] = ("enwiki-damaging", "enwiki-goodfaith")

    def is_ready(self, model: str) -> bool:
        """Whether it would answer."""
        return model in self.models

    async def predict(self, model: str, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        """The answer."""
        if model == "enwiki-damaging":
            return Reply(499, b'{"error":"closed"}')
        scores = {"1": {"goodfaith": {"score": {"prediction": True}}}}
        told = {"enwiki": {"models": {"goodfaith": {"version": "1"}}, "scores": scores}}
        return Reply(200, json.dumps(told).encode())


def test_a_status_that_no_standard_has_costs_no_other_model_its_score() -> None:
    request = RouteRequest("GET", "", {}, {}, {}, b"", "an-id")
    question = Question("enwiki", ("damaging", "goodfaith"), (1,), features=False)
    reply = asyncio.run(Scorer(Broken()).score(question, request))
    scores = json.loads(reply.body)["enwiki"]["scores"]["1"]
    assert scores["damaging"] == {"error": {"message": "closed", "type": "Unknown"}}
    assert scores["goodfaith"] == {"score": {"prediction": True}}
