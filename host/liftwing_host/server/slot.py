"""One coroutine keeps one slot alive: begin a worker; wait for its end; back off if it lived for nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import DeadlineExceeded
from ..hookspecs import LEG_HOOKS
from .call import Call
from .processes import Processes, describe_status, first_of
from .worker import Worker

if TYPE_CHECKING:
    from .line import Line

__all__ = ["Slot", "back_off"]

log = logging.getLogger("liftwing_host.pool")

FUTILE_LIVES = 3
"""So many workers of a slot in a row that answered nothing make the slot count as broken."""
_BACK_OFF = 0.1
_LONGEST_BACK_OFF = 30.0


class Slot:
    """A place for one worker after another.

    Args:
        role: What the workers are: `"compute"`, `"async"` or `"solo"`.
        number: The slot's number among those of its kind.
        places: How many calls a worker may run at once.
        line: The line that its workers serve.
        processes: What begins and ends the workers.

    Attributes:
        began: Whether a worker has ever said hello.
        broken: Whether workers die here again and again without answering anything.
        problem: Why the last worker could not serve, where it said so.
        hopeless: Set from outside where another worker could do no better.
    """

    def __init__(self, role: str, number: int, places: int, line: Line, processes: Processes) -> None:
        self.role = role
        self.number = number
        self.line = line
        self.began = False
        self.broken = False
        self.problem: str | None = None
        self.hopeless = False
        self._places = places
        self._processes = processes
        self._futile = 0
        self._traceback: str | None = None
        self._last_ends: set[asyncio.Task[None]] = set()

    @property
    def in_order(self) -> bool:
        """Whether it has a worker, or will have one in a moment."""
        return self.began and not self.broken

    async def keep(
        self,
        can_begin: asyncio.Event,
        listen: Callable[[Worker], None],
        on_death: Callable[[Call, Line], None],
        on_change: Callable[[Slot], None],
    ) -> None:
        """Have a worker, for as long as there is hope.

        Args:
            can_begin: Set while workers can be begun.
            listen: Given each new worker, before it says anything.
            on_death: Told of each call that a worker left unanswered.
            on_change: Told when a worker serves, and when the slot turns out to be broken.
        """
        while True:
            await can_begin.wait()
            worker = Worker(self.number, self._places, self.line.has_room, self._overdue)
            listen(worker)
            await self._processes.begin_worker(worker, self.role)
            await first_of(worker.hello, worker.ended)
            self.problem, self._traceback = _start_problem(worker)
            if self.problem is None:
                self.began, self.broken = True, False
                self.line.add(worker)
                on_change(self)
                await worker.ended
                self.line.remove(worker)
            for call in worker.calls.values():
                on_death(call, self.line)
            worker.close()
            self._see_off(worker)
            self._futile = 0 if worker.answers else self._futile + 1
            if self.hopeless:
                self.broken = True
                on_change(self)
                return
            if self._futile >= FUTILE_LIVES:
                self._broken()
                on_change(self)
            await asyncio.sleep(back_off(self._futile - 1))

    def hook_of(self, call: Call) -> str:
        """The hook that works on a call now, as precisely as can be told from here."""
        # An async worker runs many hooks at once; the board has room for one.
        code = self._processes.board[self.number] if self.role != "async" else 0
        running = LEG_HOOKS[code - 1] if code else ""
        return running if running in call.hooks else " or ".join(call.hooks)

    def _overdue(self, worker: Worker, call: Call) -> None:
        """Long after the deadline there is no answer: a stuck hook cannot be cancelled, only ended."""
        hook = self.hook_of(call)
        call.fail(
            DeadlineExceeded(f"The request to {call.model} ran out of time ({call.timeout:g} s) in {hook}.")
        )
        log.error("%s: pid %s hangs in %s of %s; it is killed", self._name, worker.pid, hook, call.model)
        self._processes.kill(worker)

    def _broken(self) -> None:
        self.broken = True
        self.problem = self.problem or "its workers keep dying"
        last_lines = self._traceback or self._processes.stderr.last_lines()
        log.error("%s is broken: %s; its last lines:\n%s", self._name, self.problem, last_lines)

    def _see_off(self, worker: Worker) -> None:
        """See a launched process to its end, beside the beginning of the next one."""
        task = asyncio.get_running_loop().create_task(self._tell_end(worker))
        self._last_ends.add(task)
        task.add_done_callback(self._last_ends.discard)

    async def _tell_end(self, worker: Worker) -> None:
        status = await self._processes.see_off(worker)
        if status:
            log.warning("%s (pid %s) %s", self._name, worker.pid, describe_status(status))

    @property
    def _name(self) -> str:
        return f"{self._processes.name}: {self.role} worker {self.number}"


def back_off(futile: int) -> float:
    """Seconds to wait after so many futile attempts in a row."""
    return min(_LONGEST_BACK_OFF, _BACK_OFF * 2.0 ** (futile - 1)) if futile > 0 else 0.0


def _start_problem(worker: Worker) -> tuple[str | None, str | None]:
    """What kept a worker from serving, and its traceback."""
    if not worker.hello.done():
        return "it died while it started", None
    hello = worker.hello.result()
    return hello.get("error"), hello.get("traceback")
