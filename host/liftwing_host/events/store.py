"""Keeps events on disk: SQLite in a thread of its own, so that no request waits for another's disk. Host process.

Whatever the loop orders while the thread is busy goes into one transaction, so that the disk is waited for once.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import logging
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..errors import ConfigurationError
from . import tables
from .kept import Kept
from .reserve import Reserve
from .tables import Settlement

__all__ = ["Store"]

log = logging.getLogger("liftwing_host.events")

_MOST_TOGETHER = 64
_LOOKED_AT_EVERY = 1.0
"""Seconds between looks at whether a command has changed the file."""

T = TypeVar("T")


@dataclass(frozen=True)
class _Order:
    """Something to be done in the thread.

    Attributes:
        work: Does it.
        done: Is told what came of it.
        frees: Whether it makes room, and so may have the reserve.
    """

    work: Callable[[sqlite3.Connection], Any]
    done: asyncio.Future[Any]
    frees: bool = False


class Store:
    """A file of events. No other host may use it at the same time; commands may.

    Args:
        path: The file.
        changed: Called on the loop when a command has changed it.
    """

    def __init__(self, path: Path, changed: Callable[[], None]) -> None:
        self._path = path
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        # A daemon: what ends the host at its start must not wait for it.
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    async def open(self) -> None:
        """Open the file.

        Raises:
            ConfigurationError: It cannot be written, or another host has it.
        """
        self._thread.start()
        await self._opened

    async def close(self) -> None:
        """Close the file, once all orders so far have been carried out."""
        self._orders.put(None)
        await self._ended
        self._thread.join()

    async def add(self, events: Sequence[Kept]) -> None:
        """Keep events. When it returns, they are on disk.

        Raises:
            sqlite3.Error: They are not.
        """

        def work(connection: sqlite3.Connection) -> None:
            self._reserve.check()
            tables.add(connection, events)

        await self._order(work)

    async def first(self, stream: str, most: int, most_bytes: int) -> list[Kept]:
        """See `tables.first`."""
        return await self._order(
            functools.partial(tables.first, stream=stream, most=most, most_bytes=most_bytes)
        )

    async def settle(self, settlement: Settlement) -> None:
        """See `tables.settle`; it raises as `add`."""
        await self._order(functools.partial(tables.settle, settlement=settlement), frees=True)

    async def count(self) -> tuple[dict[str, int], int]:
        """See `tables.count`."""
        return await self._order(tables.count)

    async def _order(self, work: Callable[[sqlite3.Connection], T], *, frees: bool = False) -> T:
        done: asyncio.Future[T] = self._loop.create_future()
        self._orders.put(_Order(work, done, frees))
        return await done

    # In the thread

    def _run(self) -> None:
        with contextlib.ExitStack() as stack:
            try:
                stack.callback(os.close, _lock(self._path))
                self._reserve = Reserve(self._path)
                connection = stack.enter_context(contextlib.closing(self._connect()))
            except Exception as error:  # noqa: BLE001 - whatever it is, the host ends with it
                self._tell([(self._opened, None, error)])
                return
            self._tell([(self._opened, None, None)])
            self._serve(connection)
        self._tell([(self._ended, None, None)])

    def _connect(self) -> sqlite3.Connection:
        try:
            connection = tables.open_tables(self._path, make=True)
        except ConfigurationError:
            # The last host may have ended on a disk that was full.
            if not self._reserve.give_up():
                raise
            connection = tables.open_tables(self._path, make=True)
        if not self._reserve.held:
            # Models are served all the same, and what waits may be sent.
            log.error("the disk is full: no event can be kept in %s", self._path)
        return connection

    def _serve(self, connection: sqlite3.Connection) -> None:
        version, looked = _version(connection), time.monotonic()
        orders: list[_Order] | None = []
        while orders is not None:
            if orders:
                if not self._reserve.held:
                    tables.shrink(connection)
                    self._reserve.hold()
                self._tell(self._carry_out(connection, orders))
            if time.monotonic() - looked > _LOOKED_AT_EVERY:
                before, version, looked = version, _version(connection), time.monotonic()
                if version != before and version is not None:
                    self._loop.call_soon_threadsafe(self._changed)
            orders = self._next_orders()

    def _next_orders(self) -> list[_Order] | None:
        """What has been ordered; nothing for a while is an empty list, the end is None."""
        orders: list[_Order] = []
        with contextlib.suppress(queue.Empty):
            order = self._orders.get(timeout=_LOOKED_AT_EVERY)
            while order is not None:
                orders.append(order)
                if len(orders) == _MOST_TOGETHER:
                    return orders
                order = self._orders.get_nowait()
            if not orders:
                return None
            # The end comes after what was ordered before it.
            self._orders.put(None)
        return orders

    def _carry_out(self, connection: sqlite3.Connection, orders: list[_Order]) -> list[_Result]:
        """All in one transaction; or each in its own where that fails, so that one costs no other its event."""
        try:
            values = _transact(connection, orders)
        except Exception as error:  # noqa: BLE001 - it is raised where the order came from
            tables.write_back(connection)
            if len(orders) > 1:
                return [result for order in orders for result in self._carry_out(connection, [order])]
            (order,) = orders
            if isinstance(error, sqlite3.OperationalError) and order.frees and self._reserve.give_up():
                tables.write_back(connection)
                return self._carry_out(connection, orders)
            return [(order.done, None, error)]
        return [(order.done, value, None) for order, value in zip(orders, values, strict=True)]

    def _tell(self, results: list[_Result]) -> None:
        self._loop.call_soon_threadsafe(_tell, results)


_Result = tuple["asyncio.Future[Any]", Any, "Exception | None"]


def _tell(results: list[_Result]) -> None:
    for future, value, error in results:
        if future.done():
            continue  # Whoever waited was cancelled.
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)


def _transact(connection: sqlite3.Connection, orders: list[_Order]) -> list[Any]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        values = [order.work(connection) for order in orders]
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return values


def _version(connection: sqlite3.Connection) -> int | None:
    """A number that changes when another process has changed the file; None where it cannot be read.

    That is no end of the thread: each order is to hear by itself what is wrong, and its client to have an answer.
    """
    try:
        (version,) = connection.execute("PRAGMA data_version").fetchone()
    except sqlite3.Error:
        return None
    return int(version)


def _lock(path: Path) -> int:
    """Take the lock that one host alone can have; it ends with the process, however that ends."""
    beside = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ConfigurationError(
            f"Events cannot be kept in {path}: {error.strerror}. Set LIFTWING_EVENTS to a file that the host may write."
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise ConfigurationError(
            f"Another liftwing-host keeps its events in {path}. Set LIFTWING_EVENTS to a file of this host's own."
        ) from None
    return lock
