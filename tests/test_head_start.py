"""What is begun before the host can tell it what to be."""

from __future__ import annotations

import socket
import uuid
from pathlib import Path
from typing import Any

import pytest

import proc
from command import run
from distributions import path_with


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_host_has_no_process_that_it_does_not_use(liftwing: Any, workers: str) -> None:
    host = liftwing("echo", arguments=["--workers", workers])
    assert host.predict({"a": 1}) == {"a": 1}
    children = [pid for pid in proc.family(host.process.pid) if proc.parent(pid) == host.process.pid]
    assert len(children) == 1, "the template, or the one that does everything"


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
