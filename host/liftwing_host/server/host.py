"""What this process serves: its models, and whether it is on its way out. Handlers get at everything from here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from ..body_arena import BodyArena
from ..errors import LiftwingError, ModelNotFound
from ..extension import Event
from .body_memory import BodyMemory
from .memory import available_memory
from .pool import Pool
from .served_model import ServedModel
from .settings import HostSettings
from .tally import Tally

__all__ = ["EventTakers", "Host", "Traffic"]

_MOST_BODY_MEMORY = 1 << 30
"""Bytes of `max_body_memory` where the operator names none."""


class Traffic:
    """The requests that are under way, from their headers until their answer has been written.

    Attributes:
        idle: Set while there are none.
        closing: Whether clients are told to close their connections after the answer.
        body_memory: What their large bodies have together.
    """

    def __init__(self, body_memory: BodyMemory) -> None:
        self.idle = asyncio.Event()
        self.idle.set()
        self.closing = False
        self._count = 0
        self.body_memory = body_memory

    def begin(self) -> None:
        """One more."""
        if not self._count:
            self.idle.clear()
        self._count += 1

    def end(self) -> None:
        """One less."""
        self._count -= 1
        if not self._count:
            self.idle.set()


class EventTakers:
    """Hands events to whoever takes them, and waits for that beside the requests.

    Args:
        accept: Takes them; gives what the client shall know of it, if anything.
    """

    def __init__(self, accept: Callable[[Sequence[Event]], Awaitable[LiftwingError | None]]) -> None:
        self._accept = accept
        # The event loop itself would let go of a task that nobody else holds.
        self._waiting: set[asyncio.Task[None]] = set()

    def hand_over(self, events: Sequence[Event], on_taken: Callable[[LiftwingError | None], None]) -> None:
        """Hand over the events of one prediction.

        Args:
            events: The events, at least one.
            on_taken: Told when they have been taken, or why not.
        """
        task = asyncio.get_running_loop().create_task(self._wait(events, on_taken))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _wait(self, events: Sequence[Event], on_taken: Callable[[LiftwingError | None], None]) -> None:
        on_taken(await self._accept(events))


class Host:
    """The models by name, and the state of the host as a whole.

    Attributes:
        pools: One for each plugin.
        models: By name, in the order in which the operator named them.
        settings: What holds for all of them.
        traffic: The requests that are under way.
        tally: The requests that were answered.
        bodies: Where large bodies are read to.
        events: Where events go that follow from predictions; None where nobody takes any.
        unloaded_files: The source files, as in `Pool.source_files`, of each plugin that a reload could not replace.
        draining: Whether it has been told to end; then nothing is ready any more.
    """

    def __init__(
        self, pools: Iterable[Pool], order: Iterable[str], settings: HostSettings, bodies: BodyArena
    ) -> None:
        self.pools = list(pools)
        found = {model.name: model for pool in self.pools for model in pool.models}
        self.models = {name: found[name] for name in order}
        self.settings = settings
        self.bodies = bodies
        self.traffic = Traffic(
            BodyMemory(settings.max_body_memory or min(_MOST_BODY_MEMORY, available_memory() // 4))
        )
        self.tally = Tally(self.models)
        self.events: EventTakers | None = None
        self.unloaded_files: dict[str, dict[str, int]] = {}
        self.draining = False

    def put(self, fresh: Pool) -> None:
        """Let a pool take the place of the one of the same plugin."""
        self.pools = [pool for pool in self.pools if pool.name != fresh.name] + [fresh]
        self.models.update({model.name: model for model in fresh.models})
        self.unloaded_files.pop(fresh.name, None)

    def model(self, name: str) -> ServedModel:
        """A model by name.

        Raises:
            ModelNotFound: It is not served here.
        """
        try:
            return self.models[name]
        except KeyError:
            raise ModelNotFound(name) from None
