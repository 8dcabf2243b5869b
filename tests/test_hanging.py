"""Processes that hang while they start or load: what serves goes on, nobody waits for what does not come, and the log tells."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import proc
from distributions import install, path_with
from liftwing_host.pytest_plugin import LiveHost

CODE = """
import os
import time
from pathlib import Path
from liftwing_host import Model

HERE = Path(__file__).parent

def wait_for_the_end_of(name):
    while (HERE / name).exists():
        time.sleep(0.01)

class Hangs(Model):
    def load(self):
        wait_for_the_end_of("slow disk")

    def start(self):
        wait_for_the_end_of("silent backend")

    def predict(self, features):
        return {"pid": os.getpid()}

class LoadsInEachWorker(Hangs):
    fork_safe = False
"""


class ImpatientHost(LiveHost):
    """Counts tenths of a second where others count half minutes; and kills only where `stuck_after` is patched, too."""

    stuck_after = 300.0

    def command(self) -> list[str]:
        code = (
            "from liftwing_host.server import cli, patience; patience.TELL_EVERY = 0.1; patience.LATE_AFTER = 0.2; "
            f"patience.STUCK_AFTER = {self.stuck_after}; cli.main(prog_name='liftwing-host')"
        )
        return [sys.executable, "-c", code]


class KillingHost(ImpatientHost):
    stuck_after = 0.4


Serve = Callable[..., LiveHost]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Where a plugin is that hangs while a file is there: in `load` a `slow disk`, in `start` a `silent backend`."""
    models = {"hangs": "hangs:Hangs", "loads-in-each-worker": "hangs:LoadsInEachWorker"}
    return install(tmp_path, "liftwing-plugin-hangs", models=models, code={"hangs": CODE})


@pytest.fixture
def serve(site: Path) -> Iterator[Serve]:
    hosts = []

    def begin(kind: type[LiveHost], model: str = "hangs", *, wait: bool = True) -> LiveHost:
        hosts.append(kind([model], arguments=["--workers", "1"], environ=path_with(site), wait=wait))
        return hosts[-1]

    yield begin
    for host in hosts:
        host.stop()


def die(pid: int) -> None:
    proc.kill(pid, signal.SIGKILL)


def is_told_to_be_not_ready(host: LiveHost) -> None:
    """What comes is refused at once, and not when its time is over."""
    host.wait_for(lambda: host.get("/v2/health/ready").status == 503, "not ready")
    assert host.post({}).status == 503


def other_worker(host: LiveHost, before: int) -> int:
    found = host.wait_for(lambda: [pid for pid in proc.workers(host) if pid != before], "another worker")
    return int(found[0])


def test_a_worker_that_hangs_while_it_starts_is_told_of_and_killed_and_tried_again(
    site: Path, serve: Serve
) -> None:
    host = serve(KillingHost)
    (first,) = proc.workers(host)
    (site / "silent backend").touch()
    die(first)
    hanging = other_worker(host, first)
    is_told_to_be_not_ready(host)
    assert "compute worker 0 has not started yet, after 0 s" in host.log
    assert "compute worker 0 is broken: it hangs while it starts" in host.log
    host.wait_for(lambda: f"compute worker 0 (pid {hanging}) was killed by SIGKILL" in host.log, "its end")
    assert other_worker(host, hanging)
    (site / "silent backend").unlink()
    host.wait_until_ready()
    assert host.predict({})["pid"] != hanging


def test_a_worker_that_loads_for_itself_may_take_its_time_but_nobody_waits_for_it(
    site: Path, serve: Serve
) -> None:
    host = serve(KillingHost, "loads-in-each-worker")
    (first,) = proc.workers(host)
    (site / "slow disk").touch()
    die(first)
    host.wait_for(lambda: host.log.count("has not started yet") >= 10, "a second")
    is_told_to_be_not_ready(host)
    (site / "slow disk").unlink()
    host.wait_until_ready()
    assert host.predict({})["pid"] != first
    assert host.log.count("was killed by SIGKILL") == 1


def test_at_the_start_of_the_host_a_slow_start_hook_is_waited_for(site: Path, serve: Serve) -> None:
    (site / "silent backend").touch()
    host = serve(ImpatientHost, wait=False)
    host.wait_for(lambda: host.log.count("has not started yet") >= 5, "half a second")
    (site / "silent backend").unlink()
    host.wait_until_ready()
    assert "broken" not in host.log
    assert "NOT READY" not in host.log


def test_a_template_that_hangs_while_it_loads_again_is_told_of_and_nobody_waits_for_it(
    site: Path, serve: Serve
) -> None:
    host = serve(ImpatientHost)
    (worker,) = proc.workers(host)
    (site / "slow disk").touch()
    die(proc.template(host))
    host.wait_for(lambda: "the template hangs while it loads" in host.log, "the log")
    assert "liftwing-plugin-hangs: the template is still loading, after 0 s" in host.log
    assert host.predict({})["pid"] == worker
    die(worker)
    is_told_to_be_not_ready(host)
    (site / "slow disk").unlink()
    host.wait_until_ready()


def test_a_reload_that_hangs_is_told_of_again_and_again(site: Path, serve: Serve) -> None:
    host = serve(ImpatientHost)
    (site / "slow disk").touch()
    proc.kill(host.process.pid, signal.SIGHUP)
    told = "liftwing-plugin-hangs: its reload still waits for hangs, after "
    host.wait_for(lambda: host.log.count(told) >= 2, "two such lines")
    assert host.post({}).status == 200
    (site / "slow disk").unlink()
    host.wait_for(lambda: "liftwing-plugin-hangs was reloaded" in host.log, "the reload")
