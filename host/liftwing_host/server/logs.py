"""What the host process logs: how much of it, and where it goes."""

from __future__ import annotations

import logging
import sys
from typing import Literal

__all__ = ["LogLevel", "log_to_stderr"]

LogLevel = Literal["debug", "info", "warning", "error"]

_FORMAT = "%(asctime)s.%(msecs)03d %(process)s %(name)s %(levelname)s %(message)s"


class _Stderr(logging.StreamHandler):  # type: ignore[type-arg] # not generic at run time on Python 3.10
    """Writes to whatever `sys.stderr` is at that moment: a moving display replaces it for a while."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def log_to_stderr(level: LogLevel) -> None:
    """Log what is at least as grave as that."""
    handler = _Stderr()
    logging.basicConfig(level=level.upper(), format=_FORMAT, datefmt="%Y-%m-%d %H:%M:%S", handlers=[handler])
