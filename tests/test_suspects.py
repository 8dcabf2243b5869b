"""A request that kills the async worker, which runs many at once, takes nobody else with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import distributions
import proc
from liftwing_host.pytest_plugin import LiveHost
from raw_http import RawClient

POISON = """
import asyncio, os
from pathlib import Path
from liftwing_host import Model

class Poison(Model):
    async def predict(self, features):
        if "note" in features:
            with open(features["note"], "a") as file:
                file.write(f"{features['number']}\\n")
        while features.get("until") and not Path(features["until"]).exists():
            await asyncio.sleep(0.005)
        await asyncio.sleep(features.get("seconds", 0))
        if features.get("die"):
            os._exit(9)
        return features
"""
GUILTY = "The process that ran poison died twice on this request."


@pytest.fixture
def host(liftwing: Callable[..., LiveHost], tmp_path: Path) -> LiveHost:
    distributions.install(
        tmp_path, "plugin-poison", models={"poison": "poison:Poison"}, code={"poison": POISON}
    )
    return liftwing("poison", environ=distributions.path_with(tmp_path))


def test_of_all_that_a_dying_async_worker_ran_only_the_guilty_request_fails(host: LiveHost) -> None:
    for _ in range(2):
        # The guilty one is the first to come to its end: run together once more, it would take all others with it.
        payloads = [{"seconds": 0.2, "number": number} for number in range(12)]
        payloads[7] |= {"seconds": 0.05, "die": True}
        with ThreadPoolExecutor(len(payloads)) as clients:
            replies = list(clients.map(host.post, payloads))
        guilty = replies.pop(7)
        assert (guilty.status, guilty.json()["error"]) == (500, GUILTY)
        del payloads[7]
        assert [reply.json() for reply in replies] == payloads
        # The worker that ran them one by one is not kept.
        host.wait_for(lambda: len(proc.workers(host)) == 1, "one async worker")


def test_a_client_that_leaves_before_its_turn_has_come_is_not_run_once_more(
    host: LiveHost, tmp_path: Path
) -> None:
    note, release = tmp_path / "note", tmp_path / "release"
    note.touch()

    def ran() -> list[int]:
        return [int(line) for line in note.read_text().split()]

    def ask(number: int, **features: object) -> RawClient:
        client = RawClient(host.port)
        client.post(json.dumps({"number": number, "note": str(note)} | features).encode(), "poison")
        return client

    clients = {number: ask(number, until=str(release)) for number in range(9)}
    host.wait_for(lambda: len(ran()) == 9, "all of them run")
    with ask(9, die=True) as guilty:
        # Four at once now, each in a worker of its own: these hold up the rest.
        host.wait_for(
            lambda: len([number for number in ran()[10:] if number != 9]) == 4, "four that are run again"
        )
        again = [number for number in ran()[10:] if number != 9]
        leaver = next(number for number in clients if number not in again)
        clients.pop(leaver).close()
        assert [host.get("/").status for _ in range(5)] == [200] * 5
        assert len(proc.named(host, r"lw-async-[1-9]\d*")) == 4, "four more workers for all of them"
        release.touch()
        assert guilty.reply().json() == {"error": GUILTY}
    for number, client in clients.items():
        with client:
            assert client.reply().json()["number"] == number
    assert ran().count(leaver) == 1
    assert all(ran().count(number) == 2 for number in clients)
