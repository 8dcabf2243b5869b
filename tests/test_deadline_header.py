"""The client's own limit on the time of its request, and the operator's: one budget for all that happens to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from distributions import install, path_with
from liftwing_host.pytest_plugin import LiveHost, Reply

DAWDLES = """
import asyncio, os, time
from liftwing_host import Model

class Dawdles(Model):
    async def fetch(self, payload):
        time.sleep(payload.get("blocks", 0))
        await asyncio.sleep(payload.get("fetch", 0))
        return payload

    def preprocess(self, payload):
        time.sleep(payload.get("preprocess", 0))
        return payload

    def predict(self, features, request):
        time.sleep(features.get("predict", 0))
        return features | {"remaining": request.remaining(), "pid": os.getpid()}

    async def postprocess(self, prediction):
        await asyncio.sleep(prediction.get("postprocess", 0))
        return prediction
"""
LONGEST = 30.0
BRISK = 0.5


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHost]:
    names = ("dawdles", "brisk")
    folder = install(
        tmp_path_factory.mktemp("site"),
        "liftwing-plugin-dawdles",
        models=dict.fromkeys(names, "dawdles:Dawdles"),
        code={"dawdles": DAWDLES},
    )
    config = {"timeout": LONGEST, "models": {"brisk": {"timeout": BRISK}}}
    host = LiveHost(names, config=config, environ=path_with(folder), arguments=["--workers", "1"])
    yield host
    host.stop()


def ask(host: LiveHost, payload: Any, seconds: str, model: str = "dawdles") -> Reply:
    return host.post(payload, model, {"X-Request-Timeout": seconds})


def too_late(reply: Reply, model: str, seconds: float, where: str) -> None:
    told = f"The request to {model} ran out of time ({seconds:g} s) in {where}."
    assert (reply.status, reply.json()) == (504, {"error": told})


@pytest.mark.parametrize("hook", ["fetch", "preprocess", "predict", "postprocess"])
def test_the_header_ends_a_request_early_in_whichever_hook_it_is(host: LiveHost, hook: str) -> None:
    pid = host.predict({}, "dawdles")["pid"]
    began = time.monotonic()
    too_late(ask(host, {hook: 3}, "0.4"), "dawdles", 0.4, hook)
    assert 0.39 < time.monotonic() - began < 2.9
    # A client that is in a hurry is no reason to end a process, however long the hook goes on after that.
    assert host.predict({}, "dawdles")["pid"] == pid
    assert "hangs" not in host.log


def test_the_header_ends_a_request_early_even_where_its_hook_cannot_be_cancelled(host: LiveHost) -> None:
    began = time.monotonic()
    too_late(ask(host, {"blocks": 3}, "0.4"), "dawdles", 0.4, "fetch")
    assert time.monotonic() - began < 2.9
    assert host.post({}, "dawdles").status == 200
    assert "hangs" not in host.log


@pytest.mark.parametrize("hook", ["fetch", "preprocess", "predict", "postprocess"])
def test_a_model_has_its_own_timeout_in_the_configuration(host: LiveHost, hook: str) -> None:
    began = time.monotonic()
    too_late(host.post({hook: 20}, "brisk"), "brisk", BRISK, hook)
    host.wait_for(lambda: host.post({}, "dawdles").status == 200, "a free worker")
    assert time.monotonic() - began < 15, "the hook, if it were let be, would take longer"


def test_the_header_never_lengthens_what_the_operator_allows(host: LiveHost) -> None:
    for seconds in ("20", "1e9", "inf"):
        too_late(ask(host, {"fetch": 10}, seconds, "brisk"), "brisk", BRISK, "fetch")


def test_all_hooks_share_one_budget(host: LiveHost) -> None:
    """Each of them alone would have been in time."""
    payload = {"fetch": 0.5, "preprocess": 0.5, "predict": 0.5, "postprocess": 0.5}
    assert host.post(payload, "dawdles").status == 200
    reply = ask(host, payload, "1.2")
    assert reply.status == 504
    assert reply.json()["error"].partition(") in ")[2] in {"preprocess.", "predict."}
    host.wait_for(lambda: host.post({}, "dawdles").status == 200, "a free worker")


def test_the_time_in_the_queue_counts(host: LiveHost) -> None:
    with ThreadPoolExecutor(1) as other:
        busy = other.submit(host.post, {"predict": 2}, "dawdles")
        # Only what waits behind it is refused in the queue.
        host.wait_for(lambda: ask(host, {}, "0.3").status == 504 or busy.done(), "a worker that is busy")
        assert not busy.done()
        too_late(ask(host, {}, "0.2"), "dawdles", 0.2, "the queue")
        assert busy.result().status == 200
    with ThreadPoolExecutor(1) as other:
        busy = other.submit(host.post, {"predict": 1}, "dawdles")
        host.wait_for(lambda: ask(host, {}, "0.1").status == 504 or busy.done(), "a worker that is busy")
        began = time.monotonic()
        late = ask(host, {"predict": 5}, "2")
        assert 1.9 < time.monotonic() - began < 10
    too_late(late, "dawdles", 2, "predict")
    host.wait_for(lambda: host.post({}, "dawdles").status == 200, "a free worker")


def test_hooks_are_told_what_is_left(host: LiveHost) -> None:
    assert 10 < ask(host, {}, "20").json()["remaining"] <= 20
    assert 20 < ask(host, {}, "1000").json()["remaining"] <= LONGEST
    assert ask(host, {"fetch": 1}, " 20 ").json()["remaining"] <= 19


@pytest.mark.parametrize("seconds", ["", "0", "-1", "-inf", "nan", "soon", "1s", "1,2", "0x10"])
def test_what_is_no_time_is_a_400_that_says_what_is(host: LiveHost, seconds: str) -> None:
    reply = ask(host, {}, seconds)
    told = "Expected the header x-request-timeout to be a number of seconds greater than 0."
    assert (reply.status, reply.json()) == (400, {"error": told})
