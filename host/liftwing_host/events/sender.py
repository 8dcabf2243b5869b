"""Sends what waits: the events of each stream in their order, each stream for itself. Host process."""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
from collections.abc import Iterable

from .eventgate import AT_ONCE, Answer, EventGate, Unreachable, verdicts
from .kept import Kept
from .store import Store
from .tables import Settlement
from .tally import Tally

__all__ = ["Sender"]

log = logging.getLogger("liftwing_host.events")

_MOST = 100
_MOST_BYTES = 64 * 1024
"""EventGate takes bodies of 100 kB where nobody tells it otherwise."""
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 30.0


class Sender:
    """Has one task for each stream that has events.

    Args:
        store: Keeps the events.
        eventgate: Takes them.
        tally: Counts them.
        attempts: How often an event is tried that EventGate fails at.
    """

    def __init__(self, store: Store, eventgate: EventGate, tally: Tally, attempts: int) -> None:
        self.store = store
        self.eventgate = eventgate
        self.tally = tally
        self.attempts = attempts
        self.closing = asyncio.Event()
        self.slots = asyncio.Semaphore(AT_ONCE)
        self._lines: dict[str, tuple[_Line, asyncio.Task[None]]] = {}

    def wake(self, streams: Iterable[str]) -> None:
        """These streams have events."""
        for stream in streams:
            if stream not in self._lines:
                line = _Line(self, stream)
                self._lines[stream] = line, asyncio.get_running_loop().create_task(self._run(line))
            self._lines[stream][0].news.set()

    async def _run(self, line: _Line) -> None:
        try:
            await line.run()
        except Exception:
            # The stream goes on with its next event; what waits is safe.
            log.exception("sending events of stream %s failed", line.stream)
        finally:
            self._lines.pop(line.stream, None)

    async def finish(self, patience: float) -> None:
        """Try each stream once more, without pauses, and let go."""
        self.closing.set()
        tasks = [task for _, task in self._lines.values()]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=patience)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Line:
    """The events of one stream, on their way."""

    def __init__(self, sender: Sender, stream: str) -> None:
        self.stream = stream
        self.news = asyncio.Event()
        self._sender = sender
        self._failures = 0
        # After a failure events go one by one at first: alone, an event's own fault can be told from EventGate's.
        self._most = _MOST

    async def run(self) -> None:
        """Send until nothing waits."""
        store, closing = self._sender.store, self._sender.closing
        while True:
            self.news.clear()
            try:
                batch = await store.first(self.stream, self._most, _MOST_BYTES)
            except sqlite3.Error as error:
                if closing.is_set():
                    return
                await self._wait(f"the file of events cannot be read: {error}", 1)
                continue
            if not batch:
                # No `await` from here to the end of the task: what comes later begins another.
                if self.news.is_set():
                    continue
                return
            problem = await self._send(batch)
            if problem is None:
                self._well()
            elif closing.is_set():
                return
            else:
                await self._wait(problem, len(batch))

    def _well(self) -> None:
        if self._failures:
            log.info("events of stream %s are sent again", self.stream)
        self._failures = 0
        self._most = min(_MOST, self._most * 4)

    async def _wait(self, problem: str, sent: int) -> None:
        if not self._failures:
            log.warning("events of stream %s wait: %s", self.stream, problem)
        self._failures += 1
        # Each alone, at once, where it may be the fault of one among them.
        self._most = 1
        await self._pause(self._failures if sent == 1 else 1)

    async def _pause(self, failures: int) -> None:
        seconds = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(failures - 1, 20)) * random.uniform(0.5, 1)  # noqa: S311
        try:
            await asyncio.wait_for(self._sender.closing.wait(), seconds)
        except (asyncio.TimeoutError, TimeoutError):
            return

    async def _send(self, batch: list[Kept]) -> str | None:
        """Send events, and note what became of them; the problem, where they are not all dealt with."""
        try:
            async with self._sender.slots:
                answer = await self._sender.eventgate.post(batch)
        except Unreachable as error:
            return str(error)
        return await self._settle(batch, answer)

    async def _settle(self, batch: list[Kept], answer: Answer) -> str | None:
        done, failed, rejected, problem = [], [], [], None
        for event, verdict in zip(batch, verdicts(answer, batch), strict=True):
            if verdict.kind == "taken":
                done.append(event.number)
            elif verdict.kind == "rejected":
                rejected.append((event, verdict.reason))
            elif verdict.kind == "failed" and event.attempts + 1 >= self._sender.attempts:
                rejected.append((event, f"{verdict.reason} (tried {event.attempts + 1} times)"))
            else:
                problem = problem or verdict.reason
                if verdict.kind == "failed":
                    failed.append(event.number)
        await self._note(Settlement(done, failed, rejected))
        self._sender.tally.sent[self.stream] += len(done)
        self._sender.tally.rejected[self.stream] += len(rejected)
        for event, reason in rejected:
            log.error(
                "event %s of model %s, stream %s, was not taken: %s. It is kept aside; see: liftwing-host events list",
                event.id, event.model, event.stream, reason,
            )  # fmt: skip
        return problem

    async def _note(self, settlement: Settlement) -> None:
        """Have it on disk. Until it is there, the stream waits: it would send the same events again."""
        failures = 0
        while True:
            try:
                await self._sender.store.settle(settlement)
            except sqlite3.Error as error:
                if not failures:
                    log.error("that events of stream %s were sent cannot be noted: %s", self.stream, error)
                failures += 1
                if self._sender.closing.is_set():
                    return
                await self._pause(failures)
            else:
                return
