"""Requests that take too long, that nobody waits for any more, and that are too many."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import proc
from distributions import install, path_with
from liftwing_host.pytest_plugin import LiveHost
from raw_http import RawClient

STUBBORN = """
import asyncio, os, signal, time
from pathlib import Path
from liftwing_host import Model

class StopsItself(Model):
    def preprocess(self, payload):
        if payload.get("stop"):
            os.kill(os.getpid(), signal.SIGSTOP)
        return payload

    def predict(self, features):
        time.sleep(features.get("seconds", 0))
        return os.getpid()

class Swallows(Model):
    async def fetch(self, payload):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return payload

    def predict(self, features):
        Path(features["note"]).write_text("predict ran")

class NeverEnds(Model):
    async def predict(self, features):
        while features.get("stay"):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass
        return os.getpid()

class Notes(Model):
    def predict(self, features):
        with open(features["note"], "a") as file:
            file.write(features["text"])
"""
NAMES = {"stops-itself": "StopsItself", "swallows": "Swallows", "never-ends": "NeverEnds", "notes": "Notes"}
LIMIT = 0.6


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHost]:
    """Two plugins, so that what the stubborn one's processes suffer does not touch the zoo's."""
    models = {name: f"stubborn:{attribute}" for name, attribute in NAMES.items()}
    folder = install(
        tmp_path_factory.mktemp("site"),
        "liftwing-plugin-stubborn",
        models=models,
        code={"stubborn": STUBBORN},
    )
    host = LiveHost(
        ["slow", "waits", "blocks-loop", *NAMES], config={"timeout": LIMIT}, environ=path_with(folder),
        arguments=["--workers", "2"],
    )  # fmt: skip
    yield host
    host.stop()


def too_late(host: LiveHost, model: str, payload: Any, hook: str) -> None:
    began = time.monotonic()
    reply = host.post(payload, model)
    took = time.monotonic() - began
    told = f"The request to {model} ran out of time ({LIMIT:g} s) in {hook}."
    assert (reply.status, reply.json()) == (504, {"error": told})
    assert LIMIT * 0.9 < took < LIMIT + 5


def test_a_hang_in_predict_is_a_504_that_says_so_and_the_worker_is_replaced(host: LiveHost) -> None:
    before = {host.predict({"seconds": 0.05}, "slow")["pid"] for _ in range(3)}
    too_late(host, "slow", {"seconds": 60}, "predict")
    host.wait_for(lambda: "hangs in predict of slow; it is killed" in host.log, "the log")
    host.wait_for(lambda: host.predict({"seconds": 0.05}, "slow")["pid"] not in before, "a new worker")


def test_a_stopped_process_is_a_504_that_names_the_hook_and_it_is_replaced(host: LiveHost) -> None:
    too_late(host, "stops-itself", {"stop": True}, "preprocess")
    host.wait_for(lambda: "hangs in preprocess of stops-itself; it is killed" in host.log, "the log")
    too_late(host, "stops-itself", {"seconds": 60}, "predict")
    assert host.predict({}, "stops-itself")


def test_a_worker_that_the_operator_stops_is_replaced(host: LiveHost) -> None:
    pid = host.predict({}, "slow")["pid"]
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(2) as clients:
        statuses = list(clients.map(lambda _: host.post({"seconds": 0.1}, "slow").status, range(2)))
    assert sorted(statuses) == [200, 504]
    host.wait_for(lambda: not proc.alive(pid), "its end")
    host.predict({}, "slow")


def test_an_async_hang_is_a_504_that_names_the_hook_which_is_cancelled(
    host: LiveHost, tmp_path: Path
) -> None:
    pid = host.predict({}, "waits")["pid"]
    too_late(host, "waits", {"seconds": 60, "note": str(tmp_path / "note")}, "fetch")
    assert (tmp_path / "note").read_text() == "cancelled"
    assert host.predict({}, "waits")["pid"] == pid, "its process goes on"


def test_a_blocked_loop_is_a_504_and_its_process_is_replaced(host: LiveHost) -> None:
    pid = host.predict({}, "blocks-loop")["pid"]
    reply = host.post({"seconds": 60}, "blocks-loop")
    assert reply.status == 504
    assert reply.json()["error"].endswith(" in predict.")
    assert host.predict({}, "blocks-loop")["pid"] != pid
    assert not proc.alive(pid)


def test_what_expired_in_a_process_that_is_killed_is_not_run_once_more(host: LiveHost) -> None:
    """Nobody would look after it any more: no timer, and no guard of its new worker."""
    began = time.monotonic()
    with ThreadPoolExecutor(2) as clients, RawClient(host.port) as first:
        first.post(b'{"seconds": 60}', "blocks-loop")
        assert [host.get("/").status for _ in range(5)] == [200] * 5
        second = clients.submit(host.post, {"seconds": 60}, "blocks-loop")
        replies = [first.reply(), second.result()]
    assert [reply.status for reply in replies] == [504, 504]
    assert time.monotonic() - began < LIMIT + 5
    host.wait_for(lambda: host.post({}, "blocks-loop").status == 200, "a new process")
    assert not proc.named(host, r"lw-async-[1-9]\d*"), "none was begun for it alone"


def test_every_504_tells_how_long_the_request_had(host: LiveHost) -> None:
    told = f"The request to blocks-loop ran out of time ({LIMIT:g} s) in predict."
    assert host.post({"seconds": 60}, "blocks-loop").json() == {"error": told}


def test_a_hook_that_swallows_its_cancellation_does_not_outlive_the_deadline(
    host: LiveHost, tmp_path: Path
) -> None:
    too_late(host, "swallows", {"note": str(tmp_path / "note")}, "fetch")
    assert not (tmp_path / "note").exists(), "nothing is run after the deadline"


def test_a_hook_that_cannot_be_cancelled_is_ended_with_its_process(host: LiveHost) -> None:
    pid = host.predict({}, "never-ends")
    assert host.post({"stay": True}, "never-ends").status == 504
    assert host.predict({}, "never-ends") != pid


def test_what_expired_while_it_waited_is_never_run(host: LiveHost, tmp_path: Path) -> None:
    note = tmp_path / "note"
    payload = {"note": str(note), "text": "ran"}
    with ThreadPoolExecutor(2) as clients:
        busy = [clients.submit(host.post, {"seconds": 60}, "stops-itself") for _ in range(2)]
        reply = None
        while reply is None or reply.status == 200:
            note.write_text("")
            reply = host.post(payload, "notes")
        assert [request.result().status for request in busy] == [504, 504]
    host.wait_for(lambda: host.post({}, "stops-itself").status == 200, "new workers")
    told = f"The request to notes ran out of time ({LIMIT:g} s) in the queue."
    assert (reply.status, reply.json()["error"], note.read_text()) == (504, told, "")


def test_a_hang_without_workers_is_a_504_and_the_process_is_replaced(liftwing: Any) -> None:
    solo = liftwing("slow", "waits", config={"timeout": LIMIT}, arguments=["--workers", "0"])
    pid = solo.predict({}, "slow")["pid"]
    too_late(solo, "slow", {"seconds": 60}, "predict")
    solo.wait_for(lambda: not proc.alive(pid), "its end")
    # A new interpreter may take longer to begin than a request has here.
    solo.wait_for(lambda: solo.post({}, "waits").status == 200, "the next one")
    assert solo.predict({}, "waits")["pid"] != pid


def test_without_workers_what_waits_for_the_one_thread_costs_the_process_nothing(
    liftwing: Any, tmp_path: Path
) -> None:
    """Whether it runs out of time there, or its client leaves: it is not run, and not taken for a hang."""
    note = tmp_path / "note"
    note.touch()
    site = install(
        tmp_path / "site",
        "liftwing-plugin-stubborn",
        models={name: f"stubborn:{attribute}" for name, attribute in NAMES.items()},
        code={"stubborn": STUBBORN},
    )
    solo = liftwing("stops-itself", "notes", environ=path_with(site), arguments=["--workers", "0"])
    pid = solo.predict({}, "stops-itself")
    noted = b'{"note": "%s", "text": "ran"}' % str(note).encode()
    with RawClient(solo.port) as busy, RawClient(solo.port) as leaver:
        busy.post(b'{"seconds": 2.5}', "stops-itself")
        assert [solo.get("/").status for _ in range(5)] == [200] * 5
        leaver.post(noted, "notes")
        for _ in range(3):
            late = solo.post({"note": str(note), "text": "ran"}, "notes", {"X-Request-Timeout": "0.2"})
            assert late.status == 504
            leaver.close()
        assert busy.reply().json() == pid
    assert solo.predict({}, "stops-itself") == pid
    assert note.read_text() == ""


# Clients that leave


def test_a_client_that_leaves_cancels_its_async_hook(liftwing: Any, tmp_path: Path) -> None:
    host = liftwing("waits", arguments=["--workers", "1"])
    pid = host.predict({})["pid"]
    for number in range(3):
        note = tmp_path / f"note {number}"
        with RawClient(host.port) as client:
            client.post(b'{"seconds": 60, "note": "%s"}' % str(note).encode(), "waits")
            # The host has read it once it has answered what came later.
            assert host.predict({})["pid"] == pid
        host.wait_for(note.exists, "the cancellation")
        host.wait_for(lambda note=note: note.read_text() == "cancelled", "its note")
    assert host.predict({})["pid"] == pid


def test_a_client_that_leaves_before_its_hook_began_does_no_harm_to_others(liftwing: Any) -> None:
    """The call and its cancellation reach the async worker in one read: its loop was blocked meanwhile."""
    host = liftwing("blocks-loop", config={"timeout": 1.5}, arguments=["--workers", "1"])
    pid = host.predict({})["pid"]
    with ThreadPoolExecutor(1) as other:
        blocking = other.submit(host.predict, {"seconds": 0.7})
        host.wait_for(lambda: host.get("/").status == 200, "alive")
        with RawClient(host.port) as client:
            client.post(b"{}", "blocks-loop")
            for _ in range(3):
                host.get("/")
        assert blocking.result() == {"pid": pid}
    end = time.monotonic() + 1.5 + 1.0 + 0.5  # The deadline, the guard's patience, and some.
    while time.monotonic() < end:
        assert host.predict({}) == {"pid": pid}, "the worker was killed for a call that nobody wanted"
        assert "hangs" not in host.log


# Too many

OVERLOADED = b'{"error":"Model with name slow is overloaded. Try again later."}'


def without_answer(host: LiveHost, body: bytes) -> RawClient:
    """A client whose request runs, or waits to run."""

    def ask() -> RawClient | None:
        client = RawClient(host.port)
        client.post(body, "slow")
        if not select.select([client.socket], [], [], 0.3)[0]:
            return client
        client.close()
        return None

    found = host.wait_for(ask, "a request that is not answered at once")
    assert isinstance(found, RawClient)
    return found


def is_refused_at_once(host: LiveHost) -> bool:
    """One that is taken leaves again, and its place with it."""
    with RawClient(host.port) as client:
        client.post(b"{}", "slow")
        if not select.select([client.socket], [], [], 0.3)[0]:
            return False
        reply = client.reply()
    assert (reply.status, reply.headers["retry-after"], reply.body) == (503, "1", OVERLOADED)
    return True


@pytest.mark.parametrize("workers", [1, 0], ids=["workers", "solo"])
def test_one_too_many_is_a_503_at_once_and_a_client_that_leaves_the_queue_makes_room(
    liftwing: Any, workers: int
) -> None:
    # Without workers, what waits is what is more than the process may have under way.
    config = {"queue_size": 1, "max_concurrency": 1}
    host = liftwing("slow", "echo", config=config, arguments=["--workers", str(workers)])
    with without_answer(host, b'{"seconds": 8}'):
        with without_answer(host, b"{}"):
            for _ in range(10):
                assert is_refused_at_once(host)
            assert host.get("/").status == 200
            assert host.ready("slow"), "full is not broken"
        host.wait_for(lambda: not is_refused_at_once(host), "room in the queue")


def test_a_queue_of_no_places_refuses_only_while_all_workers_are_busy(liftwing: Any) -> None:
    host = liftwing("slow", config={"queue_size": 0}, arguments=["--workers", "1"])
    for _ in range(5):
        assert host.post({}).status == 200
    with without_answer(host, b'{"seconds": 2}') as running:
        assert is_refused_at_once(host)
        assert running.reply().status == 200
    assert host.post({}).status == 200
