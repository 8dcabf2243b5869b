"""No process may outlive the host. While a template loads it does not look at its socket, so the kernel must help.

Linux only; elsewhere a template that is still loading ends when it first looks.
"""

from __future__ import annotations

import ctypes
import signal
import sys

__all__ = ["die_with_parent", "live_without_parent"]

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Have this process killed when the one that began it ends."""
    _set_death_signal(signal.SIGKILL)


def live_without_parent() -> None:
    """Take that back. (The kernel itself does so for a forked child: a worker outlives its template.)"""
    _set_death_signal(0)


def _set_death_signal(number: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number)
