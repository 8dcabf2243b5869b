"""Room on the disk that is held for the moment when it is full. Host process.

To note that an event was sent takes room, too: without any, a disk that the events themselves have filled would never
be emptied again.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

__all__ = ["Reserve"]

_SIZE = 4 * 1024 * 1024
"""More than SQLite's log grows to before it is written back (`tables.LOG_PAGES`), and one transaction on top."""


class Reserve:
    """A file that holds nothing.

    Args:
        database: The file of events, beside which it lies.

    Attributes:
        held: Whether it is there.
    """

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".reserve")
        self.held = False
        self.hold()

    def hold(self) -> None:
        """Take the room, if it is there."""
        with contextlib.suppress(OSError), self._path.open("ab") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, _SIZE)
                self.held = True
            except OSError:
                self._path.unlink()

    def give_up(self) -> bool:
        """Make the room free; whether it was held."""
        held, self.held = self.held, False
        with contextlib.suppress(OSError):
            self._path.unlink()
        return held

    def check(self) -> None:
        """Nothing is kept beyond what can be noted as sent some day.

        Raises:
            sqlite3.OperationalError: The room is in use.
        """
        if not self.held:
            raise sqlite3.OperationalError("the disk is full")
