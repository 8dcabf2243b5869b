"""Workers that are replaced after so many answers, or from some size on, and nobody notices."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import proc
from distributions import install, path_with
from liftwing_host.pytest_plugin import LiveHost
from raw_http import RawClient
from test_deaths import asked_all_the_time

MIB = 1 << 20
HOST_WIDE, ONE_PLUGIN = "host-wide", "for one plugin"
EITHER_WAY = pytest.mark.parametrize("where", [HOST_WIDE, ONE_PLUGIN])


def limits(where: str, **keys: int) -> dict[str, Any]:
    return dict(keys) if where == HOST_WIDE else {"plugins": {"zoo": keys}}


def of_kind(host: LiveHost, kind: str) -> int:
    return len(proc.named(host, rf"lw-{kind}-\d+"))


@contextmanager
def fewest(host: LiveHost, kind: str) -> Iterator[list[int]]:
    """The smallest number of workers that was seen meanwhile."""
    seen = [of_kind(host, kind)]
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            # One look takes a while: it may miss one that has just begun and one that has just ended.
            seen[0] = min(seen[0], max(of_kind(host, kind) for _ in range(3)))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()


@EITHER_WAY
def test_workers_are_replaced_after_so_many_answers_and_no_request_fails(liftwing: Any, where: str) -> None:
    host = liftwing("slow", config=limits(where, max_requests=20), arguments=["--workers", "2"])
    first = proc.workers(host)
    with asked_all_the_time(host, "slow", {"seconds": 0.002}) as statuses:
        host.wait_for(lambda: host.log.count("is replaced") >= 12, "twelve replacements")
    assert set(statuses) == {200}
    host.wait_for(lambda: not any(map(proc.alive, first)), "the end of the first workers")
    host.wait_for(lambda: len(proc.workers(host)) == 2, "two workers, and no more")
    answered = [int(found) for found in re.findall(r"is replaced: it has answered (\d+) calls", host.log)]
    assert answered
    assert all(18 <= count <= 22 for count in answered), "more or less 20"
    assert len(set(answered)) > 1, "those that began together do not all go at once"
    assert re.search(
        r"liftwing-plugin-zoo: compute worker 0 \(pid \d+\) is replaced: it has answered", host.log
    )


def test_a_worker_answers_no_more_than_its_share_and_a_few(liftwing: Any) -> None:
    host = liftwing("slow", config=limits(HOST_WIDE, max_requests=10), arguments=["--workers", "1"])
    pids: list[int] = []

    def fifth_worker() -> bool:
        pids.append(host.predict({})["pid"])
        return len(set(pids)) == 5

    host.wait_for(fifth_worker, "a fifth worker")
    shares = [pids.count(pid) for pid in dict.fromkeys(pids)]
    # A worker answers on until the next one is there, which takes as long as the machine is busy.
    assert all(9 <= share <= 100 for share in shares[:-1])


@pytest.mark.parametrize("model", ["slow", "waits"], ids=["compute", "async"])
def test_a_worker_serves_on_until_the_next_one_is_there(liftwing: Any, model: str) -> None:
    """None can be begun meanwhile: the template is stopped."""
    host = liftwing(model, config=limits(HOST_WIDE, max_requests=5), arguments=["--workers", "1"])
    (first,) = proc.workers(host)
    proc.kill(proc.template(host), signal.SIGSTOP)
    try:
        assert {host.predict({})["pid"] for _ in range(20)} == {first}
        assert "is replaced: it has answered" in host.log
    finally:
        proc.kill(proc.template(host), signal.SIGCONT)
    host.wait_for(lambda: host.predict({})["pid"] != first, "the next one")
    host.wait_for(lambda: not proc.alive(first), "the end of the first")


def test_the_async_worker_is_replaced_as_well(liftwing: Any) -> None:
    host = liftwing("waits", config=limits(HOST_WIDE, max_requests=20), arguments=["--workers", "1"])
    with asked_all_the_time(host, "waits", {"seconds": 0.002}) as statuses:
        host.wait_for(lambda: host.log.count("async worker 0") >= 4, "four replacements")
    assert set(statuses) == {200}


def test_the_one_process_without_workers_is_replaced_as_well(liftwing: Any) -> None:
    host = liftwing("slow", config=limits(HOST_WIDE, max_requests=20), arguments=["--workers", "0"])
    first = proc.workers(host)
    with fewest(host, "solo") as number, asked_all_the_time(host, "slow", {"seconds": 0.002}) as statuses:
        host.wait_for(lambda: host.log.count("solo worker 0") >= 2, "two replacements")
    assert set(statuses) == {200}
    assert number[0] == 1
    host.wait_for(lambda: not any(map(proc.alive, first)), "the end of the first process")


def test_a_worker_that_is_replaced_answers_first_what_it_runs(liftwing: Any) -> None:
    host = liftwing("grows", config=limits(ONE_PLUGIN, max_rss=150 * MIB), arguments=["--workers", "1"])
    with RawClient(host.port) as client:
        client.post(b'{"bytes": %d, "seconds": 2}' % (200 * MIB), "grows")
        host.wait_for(lambda: "is replaced: it holds" in host.log, "the replacement")
        next_one = host.predict({})["pid"]
        old = client.reply()
    assert old.status == 200
    assert old.json()["pid"] != next_one
    host.wait_for(lambda: not proc.alive(old.json()["pid"]), "the end of the old worker")


@EITHER_WAY
def test_a_worker_that_has_grown_too_large_is_replaced_and_no_request_fails(
    liftwing: Any, where: str
) -> None:
    host = liftwing("grows", config=limits(where, max_rss=200 * MIB), arguments=["--workers", "2"])
    first = proc.workers(host)
    leak = {"bytes": 8 * MIB, "seconds": 0.03}
    with fewest(host, "compute") as number, asked_all_the_time(host, "grows", leak) as statuses:
        host.wait_for(lambda: not any(map(proc.alive, first)), "the end of both workers")
    assert set(statuses) == {200}
    assert number[0] >= 2
    sizes = [int(found) for found in re.findall(r"is replaced: it holds (\d+) bytes", host.log)]
    assert sizes
    assert all(size > 200 * MIB for size in sizes)


def test_a_limit_that_no_worker_can_keep_is_no_storm_of_forks(liftwing: Any) -> None:
    host = liftwing("slow", config=limits(HOST_WIDE, max_rss=1 * MIB), arguments=["--workers", "1"])
    host.wait_for(lambda: host.log.count("is replaced") >= 3, "three replacements")
    with asked_all_the_time(host, "slow", {"seconds": 0.1}, clients=1) as statuses:
        before = host.log.count("is replaced")
        host.wait_for(lambda: len(statuses) >= 10, "a second of answers")
    assert host.log.count("is replaced") - before <= 5
    assert set(statuses) == {200}


def test_without_a_limit_no_worker_is_replaced(liftwing: Any) -> None:
    host = liftwing("slow", arguments=["--workers", "1"])
    assert len({host.predict({})["pid"] for _ in range(100)}) == 1


# Successors that cannot be begun

NEEDS_A_BACKEND = """
import os
from pathlib import Path
from liftwing_host import Model

HERE = Path(__file__).parent

class NeedsABackend(Model):
    def start(self):
        with (HERE / "starts").open("a") as starts:
            starts.write("one\\n")
        if (HERE / "away").exists():
            raise RuntimeError("the backend is away")

    def predict(self, features):
        return {"pid": os.getpid()}
"""


@pytest.fixture
def backend(tmp_path: Path) -> Path:
    """Where a plugin is whose `start` raises while a file `away` is there; it notes in `starts` each time that it runs."""
    models = {"needs-a-backend": "needs_a_backend:NeedsABackend"}
    return install(
        tmp_path, "liftwing-plugin-needs", models=models, code={"needs_a_backend": NEEDS_A_BACKEND}
    )


def with_a_worn_worker(liftwing: Callable[..., LiveHost], backend: Path) -> tuple[LiveHost, int]:
    """A host whose only worker is to be replaced, and has no successor; and that worker."""
    host = liftwing(
        "needs-a-backend", environ=path_with(backend), config=limits(HOST_WIDE, max_requests=5),
        arguments=["--workers", "1"],
    )  # fmt: skip
    (first,) = proc.workers(host)
    (backend / "away").touch()

    def broken() -> bool:
        assert host.predict({})["pid"] == first
        return "compute worker 0 is broken: start failed: RuntimeError: the backend is away" in host.log

    host.wait_for(broken, "the log")
    return host, first


def test_a_worker_serves_on_for_as_long_as_the_next_one_fails_to_start(liftwing: Any, backend: Path) -> None:
    host, first = with_a_worn_worker(liftwing, backend)
    assert {host.predict({})["pid"] for _ in range(20)} == {first}
    assert host.get("/v2/health/ready").status == 200
    (backend / "away").unlink()
    host.wait_for(lambda: host.predict({})["pid"] != first, "the next one")
    host.wait_for(lambda: not proc.alive(first), "the end of the first")
    assert "compute worker 0 is in order again" in host.log


def test_where_a_worn_worker_dies_before_another_could_start_the_model_is_not_ready(
    liftwing: Any, backend: Path
) -> None:
    host, first = with_a_worn_worker(liftwing, backend)

    def starts() -> int:
        return (backend / "starts").read_text().count("one")

    # The first worker's start and seven in vain: more than three seconds lie before the next one.
    host.wait_for(lambda: starts() == 8, "seven attempts")
    proc.kill(first, signal.SIGKILL)
    host.wait_for(lambda: host.post({}).status == 503, "not ready")
    assert starts() == 8, "that is known before another attempt fails"
    (backend / "away").unlink()
    host.wait_for(lambda: host.post({}).status == 200, "an answer")
