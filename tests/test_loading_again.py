"""A model that has been loaded and serves, and that later processes cannot load for a while."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import proc
from distributions import install, path_with
from liftwing_host.pytest_plugin import LiveHost

CODE = """
import os
from pathlib import Path
from liftwing_host import Model

HERE = Path(__file__).parent

class Steady(Model):
    fork_safe = FORK_SAFE

    def predict(self, features):
        return {"pid": os.getpid()}

class Picky(Steady):
    def load(self):
        if (HERE / "away").exists():
            raise RuntimeError("the weights are away")

class Rotten(Steady):
    def load(self):
        with (HERE / "attempts").open("a") as attempts:
            attempts.write("one\\n")
        raise RuntimeError("the weights are rotten")
"""
BOTH = ("picky", "steady")
TOLD = "picky could not be loaded again: RuntimeError: the weights are away"


class Site:
    """A plugin of which one model fails to load while a file `away` is there."""

    def __init__(self, folder: Path, serve: Callable[..., LiveHost]) -> None:
        self.folder = folder
        self.away = folder / "away"
        self._serve = serve

    def host(self, *models: str, fork_safe: bool = True, **options: Any) -> LiveHost:
        names = {"picky": "picky:Picky", "steady": "picky:Steady", "rotten": "picky:Rotten"}
        code = CODE.replace("FORK_SAFE", str(fork_safe))
        install(self.folder, "liftwing-plugin-picky", models=names, code={"picky": code})
        options.setdefault("arguments", ["--workers", "1"])
        return self._serve(*models, environ=path_with(self.folder), **options)


@pytest.fixture
def site(tmp_path: Path, liftwing: Any) -> Site:
    return Site(tmp_path, liftwing)


def die(pid: int) -> None:
    proc.kill(pid, signal.SIGKILL)


def answered_by(host: LiveHost) -> set[int]:
    return {host.predict({}, model)["pid"] for model in BOTH}


def all_ready(host: LiveHost) -> bool:
    return host.get("/v2/health/ready").status == 200


def test_a_worker_serves_on_for_as_long_as_the_next_one_cannot_load_a_model(site: Site) -> None:
    host = site.host(*BOTH, fork_safe=False, config={"max_requests": 5})
    (first,) = proc.workers(host)
    site.away.touch()

    def broken() -> bool:
        assert answered_by(host) == {first}
        return f"compute worker 0 is broken: {TOLD}" in host.log

    host.wait_for(broken, "the log")
    assert answered_by(host) == {first}
    assert all_ready(host)
    assert host.log.count(f"liftwing-plugin-picky: {TOLD}\nTraceback") == 1
    site.away.unlink()
    host.wait_for(lambda: first not in answered_by(host), "the next one")
    host.wait_for(lambda: not proc.alive(first), "the end of the first")


def without_a_template(host: LiveHost) -> None:
    die(proc.template(host))
    host.wait_for(lambda: f"no worker can be begun: {TOLD}" in host.log, "attempts in vain")


def test_workers_serve_on_for_as_long_as_no_template_can_load_a_model(site: Site) -> None:
    host = site.host(*BOTH)
    (worker,) = proc.workers(host)
    site.away.touch()
    without_a_template(host)
    assert answered_by(host) == {worker}
    assert all_ready(host)
    assert host.log.count(f"liftwing-plugin-picky: {TOLD}\nTraceback") == 1
    site.away.unlink()
    host.wait_for(lambda: "its processes can be begun now" in host.log, "a template")
    die(worker)
    host.wait_for(lambda: host.post({}, "picky").status == 200, "an answer")
    (other,) = answered_by(host)
    assert proc.parent(other) == proc.template(host)


def test_without_a_worker_and_a_template_to_fork_one_nobody_waits(site: Site) -> None:
    host = site.host(*BOTH)
    (worker,) = proc.workers(host)
    site.away.touch()
    without_a_template(host)
    die(worker)
    host.wait_for(lambda: host.post({}, "picky").status == 503, "not ready")
    assert not all_ready(host)
    site.away.unlink()
    host.wait_until_ready()
    assert len(answered_by(host)) == 1


def test_without_workers_the_one_process_is_begun_until_it_can_load_its_models(site: Site) -> None:
    host = site.host(*BOTH, arguments=["--workers", "0"])
    (first,) = proc.workers(host)
    site.away.touch()
    die(first)
    host.wait_for(lambda: f"solo worker 0 is broken: {TOLD}" in host.log, "the log")
    assert not all_ready(host)
    site.away.unlink()
    host.wait_until_ready()
    assert first not in answered_by(host)


@pytest.mark.parametrize("fork_safe", [True, False], ids=["template", "worker"])
def test_a_model_that_could_never_be_loaded_is_not_tried_again(site: Site, fork_safe: bool) -> None:
    host = site.host("steady", "rotten", fork_safe=fork_safe, wait=False)
    host.wait_for(lambda: "rotten (liftwing-plugin-picky 1.0) is NOT READY" in host.log, "the report")
    worker = host.predict({})["pid"]
    if fork_safe:
        die(proc.template(host))
        host.wait_for(lambda: "it is begun again" in host.log, "its end")
    die(worker)
    host.wait_for(lambda: host.post({}).status == 200, "an answer")
    assert host.predict({})["pid"] != worker
    assert not host.ready("rotten")
    assert (site.folder / "attempts").read_text() == "one\n"
