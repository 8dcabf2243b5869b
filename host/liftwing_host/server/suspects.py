"""The calls whose async worker died while it ran many of them, and the workers that run them one at a time each.

Any of them may have killed it. Run together once more, the guilty one would take the others with it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .call import Call
from .line import Line
from .processes import Processes
from .settings import PluginSettings
from .slot import Slot

__all__ = ["Suspects"]

_AT_ONCE = 4
"""How many workers run suspects: the longer one waits for its turn, the likelier another mishap is."""


class Suspects:
    """One plugin's suspects, and the slots that are there for as long as any of them waits.

    Args:
        processes: What begins and ends the workers.
        limits: When the workers are replaced.
        keep: Begins to keep a slot.

    Attributes:
        line: The suspects, and the workers that run them.
    """

    def __init__(
        self, processes: Processes, limits: PluginSettings, keep: Callable[[Slot], asyncio.Task[None]]
    ) -> None:
        self.line = Line()
        self._slots: dict[int, Slot] = {}
        self._processes = processes
        self._limits = limits
        self._keep = keep

    @property
    def slots(self) -> list[Slot]:
        """The slots that are there now."""
        return list(self._slots.values())

    def join(self, call: Call) -> None:
        """Run a suspect as soon as one of its workers has room, before all other suspects."""
        free = set(range(1, _AT_ONCE + 1)) - set(self._slots)
        if free:
            number = min(free)
            self._slots[number] = slot = Slot(
                "async", number, 1, self.line, self._processes, self._limits, until_idle=True
            )
            self._keep(slot).add_done_callback(lambda _: self._slots.pop(number))
        self.line.join(call, first=True)
