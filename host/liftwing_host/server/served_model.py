"""A model that this host serves, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .deadlines import Deadlines
from .discovery import Offer
from .predictor_address import PredictorAddress
from .settings import ModelSettings

if TYPE_CHECKING:
    from .pool import Pool

__all__ = ["Leg", "ServedModel"]


@dataclass(frozen=True)
class Leg:
    """Hooks in a row that run in one process, as the worker side announced them.

    Attributes:
        kind: `"async"` or `"compute"`; `"remote"`: the predictor runs it.
        hooks: The hooks' names.
        batch_size: How many requests can go through it at once.
    """

    kind: Literal["async", "compute", "remote"]
    hooks: tuple[str, ...]
    batch_size: int = 1


class ServedModel:
    """One name in the URL.

    Attributes:
        name: That name.
        model: The model's own name, by which the plugin brings it.
        offer: The distribution and entry point that bring it.
        settings: The operator's settings for it.
        role: Which of its hooks run here: `all`, those of the `transformer`, or the `predictor`'s.
        predictor: Where a transformer's features go.
        pool: The processes behind its plugin.
        deadlines: Those of the requests that are under way.
        legs: Its legs, once it has been loaded.
        state: `loading`; `loaded`; or `failed`: it is quarantined, with `problem` and `traceback`.
        seconds: How long `load` took.
        memory: By how many bytes the template grew while it loaded.
        example: A payload to try, which the plugin gives.
        raw: Whether `predict` takes the body as it comes, of whichever type.
    """

    def __init__(self, name: str, model: str, offer: Offer, settings: ModelSettings) -> None:
        self.name = name
        self.model = model
        self.offer = offer
        self.settings = settings
        self.role = settings.role or "all"
        self.predictor = PredictorAddress.of(settings) if self.role == "transformer" else None
        self.pool: Pool
        assert settings.timeout is not None  # The host's stands in where the model has none of its own.
        self.deadlines = Deadlines(settings.timeout)
        self.legs: tuple[Leg, ...] = ()
        self.state: Literal["loading", "loaded", "failed"] = "loading"
        self.seconds = 0.0
        self.memory = 0
        self.example: Any = None
        self.idempotent = True
        self.raw = False
        self.problem: str | None = None
        self.traceback: str | None = None

    @property
    def ready(self) -> bool:
        """Whether it answers predictions now."""
        return self.state == "loaded" and self.pool.serves(self.legs)

    def loaded(self, head: dict[str, Any]) -> None:
        """Take over what the template told when it had loaded the model, or had failed to."""
        if "error" in head:
            self.state, self.problem, self.traceback = "failed", head["error"], head["traceback"]
            return
        self.legs = tuple(Leg(leg["kind"], tuple(leg["hooks"]), leg["batch_size"]) for leg in head["legs"])
        self.seconds, self.memory, self.example = head["seconds"], head["bytes"], head["example"]
        self.idempotent = head["idempotent"] if self.settings.idempotent is None else self.settings.idempotent
        self.raw = head["raw"]
        self.state, self.problem = "loaded", None
