"""Delivery by queue: an event is accepted once it is on disk, and sent as soon as EventGate takes it. Host process."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from typing import Any

from ..extension import Event
from .eventgate import EventGate
from .kept import prepare
from .sender import Sender
from .settings import EventSettings
from .store import Store
from .tally import Tally

__all__ = ["Queued"]

log = logging.getLogger("liftwing_host.events")

_PATIENCE = 5.0
"""Seconds that the host's end may wait for EventGate. What is left then is sent by the next host."""


class Queued:
    """The store, and the sender that empties it."""

    def __init__(self, settings: EventSettings) -> None:
        self._tally = Tally()
        self._eventgate = EventGate(settings)
        self._store = Store(settings.database, self._look_again)
        self._sender = Sender(self._store, self._eventgate, self._tally, settings.attempts)
        self._looking: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, settings: EventSettings) -> Queued:
        """Open the store, and send what the last host left there.

        Raises:
            ConfigurationError: The store cannot be written, or another host has it.
        """
        queued = cls(settings)
        await queued._store.open()
        waiting, _ = await queued._store.count()
        if waiting:
            log.info("%d events wait from before", sum(waiting.values()))
        queued._sender.wake(waiting)
        return queued

    async def accept(self, events: Sequence[Event]) -> None:
        """Take events. When it returns they are on disk, or the log says that they are lost."""
        kept = [prepare(event) for event in events]
        try:
            await self._store.add(kept)
        except sqlite3.Error as error:
            for event in kept:
                self._tally.lost[event.stream] += 1
                log.error(
                    "request %s: event %s of model %s, stream %s, is lost: it cannot be kept: %s",
                    events[0].request_id, event.id, event.model, event.stream, error,
                )  # fmt: skip
            return
        self._sender.wake({event.stream for event in kept})

    async def metrics(self) -> Sequence[Any]:
        """As metric families of prometheus_client."""
        return self._tally.families(*await self._store.count())

    async def stop(self) -> None:
        """Send what waits, for a few seconds; the rest stays on disk."""
        await self._sender.finish(_PATIENCE)
        waiting, _ = await self._store.count()
        if waiting:
            log.warning("%d events were not sent; they wait on disk for the next host", sum(waiting.values()))
        await self._store.close()
        self._eventgate.close()

    def _look_again(self) -> None:
        """A command has changed the file."""

        async def look() -> None:
            self._sender.wake((await self._store.count())[0])

        self._looking = asyncio.get_running_loop().create_task(look())
