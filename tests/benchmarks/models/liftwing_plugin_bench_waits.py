"""The model of the benchmark that waits. By itself, since what only computes needs no asyncio."""

from __future__ import annotations

import asyncio
from typing import Any

import work

from liftwing_host import Model


class Upstream(Model):
    """Waits 50 ms for another service."""

    async def fetch(self, payload: Any) -> Any:
        await asyncio.sleep(work.WAIT_SECONDS)
        return payload

    def predict(self, features: Any) -> Any:
        return features
