"""Models that tests serve as transformer and predictor apart, and hosts of either half."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from distributions import install, path_with
from liftwing_host.pytest_plugin import LiveHost

__all__ = ["MODELS", "predictor", "site", "transformer"]

CODE = """
import asyncio, dataclasses, time
import numpy
from liftwing_host import InvalidInput, Model

@dataclasses.dataclass
class Point:
    x: int

FEATURES = {
    "set": {1}, "bytes": b"x", "dataclass": Point(1), "nested": {"a": [Point(1)]},
    "array": {"array": numpy.arange(3), "scalar": numpy.float32(0.5), 7: "seven"},
    "text": "Q1 Q2", "null": None, "large": 2**70, "list": [1, [2]],
}

def predicted(features, request, role):
    if isinstance(features, dict):
        time.sleep(features.get("sleep", 0))
        if "refuse" in features:
            raise InvalidInput(features["refuse"])
        if features.get("raise"):
            raise RuntimeError("boom")
    return {"got": features, "headers": dict(request.headers), "remaining": request.remaining(), "role": role}

class Whole(Model):
    example = {"a": 1}

    def load(self, config):
        self.role = config.role

    async def fetch(self, payload):
        await asyncio.sleep(payload.get("fetch", 0))
        return payload

    def preprocess(self, payload):
        return FEATURES[payload["kind"]] if "kind" in payload else payload

    def predict(self, features, request):
        return predicted(features, request, self.role)

    def postprocess(self, prediction):
        time.sleep(prediction["got"].get("after", 0) if isinstance(prediction["got"], dict) else 0)
        return {"told": prediction, "role": self.role}

class Before(Model):
    async def preprocess(self, payload):
        return {"asked": payload}

    def predict(self, features):
        return {"predicted": features, "odd": "</é"}

class After(Model):
    def predict(self, features):
        return str(features)

    async def postprocess(self, prediction):
        return {"after": prediction}

class Bytewise(Model):
    accepts_raw = True

    def predict(self, features, request):
        told = [request.headers[name] for name in ("content-type", "content-encoding") if name in request.headers]
        return " ".join([features[::-1].decode(), *told])

    def postprocess(self, prediction):
        return prediction.upper()

class Only(Model):
    def predict(self, features):
        return features

class Tells(Model):
    def preprocess(self, payload):
        return payload

    def predict(self, features):
        return {"score": 1, "tell": features["tell"]}

    def event(self, prediction, response):
        assert prediction == response
        return prediction["tell"]

class Together(Whole):
    def predict_batch(self, features, requests):
        return [{"got": {"together": len(features)}}] * len(features)
"""
MODELS = {
    name: f"halves_model:{name.capitalize()}"
    for name in ("whole", "before", "after", "bytewise", "only", "tells", "together")
}


def site(folder: Path) -> dict[str, str]:
    """The environment in which a host finds the models."""
    if not (folder / "halves_model.py").exists():
        install(folder, "liftwing-plugin-halves", models=MODELS, code={"halves_model": CODE})
    return path_with(folder)


def predictor(environ: dict[str, str], *models: str, **options: Any) -> LiveHost:
    arguments = ["--role", "predictor", "--workers", "1", *options.pop("arguments", ())]
    return LiveHost(models, environ=environ, arguments=arguments, **options)


def transformer(environ: dict[str, str], at: str, *models: str, **options: Any) -> LiveHost:
    """Before the predictor at ``HOST:PORT``."""
    arguments = ["--predictor-host", at, "--workers", "1", *options.pop("arguments", ())]
    return LiveHost(models, environ=environ, arguments=arguments, **options)
