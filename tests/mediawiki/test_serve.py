"""The wikis that are served by hand end with the command, however it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from .php_server import listens

SERVE = Path(__file__).with_name("serve.py")
QUERY = "/w/api.php?action=query&titles=Douglas_Adams&format=json"
PATIENCE = 10.0


@pytest.fixture
def serve(mediawiki_cache: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The command, as a person starts it."""
    with subprocess.Popen(
        [sys.executable, SERVE, "--directory", mediawiki_cache],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as process:
        yield process
        process.kill()


def address(process: subprocess.Popen[str]) -> str:
    """The address in the first line that the command prints."""
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.match(r"(http://127\.0\.0\.1:\d+) serves ", line)
    assert found, line
    return found[1]


def refuses(url: str) -> bool:
    """Whether nobody listens any more, before patience ends."""
    port = int(url.rpartition(":")[2])
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if not listens(port):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(
    serve: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    url = address(serve)
    with urllib.request.urlopen(url + QUERY, timeout=PATIENCE) as response:
        assert b'"title":"Douglas Adams"' in response.read()
    serve.send_signal(number)
    assert serve.wait(PATIENCE) == 0
    assert refuses(url)
    assert list(tmp_path.iterdir()) == []


def test_no_server_is_left_when_it_is_killed(serve: subprocess.Popen[str]) -> None:
    url = address(serve)
    serve.kill()
    assert refuses(url)
