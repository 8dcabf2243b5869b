"""What a plugin author's tests get from the fixture `liftwing`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import proc
from liftwing_host.pytest_plugin import LiveHost, wait_until

TWO_HOSTS = """
def test_two(liftwing):
    def fails(timeout=None):
        raise AssertionError("it did not end")

    for _ in range(2):
        host = liftwing("echo")
        print("pid", host.process.pid)
        host.process.wait = fails
"""

FAILURES = {
    "load-raises": "RuntimeError: the weights are rotten",
    "load-misconfigured": "Set THE_VARIABLE to the path of the weights.",
    "missing-module": "ModuleNotFoundError: No module named 'zoo_is_not_here'",
    "start-raises": "start failed: RuntimeError: no connection to be had",
}


def test_a_host_that_does_not_end_as_it_should_keeps_no_other_from_being_ended(tmp_path: Path) -> None:
    (tmp_path / "test_two.py").write_text(TWO_HOSTS)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", str(tmp_path)]
    done = subprocess.run(command, env=os.environ, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "it did not end" in done.stdout
    pids = [int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("pid ")]
    assert len(pids) >= 2, done.stdout
    try:
        wait_until(lambda: not any(map(proc.alive, pids)), "the end of both hosts", 10)
    finally:
        for pid in filter(proc.alive, pids):
            proc.kill(pid, signal.SIGTERM)


def test_settings_may_hold_any_text(liftwing: Any) -> None:
    path = '/\U0001f642 é \x7f "quoted" \\ \t'
    host = liftwing("tuned", settings={"path": path}, arguments=["--workers", "1"])
    assert host.predict({})["path"] == path


def test_settings_may_be_paths(liftwing: Any, tmp_path: Path) -> None:
    host = liftwing("tuned", settings={"path": tmp_path}, arguments=["--workers", "1"])
    assert host.predict({})["path"] == str(tmp_path)


@pytest.mark.parametrize(
    ("models", "options", "said"),
    [
        (
            ["tuned"],
            {"settings": {"path": None}},
            "[models.tuned] path is None, which a configuration file cannot say: leave path out, and it has its default.",
        ),
        (["tuned"], {"settings": {"path": {1}}}, "[models.tuned] path is {1}, and must be a str, int, float"),
        (["echo"], {"config": {"workers": None}}, "workers is None, which"),
        (["echo"], {"environ": {"A": 1}}, "environ['A'] is 1, and must be a str: write '1'."),
        (["echo"], {"environ": {"A": None}}, "environ['A'] is None, and must be a str: leave it out."),
        (["echo"], {"arguments": ["--workers", 1]}, "arguments has 1, which must be a str: '1'."),
        ([["echo"]], {}, 'A model is named by a str, and not by [\'echo\']: liftwing("NAME", "OTHER").'),
    ],
)
def test_what_no_host_can_be_given_is_refused_by_name(
    liftwing: Callable[..., LiveHost], models: list[Any], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(TypeError) as caught:
        liftwing(*models, **options)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("model", FAILURES)
def test_a_model_that_does_not_load_fails_the_test_at_once_with_the_reason(
    liftwing: Callable[..., LiveHost], model: str
) -> None:
    with pytest.raises(AssertionError) as caught:
        liftwing(model)
    told = str(caught.value)
    # Not after a minute, with "not within 60 s".
    assert told.startswith(f"{model} is NOT READY: {FAILURES[model]}; the log:\n")
    assert f"loading {model} (liftwing-plugin-zoo 1.0)" in told, "the log is there, too"
