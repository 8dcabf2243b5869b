"""How many CPUs this process may use: its affinity, and the quotas of its control group (v2) and of those above it."""

from __future__ import annotations

import math
import os
from pathlib import Path, PurePosixPath

__all__ = ["CGROUPS", "OWN_CGROUP", "available_cpus", "control_groups"]

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


def available_cpus(cgroups: Path = CGROUPS, own: Path = OWN_CGROUP) -> int:
    """A whole number of at least 1; a quota of one and a half CPUs counts as two.

    Args:
        cgroups: Where the control groups are.
        own: What tells which of them this process is in.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = filter(None, map(_quota, control_groups(cgroups, own)))
    return max(1, min([allowed, *quotas]))


def control_groups(cgroups: Path, own: Path) -> list[Path]:
    """The process's own group and all above it. In most containers that is the root alone, which stands for the
    container's; under systemd, the quota is the unit's."""
    path = PurePosixPath()
    try:
        [told] = [line for line in own.read_text().splitlines() if line.startswith("0::")]
        path = PurePosixPath(told.removeprefix("0::/"))
    except (OSError, ValueError):
        pass  # No control groups v2.
    if ".." in path.parts:  # Outside of what is seen here.
        path = PurePosixPath()
    return [cgroups / each for each in (path, *path.parents)]


def _quota(group: Path) -> int | None:
    """CPUs; None where the group has no quota."""
    try:
        quota, period = (group / "cpu.max").read_text().split()
        return None if quota == "max" else math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        return None
