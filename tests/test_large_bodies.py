"""Large bodies lie in memory that the workers read: they are never mixed up, and their places come back."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from liftwing_host.body_arena import SIZE, WARM
from liftwing_host.pytest_plugin import LiveHost, wait_until
from proc import alive, workers
from raw_http import RawClient

MIB = 1 << 20


def shared_memory(pid: int) -> int:
    """Bytes of a host's arena that are in memory, whoever reads them there."""
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if "liftwing-bodies" in str(fd.readlink()):
                return fd.stat().st_blocks * 512
    raise AssertionError("no arena")


def body(seed: int, size: int = MIB, **more: object) -> bytes:
    """JSON of that size, of which no piece is like one of another body."""
    text = random.Random(seed).randbytes(size // 2).hex()  # noqa: S311 - any text will do
    return json.dumps({"value": text, **more}).encode()


MODELS = ["echo", "raw", "stages", "batches", "waits"]
SERVED = {"forked": 2, "solo": 0}


@pytest.fixture(scope="module", params=SERVED)
def host(request: pytest.FixtureRequest) -> Iterator[LiveHost]:
    host = LiveHost(MODELS, arguments=["--workers", str(SERVED[request.param])])
    yield host
    assert host.stop() == 0
    assert "Traceback" not in host.log


def all_cool(host: LiveHost) -> bool:
    return shared_memory(host.process.pid) <= WARM


def test_a_large_body_arrives_whole_at_a_model_of_every_kind(host: LiveHost) -> None:
    sent = body(1)
    value = json.loads(sent)["value"]
    assert host.post(sent, "echo").json() == {"value": value}
    assert host.post(sent, "raw").json() == {"type": "bytes", "length": len(sent)}
    assert host.post(sent, "stages").json()["postprocess"][2] == value
    assert host.post(sent, "batches").json()["value"] == value
    assert shared_memory(host.process.pid) >= MIB, "it went through the arena"


def test_a_large_body_that_is_no_json_is_the_clients_fault(host: LiveHost) -> None:
    reply = host.post(b"x" * MIB)
    assert (reply.status, reply.json()["error"][:28]) == (400, "Unrecognized request format:")
    assert host.post(b"\xff" * MIB).status == 400


@pytest.mark.parametrize("model", ["echo", "stages", "batches"])
def test_many_large_bodies_at_once_are_never_mixed_up(host: LiveHost, model: str) -> None:
    choose = random.Random(model)  # noqa: S311 - as above
    sizes = [choose.choice([70_000, 300_000, MIB, 9 * MIB]) for _ in range(30)]

    def right(seed: int) -> bool:
        sent = body(seed, sizes[seed])
        reply = host.post(sent, model).json()
        got = reply["predict"][2] if model == "stages" else reply["value"]
        return bool(got == json.loads(sent)["value"])

    with ThreadPoolExecutor(10) as clients:
        assert all(clients.map(right, range(len(sizes))))
    wait_until(lambda: all_cool(host), "the memory given back")


def test_clients_that_leave_in_the_middle_leave_no_place_taken(host: LiveHost) -> None:
    for _ in range(30):
        with RawClient(host.port) as client:
            client.send(
                b"POST /v1/models/echo:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 30000000\r\n\r\n"
                + b"x" * (10 * MIB)
            )
    wait_until(lambda: all_cool(host), "the memory given back")
    assert host.post(b"[" + b" " * SIZE + b"]").json() == [], "more than there is room for"


@pytest.mark.parametrize("model", ["not-fork-safe", "threads"])
def test_a_worker_that_loads_for_itself_has_a_window_of_its_own(
    liftwing: Callable[..., LiveHost], model: str
) -> None:
    host = liftwing(model, arguments=["--workers", "1"])
    assert host.post(body(1)).status == 200
    assert shared_memory(host.process.pid) >= MIB


@pytest.mark.parametrize("workers", [1, 0], ids=["forked", "solo"])
def test_a_large_body_is_there_for_the_second_run_of_a_request_whose_worker_died(
    liftwing: Callable[..., LiveHost], tmp_path: Path, workers: int
) -> None:
    host = liftwing("dies", "echo", arguments=["--workers", str(workers)])
    once = tmp_path / "once"
    sent = body(1, 30 * MIB, die=True, once=str(once))
    (pid,) = {host.post(sent, "dies").json()["pid"]}
    assert alive(pid)
    assert int(once.read_text()) != pid
    wait_until(lambda: all_cool(host), "the memory given back")


def test_a_worker_killed_from_outside_leaves_no_place_taken(liftwing: Callable[..., LiveHost]) -> None:
    host = liftwing("slow", "echo", arguments=["--workers", "1"])
    with ThreadPoolExecutor(1) as clients:
        reply = clients.submit(host.post, body(1, 30 * MIB, seconds=1), "slow")
        wait_until(lambda: shared_memory(host.process.pid) >= 30 * MIB, "the body")
        (before,) = workers(host)
        os.kill(before, signal.SIGKILL)
        assert reply.result().json()["pid"] != before
    wait_until(lambda: all_cool(host), "the memory given back")


def test_a_place_is_not_given_away_while_a_worker_may_still_read_there(
    liftwing: Callable[..., LiveHost], tmp_path: Path
) -> None:
    """The client has its 504, and the worker is still at it."""
    host = liftwing("batches", "echo", arguments=["--workers", "1"], settings={"timeout": 0.3})
    go = tmp_path / "go"
    sent = body(1, 30 * MIB, hold=str(go))
    assert host.post(sent, "batches").status == 504
    time.sleep(0.2)
    assert shared_memory(host.process.pid) >= 30 * MIB
    go.touch()
    wait_until(lambda: all_cool(host), "the memory given back", 5)


@pytest.mark.parametrize("model", ["slow", "waits"])
def test_a_client_that_leaves_before_the_answer_has_its_place_given_back_after_it(
    liftwing: Callable[..., LiveHost], tmp_path: Path, model: str
) -> None:
    host = liftwing(model, arguments=["--workers", "1"])
    note = tmp_path / "note"
    with RawClient(host.port) as client:
        client.post(body(1, 30 * MIB, seconds=1.5, note=str(note)), model)
        wait_until(lambda: shared_memory(host.process.pid) >= 30 * MIB, "the body")
    if model == "waits":
        wait_until(note.exists, "the hook cancelled")
    else:
        assert not all_cool(host), "the worker cannot be asked to stop"
    wait_until(lambda: all_cool(host), "the memory given back")


def test_a_body_for_which_there_is_no_room_goes_through_the_socket(
    liftwing: Callable[..., LiveHost], tmp_path: Path
) -> None:
    host = liftwing("batches", "waits", arguments=["--workers", "1"])
    go = tmp_path / "go"
    with ThreadPoolExecutor(1) as clients:
        held = clients.submit(host.post, body(1, 40 * MIB, hold=str(go)), "batches")
        wait_until(lambda: shared_memory(host.process.pid) >= 40 * MIB, "the body")
        assert host.post(body(2, 40 * MIB), "waits").status == 200
        assert shared_memory(host.process.pid) < 41 * MIB
        go.touch()
        assert held.result().json()["value"] == json.loads(body(1, 40 * MIB))["value"]
    wait_until(lambda: all_cool(host), "the memory given back")


def test_a_reload_goes_on_with_the_same_arena(liftwing: Callable[..., LiveHost]) -> None:
    host = liftwing("echo", arguments=["--workers", "1"])
    (before,) = workers(host)
    host.process.send_signal(signal.SIGHUP)
    host.wait_for(lambda: before not in workers(host) and workers(host), "other workers")
    sent = body(1)
    assert host.post(sent).body == json.dumps(json.loads(sent), separators=(",", ":")).encode()
