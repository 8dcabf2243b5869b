"""A plugin's own environment that has another liftwing-host, which speaks another version of the protocol."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import proc
from command import run
from liftwing_host.pytest_plugin import LiveHost
from own_numpy import OLD, OLD_NUMPY, with_old

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 13), reason=f"no wheel of numpy {OLD_NUMPY} for it")


def served(**options: Any) -> str:
    """What the log says of a host that could not serve."""
    host = LiveHost(["old-numpy"], wait=False, **options)
    try:
        host.wait_for(lambda: "is NOT READY" in host.log, "the report")
        assert host.get("/").status == 200
        return host.log
    finally:
        host.stop()


@contextlib.contextmanager
def of_another_version(python: Path) -> Iterator[None]:
    """The environment has a liftwing-host that speaks another version of the protocol."""
    (wire,) = python.parent.parent.glob("lib/python*/site-packages/liftwing_host/wire.py")
    before = wire.read_text()
    lines = ["VERSION = 9999" if line.startswith("VERSION =") else line for line in before.splitlines()]
    wire.write_text("\n".join(lines) + "\n")
    try:
        yield
    finally:
        wire.write_text(before)


@pytest.fixture
def other_wire(old_numpy: Path) -> Iterator[Path]:
    with of_another_version(old_numpy):
        yield old_numpy


@pytest.mark.parametrize("workers", [1, 0], ids=["workers", "solo"])
def test_another_version_of_the_protocol_is_an_error_that_says_what_to_do(
    other_wire: Path, workers: int
) -> None:
    log = served(config=with_old(other_wire, workers=workers))
    assert "a liftwing-host that speaks version 9999 of the protocol" in log
    assert "Install the same version in both." in log
    assert "Traceback" not in log


@pytest.mark.parametrize("workers", [1, 0], ids=["workers", "solo"])
def test_what_serves_outlives_that_its_environment_has_another_version_for_a_while(
    liftwing: Any, old_numpy: Path, workers: int
) -> None:
    """Such as by `pip install --upgrade` beside it, long after the start."""
    told = "its interpreter holds a liftwing-host that speaks version 9999 of the protocol"
    host = liftwing("old-numpy", config=with_old(old_numpy, workers=workers))
    first = host.predict({})["pid"]
    with of_another_version(old_numpy):
        if workers:
            proc.kill(proc.template(host), signal.SIGKILL)
            host.wait_for(lambda: f"no worker can be begun: {told}" in host.log, "attempts in vain")
            assert host.predict({})["pid"] == first
        else:
            proc.kill(first, signal.SIGKILL)
            host.wait_for(lambda: f"solo worker 0 is broken: {told}" in host.log, "attempts in vain")
    if workers:
        host.wait_for(lambda: "its processes can be begun now" in host.log, "a template")
        proc.kill(first, signal.SIGKILL)
    host.wait_for(lambda: host.post({}).status == 200, "an answer")
    assert host.predict({})["pid"] != first
    assert "Traceback" not in host.log


def test_the_list_of_plugins_tells_of_another_version_of_the_protocol(
    other_wire: Path, tmp_path: Path
) -> None:
    config = tmp_path / "own.toml"
    config.write_text(f'[plugins.oldnumpy]\npython = "{other_wire}"\n')
    done = run("plugins", LIFTWING_CONFIG=str(config))
    assert f"{OLD} 1.0\tBROKEN" in done.stdout
    assert "version 9999 of the protocol" in done.stdout
    assert "Traceback" not in done.stderr
