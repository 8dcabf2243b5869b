"""Load by wrk: N connections, each with the next request as soon as the last one is answered, by one thread in C."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .load import Load
from .question import Question

__all__ = ["MISSING", "available", "load", "running", "version"]

SCRIPT = Path(__file__).with_name("wrk.lua")
MISSING = (
    "wrk is not installed (Debian: apt-get install wrk), so a slower client in Python stands in for it: it takes more "
    "of the CPUs from the fast servers, whose rates come out too low."
)


def available() -> bool:
    """Whether wrk is installed."""
    return shutil.which("wrk") is not None


def version() -> str | None:
    """What wrk calls its version."""
    if not available():
        return None
    said = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"wrk (\S+)", said)
    return found.group(1) if found else said[:40]


def load(port: int, asked: Question, connections: int, seconds: float) -> Load:
    """Ask for a while.

    Raises:
        RuntimeError: wrk failed.
    """
    with _wrk(port, asked, connections, seconds) as process:
        output, _ = process.communicate(timeout=seconds + 30)
    if process.returncode != 0:
        raise RuntimeError(f"wrk failed with status {process.returncode}: {output}")
    told = json.loads(output.strip().splitlines()[-1])
    return Load(
        seconds=told["microseconds"] / 1e6,
        answered=told["requests"] - told["refused"],
        refused=told["refused"],
        broken=told["broken"],
        p50_ms=told["p50"] / 1000,
        p99_ms=told["p99"] / 1000,
        max_ms=told["max"] / 1000,
    )


@contextlib.contextmanager
def running(port: int, asked: Question, connections: int, seconds: float) -> Iterator[None]:
    """Ask in the background, for `seconds` at most; ended with the block."""
    with _wrk(port, asked, connections, seconds):
        yield


@contextlib.contextmanager
def _wrk(port: int, asked: Question, connections: int, seconds: float) -> Iterator[subprocess.Popen[str]]:
    with tempfile.NamedTemporaryFile(prefix="bench-body-") as body:
        body.write(asked.body)
        body.flush()
        # wrk takes whole seconds.
        length = max(1, round(seconds))
        command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", str(length)]
        command += ["--timeout", "10", "--script", str(SCRIPT), f"http://127.0.0.1:{port}{asked.path}"]
        process = subprocess.Popen(
            command,
            env={**os.environ, "BENCH_BODY": body.name},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
