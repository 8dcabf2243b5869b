"""Models that answer in the shape of revscoring's, and fail in all its ways; and how ORES' clients read answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from distributions import install, path_with
from liftwing_host.pytest_plugin import LiveHost

__all__ = ["NAMES", "SCORE", "error", "folder", "host", "revisions", "score"]

NAMES = (
    "frwiki-goodfaith", "enwiki-goodfaith", "enwiki-damaging", "enwiki-articlequality", "enwiki-own", "goodfaith", "-reverted",
    "wikidatawiki-itemquality",
)  # fmt: skip
UNKNOWN_REVISION = (
    "The MW API does not have any info related to the rev-id provided as input ({}), therefore it is not possible "
    "to extract features properly. One possible cause is the deletion of the page related to the revision id. "
    "Please contact the ML-Team if you need more info."
)
MODEL = f"""
import asyncio, time
from pathlib import Path
from liftwing_host import InferenceError, InvalidInput, LiftwingError, Model

NOTES = Path(__file__).with_name("notes")

class Scores(Model):
    under_way = 0

    async def fetch(self, payload, request):
        type(self).under_way += 1
        payload["under_way"] = self.under_way
        try:
            if payload["rev_id"] == 60:
                await asyncio.sleep(60)
            if payload["rev_id"] >= 1000:
                await asyncio.sleep(0.1)
        except asyncio.CancelledError:
            with NOTES.open("a") as file:
                file.write("cancelled\\n")
            raise
        finally:
            type(self).under_way -= 1
        return payload

    def predict(self, features, request):
        revision = features["rev_id"]
        wiki, _, kind = request.model.rpartition("-")
        if revision == 404:
            raise InvalidInput({UNKNOWN_REVISION!r}.format(revision))
        if revision == 1:
            raise InvalidInput("Missing resource for rev-id 1: {{no such thing}}")
        if revision == 2:
            raise InferenceError("An error happened while fetching feature values from the MediaWiki API")
        if revision == 3:
            raise RuntimeError("secret reason")
        if revision == 4:
            return {{"prediction": True}}
        if revision == 5:
            return b"{{NaN"
        if revision == 6:
            raise LiftwingError("Busy.", status=503)
        if revision == 50:
            NOTES.with_name("busy").touch()
            time.sleep(2)
        told = {{"score": {{"prediction": "Łódź" if kind == "articlequality" else True, "probability": {{"true": 0.75}}}}}}
        if features["extended_output"]:
            told["features"] = {{"feature.chars": 30.0, "seen": features["under_way"], "id": request.id,
                "timeout": request.headers.get("x-request-timeout")}}
            if revision == 7:
                told["features"]["many"] = ["Łódź"] * 20000
        models = {{kind: {{"version": "0.5.1"}}}}
        return {{wiki: {{"models": models, "scores": {{revision: {{kind: told}}}}}}}}
"""


def site(folder: Path) -> Path:
    models = dict.fromkeys(NAMES, "scores:Scores")
    return install(folder, "liftwing-plugin-scores", models=models, code={"scores": MODEL})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return site(tmp_path_factory.mktemp("ores") / "site")


@pytest.fixture(scope="module")
def host(folder: Path) -> Iterator[LiveHost]:
    live = LiveHost(NAMES, environ=path_with(folder), arguments=["--workers", "2"])
    yield live
    live.stop()


SCORE = {"score": {"prediction": True, "probability": {"true": 0.75}}}


def error(host: LiveHost, path: str) -> tuple[int, str, str]:
    reply = host.get(path)
    [(name, detail)] = reply.json().items()
    assert name == "detail"
    told = detail["error"]
    assert sorted(told) == ["code", "message"]
    return reply.status, told["code"], told["message"]


def score(host: LiveHost, revision: int, model: str = "goodfaith") -> dict[str, Any]:
    reply = host.get(f"/v3/scores/enwiki/{revision}/{model}")
    assert reply.status == 200
    told: dict[str, Any] = reply.json()["enwiki"]["scores"][str(revision)][model]
    return told


def revisions(count: int) -> str:
    return "|".join(str(1000 + number) for number in range(count))
