"""The deadlines of the requests to one model, kept by one timer. Host process.

Nearly all requests have the same time and end long before it is over. asyncio would keep a timer for each in a heap;
here they stand in the order in which they came, which is that of their deadlines, and a timer waits for the first.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

__all__ = ["Deadlines", "Expires"]


class Expires(Protocol):
    """What has a deadline."""

    def expire(self) -> None:
        """The time is over."""


class Deadlines:
    """Tells each of those that are added, unless it is removed before, that its time is over.

    Args:
        seconds: The time that each has.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        # A dict keeps the order, and lets go of any at once.
        self._moments: dict[Expires, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, whom: Expires) -> float:
        """Begin its time.

        Returns:
            The moment at which it is over, on the clock of the event loop.
        """
        # The event loop's clock, which is one for all processes of the machine.
        moment = time.monotonic() + self.seconds
        self._moments[whom] = moment
        if self._timer is None:
            self._arm(moment)
        return moment

    def remove(self, whom: Expires) -> None:
        """It has ended, in time or not."""
        self._moments.pop(whom, None)

    def _arm(self, moment: float) -> None:
        self._timer = asyncio.get_running_loop().call_at(moment, self._over)

    def _over(self) -> None:
        self._timer = None
        # The loop may call a little early, by the resolution of its clock.
        now = asyncio.get_running_loop().time() + _RESOLUTION
        late: list[Expires] = []
        for whom, moment in self._moments.items():
            if moment > now:
                self._arm(moment)
                break
            late.append(whom)
        for whom in late:
            self.remove(whom)
            whom.expire()


_RESOLUTION = time.get_clock_info("monotonic").resolution
