"""`--reload`: a change of a plugin's file is a reload."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from distributions import install, path_with
from test_deaths import asked_all_the_time
from test_reload import BROKEN, Site


@pytest.fixture
def site(tmp_path: Path, liftwing: Any) -> Site:
    return Site(tmp_path, liftwing)


@pytest.mark.parametrize("workers", [1, 0], ids=["workers", "solo"])
def test_with_the_flag_a_change_of_the_plugins_file_takes_effect_by_itself(site: Site, workers: int) -> None:
    host = site.host("--reload", "--workers", str(workers))
    host.wait_for(lambda: "is ready" in host.log, "the report")
    with asked_all_the_time(host, "lento", {}, clients=1) as statuses:
        site.code(2)
        host.wait_for(lambda: host.predict({})["code"] == 2, "the new code")
        site.write(BROKEN)
        host.wait_for(lambda: "was not reloaded, what was there serves on" in host.log, "the error")
        site.code(3)
        host.wait_for(lambda: host.predict({})["code"] == 3, "the mended code")
    assert set(statuses) == {200}


def test_with_the_flag_code_that_hangs_while_it_is_imported_gives_way_to_the_mended_one(site: Site) -> None:
    host = site.host("--reload", "--workers", "1")
    site.write("print('waits for ever')\nwhile True: ...\n")
    host.wait_for(lambda: "waits for ever" in host.log, "the new code")
    assert host.predict({})["code"] == 1
    site.code(2)
    host.wait_for(lambda: host.predict({})["code"] == 2, "the mended code")


def test_with_the_flag_a_file_that_was_away_for_a_while_takes_effect_when_it_is_back(site: Site) -> None:
    host = site.host("--reload", "--workers", "1")
    site.remove()
    away = time.monotonic()
    while time.monotonic() - away < 1.5:  # The host looks twice a second.
        assert host.predict({})["code"] == 1
    site.code(2)
    host.wait_for(lambda: host.predict({})["code"] == 2, "the new code")


def test_with_the_flag_a_plugin_that_was_broken_at_the_start_serves_once_it_is_mended(site: Site) -> None:
    site.write(BROKEN)
    host = site.host("--reload", "--workers", "1", wait=False)
    host.wait_for(lambda: "lento (liftwing-plugin-lento 1.0) is NOT READY" in host.log, "the report")
    site.code(2)
    host.wait_for(lambda: host.ready("lento"), "ready")
    assert host.predict({})["code"] == 2


PARTS = """
from liftwing_host import Model

class Parts(Model):
    def predict(self, features):
        return {"code": CODE}

"""


def test_with_the_flag_a_new_file_that_broke_a_reload_takes_effect_once_it_is_mended(
    tmp_path: Path, liftwing: Any
) -> None:
    folder = install(tmp_path / "site", "liftwing-plugin-parts", models={"parts": "parts:Parts"})
    (folder / "parts").mkdir()

    def write(name: str, source: str) -> None:
        (folder / "half").write_text(source)
        (folder / "half").replace(folder / "parts" / name)

    write("__init__.py", f"{PARTS}CODE = 1\n")
    host = liftwing("parts", arguments=["--reload", "--workers", "1"], environ=path_with(folder))
    write("new.py", BROKEN)
    write("__init__.py", f"{PARTS}from .new import CODE\n")
    host.wait_for(
        lambda: "was not reloaded, what was there serves on: parts: RuntimeError" in host.log, "the error"
    )
    write("new.py", "CODE = 2\n")
    host.wait_for(lambda: host.predict({})["code"] == 2, "the mended code")


def test_without_the_flag_no_file_is_watched(site: Site) -> None:
    host = site.host("--workers", "1")
    site.code(2)
    with ThreadPoolExecutor(1) as clients:
        assert {answer["code"] for answer in clients.map(host.predict, [{}] * 50)} == {1}
    assert "reloading" not in host.log
