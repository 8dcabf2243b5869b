"""Models whose hooks tell the process that they ran in."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from liftwing_host import Model


class Places(Model):
    """Every hook tells its process, and whether it ran on the main thread, where the loop is."""

    def start(self) -> None:
        self.started_in = os.getpid()

    async def fetch(self, payload: dict[str, Any]) -> dict[str, Any]:
        return payload | {"fetch": [os.getpid(), _on_main_thread()]}

    def preprocess(self, payload: dict[str, Any]) -> dict[str, Any]:
        began = time.monotonic()
        time.sleep(payload.get("seconds", 0))
        assert self.started_in == os.getpid()
        spell = [began, time.monotonic()]
        return payload | {"preprocess": [os.getpid(), _on_main_thread()], "spell": spell}

    def predict(self, features: dict[str, Any]) -> dict[str, Any]:
        time.sleep(features.get("hangs", 0))
        assert self.started_in == os.getpid()
        return features | {"predict": [os.getpid(), _on_main_thread()]}

    def postprocess(self, prediction: dict[str, Any]) -> dict[str, Any]:
        return prediction | {"postprocess": [os.getpid(), _on_main_thread()]}


class OtherPlaces(Places):
    """Another model of the same plugin."""


def _on_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
