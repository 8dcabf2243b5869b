"""A soak: `python tests/soak.py --minutes 10`. Mixed load, and a worker killed every second; nothing may fail or grow."""

from __future__ import annotations

import argparse
import http.client
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil

import proc
from liftwing_host.pytest_plugin import LiveHost, wait_until
from raw_http import RawClient

MODELS = ["echo", "slow", "waits", "raw", "stages"]
SLACK = 1.2
WARM_UP = 0.25
"""The share of the time after which memory is first weighed, to be compared with the end."""
LARGE = 1 << 20

Ask = tuple[str, bytes, int]
"""Model, body, and the status that must come."""

ASKS: list[Callable[[random.Random], Ask]] = [
    lambda dice: ("echo", b'{"n":%d}' % dice.randrange(1000), 200),
    lambda dice: ("slow", b'{"seconds":%.3f}' % (dice.random() / 100), 200),
    lambda dice: ("slow", b'{"seconds":%.3f}' % (dice.random() / 5), 200),
    lambda dice: ("waits", b'{"seconds":%.3f}' % (dice.random() / 4), 200),
    lambda dice: ("stages", b'{"value":%d,"wait":0.02}' % dice.randrange(1000), 200),
    lambda dice: ("raw", dice.randbytes(dice.randrange(LARGE)), 200),
    lambda dice: ("echo", b"{no json", 400),
    lambda dice: ("nope", b"{}", 404),
]
WEIGHTS = [8, 8, 1, 4, 4, 1, 1, 1]


class Load:
    """Clients that ask in closed loops, most over connections that they keep, and some that leave."""

    def __init__(self, port: int, clients: int) -> None:
        self._port = port
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.answers: Counter[int] = Counter()
        self.left = 0
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._ask_on, args=(number,)) for number in range(clients)]
        self._threads.append(threading.Thread(target=self._leave_on))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask_on(self, number: int) -> None:
        dice = random.Random(number)  # noqa: S311 - seeded, to be repeated
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        while not self._over.is_set():
            model, body, expected = dice.choices(ASKS, WEIGHTS)[0](dice)
            try:
                connection.request("POST", f"/v1/models/{model}:predict", body)
                response = connection.getresponse()
                text = response.read()
                problem = "" if response.status == expected else f"{response.status} {text[:200]!r}"
                with self._lock:
                    self.answers[response.status] += 1
            except (OSError, http.client.HTTPException) as error:
                problem = repr(error)
                connection.close()
            if problem:
                with self._lock:
                    self.failures.append(f"{model}: {problem}")
            if dice.random() < 0.05:
                connection.close()
        connection.close()

    def _leave_on(self) -> None:
        dice = random.Random(-1)  # noqa: S311 - as above
        while not self._over.wait(0.1):
            model, body, _ = dice.choice(ASKS[1:6])(dice)
            with RawClient(self._port) as client:
                client.post(body[: dice.choice([len(body), len(body) // 2])], model)
                time.sleep(dice.random() / 20)
            self.left += 1


def soak(minutes: float, clients: int) -> list[str]:
    """Run it; what was wrong."""
    host = LiveHost(MODELS, arguments=["--workers", "2"])
    try:
        return _soak(host, minutes * 60, clients)
    finally:
        host.kill()


def _soak(host: LiveHost, seconds: float, clients: int) -> list[str]:
    process, dice = psutil.Process(host.process.pid), random.Random(0)  # noqa: S311 - as above
    idle_fds, killed, before = process.num_fds(), 0, 0
    load, began = Load(host.port, clients), time.monotonic()
    try:
        while time.monotonic() - began < seconds and host.process.poll() is None:
            time.sleep(1)
            workers = proc.workers(host)
            if workers:
                os.kill(dice.choice(workers), signal.SIGKILL)
                killed += 1
            if not before and time.monotonic() - began > seconds * WARM_UP:
                before = process.memory_info().rss
    finally:
        load.stop()
    problems = load.failures[:10]
    if host.process.poll() is not None:
        return [*problems, f"the host ended with status {host.process.returncode}"]
    after = process.memory_info().rss
    if after > before * SLACK:
        problems.append(f"the host grew from {before >> 20} to {after >> 20} MiB")
    problems += _settled(lambda: process.num_fds() <= idle_fds, f"no more than {idle_fds} file descriptors")
    fds, pids = process.num_fds(), proc.family(host.process.pid)
    log = host.log
    host.process.terminate()
    status = host.process.wait(60)
    if status:
        problems.append(f"exit status {status}")
    problems += _settled(lambda: not any(proc.alive(pid) for pid in pids), "the end of all processes")
    if "Traceback" in log:
        problems.append("a traceback in the log: " + log[log.index("Traceback") :][:1000])
    print(
        f"{seconds / 60:g} min, {sum(load.answers.values())} answers {dict(load.answers)}, "
        f"{len(load.failures)} failed, {load.left} clients left, {killed} workers killed, "
        f"RSS {before >> 20} -> {after >> 20} MiB, file descriptors {idle_fds} -> {fds}, exit {status}"
    )
    return problems


def _settled(condition: Callable[[], bool], what: str) -> list[str]:
    try:
        wait_until(condition, what)
    except TimeoutError as error:
        return [str(error)]
    return []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=8)
    given = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(Path(__file__).parent / "zoo"), os.environ.get("PYTHONPATH")])
    )
    problems = soak(given.minutes, given.clients)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
