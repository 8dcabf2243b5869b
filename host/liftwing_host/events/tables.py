"""The tables that keep events, and what is done to them. For the host's process and for its commands.

`waiting` holds what is still to be sent, in the order of `number`; `dead` what EventGate did not take.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigurationError
from .kept import Kept

__all__ = [
    "Dead",
    "Settlement",
    "add",
    "count",
    "dead",
    "drop",
    "first",
    "open_tables",
    "retry",
    "settle",
    "shrink",
    "streams",
    "write_back",
]

VERSION = 1
LOG_PAGES = 256
"""Pages of 4 KiB to which SQLite's log grows before it is written back."""

_SCHEMA = """
CREATE TABLE waiting (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, stream TEXT NOT NULL, model TEXT NOT NULL, body BLOB NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, accepted REAL NOT NULL
);
CREATE INDEX waiting_by_stream ON waiting (stream);
CREATE TABLE dead (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, stream TEXT NOT NULL, model TEXT NOT NULL, body BLOB NOT NULL,
    reason TEXT NOT NULL, died REAL NOT NULL
);
"""


@dataclass(frozen=True)
class Dead:
    """An event that EventGate did not take.

    Attributes:
        id: Its `meta.id`.
        stream: Its `meta.stream`.
        model: The model that told it.
        reason: What EventGate said.
        died: When, in seconds since 1970.
    """

    id: str
    stream: str
    model: str
    reason: str
    died: float


@dataclass(frozen=True)
class Settlement:
    """What became of events that were sent.

    Attributes:
        done: The numbers of those that EventGate took.
        failed: The numbers of those that it failed at, and that are tried again.
        rejected: Those that it did not take, with its reasons.
    """

    done: Sequence[int]
    failed: Sequence[int]
    rejected: Sequence[tuple[Kept, str]]


def open_tables(path: Path, *, make: bool) -> sqlite3.Connection:
    """Open the file.

    Args:
        path: The file.
        make: Whether to make it where it is missing.

    Raises:
        ConfigurationError: It cannot be opened, or is something else.
    """
    try:
        if make:
            path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            path.absolute().as_uri() + ("" if make else "?mode=rw"), uri=True, isolation_level=None
        )
        try:
            _set_up(connection, path)
        except BaseException:
            connection.close()
            raise
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigurationError(
            f"Events cannot be kept in {path}: {reason}. Set LIFTWING_EVENTS to a file that the host may write."
        ) from None
    return connection


def _set_up(connection: sqlite3.Connection, path: Path) -> None:
    # So that the file can be made smaller; it must be said before there is anything in it.
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute("PRAGMA journal_mode=WAL")
    # FULL: a commit has reached the disk when it returns. With NORMAL it would survive the host's death, but not that
    # of the machine, and a client would have been told that its event is safe. One commit serves all that came meanwhile.
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint={LOG_PAGES}")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={VERSION}; COMMIT;")
    elif version != VERSION:
        raise ConfigurationError(
            f"{path} was written by another version of liftwing-host (its format is {version}, here it is {VERSION}). "
            "Set LIFTWING_EVENTS to another file."
        )


def write_back(connection: sqlite3.Connection) -> None:
    """Write back what SQLite's log holds, and cut it: that may be the room that is missing."""
    with suppress(sqlite3.Error):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def shrink(connection: sqlite3.Connection) -> None:
    """Give the disk back what held events that are gone."""
    with suppress(sqlite3.Error):
        connection.execute("PRAGMA incremental_vacuum").fetchall()
    write_back(connection)


def add(connection: sqlite3.Connection, events: Iterable[Kept]) -> None:
    """Put events at the end of the line."""
    now = time.time()
    connection.executemany(
        "INSERT INTO waiting (id, stream, model, body, accepted) VALUES (?, ?, ?, ?, ?)",
        [(event.id, event.stream, event.model, event.body, now) for event in events],
    )


def first(connection: sqlite3.Connection, stream: str, most: int, most_bytes: int) -> list[Kept]:
    """The events of a stream that are to be sent next, and may be sent together: at least one, if any waits."""
    # A cursor that is left before its end would hold up the log's being written back.
    with closing(
        connection.execute(
            "SELECT number, id, model, body, attempts FROM waiting WHERE stream = ? ORDER BY number LIMIT ?",
            (stream, most),
        )
    ) as rows:
        found: list[Kept] = []
        size = 0
        for number, key, model, body, attempts in rows:
            size += len(body) + 1
            # EventGate tells by their ids what became of events that it got together.
            if found and (size > most_bytes or any(key == other.id for other in found)):
                break
            found.append(Kept(key, stream, model, body, number, attempts))
        return found


def settle(connection: sqlite3.Connection, settlement: Settlement) -> None:
    """Note what became of events."""
    gone = [*settlement.done, *(event.number for event, _ in settlement.rejected)]
    connection.executemany("DELETE FROM waiting WHERE number = ?", [(number,) for number in gone])
    connection.executemany(
        "UPDATE waiting SET attempts = attempts + 1 WHERE number = ?",
        [(number,) for number in settlement.failed],
    )
    now = time.time()
    connection.executemany(
        "INSERT INTO dead (id, stream, model, body, reason, died) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (event.id, event.stream, event.model, event.body, reason, now)
            for event, reason in settlement.rejected
        ],
    )


def streams(connection: sqlite3.Connection) -> dict[str, int]:
    """How many events wait, by stream."""
    return dict(connection.execute("SELECT stream, count(*) FROM waiting GROUP BY stream"))


def count(connection: sqlite3.Connection) -> tuple[dict[str, int], int]:
    """How many events wait, by stream, and how many EventGate did not take."""
    (buried,) = connection.execute("SELECT count(*) FROM dead").fetchone()
    return streams(connection), buried


def dead(connection: sqlite3.Connection) -> list[Dead]:
    """What EventGate did not take, oldest first."""
    return [
        Dead(*row)
        for row in connection.execute("SELECT id, stream, model, reason, died FROM dead ORDER BY number")
    ]


def retry(connection: sqlite3.Connection, key: str) -> int:
    """Put what EventGate did not take back at the end of the line, under the same id; how many there were of it."""
    connection.execute(
        "INSERT INTO waiting (id, stream, model, body, accepted) "
        "SELECT id, stream, model, body, ? FROM dead WHERE id = ? ORDER BY number",
        (time.time(), key),
    )
    return drop(connection, key)


def drop(connection: sqlite3.Connection, key: str) -> int:
    """Forget what EventGate did not take; how many there were of it."""
    return connection.execute("DELETE FROM dead WHERE id = ?", (key,)).rowcount
