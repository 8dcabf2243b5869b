"""Models whose values and state are not as they should be: one grows, one keeps what a request brought, one blocks its loop."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import Any

from liftwing_host import Model

_kept: list[bytes] = []


class Grows(Model):
    """Leaks as many bytes as it is asked to; tells its process."""

    def predict(self, features: dict[str, Any]) -> dict[str, Any]:
        _kept.append(b"\x01" * features.get("bytes", 0))
        time.sleep(features.get("seconds", 0))
        return {"pid": os.getpid()}


class Keeps(Model):
    """Keeps on itself what a request brought, in the hook that it is asked to."""

    def load(self) -> None:
        self.loaded = True

    def start(self) -> None:
        self.started = True

    def stop(self) -> None:
        self.stopped = True
        print(f"{self.name} has stopped in good order")

    async def fetch(self, payload: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(payload.get("wait", 0))
        if payload.get("keep") == "fetch":
            self.last_fetched = payload
        return payload

    def predict(self, features: dict[str, Any]) -> dict[str, Any]:
        if features.get("keep") == "predict":
            self.last_features = features
        return {"loaded": self.loaded, "started": self.started, "kept": sorted(set(vars(self)) - _EXPECTED)}


_EXPECTED = {"name", "config", "settings", "loaded", "started"}


class Gated(Model):
    """Notes in a file which request it runs; goes on once the file that the request names is there."""

    def predict(self, features: dict[str, Any]) -> dict[str, Any]:
        with Path(features["note"]).open("a") as note:
            note.write(f"{features['number']}\n")
        while "gate" in features and not Path(features["gate"]).exists():
            time.sleep(0.002)
        return {"pid": os.getpid()}


class Blocks(Model):
    """Computes, or waits, on its event loop, or for something that fails."""

    async def fetch(self, payload: dict[str, Any]) -> dict[str, Any]:
        if payload.get("fails"):
            try:
                await asyncio.ensure_future(_refused())
            except ConnectionRefusedError as error:
                return {"caught": str(error)}
        if payload.get("cancels"):
            task = asyncio.ensure_future(_refused())
            task.cancel()
            await asyncio.wait([task])
        steps = (self._step(payload) for _ in range(payload.get("times", 1)))
        if payload.get("gathers"):
            await asyncio.gather(*steps)
        else:
            for step in steps:
                await step
        return payload

    async def _step(self, payload: dict[str, Any]) -> None:
        await asyncio.sleep(payload.get("waits", 0))
        time.sleep(payload.get("computes", 0))

    async def predict(self, features: dict[str, Any]) -> dict[str, Any]:
        return features


async def _refused() -> None:
    await asyncio.sleep(0.01)
    raise ConnectionRefusedError("nobody is there")


class Unpicklable(Model):
    """Its async hook gives what cannot leave its process."""

    async def preprocess(self, payload: Any) -> Any:
        return threading.Lock()

    def predict(self, features: Any) -> Any:
        return 1


class Forgets(Model):
    """Returns something only in the hooks that it is asked to."""

    async def fetch(self, payload: dict[str, Any]) -> Any:
        return payload if "fetch" in payload["return"] else None

    def predict(self, features: dict[str, Any] | None) -> Any:
        return ["given"] if features and "predict" in features["return"] else None
