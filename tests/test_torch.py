"""A torch model that has run before the fork is served by forked workers, and none of them hangs.

Collected where torch is installed; continuous integration installs it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import proc
from liftwing_host.pytest_plugin import LiveHost


def test_forked_workers_of_a_torch_model_answer_as_the_template_did(
    liftwing: Callable[..., LiveHost],
) -> None:
    host = liftwing("torch", arguments=["--workers", "2", "--timeout", "20"])
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(host.predict, [{"scale": 1.0}] * 40))
    assert {answer["same"] for answer in answers} == {True}
    assert {answer["parent"] for answer in answers} == {proc.template(host)}
    assert len({answer["pid"] for answer in answers}) == 2
    assert {answer["threads"] for answer in answers} == {1}


def test_forked_workers_do_not_draw_the_same_random_numbers(liftwing: Callable[..., LiveHost]) -> None:
    host = liftwing("torch", arguments=["--workers", "2", "--timeout", "20"])
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(host.predict, [{"scale": 1.0}] * 40))
    assert len({answer["pid"] for answer in answers}) == 2
    assert len({answer["drawn"] for answer in answers}) == 40


def test_where_the_operator_wants_more_threads_each_worker_loads_for_itself(
    liftwing: Callable[..., LiveHost],
) -> None:
    host = liftwing(
        "torch", arguments=["--workers", "2", "--timeout", "20"], environ={"OMP_NUM_THREADS": "2"}
    )
    answers = [host.predict({"scale": 1.0}) for _ in range(8)]
    assert {answer["same"] for answer in answers} == {True}
    assert {answer["parent"] for answer in answers} == {host.process.pid}
    assert re.search(r"each worker loads for itself: \d+ other threads run after load", host.log)
