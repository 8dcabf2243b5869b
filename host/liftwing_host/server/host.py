"""What this process serves: its models, and whether it is on its way out. Handlers get at everything from here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ..body_arena import BodyArena
from ..errors import ModelNotFound
from .pool import Pool
from .served_model import ServedModel
from .settings import HostSettings

__all__ = ["Host", "Traffic"]


class Traffic:
    """The requests that are under way, from their headers until their answer has been written.

    Attributes:
        idle: Set while there are none.
        closing: Whether clients are told to close their connections after the answer.
    """

    def __init__(self) -> None:
        self.idle = asyncio.Event()
        self.idle.set()
        self.closing = False
        self._count = 0

    def begin(self) -> None:
        """One more."""
        self._count += 1
        self.idle.clear()

    def end(self) -> None:
        """One less."""
        self._count -= 1
        if not self._count:
            self.idle.set()


class Host:
    """The models by name, and the state of the host as a whole.

    Attributes:
        pools: One for each plugin.
        models: By name, in the order in which the operator named them.
        settings: What holds for all of them.
        traffic: The requests that are under way.
        bodies: Where large bodies are read to.
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
        self.traffic = Traffic()
        self.draining = False

    def put(self, fresh: Pool) -> None:
        """Let a pool take the place of the one of the same plugin."""
        self.pools = [pool for pool in self.pools if pool.name != fresh.name] + [fresh]
        self.models.update({model.name: model for model in fresh.models})

    def model(self, name: str) -> ServedModel:
        """A model by name.

        Raises:
            ModelNotFound: It is not served here.
        """
        try:
            return self.models[name]
        except KeyError:
            raise ModelNotFound(name) from None
