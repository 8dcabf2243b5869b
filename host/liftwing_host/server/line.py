"""The processes of one kind in a pool, and the calls that wait for one of them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

from ..errors import LiftwingError
from .call import Call, Runner
from .worker import Worker

__all__ = ["Line"]

_AHEAD = 4
"""How many calls may lie ahead of a worker; and after how many answers of each of the others they are taken back."""


class Line:
    """First come, first served, by whichever process has room at that moment.

    So nothing waits while a process idles, and a heavy call holds up only the process that runs it. Where more wait than
    there are workers, some lie ahead of a busy one (`Ahead`), so that it goes on with them by itself where its legs are light;
    they are taken back when another falls free and nothing else waits, or when it is held up.

    Attributes:
        workers: The processes that serve.
    """

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self._with_room: list[Runner] = []
        self._waiting: deque[Call] = deque()
        # What lies ahead of a worker waits, too.
        self._waiting_of: Counter[str] = Counter()
        self._turn = 0

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
        if call.ahead_of is not None:
            self._bring_back(call.ahead_of)
        if call.worker is None and call in self._waiting:
            self._waiting.remove(call)
            self._waiting_of[call.model] -= 1

    def has_room(self, worker: Runner) -> None:
        """A process has become able to take calls: a new one, or one that has answered."""
        room = worker.room
        if room > 0:
            self._bring_back_for(worker)
        while room > 0 and self._waiting:
            worker.give(self._next_batch() if worker.role == "compute" else [self._next()])
            room = worker.room
        if room > 0:
            if worker not in self._with_room:
                self._with_room.append(worker)
        elif isinstance(worker, Worker) and worker.ahead is not None and not worker.retired:
            self._go_ahead(worker)

    def begun(self, call: Call) -> None:
        """A call that lay ahead of a process does not wait any more."""
        self._waiting_of[call.model] -= 1

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
        self._bring_back(worker)
        # Others may have had nothing to do.
        while self._waiting and self._with_room:
            self.has_room(self._with_room.pop())

    def _go_ahead(self, worker: Worker) -> None:
        """Let a busy worker have calls to go on with, where many wait."""
        self._turn = worker.turn = self._turn + 1
        share = min(_AHEAD, len(self._waiting) // len(self.workers)) if worker.quick else 0
        assert worker.ahead is not None
        while len(worker.ahead) < share:
            call = self._waiting[0]
            # A batch is made of what waits when a worker falls free.
            if call.batch_size > 1 or not worker.give_ahead(call):
                break
            self._waiting.popleft()
        # One that is held up by a heavy call keeps those ahead of it from being run elsewhere. Looked at in passing: at
        # one worker each time.
        other = self.workers[self._turn % len(self.workers)]
        if other.ahead and self._turn - other.turn > _AHEAD * len(self.workers):
            self._bring_back(other)

    def _bring_back_for(self, worker: Runner) -> None:
        """Nothing stays ahead of a worker that has read all it was sent; nor of any, while another has nothing to do."""
        if isinstance(worker, Worker) and worker.ahead:
            self._bring_back(worker)
        for other in self.workers:
            if self._waiting:
                break
            if other.ahead:
                self._bring_back(other)

    def _bring_back(self, worker: Worker) -> None:
        self._waiting.extendleft(reversed(worker.take_back()))

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
