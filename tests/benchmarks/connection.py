"""A client on asyncio: requests as bytes that were made before, of an answer only status and length are read.

Asks at a low rate (`probe`), and stands in for wrk where that is missing (`load`).
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import re
import time
from collections.abc import Iterator

from .load import Load
from .question import Question

__all__ = ["Connection", "load", "probe", "running"]

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
TIMEOUT = 10.0


class Connection(asyncio.Protocol):
    """One connection that is kept, with one request under way at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[int] | None = None
        self._got = bytearray()
        self._end = 0

    @classmethod
    async def open(cls, port: int) -> Connection:
        """Connect."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    async def ask(self, request: bytes) -> int:
        """Send a request; the status of its answer, once that is complete.

        Raises:
            ConnectionError: The server closed the connection, or sent something that is not understood.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        self._got += data
        if not self._end:
            head = self._got.find(b"\r\n\r\n")
            if head < 0:
                return
            found = LENGTH.search(self._got, 0, head + 2)
            if found is None:
                self.close()
                return
            self._end = head + 4 + int(found.group(1))
        if len(self._got) >= self._end and self._answer is not None and not self._answer.done():
            self._answer.set_result(int(self._got[9:12]))
            self._got.clear()
            self._end = 0

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError())

    def close(self) -> None:
        """Close it."""
        if self._transport is not None:
            self._transport.close()


class _Asker:
    """Counts what comes of asking one question."""

    def __init__(self, port: int, asked: Question) -> None:
        self._port = port
        self._request = asked.request()
        self.latencies: list[float] = []
        self.refused = 0
        self.broken = 0

    async def ask(self, connection: Connection) -> bool:
        """Ask once; whether the connection can be used again."""
        begun = time.perf_counter()
        try:
            status = await asyncio.wait_for(connection.ask(self._request), TIMEOUT)
        except (OSError, asyncio.TimeoutError):
            self.broken += 1
            connection.close()
            return False
        self.latencies.append(time.perf_counter() - begun)
        self.refused += status >= 400
        return True

    async def ask_until(self, end: float) -> None:
        """Ask over one connection, again and again."""
        try:
            connection = await Connection.open(self._port)
            while time.perf_counter() < end:
                if not await self.ask(connection):
                    connection = await Connection.open(self._port)
            connection.close()
        except OSError:  # Nobody listens any more.
            self.broken += 1


def load(port: int, asked: Question, connections: int, seconds: float) -> Load:
    """What `wrk.load` does, less fast."""
    asker = _Asker(port, asked)
    begun = time.perf_counter()

    async def all_connections() -> None:
        await asyncio.gather(*(asker.ask_until(begun + seconds) for _ in range(connections)))

    asyncio.run(all_connections())
    taken = time.perf_counter() - begun
    return Load.of(taken, asker.latencies, asker.refused, asker.broken, keep=False)


@contextlib.contextmanager
def running(port: int, asked: Question, connections: int, seconds: float) -> Iterator[None]:
    """What `wrk.running` does, less fast."""
    process = multiprocessing.get_context("fork").Process(
        target=load, args=(port, asked, connections, seconds), daemon=True
    )
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def probe(port: int, asked: Question, rate: float, seconds: float) -> Load:
    """Ask `rate` times a second, whether the last answer has come or not, each time over an idle connection.

    Where that is allowed (root), as a real-time process: what this one waits for a CPU is not the server's doing.
    """
    asker = _Asker(port, asked)

    async def all_requests() -> None:
        idle = [await Connection.open(port) for _ in range(4)]

        async def one() -> None:
            connection = idle.pop(0) if idle else await Connection.open(port)
            if await asker.ask(connection):
                idle.append(connection)

        begun = time.perf_counter()
        sent = []
        for number in range(round(rate * seconds)):
            await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            sent.append(asyncio.create_task(one()))
        await asyncio.gather(*sent)
        for connection in idle:
            connection.close()

    with _at_once():
        begun = time.perf_counter()
        asyncio.run(all_requests())
        taken = time.perf_counter() - begun
    return Load.of(taken, asker.latencies, asker.refused, asker.broken, keep=True)


@contextlib.contextmanager
def _at_once() -> Iterator[None]:
    """Let this process have a CPU as soon as it wants one; what it starts is not concerned."""
    usual = os.sched_getscheduler(0)
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, usual, os.sched_param(0))
