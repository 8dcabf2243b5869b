"""What is begun before the host can tell it what to be, and how little a process imports."""

from __future__ import annotations

import socket
import uuid
from pathlib import Path
from typing import Any

import pytest

import proc
from command import run
from distributions import install, path_with


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_host_has_no_process_that_it_does_not_use(liftwing: Any, workers: str) -> None:
    host = liftwing("echo", arguments=["--workers", workers])
    assert host.predict({"a": 1}) == {"a": 1}
    children = [pid for pid in proc.family(host.process.pid) if proc.parent(pid) == host.process.pid]
    assert len(children) == 1, "the template, or the one that does everything"


MODULES = """
import sys
from liftwing_host import Model

class Modules(Model):
    def predict(self, features):
        return sorted(sys.modules)
"""


def test_a_plugin_without_async_hooks_has_no_asyncio(liftwing: Any, tmp_path: Path) -> None:
    """Its import would take about as long as that of all else on the worker's side."""
    code = {"modules": MODULES}
    site = install(tmp_path, "liftwing-plugin-modules", models={"modules": "modules:Modules"}, code=code)
    host = liftwing("modules", environ=path_with(site), arguments=["--workers", "1"])
    imported = host.predict({})
    assert "liftwing_host.worker.compute" in imported
    assert [name for name in imported if name.partition(".")[0] in ("asyncio", "ssl", "concurrent")] == []


def test_what_an_extension_puts_into_the_environment_reaches_the_first_process_as_well(
    liftwing: Any, tmp_path: Path
) -> None:
    sets = "import os\nfrom liftwing_host import hookimpl\n"
    sets += "@hookimpl\ndef liftwing_start(): os.environ['TOKEN'] = 'secret'\n"
    site = install(tmp_path, "sets-extension", extensions={"sets": "sets"}, code={"sets": sets})
    tells = "import os\nfrom liftwing_host import Model\nclass Tells(Model):\n"
    tells += "    def predict(self, features): return {'token': os.environ.get('TOKEN')}\n"
    install(
        site, "liftwing-plugin-env-tells", models={"env-tells": "env_tells:Tells"}, code={"env_tells": tells}
    )
    host = liftwing("env-tells", environ=path_with(site), arguments=["--workers", "1"])
    assert host.predict({}) == {"token": "secret"}
    assert proc.template(host)


HANGS = "import sys, time\nif 'liftwing_host.worker' in sys.orig_argv:\n    time.sleep(60)\n"


def test_a_host_that_cannot_begin_leaves_no_process(tmp_path: Path) -> None:
    """Not even one that does not yet see by itself that its host is gone."""
    (tmp_path / "sitecustomize.py").write_text(HANGS)
    environ = path_with(tmp_path) | {"MARK": (mark := uuid.uuid4().hex)}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run("--model", "echo", "--address", "127.0.0.1", "--port", port, **environ)
    assert _with_environment(f"MARK={mark}") == []
    assert done.returncode == 2
    assert "already in use" in done.stderr


def _with_environment(variable: str) -> list[int]:
    """The processes that have a variable in their environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if variable.encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except (OSError, ProcessLookupError):
            continue
    return found
