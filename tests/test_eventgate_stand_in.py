"""The stand-in for EventGate as a program, as the examples and compose.yaml begin it."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


@pytest.fixture
def begun() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "eventgate", "--address", "127.0.0.2", "--port", "0"]
    with subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_it_says_where_it_takes_events_and_sigterm_ends_it(begun: subprocess.Popen[str]) -> None:
    assert begun.stdout is not None
    url = begun.stdout.readline().removeprefix("takes events at ").strip()
    assert url.startswith("http://127.0.0.2:")
    with pytest.raises(urllib.error.HTTPError, match="503"):  # none yet
        urllib.request.urlopen(url, timeout=60)
    begun.send_signal(signal.SIGTERM)
    assert begun.wait(60) == 0


@pytest.mark.parametrize("port", ["70000", "-1"])
def test_a_port_that_cannot_be_is_an_error_that_says_so(port: str) -> None:
    command = [sys.executable, "-m", "eventgate", "--port", port]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert port in done.stderr
