"""How much memory this process may use: the machine's, and the limits of its control group (v2) and of those above it."""

from __future__ import annotations

import os
from pathlib import Path

from .cpus import CGROUPS, OWN_CGROUP, control_groups

__all__ = ["available_memory"]


def available_memory(cgroups: Path = CGROUPS, own: Path = OWN_CGROUP) -> int:
    """Bytes.

    Args:
        cgroups: Where the control groups are.
        own: What tells which of them this process is in.
    """
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([machine, *filter(None, map(_limit, control_groups(cgroups, own)))])


def _limit(group: Path) -> int | None:
    """None where the group has no limit."""
    try:
        told = (group / "memory.max").read_text().strip()
        return None if told == "max" else int(told)
    except (OSError, ValueError):
        return None
