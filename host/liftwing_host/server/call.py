"""One leg of one request, from the moment it may run until its answer."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import DeadlineExceeded

if TYPE_CHECKING:
    from ..body_arena import Body
    from ..errors import LiftwingError
    from .body_memory import Share
    from .served_model import Leg
    from .worker import Worker

__all__ = ["AT_PREDICTOR", "Answer", "Call", "Runner"]

AT_PREDICTOR = "predict at the predictor"
"""Where a call is that the predictor runs."""

_ids = itertools.count(1)


@dataclass(slots=True)
class Answer:
    """What a worker answered.

    Attributes:
        head: Its head, as `liftwing_host.worker.legs` makes it.
        body: Its body: the value for the next leg, or the response.
    """

    head: dict[str, Any]
    body: bytes | bytearray

    @property
    def status(self) -> int:
        """200, or the HTTP status of the error."""
        return int(self.head["status"])


class Runner(Protocol):
    """What runs calls: a worker process, or the client of a predictor.

    Attributes:
        role: What kind of runner it is.
    """

    role: str

    @property
    def room(self) -> int:
        """How many more calls it may be given now."""

    def give(self, calls: Sequence[Call]) -> None:
        """Have it run calls."""

    def watch(self, call: Call) -> None:
        """Nobody waits for the call any more."""

    def cancel(self, call: Call) -> None:
        """Have it end a call; it answers all the same."""


class Call:
    """A leg that waits, runs, or is answered.

    Args:
        model: The name of the model.
        leg: The leg.
        number: The leg's number.
        request: What the worker is told of the request.
        body: What the leg begins with.
        deadline: The moment, on the event loop's clock, at which the request's time is over.
        timeout: How many seconds the request had in all.
        operators_deadline: The moment at which the time is over that the operator gives the request; the deadline, where
            the client has set itself no earlier one.
        on_outcome: Given the answer, or the error that stands for it; once.
        share: What the body has of the memory for large ones. The call keeps it, since a worker may have the body for longer
            than its client is there.

    Attributes:
        ahead_of: The busy worker that will run it next, unless it is taken back before.
        hooks: The hooks of the leg.
        batch_size: How many calls may be run as one batch with it, itself included.
        head: The head of the message to the worker.
        done: Whether it has its outcome.
        worker: The process (or the client of the predictor) that runs it, once one does.
        deaths: How many workers died running it.
        guard: What ends the worker if it has not answered long after the deadline.
    """

    __slots__ = (
        "_on_outcome", "_share", "ahead_of", "batch_size", "body", "deadline", "deaths", "guard", "head", "hooks", "id", "model", "number",
        "operators_deadline", "timeout", "worker",
    )  # fmt: skip

    def __init__(
        self,
        model: str,
        leg: Leg,
        number: int,
        request: dict[str, Any],
        body: Body,
        deadline: float,
        timeout: float,
        operators_deadline: float,
        on_outcome: Callable[[Answer | LiftwingError], None],
        share: Share | None = None,
    ) -> None:
        self.id = next(_ids)
        self.model = model
        self.number = number
        self.hooks = leg.hooks
        self.batch_size = leg.batch_size
        self.head: dict[str, Any] = {
            "kind": "call",
            "id": self.id,
            "model": model,
            "leg": number,
            "request": request,
        }
        self.body = body
        self._share = share
        self.deadline = deadline
        self.timeout = timeout
        self.operators_deadline = operators_deadline
        # None once it has been called: caller and call refer to each other, and to the body of the request.
        self._on_outcome: Callable[[Answer | LiftwingError], None] | None = on_outcome
        self.worker: Runner | None = None
        self.ahead_of: Worker | None = None
        self.deaths = 0
        self.guard: asyncio.TimerHandle | None = None

    def goes_with(self, other: Call) -> bool:
        """Whether both can be run in one batch."""
        return self.model == other.model and self.number == other.number and not self.deaths

    @property
    def done(self) -> bool:  # noqa: D102 - see Attributes
        return self._on_outcome is None

    def too_late(self, where: str) -> DeadlineExceeded:
        """The error of a request whose time is over.

        Args:
            where: The hook that it was in, or "the queue".
        """
        return DeadlineExceeded(
            f"The request to {self.model} ran out of time ({self.timeout:g} s) in {where}."
        )

    def end(self, outcome: Answer | LiftwingError) -> None:
        """Let it have its outcome, if it has none yet."""
        on_outcome, self._on_outcome = self._on_outcome, None
        if on_outcome is not None:
            on_outcome(outcome)

    def forget(self) -> None:
        """Nobody wants to hear of it any more."""
        self._on_outcome = None

    def disarm(self) -> None:
        """It has its answer, or its worker is gone: the guard has nothing left to do."""
        if self.guard is not None:
            self.guard.cancel()
            self.guard = None
