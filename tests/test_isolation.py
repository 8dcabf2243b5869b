"""Requests that run at the same time: each sees its own values, waits overlap, and computing is parallel."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import proc
from liftwing_host.pytest_plugin import LiveHost

HOOKS = ("fetch", "preprocess", "predict", "postprocess")
WORKERS = 4


@pytest.fixture(scope="module")
def host() -> Any:
    host = LiveHost(["stages", "waits", "slow", "knows"], arguments=["--workers", str(WORKERS)])
    yield host
    host.stop()


def at_once(number: int, ask: Any) -> list[Any]:
    with ThreadPoolExecutor(number) as clients:
        return list(clients.map(ask, range(number)))


def test_interleaved_requests_never_see_each_others_values(host: LiveHost) -> None:
    chance = random.Random(3)  # noqa: S311
    waits = [chance.random() * 0.05 for _ in range(600)]

    def ask(number: int) -> tuple[int, dict[str, Any]]:
        payload = {"value": f"value {number}", "wait": waits[number]}
        headers = {"X-Request-Id": f"request-{number}"}
        reply = host.post(payload, "stages", headers)
        assert (reply.status, reply.headers["x-request-id"]) == (200, f"request-{number}")
        return number, reply.json()

    with ThreadPoolExecutor(60) as clients:
        answers = list(clients.map(ask, range(600)))
    computed_in = set()
    for number, answer in answers:
        for hook in HOOKS:
            request_id, _, value = answer[hook]
            assert (hook, request_id, value) == (hook, f"request-{number}", f"value {number}")
        computed_in.add(answer["predict"][1])
    assert len(computed_in) == WORKERS, "the requests were spread over all workers"


def test_every_hook_runs_in_the_kind_of_process_that_its_colour_says(host: LiveHost) -> None:
    (async_worker,) = proc.named(host, "lw-async-0")
    compute_workers = proc.named(host, r"lw-compute-\d+")
    template = proc.template(host)
    assert len(compute_workers) == WORKERS
    for number in range(20):
        answer = host.predict({"value": number}, "stages")
        assert answer["fetch"][1] == answer["postprocess"][1] == async_worker
        assert answer["preprocess"][1] == answer["predict"][1]
        assert answer["predict"][1] in compute_workers
        assert answer["load"] == template


def test_bodies_of_different_models_do_not_meet(host: LiveHost) -> None:
    def ask(number: int) -> bool:
        model = ("stages", "knows")[number % 2]
        answer = host.predict({"value": number}, model)
        return bool(
            (answer["payload"] if model == "knows" else {"value": answer["fetch"][2]}) == {"value": number}
        )

    assert all(at_once(40, ask))


def test_fifty_waits_take_little_longer_than_one(host: LiveHost) -> None:
    began = time.monotonic()
    answers = at_once(50, lambda _: host.predict({"seconds": 0.2}, "waits"))
    assert time.monotonic() - began < 50 * 0.2 / 3
    assert len({answer["pid"] for answer in answers}) == 1


def test_computing_runs_on_all_workers_at_once(host: LiveHost) -> None:
    began = time.monotonic()
    answers = at_once(WORKERS, lambda _: host.predict({"seconds": 0.5}, "slow"))
    assert time.monotonic() - began < WORKERS * 0.5 * 0.75
    assert len({answer["pid"] for answer in answers}) == WORKERS


def test_a_request_never_waits_behind_a_heavy_one_while_a_worker_idles(host: LiveHost) -> None:
    with ThreadPoolExecutor(WORKERS - 1) as clients:
        heavy = [clients.submit(host.predict, {"seconds": 1.5}, "slow") for _ in range(WORKERS - 1)]
        for _ in range(10):
            host.predict({}, "slow")
        assert not any(request.done() for request in heavy)


def test_waits_and_computing_do_not_hold_each_other_up(host: LiveHost) -> None:
    with ThreadPoolExecutor(2 * WORKERS) as clients:
        busy = [clients.submit(host.predict, {"seconds": 1.0}, "slow") for _ in range(2 * WORKERS)]
        host.predict({"seconds": 0.05}, "waits")
        assert not any(request.done() for request in busy)
