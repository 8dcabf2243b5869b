"""A request that kills the async worker, which runs many at once, takes nobody else with it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import distributions
import proc
from liftwing_host.pytest_plugin import LiveHost

POISON = """
import asyncio, os
from liftwing_host import Model

class Poison(Model):
    async def predict(self, features):
        await asyncio.sleep(features["seconds"])
        if features.get("die"):
            os._exit(9)
        return features
"""


def test_of_all_that_a_dying_async_worker_ran_only_the_guilty_request_fails(
    liftwing: Callable[..., LiveHost], tmp_path: Path
) -> None:
    distributions.install(
        tmp_path, "plugin-poison", models={"poison": "poison:Poison"}, code={"poison": POISON}
    )
    host = liftwing("poison", environ=distributions.path_with(tmp_path))
    payloads = [{"seconds": 0.2, "number": number, "die": number == 7} for number in range(20)]
    with ThreadPoolExecutor(len(payloads)) as clients:
        replies = list(clients.map(host.post, payloads))
    guilty = replies.pop(7)
    assert (guilty.status, guilty.json()["error"]) == (
        500,
        "The process that ran poison died twice on this request.",
    )
    del payloads[7]
    assert [reply.json() for reply in replies] == payloads
    # The worker that ran them one by one is not kept.
    host.wait_for(lambda: len(proc.workers(host)) == 1, "one async worker")
