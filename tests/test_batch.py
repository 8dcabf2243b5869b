"""What clients see of `predict_batch`: nothing but speed, whatever becomes of those they were answered with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import proc
from liftwing_host.pytest_plugin import LiveHost, Reply
from raw_http import RawClient

BATCH = 8


@pytest.fixture(scope="module")
def host() -> Iterator[LiveHost]:
    host = LiveHost(["batches", "other-batches"], arguments=["--workers", "1"])
    yield host
    host.stop()


def asked_together(
    host: LiveHost, tmp_path: Path, payloads: Sequence[Any], models: Sequence[str] = ("batches",)
) -> list[Reply]:
    """The replies to requests that wait, all at once and in this order, while the only worker is held."""
    release = tmp_path / "release"
    release.unlink(missing_ok=True)
    with ExitStack() as stack:
        clients = [stack.enter_context(RawClient(host.port)) for _ in range(len(payloads) + 1)]
        holding, *waiting = clients
        holding.post(json.dumps({"value": "held", "hold": str(release)}).encode(), models[0])
        read_by(host)
        for number, (client, payload) in enumerate(zip(waiting, payloads, strict=True)):
            client.post(
                json.dumps(payload).encode(), models[number % len(models)], f"X-Request-Id: r{number}"
            )
            read_by(host)
        release.touch()
        assert holding.reply().json()["batch"] is None, "a single one needs no batch"
        return [client.reply() for client in waiting]


def read_by(host: LiveHost) -> None:
    """The host has read what came before once it has answered what came later."""
    for _ in range(2):
        assert host.get("/").status == 200


def values(count: int) -> list[dict[str, Any]]:
    return [{"value": number} for number in range(count)]


def batches_of(replies: Sequence[Reply]) -> list[Any]:
    return [reply.json()["batch"] for reply in replies]


def test_a_request_that_finds_the_worker_free_is_asked_alone(host: LiveHost) -> None:
    assert [host.predict({"value": number})["batch"] for number in range(3)] == [None] * 3


def test_what_waits_comes_in_one_batch_up_to_the_size_that_the_class_says(
    host: LiveHost, tmp_path: Path
) -> None:
    replies = asked_together(host, tmp_path, values(BATCH + 3))
    first, rest = list(range(BATCH)), list(range(BATCH, BATCH + 3))
    assert batches_of(replies) == [first] * BATCH + [rest] * 3


def test_the_last_one_that_waits_is_asked_alone_where_no_other_is_left(
    host: LiveHost, tmp_path: Path
) -> None:
    replies = asked_together(host, tmp_path, values(BATCH + 1))
    assert batches_of(replies)[-1] is None


def test_each_gets_its_own_answer_and_request_id(host: LiveHost, tmp_path: Path) -> None:
    replies = asked_together(host, tmp_path, values(BATCH))
    told = [(reply.json()["value"], reply.json()["id"]) for reply in replies]
    assert told == [(number, f"r{number}") for number in range(BATCH)]


@pytest.mark.parametrize("size", [3, 1])
def test_the_operator_sets_the_size_of_a_batch(liftwing: Any, tmp_path: Path, size: int) -> None:
    host = liftwing("batches", settings={"max_batch_size": size}, arguments=["--workers", "1"])
    replies = asked_together(host, tmp_path, values(6))
    assert batches_of(replies) == ([[0, 1, 2]] * 3 + [[3, 4, 5]] * 3 if size == 3 else [None] * 6)


def test_hundreds_of_requests_at_once_never_get_the_answer_of_another(liftwing: Any) -> None:
    host = liftwing("batches", "other-batches", config={"queue_size": 1000}, arguments=["--workers", "2"])

    def ask(number: int) -> tuple[Any, ...]:
        model = ("batches", "other-batches")[number % 2]
        body = {"value": number, "together": 0.003, "alone": 0.003}
        answer = host.predict(body, model)
        return answer["value"], answer["model"], answer["batch"]

    with ThreadPoolExecutor(48) as clients:
        answers = list(clients.map(ask, range(600)))
    assert [answer[:2] for answer in answers] == [
        (number, ("batches", "other-batches")[number % 2]) for number in range(600)
    ]
    together = [batch for *_, batch in answers if batch is not None]
    assert together, "some of them were answered together"
    assert all(number % 2 == batch[0] % 2 for batch in together for number in batch), "models are not mixed"


def test_two_models_of_one_plugin_are_never_in_one_batch(host: LiveHost, tmp_path: Path) -> None:
    replies = asked_together(host, tmp_path, values(6), ["batches", "other-batches"])
    assert batches_of(replies) == [[0, 2, 4], [1, 3, 5]] * 3


def test_bad_input_of_one_is_its_own_400_and_the_others_are_answered_together(
    host: LiveHost, tmp_path: Path
) -> None:
    payloads = values(5)
    payloads[2]["bad"] = True
    replies = asked_together(host, tmp_path, payloads)
    bad = replies.pop(2)
    assert (bad.status, bad.json()) == (400, {"error": "a bad value"})
    assert batches_of(replies) == [[0, 1, 3, 4]] * 4


def test_who_is_left_alone_by_the_bad_input_of_the_others_needs_no_batch(
    host: LiveHost, tmp_path: Path
) -> None:
    replies = asked_together(host, tmp_path, [{"value": 0, "bad": True}, {"value": 1}])
    assert [reply.status for reply in replies] == [400, 200]
    assert replies[1].json()["batch"] is None


def test_an_answer_that_is_no_json_is_the_500_of_that_one_alone(host: LiveHost, tmp_path: Path) -> None:
    pids = proc.workers(host)
    payloads = values(4)
    payloads[2]["poison"] = "unspeakable"
    replies = asked_together(host, tmp_path, payloads)
    bad = replies.pop(2)
    assert (bad.status, bad.json()["error"].partition(";")[0]) == (
        500, "Encoding the response of model batches failed",
    )  # fmt: skip
    assert batches_of(replies) == [[0, 1, 2, 3]] * 3
    assert proc.workers(host) == pids


def test_what_was_answered_in_a_batch_takes_no_room_in_the_queue(liftwing: Any, tmp_path: Path) -> None:
    host = liftwing("batches", config={"queue_size": 5}, arguments=["--workers", "1"])
    for _ in range(3):
        assert batches_of(asked_together(host, tmp_path, values(5))) == [[0, 1, 2, 3, 4]] * 5


def test_a_body_that_is_no_json_spoils_no_batch(host: LiveHost, tmp_path: Path) -> None:
    payloads: list[Any] = values(4)
    payloads[1] = float("nan")
    replies = asked_together(host, tmp_path, payloads)
    assert replies.pop(1).status == 400
    assert batches_of(replies) == [[0, 2, 3]] * 3


def test_where_a_batch_raises_each_is_asked_alone_and_only_the_culprit_fails(
    host: LiveHost, tmp_path: Path
) -> None:
    pids = proc.workers(host)
    payloads = values(5)
    payloads[3]["poison"] = "raise"
    replies = asked_together(host, tmp_path, payloads)
    assert [reply.status for reply in replies] == [200, 200, 200, 500, 200]
    assert replies.pop(3).json() == {"error": "this one is poison"}
    assert batches_of(replies) == [None] * 4
    assert "predict_batch of model batches failed; predict is asked for each request" in host.log
    assert "ValueError: the batch is spoilt" in host.log
    assert proc.workers(host) == pids, "no process was lost over it"


@pytest.mark.parametrize(
    ("poison", "told"),
    [
        ("short", "predict_batch gave 3 predictions for 4 requests"),
        ("long", "predict_batch gave 8 predictions for 4 requests"),
        ("set", "predict_batch gave a set; it must give a list, in the order of the requests"),
        ("dict", "predict_batch gave a dict; it must give a list, in the order of the requests"),
        ("exit", "SystemExit: the batch is over"),
    ],
)
def test_a_batch_that_gives_no_answer_for_each_is_logged_and_each_is_asked_alone(
    host: LiveHost, tmp_path: Path, poison: str, told: str
) -> None:
    pids = proc.workers(host)
    payloads = values(4)
    payloads[0]["poison"] = poison
    replies = asked_together(host, tmp_path, payloads)
    assert [reply.json()["value"] for reply in replies] == [0, 1, 2, 3]
    assert batches_of(replies) == [None] * 4
    host.wait_for(lambda: told in host.log, told)
    assert proc.workers(host) == pids, "no process was lost over it"


def test_where_a_batch_kills_its_worker_each_is_run_alone_and_only_the_poison_fails(
    liftwing: Any, tmp_path: Path
) -> None:
    host = liftwing("batches", arguments=["--workers", "1"])
    payloads = values(BATCH + 3)
    payloads[2]["poison"] = "kill"
    replies = asked_together(host, tmp_path, payloads)
    poison = replies.pop(2)
    told = "The process that ran batches died twice on this request."
    assert (poison.status, poison.json()) == (500, {"error": told})
    assert [reply.status for reply in replies] == [200] * (BATCH + 2)
    behind = list(range(BATCH, BATCH + 3))
    assert batches_of(replies) == [None] * (BATCH - 1) + [behind] * 3, "who waited behind it is kept apart"
    # The log has the last one's end a moment after the answer.
    host.wait_for(lambda: host.log.count("was killed by SIGKILL") >= 2, "both ends")
    assert host.log.count("was killed by SIGKILL") == 2, "the batch, and the poison alone"


def test_in_a_batch_as_well_what_must_not_be_run_twice_is_not(liftwing: Any, tmp_path: Path) -> None:
    host = liftwing("batches", settings={"idempotent": False}, arguments=["--workers", "1"])
    payloads = values(3)
    payloads[0]["poison"] = "kill"
    assert [reply.status for reply in asked_together(host, tmp_path, payloads)] == [500] * 3


def test_who_runs_out_of_time_in_a_batch_gets_a_504_and_the_others_their_answers(
    host: LiveHost, tmp_path: Path
) -> None:
    """The batch takes longer than one of its clients waits: nobody takes its worker for stuck."""
    pid = proc.workers(host)
    release = tmp_path / "release"
    with RawClient(host.port) as holding, RawClient(host.port) as hasty, RawClient(host.port) as patient:
        holding.post(b'{"value": 0, "hold": "%s"}' % str(release).encode(), "batches")
        read_by(host)
        hasty.post(b'{"value": 1, "together": 2.5}', "batches", "X-Request-Timeout: 1")
        patient.post(b'{"value": 2}', "batches")
        read_by(host)
        release.touch()
        late = hasty.reply()
        assert (late.status, late.json()) == (
            504, {"error": "The request to batches ran out of time (1 s) in predict."},
        )  # fmt: skip
        assert patient.reply().json()["batch"] == [1, 2]
    assert proc.workers(host) == pid


def test_a_batch_that_hangs_costs_only_those_whose_time_it_takes(liftwing: Any, tmp_path: Path) -> None:
    """Its worker is killed after the first deadline; who came later is run again, alone."""
    host = liftwing("batches", config={"timeout": 6}, arguments=["--workers", "1"])
    release = tmp_path / "release"
    with RawClient(host.port) as holding, RawClient(host.port) as early, RawClient(host.port) as patient:
        holding.post(b'{"value": 0, "hold": "%s"}' % str(release).encode(), "batches")
        read_by(host)
        early.post(b'{"value": 1, "together": 60}', "batches")
        read_by(host)
        assert host.post({"value": 3}, headers={"X-Request-Timeout": "4"}).status == 504, "four seconds pass"
        patient.post(b'{"value": 2}', "batches")
        read_by(host)
        release.touch()
        assert early.reply().status == 504
        answer = patient.reply().json()
        assert (answer["value"], answer["batch"]) == (2, None)
    assert "hangs in predict of batches; it is killed" in host.log


def test_an_async_predict_beside_a_batch_is_an_error_that_says_so(liftwing: Any) -> None:
    host = liftwing("async-batches", wait=False)
    host.wait_for(lambda: "async-batches (liftwing-plugin-zoo 1.0) is NOT READY" in host.log, "the report")
    assert "predict_batch and the predict beside it must be plain `def`" in host.log
    assert host.post({}).status == 503
