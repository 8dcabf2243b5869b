"""How many threads numeric libraries may use in a worker: the machine's CPUs, shared out among the workers.

Runs in a compute worker, after it was forked. Until then the limit is one, since no process may be forked beside
a thread; the libraries that allow it are given their share now.
"""

from __future__ import annotations

import sys

__all__ = ["allow_threads"]


def allow_threads(count: int) -> None:
    """Let the numeric libraries that are imported use `count` threads."""
    if count <= 1:
        return
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(count)
    threadpoolctl = sys.modules.get("threadpoolctl")
    if threadpoolctl is not None:
        threadpoolctl.threadpool_limits(limits=count)
