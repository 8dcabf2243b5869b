"""Where and with what a benchmark ran: kept beside its numbers."""

from __future__ import annotations

import datetime
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

from . import wrk
from .environment import python_of, requirements_of
from .server import Server

__all__ = ["describe"]

FOLDER = Path(__file__).parent
PACKAGES = {"kserve", "mlserver", "litserve", "tornado", "aiohttp", "uvicorn", "fastapi"}


def describe(servers: list[Server]) -> dict[str, Any]:
    """Date, processor, kernel, and the versions of everything that was measured."""
    peers = {server.peer for server in servers if server.peer}
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpu": _cpu_model(),
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "load_before": [round(load, 2) for load in os.getloadavg()],
        "wrk": wrk.version(),
        "liftwing-host": _git("describe", "--always", "--dirty"),
        "python": platform.python_version(),
        "peers": {peer: _versions(peer) for peer in sorted(peers)},
    }


def _cpu_model() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found.group(1) if found else platform.machine()


def _versions(peer: str) -> dict[str, str]:
    pinned = re.findall(r"^([\w.-]+)==(\S+)", requirements_of(peer).read_text(), re.MULTILINE)
    said = subprocess.run([python_of(peer), "--version"], capture_output=True, text=True, check=True).stdout
    return {"python": said.split()[-1], **{name: version for name, version in pinned if name in PACKAGES}}


def _git(*arguments: str) -> str:
    said = subprocess.run(["git", *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
    return said.stdout.strip()
