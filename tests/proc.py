"""What the kernel tells about a host's processes: who they are, whose children, how nice, how large."""

from __future__ import annotations

import os
import re
from pathlib import Path

from liftwing_host.pytest_plugin import LiveHost

__all__ = [
    "alive", "family", "named", "niceness", "parent", "pss", "sleeping", "stopped", "turn", "workers",
]  # fmt: skip


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat that follow the name: state, parent, …"""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def alive(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        return _stat(pid)[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def sleeping(pid: int) -> bool:
    """Whether a process waits for something."""
    return _stat(pid)[0] == "S"


def stopped(pid: int) -> bool:
    """Whether a process has been stopped by a signal."""
    return _stat(pid)[0] == "T"


def parent(pid: int) -> int:
    return int(_stat(pid)[1])


def niceness(pid: int) -> int:
    return int(_stat(pid)[16])


def turn(thread: int) -> int | None:
    """For how many nanoseconds a thread has a CPU at a time; None where the kernel does not tell, or has no such wish (before
    Linux 6.12).
    """
    told = Path(f"/proc/{thread}/sched")
    found = re.search(r"^se\.slice +: +(\d+)$", told.read_text(), re.MULTILINE) if told.exists() else None
    release = tuple(map(int, os.uname().release.split(".")[:2]))
    return int(found.group(1)) if found and release >= (6, 12) else None


def _children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, of, *_ = _stat(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(of) == pid and state not in "ZX":
                found.append(int(entry.name))
    return found


def family(pid: int) -> list[int]:
    """All processes below one, its children first."""
    direct = _children(pid)
    return direct + [below for child in direct for below in family(child)]


def named(host: LiveHost, pattern: str) -> list[int]:
    """The host's processes whose name, as `ps` shows it, matches a pattern."""
    found = []
    for pid in family(host.process.pid):
        try:
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if re.fullmatch(pattern, name):
            found.append(pid)
    return found


def workers(host: LiveHost) -> list[int]:
    return named(host, r"lw-.*-\d+")


def template(host: LiveHost) -> int:
    """The template: the host's only child where there is one plugin that can be forked."""
    (found,) = _children(host.process.pid)
    return found


def pss(pid: int) -> int:
    """The memory of a process in bytes; a page that several share counts in parts."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return int(found.group(1)) * 1024


def kill(pid: int, number: int) -> None:
    os.kill(pid, number)
