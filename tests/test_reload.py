"""SIGHUP: what serves is replaced as a whole, and clients see nothing but the new answers. (`--reload`: test_reload_flag.py)"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import proc
from distributions import install, path_with
from liftwing_host.pytest_plugin import LiveHost, wait_until
from raw_http import RawClient
from test_deaths import asked_all_the_time

CODE = """
import os
import time
from dataclasses import dataclass
from pathlib import Path
from liftwing_host import Model, setting

@dataclass(frozen=True)
class Settings:
    weight: float = setting(1.0)

class Lento(Model):
    settings: Settings

    def predict(self, features):
        while features.get("hold") and not Path(features["hold"]).exists():
            time.sleep(0.005)
        return {"code": CODE_VERSION, "weight": self.settings.weight, "pid": os.getpid()}

class Largo(Lento):
    pass

CODE_VERSION = """
BROKEN = "raise RuntimeError('half an edit')\n"


class Site:
    """A plugin and a configuration that change while a host serves them."""

    def __init__(self, folder: Path, serve: Callable[..., LiveHost]) -> None:
        models = {"lento": "lento:Lento", "largo": "lento:Largo"}
        self._folder = install(folder / "site", "liftwing-plugin-lento", models=models, code={"lento": ""})
        self._serve = serve
        self.config = folder / "own.toml"
        self.configure("")
        self.code(1)

    def code(self, version: int) -> None:
        """Code of another length each time: Python would take the old code for the new one otherwise."""
        self.write(f"{CODE}{version}\n" + "#" * version + "\n")

    def write(self, source: str) -> None:
        half = self._folder / "half"
        half.write_text(source)
        half.replace(self._folder / "lento.py")

    def remove(self) -> None:
        (self._folder / "lento.py").unlink()

    def configure(self, text: str) -> None:
        self.config.write_text(text)

    def uninstall(self) -> None:
        shutil.rmtree(next(self._folder.glob("*.dist-info")))

    def host(self, *arguments: str, models: Sequence[str] = ("lento",), **options: Any) -> LiveHost:
        return self._serve(
            *models, arguments=["--config", str(self.config), *arguments], environ=path_with(self._folder),
            **options,
        )  # fmt: skip


@pytest.fixture
def site(tmp_path: Path, liftwing: Any) -> Site:
    return Site(tmp_path, liftwing)


def hang_up(host: LiveHost) -> None:
    proc.kill(host.process.pid, signal.SIGHUP)


def reload(host: LiveHost, told: str = "liftwing-plugin-lento was reloaded") -> None:
    before = host.log.count(told)
    hang_up(host)
    host.wait_for(lambda: host.log.count(told) > before, told)


def gone(host: LiveHost, pids: list[int]) -> None:
    assert pids
    host.wait_for(lambda: not any(map(proc.alive, pids)), "the end of the old processes")


@pytest.mark.parametrize("workers", [2, 0], ids=["workers", "solo"])
def test_new_code_and_configuration_take_effect_and_no_request_fails(site: Site, workers: int) -> None:
    host = site.host("--workers", str(workers))
    assert host.predict({})["code"] == 1
    with asked_all_the_time(host, "lento", {}) as statuses:
        for version in (2, 3, 4):
            before = proc.family(host.process.pid)
            site.code(version)
            site.configure(f"[models.lento]\nweight = {version}.5\n")
            reload(host)
            answer = host.predict({})
            assert (answer["code"], answer["weight"]) == (version, version + 0.5)
            gone(host, before)
    assert set(statuses) == {200}
    assert len(proc.workers(host)) == max(1, workers)


def test_the_hosts_own_keys_of_a_plugin_and_a_model_take_effect(site: Site, tmp_path: Path) -> None:
    site.configure("[plugins.lento]\nworkers = 1\n")
    host = site.host()
    assert len(proc.workers(host)) == 1
    site.configure("[plugins.lento]\nworkers = 3\n[models.lento]\ntimeout = 0.3\n")
    reload(host)
    host.wait_for(lambda: len(proc.workers(host)) == 3, "three workers")
    reply = host.post({"hold": str(tmp_path / "never")})
    assert (reply.status, "(0.3 s)" in reply.json()["error"]) == (504, True)


def test_a_model_that_the_file_no_longer_names_goes_on_being_served(site: Site) -> None:
    """By the new processes, as its plugin's other model, which the file still names."""
    site.configure("workers = 1\n[models.lento]\n[models.largo]\nweight = 7.5\n")
    host = site.host(models=())
    host.wait_for(lambda: host.get("/v2/health/ready").status == 200, "ready")
    before = proc.family(host.process.pid)
    site.code(2)
    site.configure("workers = 1\n[models.lento]\n")
    reload(host)
    gone(host, before)
    answers = [host.predict({}, model) for model in ("lento", "largo")]
    assert [(answer["code"], answer["weight"]) for answer in answers] == [(2, 1.0)] * 2


def test_a_model_that_the_file_names_for_the_first_time_is_served(site: Site) -> None:
    site.configure("workers = 1\n[models.lento]\n")
    host = site.host(models=())
    host.wait_for(lambda: host.ready("lento"), "ready")
    assert host.get("/v1/models/largo").status == 404
    site.configure("workers = 1\n[models.lento]\n[models.largo]\nweight = 7.5\n")
    reload(host)
    assert host.predict({}, "largo")["weight"] == 7.5
    assert host.predict({}, "lento")["weight"] == 1.0


def test_a_request_that_is_under_way_is_answered_by_the_process_that_has_it(
    site: Site, tmp_path: Path
) -> None:
    host = site.host("--workers", "1")
    old = proc.family(host.process.pid)
    with RawClient(host.port) as client:
        client.post(b'{"hold": "%s"}' % str(tmp_path / "release").encode(), "lento")
        assert [host.get("/").status for _ in range(5)] == [200] * 5
        site.code(2)
        reload(host)
        new = host.predict({})
        (tmp_path / "release").touch()
        answer = client.reply().json()
    assert (answer["code"], new["code"]) == (1, 2)
    assert answer["pid"] in old
    assert new["pid"] not in old
    gone(host, old)


def test_neither_memory_nor_files_nor_processes_grow_with_reloads(site: Site) -> None:
    host = site.host("--workers", "1")

    def size() -> tuple[int, int, int]:
        pid = host.process.pid
        held = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return len(list(Path(f"/proc/{pid}/fd").iterdir())), len(proc.family(pid)), held

    def settle() -> tuple[int, int, int]:
        reload(host)
        host.predict({})
        host.wait_for(lambda: len(proc.family(host.process.pid)) == 2, "a template and a worker")
        return size()

    settle()
    files, processes, held = settle()
    for _ in range(10):
        settle()
    # The old pool's files may not have been closed yet when they were counted first: fewer is as good.
    host.wait_for(
        lambda: size()[0] <= files and size()[1] == processes, f"{files} files and {processes} processes"
    )
    assert size()[2] - held < 4 << 20


# What does not load


BREAKAGES: dict[str, tuple[Callable[[Site], None], str]] = {
    "code": (lambda site: site.write(BROKEN), "RuntimeError: half an edit"),
    "syntax": (lambda site: site.write("def ("), "SyntaxError"),
    "load": (
        lambda site: site.write(f"{CODE}2\nclass Lento(Lento):\n    def load(self):\n        1 / 0\n"),
        "ZeroDivisionError",
    ),
    "TOML": (lambda site: site.configure("[models.lento\n"), "is not a TOML file"),
    "key": (lambda site: site.configure("wrokers = 1\n"), "unknown key 'wrokers'"),
    "setting": (lambda site: site.configure("[models.lento]\nweight = 'much'\n"), "weight='much'"),
    "no file": (lambda site: site.config.unlink(), "Cannot read the configuration file"),
    "no plugin": (lambda site: site.uninstall(), "No installed plugin brings a model named 'lento'"),
    "no python": (
        lambda site: site.configure('[plugins.lento]\npython = "/is/not/there"\n'),
        "Cannot run the interpreter /is/not/there",
    ),
}  # fmt: skip
REPAIRABLE = [name for name in BREAKAGES if name != "no plugin"]


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_what_does_not_load_leaves_the_old_one_serving_and_the_log_says_why(
    site: Site, breakage: str
) -> None:
    host = site.host("--workers", "1")
    before = proc.family(host.process.pid)
    harm, reason = BREAKAGES[breakage]
    harm(site)
    reload(host, "reloaded")
    said = host.log.partition("reloaded")[2] or host.log
    host.wait_for(lambda: reason in host.log, f"{reason} in {said}")
    assert (host.predict({})["code"], host.ready("lento")) == (1, True)
    host.wait_for(lambda: proc.family(host.process.pid) == before, "the old processes alone")
    if breakage in REPAIRABLE:
        site.configure("")
        site.code(3)
        reload(host)
        assert host.predict({})["code"] == 3
        gone(host, before)


def test_where_one_model_of_a_plugin_does_not_load_all_of_its_models_stay_as_they_are(site: Site) -> None:
    host = site.host("--workers", "1", models=("lento", "largo"))
    before = proc.family(host.process.pid)
    site.write(f"{CODE}2\nclass Largo(Lento):\n    def load(self):\n        1 / 0\n")
    reload(host, "was not reloaded, what was there serves on: largo: ZeroDivisionError")
    assert [host.predict({}, model)["code"] for model in ("lento", "largo")] == [1, 1]
    host.wait_for(lambda: proc.family(host.process.pid) == before, "the old processes alone")


FAILING_LARGO = "\nclass Largo(Lento):\n    def load(self):\n        1 / 0\n"


def test_a_model_that_had_failed_already_does_not_keep_its_plugin_from_being_reloaded(site: Site) -> None:
    site.write(f"{CODE}1{FAILING_LARGO}")
    host = site.host("--workers", "1", models=("lento", "largo"), wait=False)
    host.wait_for(lambda: "largo (liftwing-plugin-lento 1.0) is NOT READY" in host.log, "the report")
    before = proc.family(host.process.pid)
    site.write(f"{CODE}22{FAILING_LARGO}")
    reload(host)
    assert host.predict({})["code"] == 22
    assert "these are not ready, as before: largo: ZeroDivisionError" in host.log
    gone(host, before)
    site.code(3)
    reload(host)
    assert [host.predict({}, model)["code"] for model in ("lento", "largo")] == [3, 3]


def test_a_model_that_may_yet_serve_is_not_replaced_by_one_that_cannot_be_loaded(site: Site) -> None:
    site.write(f"{CODE}1\nclass Lento(Lento):\n    def start(self):\n        raise OSError('away')\n")
    host = site.host("--workers", "1", wait=False)
    host.wait_for(lambda: "is NOT READY: start failed: OSError: away" in host.log, "the report")
    site.write(f"{CODE}2\nclass Lento(Lento):\n    def load(self):\n        1 / 0\n")
    reload(host, "was not reloaded, what was there serves on: lento: ZeroDivisionError")


def test_of_two_signals_in_a_row_the_last_one_counts(site: Site) -> None:
    host = site.host("--workers", "1")
    before = proc.family(host.process.pid)
    site.code(2)
    hang_up(host)
    site.code(3)
    hang_up(host)
    host.wait_for(lambda: host.predict({})["code"] == 3, "the last code")
    gone(host, before)
    host.wait_for(lambda: len(proc.family(host.process.pid)) == 2, "one pool")


def test_a_reload_that_still_loads_is_given_up_for_a_newer_one(site: Site) -> None:
    """It may hang. And it neither brings older code back when it comes to an end, nor is a third pool in memory."""
    host = site.host("--workers", "1")
    before = proc.family(host.process.pid)
    site.write(f"{CODE}2\nprint('waits for ever')\nwhile True:\n    time.sleep(60)\n")
    hang_up(host)
    host.wait_for(lambda: "waits for ever" in host.log, "the new code")
    (hanging,) = set(proc.family(host.process.pid)) - set(before)
    assert [host.predict({})["code"] for _ in range(20)] == [1] * 20
    site.write(f"import os\nprint('older still there:', os.path.exists('/proc/{hanging}'))\n{CODE}3\n")
    for _ in range(3):
        hang_up(host)
    host.wait_for(lambda: host.predict({})["code"] == 3, "the last code")
    host.wait_for(lambda: len(proc.family(host.process.pid)) == 2, "one pool")
    assert "older still there: False" in host.log
    assert "liftwing-plugin-lento: its reload is given up for a newer one" in host.log
    assert host.log.count("liftwing-plugin-lento was reloaded") == 1


def test_a_newer_reload_of_which_nothing_comes_leaves_the_older_one_alone(site: Site, tmp_path: Path) -> None:
    go = tmp_path / "go"
    host = site.host("--workers", "1")
    waits = f"while not Path({str(go)!r}).exists():\n    time.sleep(0.005)\n"
    site.write(f"{CODE}2\nprint('waits to be loaded')\n{waits}")
    hang_up(host)
    host.wait_for(lambda: "waits to be loaded" in host.log, "the new code")
    site.configure("half an edit =")
    reload(host, "nothing was reloaded: ")
    go.touch()
    host.wait_for(lambda: host.predict({})["code"] == 2, "the new code")
    host.wait_for(lambda: len(proc.family(host.process.pid)) == 2, "one pool")


def test_a_signal_while_models_load_for_the_first_time_does_no_harm(site: Site) -> None:
    site.write(f"import time; time.sleep(0.5)\n{CODE}1\n")
    host = site.host("--workers", "1", wait=False)
    hang_up(host)
    host.wait_for(lambda: "is ready" in host.log, "the report")
    host.wait_for(lambda: len(proc.family(host.process.pid)) == 2, "one pool")
    assert host.predict({})["code"] == 1


def test_sigterm_while_a_reload_is_under_way_ends_everything_in_good_order(site: Site) -> None:
    host = site.host("--workers", "1")
    site.write(f"import time; time.sleep(60)\n{CODE}2\n")
    reload(host, "reloading liftwing-plugin-lento")
    host.wait_for(lambda: len(proc.family(host.process.pid)) == 3, "the new template")
    pids = proc.family(host.process.pid)
    assert host.stop(timeout=15) == 0
    wait_until(lambda: not any(map(proc.alive, pids)), "the end of all processes")
