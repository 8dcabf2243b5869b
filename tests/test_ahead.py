"""Calls that lie ahead of a busy worker: nobody's yet, whatever happens to it, to their clients or to other workers."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import proc
from liftwing_host.pytest_plugin import LiveHost
from liftwing_host.server.ahead import Ahead
from liftwing_host.server.call import Call
from liftwing_host.server.served_model import Leg
from liftwing_host.wire import message
from raw_http import RawClient
from tells import metric

HELD = 100
"""The number of the request that holds up its worker. Those before it make the worker count as quick."""
BEHIND = range(101, 131)
LEAVES, LATE = 102, 103


class Crowd:
    """Requests to `gated`, each over a connection of its own, that arrive in their order."""

    def __init__(self, host: LiveHost, folder: Path, stack: ExitStack) -> None:
        self.host = host
        self.clients: dict[int, RawClient] = {}
        self._note = folder / "note"
        self._note.touch()
        self._folder = folder
        self._stack = stack

    def ask(self, number: int, *headers: str, gate: str | None = None) -> None:
        payload: dict[str, Any] = {"note": str(self._note), "number": number}
        if gate is not None:
            payload["gate"] = str(self._folder / gate)
        client = self.clients[number] = self._stack.enter_context(RawClient(self.host.port))
        client.post(json.dumps(payload).encode(), "gated", *headers)
        self.host.wait_for(lambda: number in self.run or self.waiting, f"request {number} in the line")

    def ask_and_wait_in_line(self, number: int, *headers: str, gate: str | None = None) -> None:
        before = self.waiting
        self.ask(number, *headers, gate=gate)
        self.host.wait_for(lambda: self.waiting == before + 1, f"request {number} in the line")

    def open(self, gate: str) -> None:
        (self._folder / gate).touch()

    @property
    def run(self) -> list[int]:
        """What has been begun, in that order."""
        return [int(line) for line in self._note.read_text().split()]

    @property
    def waiting(self) -> int:
        return int(metric(self.host, "liftwing_requests_waiting", model="gated"))

    def answered(self, number: int) -> int:
        """The status of the answer."""
        return self.clients[number].reply().status


@pytest.fixture
def crowd(liftwing: Callable[..., LiveHost], tmp_path: Path) -> Iterator[Callable[..., Crowd]]:
    """Gives, for so many workers: a crowd of which one worker runs `HELD`, with calls ahead of it, while the other workers
    are held by a request each; and `BEHIND` wait.
    """
    with ExitStack() as stack:

        def gather(workers: int, quick: int = 20, behind: int = len(BEHIND), **config: Any) -> Crowd:
            host = liftwing(
                "gated", settings={"idempotent": False}, config=config, arguments=["--workers", str(workers)]
            )
            crowd = Crowd(host, tmp_path, stack)
            for number in range(workers):
                crowd.ask(number, gate=f"gate {number}")
                host.wait_for(lambda: len(crowd.run) == number + 1, "a worker that runs it")  # noqa: B023 - at once
            for number in range(workers, quick):
                crowd.ask_and_wait_in_line(number)
            crowd.ask_and_wait_in_line(HELD, gate="gate")
            for number in BEHIND[:behind]:
                limit = ("X-Request-Timeout: 8",) if number == LATE else ()
                crowd.ask_and_wait_in_line(number, *limit)
            crowd.open("gate 0")
            host.wait_for(lambda: HELD in crowd.run, "the worker that is held up")
            return crowd

        yield gather


def test_a_worker_goes_on_while_the_host_does_something_else(crowd: Callable[..., Crowd]) -> None:
    crowded = crowd(1)
    crowded.host.process.send_signal(signal.SIGSTOP)
    try:
        crowded.open("gate")
        # Up to four lie there; less where the machine was so busy that not all its answers were quick.
        crowded.host.wait_for(lambda: set(BEHIND) & set(crowded.run), "what lies ahead of it")
    finally:
        crowded.host.process.send_signal(signal.SIGCONT)
    assert {crowded.answered(number) for number in [HELD, *BEHIND]} == {200}
    assert crowded.run[-len(BEHIND) :] == list(BEHIND)


def test_who_leaves_or_is_out_of_time_is_not_run(crowd: Callable[..., Crowd]) -> None:
    crowded = crowd(1)
    assert crowded.waiting == len(BEHIND)
    crowded.clients[LEAVES].close()
    crowded.host.wait_for(lambda: crowded.waiting == len(BEHIND) - 1, "the host to see that one has left")
    late = crowded.clients[LATE].reply()
    assert late.status == 504
    assert late.json()["error"].endswith("in the queue.")
    crowded.open("gate")
    left = [number for number in BEHIND if number not in {LATE, LEAVES}]
    assert {crowded.answered(number) for number in [HELD, *left]} == {200}
    assert crowded.run[-len(left) :] == left
    assert crowded.waiting == 0


def test_a_worker_that_falls_free_takes_what_lies_ahead_of_another(crowd: Callable[..., Crowd]) -> None:
    # So few that it is not for the time they have been there: the other has nothing else to do.
    crowded = crowd(2, behind=8)
    crowded.open("gate 1")
    assert {crowded.answered(number) for number in BEHIND[:8]} == {200}
    assert len(crowded.run) == len(set(crowded.run))
    crowded.open("gate")
    assert crowded.answered(HELD) == 200


def test_what_lies_ahead_of_a_worker_that_is_held_up_is_soon_run_elsewhere(
    crowd: Callable[..., Crowd],
) -> None:
    crowded = crowd(2)
    crowded.open("gate 1")
    assert {crowded.answered(number) for number in BEHIND} == {200}
    order = [number for number in crowded.run if number in BEHIND]
    # Those that came first were ahead of the other worker.
    assert max(map(order.index, BEHIND[:4])) < len(order) * 2 / 3


def test_only_what_a_dead_worker_had_begun_is_lost(crowd: Callable[..., Crowd]) -> None:
    crowded = crowd(1)
    proc.kill(proc.named(crowded.host, "lw-compute-0")[0], signal.SIGKILL)
    assert crowded.answered(HELD) == 500
    assert {crowded.answered(number) for number in BEHIND} == {200}
    assert crowded.run[-len(BEHIND) :] == list(BEHIND)


class ReadByTwo:
    """The end from which calls are read, where the worker reads one after the first that the host reads."""

    def __init__(self, end: socket.socket) -> None:
        self.read_by_worker: list[int] = []
        self._end = end

    def recv(self, size: int) -> bytes:
        data = self._end.recv(size)
        if not self.read_by_worker:
            self.read_by_worker.append(message(memoryview(self._end.recv(1 << 16)))[0]["id"])
        return data


def test_what_the_worker_reads_while_calls_are_taken_back_is_its_own() -> None:
    ahead = Ahead()
    calls = [
        Call(
            "echo",
            Leg("compute", ("predict",)),
            0,
            {},
            b"",
            deadline=1.0,
            timeout=1.0,
            operators_deadline=1.0,
            on_outcome=lambda _: None,
        )
        for _ in range(3)
    ]
    assert all(ahead.put(call) for call in calls)
    ends = ahead.worker_end
    reading = ahead.worker_end = ReadByTwo(ends)  # type: ignore[assignment]
    back = ahead.take_back()
    assert (back, ahead.rest()) == ([calls[0], calls[2]], [calls[1]])
    assert reading.read_by_worker == [calls[1].id]
    ahead.worker_end = ends
    ahead.close()


def test_a_worker_that_is_replaced_leaves_what_it_has_not_begun(crowd: Callable[..., Crowd]) -> None:
    # Its fourth answer comes before the request that holds it up.
    crowded = crowd(1, quick=4, max_requests=4)
    assert {crowded.answered(number) for number in BEHIND} == {200}
    crowded.open("gate")
    assert crowded.answered(HELD) == 200
