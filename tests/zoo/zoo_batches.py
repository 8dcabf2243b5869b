"""Models with a `predict_batch`, which tells who was answered together and does what one of them asks for."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from liftwing_host import InferenceError, InvalidInput, Model, Request


class Batches(Model):
    """Holds its worker until a file is there, so that others have to wait; then answers what waits at once."""

    max_batch_size = 8

    def preprocess(self, payload: dict[str, Any]) -> dict[str, Any]:
        if payload.get("bad"):
            raise InvalidInput("a bad value")
        return payload

    def predict(self, features: dict[str, Any], request: Request) -> dict[str, Any]:
        while features.get("hold") and not Path(features["hold"]).exists():
            time.sleep(0.005)
        if features.get("poison") == "raise":
            raise InferenceError("this one is poison")
        if features.get("poison") == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(features.get("alone", 0))
        return self._answer(features, request, None)

    def predict_batch(self, features: list[dict[str, Any]], requests: list[Request]) -> Any:
        time.sleep(max(one.get("together", 0) for one in features))
        poisons = {one.get("poison") for one in features}
        if "raise" in poisons:
            raise ValueError("the batch is spoilt")
        if "exit" in poisons:
            raise SystemExit("the batch is over")
        if "kill" in poisons:
            os.kill(os.getpid(), signal.SIGKILL)
        values = [one["value"] for one in features]
        answers = [
            self._answer(one, request, values) for one, request in zip(features, requests, strict=True)
        ]
        if "set" in poisons:
            return set(map(str, answers))
        if "dict" in poisons:
            return dict(enumerate(answers))
        return answers[1:] if "short" in poisons else answers * 2 if "long" in poisons else answers

    def _answer(self, features: dict[str, Any], request: Request, batch: Any) -> dict[str, Any]:
        value = {1, 2} if features.get("poison") == "unspeakable" else features["value"]
        return {"value": value, "id": request.id, "model": self.name, "batch": batch}


class OtherBatches(Batches):
    """Another model of the same plugin."""


class AsyncBatches(Model):
    """A batch on an event loop would hold up all others."""

    async def predict(self, features: Any) -> Any:
        return features

    def predict_batch(self, features: list[Any]) -> list[Any]:
        return features
