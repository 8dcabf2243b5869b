"""Delivery as Lift Wing has it: an event is sent before the client gets its answer, and nothing is kept. Host process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from ..errors import LiftwingError
from ..extension import Event
from .eventgate import AT_ONCE, TAKEN, EventGate, TimedOut, Unreachable
from .kept import Kept, prepare
from .settings import EventSettings
from .tally import Tally

__all__ = ["Direct"]

log = logging.getLogger("liftwing_host.events")

_CONTACT = "lease contact the ML team if the issue persists."
REJECTED = f"The event posted to EventGate has been rejected, p{_CONTACT}"
BROKEN = f"Connection error while trying to post the event to EventGate. P{_CONTACT}"
UNEXPECTED = (
    "Unexpected error happened while the event was posted to EventGate, "
    f"there is the possibility that it never reached it. P{_CONTACT}"
)


class Direct:
    """Posts each event by itself."""

    def __init__(self, settings: EventSettings) -> None:
        self._eventgate = EventGate(settings)
        self._tally = Tally()
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def accept(self, events: Sequence[Event]) -> None:
        """Send events, in their order.

        Raises:
            LiftwingError: One did not get there; the message is Lift Wing's.
        """
        problem: LiftwingError | None = None
        for event in map(prepare, events):
            told = await self._send(event, events[0].request_id)
            problem = problem or told
        if problem is not None:
            raise problem

    async def _send(self, event: Kept, request: str) -> LiftwingError | None:
        try:
            async with self._slots:
                answer = await self._eventgate.post([event])
        except Unreachable as error:
            text, reason = UNEXPECTED if isinstance(error, TimedOut) else BROKEN, str(error)
        else:
            if answer.status in TAKEN:
                self._tally.sent[event.stream] += 1
                return None
            text, reason = REJECTED, answer.problem
        self._tally.lost[event.stream] += 1
        log.error("request %s: event %s of model %s is lost: %s", request, event.id, event.model, reason)
        return LiftwingError(text)

    async def metrics(self) -> Sequence[Any]:
        """As metric families of prometheus_client."""
        return self._tally.families({}, 0)

    async def stop(self) -> None:
        """No more posts."""
        self._eventgate.close()
