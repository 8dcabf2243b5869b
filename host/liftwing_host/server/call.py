"""One leg of one request, from the moment it may run until its answer."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .worker import Worker

__all__ = ["Answer", "Call"]

_ids = itertools.count(1)


@dataclass(frozen=True)
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


class Call:
    """A leg that waits, runs, or is answered.

    Attributes:
        model: The name of the model.
        head: The head of the message to the worker.
        body: Its body.
        hooks: The hooks of the leg.
        answered: The answer, or the error that stands for it.
        worker: The process that runs it, once one does.
        deaths: How many workers died running it.
        deadline: The moment, on the event loop's clock, at which the request's time is over.
        timeout: How many seconds the request had in all.
        guard: What ends the worker if it has not answered long after that.
    """

    __slots__ = (
        "answered",
        "body",
        "deadline",
        "deaths",
        "guard",
        "head",
        "hooks",
        "id",
        "model",
        "timeout",
        "worker",
    )

    def __init__(
        self,
        head: dict[str, Any],
        body: bytes | bytearray,
        hooks: tuple[str, ...],
        deadline: float,
        timeout: float,
    ) -> None:
        self.id = next(_ids)
        self.model: str = head["model"]
        self.head = head | {"kind": "call", "id": self.id}
        self.body = body
        self.hooks = hooks
        self.answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.worker: Worker | None = None
        self.deaths = 0
        self.deadline = deadline
        self.timeout = timeout
        self.guard: asyncio.TimerHandle | None = None

    def fail(self, error: Exception) -> None:
        """Let it end with an error, if it has not ended yet."""
        if not self.answered.done():
            self.answered.set_exception(error)

    def disarm(self) -> None:
        """It has its answer, or its worker is gone: the guard has nothing left to do."""
        if self.guard is not None:
            self.guard.cancel()
            self.guard = None
