"""The processes of one kind in a pool, and the calls that wait for one of them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

from ..errors import LiftwingError
from .call import Call, Runner
from .worker import Worker

__all__ = ["Line"]


class Line:
    """First come, first served, by whichever process has room at that moment.

    So nothing waits while a process idles, and a heavy call holds up only the process that runs it.

    Attributes:
        workers: The processes that serve.
    """

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self._with_room: list[Runner] = []
        self._waiting: deque[Call] = deque()
        self._waiting_of: Counter[str] = Counter()

    @property
    def room(self) -> bool:
        """Whether a call could be run at once."""
        return any(worker.room > 0 for worker in self._with_room)

    def waiting(self, model: str) -> int:
        """How many calls of a model wait."""
        return self._waiting_of[model]

    def join(self, call: Call, *, first: bool = False) -> None:
        """Run a call now or as soon as a process has room; `first` puts it before those that wait."""
        while self._with_room:
            worker = self._with_room[-1]
            if worker.room > 0:
                worker.give([call])
            if worker.room <= 0:
                self._with_room.pop()
            if call.worker is worker:
                return
        self._waiting_of[call.model] += 1
        if first:
            self._waiting.appendleft(call)
        else:
            self._waiting.append(call)

    def leave(self, call: Call) -> None:
        """Nobody wants a call any more: if it waits, it will not be run."""
        if call.worker is None and call in self._waiting:
            self._waiting.remove(call)
            self._waiting_of[call.model] -= 1

    def has_room(self, worker: Runner) -> None:
        """A process has become able to take calls: a new one, or one that has answered."""
        room = worker.room
        while room > 0 and self._waiting:
            worker.give(self._next_batch() if worker.role == "compute" else [self._next()])
            room = worker.room
        if room > 0 and worker not in self._with_room:
            self._with_room.append(worker)

    def add(self, worker: Worker) -> None:
        """A process that has said hello."""
        self.workers.append(worker)
        self.has_room(worker)

    def remove(self, worker: Worker) -> None:
        """A process that has died, or gets no more calls."""
        if worker in self.workers:
            self.workers.remove(worker)
        if worker in self._with_room:
            self._with_room.remove(worker)

    def give_up(self, reason: Callable[[Call], LiftwingError]) -> None:
        """Let everything that waits end with an error."""
        while self._waiting:
            call = self._next()
            call.end(reason(call))

    def _next(self) -> Call:
        call = self._waiting.popleft()
        self._waiting_of[call.model] -= 1
        return call

    def _next_batch(self) -> list[Call]:
        """The call at the head of the line, and what waits behind it that can be run with it."""
        first = self._next()
        batch = [first]
        # What has already cost a worker its life runs alone, so as not to take others with it.
        if first.batch_size > 1 and not first.deaths:
            batch += [call for call in self._waiting if call.goes_with(first)][: first.batch_size - 1]
            for call in batch[1:]:
                self._waiting.remove(call)
                self._waiting_of[call.model] -= 1
        return batch
