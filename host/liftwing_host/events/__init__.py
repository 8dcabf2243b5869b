"""Delivers the events that follow from predictions to Wikimedia's EventGate: an extension of the host. Host process.

::

    prediction ─ liftwing_accept ─→ Queued ─→ Store (SQLite, own thread) ─→ Sender ─→ EventGate
                                └─→ Direct ────────────────────────────────────────→ EventGate

Where EVENTGATE_URL is not set, nothing of that is imported, and events are dropped.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..hookspecs import hookimpl

if TYPE_CHECKING:
    from ..extension import Event
    from .direct import Direct
    from .queued import Queued

__all__ = ["extension"]

log = logging.getLogger("liftwing_host.events")


class _Extension:
    def __init__(self) -> None:
        self._delivery: Queued | Direct | None = None
        self._dropped: set[str] = set()

    @hookimpl
    async def liftwing_start(self) -> None:
        if not os.environ.get("EVENTGATE_URL"):
            return
        from .settings import read

        settings = read(os.environ)
        if settings.delivery == "sync":
            from .direct import Direct

            self._delivery = Direct(settings)
        else:
            from .queued import Queued

            self._delivery = await Queued.start(settings)
        log.info("events go to %s (%s)", settings.url, settings.delivery)

    @hookimpl
    async def liftwing_stop(self) -> None:
        if self._delivery is not None:
            await self._delivery.stop()

    @hookimpl
    async def liftwing_accept(self, events: Sequence[Event]) -> None:
        if self._delivery is not None:
            await self._delivery.accept(events)
            return
        model = events[0].model
        if model not in self._dropped:
            self._dropped.add(model)
            log.warning("events of model %s are dropped: EVENTGATE_URL is not set", model)

    @hookimpl
    async def liftwing_metrics(self) -> Sequence[Any]:
        return [] if self._delivery is None else await self._delivery.metrics()

    @hookimpl
    def liftwing_commands(self) -> Sequence[Any]:
        from .commands import events

        return [events]


extension = _Extension()
