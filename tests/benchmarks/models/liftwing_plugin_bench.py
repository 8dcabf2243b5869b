"""The models of the benchmark as a plugin of liftwing-host."""

from __future__ import annotations

from typing import Any

import orjson
import work

from liftwing_host import Model


class Echo(Model):
    """Gives back what it gets."""

    def predict(self, features: Any) -> Any:
        return features


class Cpu(Model):
    """Computes for 10 ms."""

    def predict(self, features: Any) -> Any:
        work.burn(work.CPU_SECONDS)
        return features


class Length(Model):
    """Tells how many numbers it was sent."""

    def predict(self, features: dict[str, Any]) -> dict[str, int]:
        return {"length": len(features["data"])}


class Parses(Model):
    """Decodes the same 1 MB of JSON each time, whatever it is sent."""

    def load(self) -> None:
        self.body = work.numbers()

    def predict(self, features: Any) -> dict[str, int]:
        return {"length": len(orjson.loads(self.body)["data"])}


class Batch(Model):
    """Computes for 5 ms, however many are asked at once."""

    max_batch_size = work.MAX_BATCH_SIZE

    def predict(self, features: Any) -> Any:
        return self.predict_batch([features])[0]

    def predict_batch(self, features: list[Any]) -> list[Any]:
        work.burn(work.BATCH_SECONDS)
        return features


class Weights(Model):
    """Holds 50 MB."""

    size = 50

    def load(self) -> None:
        self.weights = work.weights(self.size)

    def predict(self, features: Any) -> Any:
        return {"bytes": len(self.weights)}


class Heavy(Weights):
    """Holds 200 MB."""

    size = 200
