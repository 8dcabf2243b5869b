"""What the models of the benchmark do, the same for every server: standard library alone."""

from __future__ import annotations

import json
import random
import time

NUMBERS = 51_000
"""So many floats make a body of 1 MB."""
CPU_SECONDS = 0.010
WAIT_SECONDS = 0.050
BATCH_SECONDS = 0.005
MAX_BATCH_SIZE = 32
MIB = 1 << 20


def burn(seconds: float) -> None:
    """Take CPU time, however long the process has to wait for a CPU meanwhile."""
    end = time.thread_time() + seconds
    number = 1
    while time.thread_time() < end:
        for _ in range(200):
            number = (number * 31 + 7) % 65521


def weights(mebibytes: int) -> bytearray:
    """Memory that is really there: every page is written to."""
    return bytearray(b"\x01") * (mebibytes * MIB)


def numbers() -> bytes:
    """1 MB of JSON."""
    source = random.Random(1)  # noqa: S311 - the same numbers every time
    return json.dumps({"data": [source.random() for _ in range(NUMBERS)]}).encode()
