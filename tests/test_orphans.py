"""A template that dies with its workers, where the host is process 1: nobody else would bury them."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

import proc
from liftwing_host.pytest_plugin import LiveHost, wait_until

# To those whose parent dies it is what process 1 is in a container.
_AS_PROCESS_1 = """
import ctypes
from liftwing_host.server.cli import main
PR_SET_CHILD_SUBREAPER = 36
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
main(prog_name="liftwing-host")
"""


class Reaper(LiveHost):
    def command(self) -> list[str]:
        return [sys.executable, "-c", _AS_PROCESS_1]


@pytest.fixture
def host() -> Iterator[LiveHost]:
    host = Reaper(["stages", "slow"], arguments=["--workers", "3"])
    yield host
    host.stop()
    assert "Traceback" not in host.log


def zombies(host: LiveHost) -> list[int]:
    children = psutil.Process(host.process.pid).children(recursive=True)
    return [child.pid for child in children if child.is_running() and child.status() == psutil.STATUS_ZOMBIE]


def settled(host: LiveHost, before: list[int]) -> None:
    host.wait_for(lambda: len(set(proc.workers(host)) - set(before)) == 4, "new workers")
    host.wait_for(lambda: host.post({"value": 1}).status == 200, "an answer")
    try:
        wait_until(lambda: not zombies(host), "the burial of all", 10)
    except TimeoutError:
        raise AssertionError(f"left: {zombies(host)}\n{host.log}") from None


@pytest.mark.parametrize("template_first", [True, False])
def test_a_template_that_dies_with_its_workers_leaves_no_zombie(host: LiveHost, template_first: bool) -> None:
    for _ in range(3):
        template, workers = proc.template(host), proc.workers(host)
        victims = [template, *workers] if template_first else [*workers, template]
        for pid in victims:
            os.kill(pid, signal.SIGSTOP)
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        settled(host, workers)


def test_orphans_that_die_one_by_one_leave_no_zombie(host: LiveHost) -> None:
    workers = proc.workers(host)
    os.kill(proc.template(host), signal.SIGKILL)
    host.wait_for(lambda: {proc.parent(pid) for pid in workers} == {host.process.pid}, "orphans")
    host.wait_for(lambda: "is begun again" in host.log, "the log")
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    settled(host, workers)


def test_a_host_with_orphans_ends_quickly_and_leaves_none(host: LiveHost) -> None:
    os.kill(proc.template(host), signal.SIGKILL)
    host.wait_for(lambda: "is begun again" in host.log, "the log")
    assert host.post({"value": 1}).status == 200
    pids = proc.family(host.process.pid)
    began = time.monotonic()
    assert host.stop() == 0
    assert time.monotonic() - began < 5
    wait_until(lambda: not any(proc.alive(pid) for pid in pids), "the end of all processes")
