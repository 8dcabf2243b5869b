"""Who gives way to whom on the CPUs. COMPUTE WORKER.

The host and the async workers come first; then the compute workers of light models; last those of heavy ones. So a
machine whose CPUs are all taken by models still answers probes at once, and light models beside heavy ones.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import time
from pathlib import Path

__all__ = ["HEAVIER", "HEAVY", "LOWER", "TURN", "Priority"]

LOWER = 5
"""Added to the niceness of every compute worker."""
HEAVIER = 10
"""Added to that of one whose legs are heavy: beside a light one it gets a tenth of a CPU that both want."""

TURN = 500_000
"""Nanoseconds for which a heavy worker has a CPU when it is its turn, even if the host is waiting. Linux gives it 1.4 ms on
two CPUs, and more on more, however low its priority is: that decides how seldom it is picked, not for how long."""

HEAVY = 0.005
"""Seconds of CPU time from which on a leg is heavy: far more than the host takes for a small request."""


class Priority:
    """The priority of this process, which falls and never rises: raising it would take privileges.

    One heavy leg may be a late import or a collection of garbage, so the one before it must have been long, too. And
    asking for CPU time is slow beside a light leg: it is asked only for a leg that follows a long one.
    """

    def __init__(self) -> None:
        self._last_was_long = False
        self._is_heavy = False
        self._began = 0.0
        self._used = 0.0
        _lower(LOWER)

    def leg_begins(self) -> None:
        """Remember when, and after a long one what has been used until now."""
        if self._last_was_long:
            self._used = time.process_time()
        self._began = time.perf_counter()

    def leg_ended(self) -> None:
        """Look at what the leg took."""
        long = time.perf_counter() - self._began > HEAVY
        if long and self._last_was_long and not self._is_heavy and time.process_time() - self._used > HEAVY:
            self._is_heavy = True
            _lower(HEAVIER, batch=True)
        self._last_was_long = long and not self._is_heavy


def _lower(by: int, *, batch: bool = False) -> None:
    """Lower all threads: to Linux, niceness is a thread's own, and a numeric library may have begun some.

    With `batch`, none of them takes the CPU from another at the moment in which it wakes up (SCHED_BATCH).
    """
    tasks = Path("/proc/self/task")
    threads = [int(task.name) for task in tasks.iterdir()] if tasks.exists() else [0]
    lower = min(19, os.getpriority(os.PRIO_PROCESS, 0) + by)
    for thread in threads:
        with contextlib.suppress(OSError):  # It has ended meanwhile.
            os.setpriority(os.PRIO_PROCESS, thread, lower)
            if batch:
                os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0))
                _shorten_turns(thread, lower)


class _SchedAttr(ctypes.Structure):
    """`struct sched_attr` of sched_setattr(2), as it was at first."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("sched_policy", ctypes.c_uint32),
        ("sched_flags", ctypes.c_uint64),
        ("sched_nice", ctypes.c_int32),
        ("sched_priority", ctypes.c_uint32),
        ("sched_runtime", ctypes.c_uint64),
        ("sched_deadline", ctypes.c_uint64),
        ("sched_period", ctypes.c_uint64),
    )


_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274, "riscv64": 274}.get(platform.machine())
"""The number of the system call, of which neither Python nor Debian 12's libc knows."""


def _shorten_turns(thread: int, niceness: int) -> None:
    """Let a thread that has SCHED_BATCH have a CPU for `TURN` at a time. Kernels before 6.12 know of no such wish."""
    if _SCHED_SETATTR is None:
        return
    attributes = _SchedAttr(
        size=ctypes.sizeof(_SchedAttr),
        sched_policy=os.SCHED_BATCH,
        sched_nice=niceness,
        sched_runtime=TURN,
    )
    # Where a container forbids it, turns are as long as ever.
    ctypes.CDLL(None).syscall(
        ctypes.c_long(_SCHED_SETATTR), ctypes.c_long(thread), ctypes.byref(attributes), ctypes.c_long(0)
    )
