"""One coroutine keeps one slot alive: begin a worker; wait for its end; back off if it lived for nothing."""

from __future__ import annotations

import asyncio
import functools
import logging
import random
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from . import patience
from .call import Call
from .patience import patiently
from .processes import Processes, describe_status, first_of
from .worker import KILL_AFTER, Worker

if TYPE_CHECKING:
    from .line import Line
    from .settings import PluginSettings

__all__ = ["Slot", "back_off"]

log = logging.getLogger("liftwing_host.pool")

FUTILE_LIVES = 3
"""So many workers of a slot in a row that answered nothing make the slot count as broken."""
_BACK_OFF = 0.1
_LONGEST_BACK_OFF = 30.0
_WEIGH_EVERY = 1.0
_HANGS = "it hangs while it starts"


class Slot:
    """A place for one worker after another.

    Args:
        role: What the workers are: `"compute"`, `"async"` or `"solo"`.
        number: The slot's number among those of its kind.
        places: How many calls a worker may run at once.
        line: The line that its workers serve.
        processes: What begins and ends the workers.
        limits: After how many answers, or from which size on, a worker is replaced.
        until_idle: Whether the slot is needed only until nothing waits for it any more.

    Attributes:
        began: Whether a worker has ever said hello.
        broken: Whether workers die here again and again without answering anything.
        problem: Why the last worker could not serve, where it said so.
        hopeless: Set from outside where another worker could do no better.
    """

    def __init__(
        self,
        role: str,
        number: int,
        places: int,
        line: Line,
        processes: Processes,
        limits: PluginSettings,
        *,
        until_idle: bool = False,
    ) -> None:
        self.role = role
        self.number = number
        self.line = line
        self.began = False
        self.broken = False
        self.problem: str | None = None
        self.hopeless = False
        self._places = places
        self._processes = processes
        self._limits = limits
        self._until_idle = until_idle
        self._futile = 0
        self._traceback: str | None = None
        self._told = ""
        self._asides: set[asyncio.Task[None]] = set()

    @property
    def in_order(self) -> bool:
        """Whether its line has a worker, or will have one of this slot in a moment."""
        # One that is worn serves on, for however long its successor cannot be begun.
        return bool(self.line.workers) or (self.began and not self.broken)

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
            on_change: Told when a worker serves, when the slot turns out to be broken, and when a worn worker is gone.
        """
        # Set once another worker serves in the place of one that is worn.
        succeeded: asyncio.Future[None] | None = None
        while True:
            await can_begin.wait()
            number = self._processes.next_number()
            worker = Worker(self.role, self.number, number, self._places, self.line, self._overdue)
            listen(worker)
            await self._begin(worker)
            tell = functools.partial(self._hangs, worker, on_change)
            await patiently(first_of(worker.hello, worker.ended), tell)
            self.problem, self._traceback = _start_problem(worker)
            if self.problem is None:
                if self.broken:
                    log.info("%s is in order again", self._name)
                self.began, self.broken, self._told = True, False, ""
                self._weigh(worker)
                self.line.add(worker)
                on_change(self)
                # The one before goes only now, so that there is never one less than there should be.
                if succeeded is not None:
                    succeeded.set_result(None)
                    succeeded = None
                if self._until_idle and await _idle_before_death(worker):
                    self._died(worker, on_death)
                    return
                await first_of(worker.ended, worker.worn)
                if not worker.ended.done():
                    log.info("%s (pid %s) is replaced: %s", self._name, worker.pid, worker.worn.result())
                    succeeded = asyncio.get_running_loop().create_future()
                    self._aside(self._retire(worker, succeeded, on_death, on_change))
                    continue
            self._died(worker, on_death)
            if self.hopeless:
                self.broken = True
                on_change(self)
                return
            self._futile = 0 if worker.answers else self._futile + 1
            if self._futile >= FUTILE_LIVES:
                self._broken()
                on_change(self)
            await asyncio.sleep(back_off(self._futile - 1))

    async def _begin(self, worker: Worker) -> None:
        """Begin it; where that is not possible now, it counts as one that has died.

        Raises:
            ConfigurationError: It was never possible.
        """
        try:
            await self._processes.begin_worker(worker)
        except (ConfigurationError, OSError) as error:
            if isinstance(error, ConfigurationError) and not self.began:
                raise
            # Such as without a file descriptor left, or while its environment is made anew.
            log.error("%s cannot be begun: %s", self._name, error)
            worker.ended.set_result(None)

    def _hangs(self, worker: Worker, on_change: Callable[[Slot], None], seconds: float) -> None:
        """It has not said hello for so long: what it does when it starts may hang, or only take its time."""
        log.warning("%s has not started yet, after %.0f s", self._name, seconds)
        # What it has to load may take for ever; nothing else may.
        stuck = seconds >= patience.STUCK_AFTER and not worker.loads_itself
        if stuck:
            worker.unfit = _HANGS, None
            self._processes.kill(worker)
            # Whatever becomes of that: its template may hang as well.
            worker.abort()
        # Before there has ever been a worker, everybody knows that there is none.
        if stuck or (self.began and seconds >= patience.LATE_AFTER):
            self.problem, self._traceback = _HANGS, None
            self._broken()
            on_change(self)

    def _weigh(self, worker: Worker) -> None:
        """Have it replaced when it has answered enough, or has grown too large."""
        if self._limits.max_requests is not None:
            # Workers that began together must not all be replaced at once.
            worker.wear_after(round(self._limits.max_requests * random.uniform(0.9, 1.1)) or 1)  # noqa: S311
        if self._limits.max_rss is not None:
            self._aside(self._watch_size(worker, self._limits.max_rss))

    async def _watch_size(self, worker: Worker, max_rss: int) -> None:
        while not worker.ended.done() and not worker.worn.done():
            # First wait: where the limit is less than any worker needs, one is replaced now and then, not always.
            await asyncio.sleep(_WEIGH_EVERY)
            size = worker.resident_bytes()
            if size > max_rss:
                worker.wear(f"it holds {size} bytes")

    async def _retire(
        self,
        worker: Worker,
        succeeded: asyncio.Future[None],
        on_death: Callable[[Call, Line], None],
        on_change: Callable[[Slot], None],
    ) -> None:
        """Give it no more calls once it has a successor; let it go when it has answered those that it has."""
        await first_of(succeeded, worker.ended)
        self.line.remove(worker)
        worker.retired = True
        idle = worker.until_idle()
        await first_of(idle, worker.ended)
        idle.cancel()
        self._died(worker, on_death)
        # Where it has died without a successor, it may have been the last of its line.
        on_change(self)

    def _died(self, worker: Worker, on_death: Callable[[Call, Line], None]) -> None:
        self.line.remove(worker)
        for call in worker.calls.values():
            on_death(call, self.line)
        # It reads no body any more, and may be kept by others for longer than their places should be.
        worker.calls.clear()
        worker.close()
        self._aside(self._tell_end(worker))

    def _overdue(self, worker: Worker, call: Call) -> None:
        """Long after the deadline there is no answer: a stuck hook cannot be cancelled, only ended."""
        hook = self._processes.hook_of(call)
        loop = asyncio.get_running_loop()
        if loop.time() < call.operators_deadline:
            # The client has given up. That does not mean that the hook hangs, and others may share the process.
            call.guard = loop.call_at(call.operators_deadline + KILL_AFTER, self._overdue, worker, call)
            call.end(call.too_late(hook))
            return
        log.error("%s: pid %s hangs in %s of %s; it is killed", self._name, worker.pid, hook, call.model)
        # Before the client is told: its next request is for another worker.
        worker.retired = True
        self.line.remove(worker)
        self._processes.kill(worker)
        call.end(call.too_late(hook))

    def _broken(self) -> None:
        self.broken = True
        self.problem = self.problem or "its workers keep dying"
        last_lines = self._traceback or self._processes.stderr.last_lines()
        lines = f"its last lines:\n{last_lines}" if last_lines else "it printed nothing"
        told = f"{self.problem}; {lines}"
        if told != self._told:  # It may be tried again for days.
            self._told = told
            log.error("%s is broken: %s", self._name, told)

    def _aside(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Do something beside the beginning of the next worker."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)

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
    if worker.unfit is not None:
        return worker.unfit
    if not worker.hello.done():
        return "it died while it started", None
    hello = worker.hello.result()
    return hello.get("error"), hello.get("traceback")


async def _idle_before_death(worker: Worker) -> bool:
    """Wait until the worker runs nothing and nothing waits for it, or it dies; whether it is the former."""
    while not worker.ended.done():
        idle = worker.until_idle()
        await first_of(idle, worker.ended)
        idle.cancel()
        # It may have been given the next call since.
        if not worker.calls and not worker.ended.done():
            return True
    return False
