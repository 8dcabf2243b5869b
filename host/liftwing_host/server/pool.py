"""The processes behind one plugin, as those who send it requests see them: legs run, and somebody runs them.

::

    Pool ─┬─ template          loads the plugin's models, forks the workers (or says that it cannot be forked)
          ├─ line of async     ─── slot: one async worker after another
          └─ line of compute   ─── slots 0..N-1: one compute worker after another in each

One coroutine keeps one slot alive: begin a worker; wait for its end; back off if it lived for nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any

from ..errors import ConfigurationError, DeadlineExceeded, ModelNotReady, WorkerDied
from ..hookspecs import LEG_HOOKS
from ..wire import VERSION, Head
from .call import Answer, Call
from .line import Line
from .processes import Processes, describe_status, first_of
from .served_model import Leg, ServedModel
from .template import Template
from .worker import Worker

__all__ = ["Pool"]

log = logging.getLogger("liftwing_host.pool")

_FUTILE_LIVES = 3
"""So many workers of a slot in a row that answered nothing make the slot count as broken."""
_BACK_OFF = 0.1
_LONGEST_BACK_OFF = 30.0


class Pool:
    """One plugin's template, workers and lines.

    Attributes:
        name: The plugin's distribution.
        models: The models that it serves.
        workers: How many compute workers it has; 0 runs everything in one process.
        processes: The child processes themselves.
    """

    def __init__(
        self,
        name: str,
        models: Sequence[ServedModel],
        workers: int,
        max_concurrency: int,
        processes: Processes,
    ) -> None:
        self.name = name
        self.models = {model.name: model for model in models}
        self.workers = workers
        self.processes = processes
        self.settled = asyncio.Event()
        self._max_concurrency = max_concurrency
        self._lines: dict[str, Line] = {}
        self._slots: list[_Slot] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._can_begin = asyncio.Event()
        self._on_progress: Any = lambda head: None  # noqa: ARG005
        for model in models:
            model.pool = self

    def start(self, on_progress: Any) -> None:
        """Begin to load; `settled` is set when every model either serves or has failed.

        Args:
            on_progress: Told the heads of what the processes say while they load.
        """
        self._on_progress = on_progress
        self._do(self._keep_template() if self.workers else self._keep_solo())

    async def run(self, call: Call, leg: Leg) -> Answer:
        """Run one leg and wait for its answer.

        Raises:
            WorkerDied: The worker died, and the call was not run again, or that one died, too.
            ModelNotReady: No worker can be had.
        """
        self._lines[leg.kind].join(call)
        return await call.answered

    def drop(self, call: Call, leg: Leg) -> None:
        """Nobody wants the call any more: it is not run if it waits, and cancelled if that is possible."""
        self._lines[leg.kind].leave(call)
        if leg.kind == "async" and call.worker is not None:
            call.worker.cancel(call)

    def full_for(self, model: ServedModel, queue_size: int) -> bool:
        """Whether as many of the model's calls wait as may."""
        return any(
            line.waiting(model.name) >= queue_size and not line.room
            for line in (self._lines[leg.kind] for leg in model.legs)
        )

    def serves(self, legs: Sequence[Leg]) -> bool:
        """Whether there are, or in a moment will be, workers for all legs."""
        return all(
            any(slot.in_order for slot in self._slots if self._lines.get(leg.kind) is slot.line)
            for leg in legs
        )

    def live_workers(self) -> list[Worker]:
        """The workers that are there now."""
        return [worker for line in dict.fromkeys(self._lines.values()) for worker in line.workers]

    async def close(self) -> None:
        """Let everything end: the workers see the end of file, run their stop hooks and exit."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        workers = self.live_workers()
        for worker in workers:
            worker.close()
        await self.processes.close()

    # Keeping the template

    async def _keep_template(self) -> None:
        futile = 0
        while True:
            try:
                template = await self.processes.begin_template(self._heard)
                await self._until_ready(template)
                if not self._template_needed():
                    template.close()
                    await self.processes.see_off(template)
                    return
                futile = 0 if template.ready.done() else futile
                await template.ended
            except ConfigurationError as error:
                self._all_failed(str(error))
                return
            self._can_begin.clear()
            status = await self.processes.see_off(template)
            futile += 1
            log.error("%s: the template %s; it is begun again", self.name, describe_status(status or 0))
            if any(model.state == "loading" for model in self.models.values()) and futile >= _FUTILE_LIVES:
                self._all_failed(
                    f"the process that loads it {describe_status(status or 0)} each time; its last lines:\n"
                    f"{self.processes.stderr.last_lines()}"
                )
                return
            await asyncio.sleep(_delay(futile))

    async def _until_ready(self, template: Template) -> None:
        await first_of(template.ready, template.ended)
        if not template.ready.done():
            return
        ready = template.ready.result()
        self._check_version(ready)
        if not any(model.state == "loaded" for model in self.models.values()):
            self.settled.set()
            return
        self.processes.fork_refused = ready["fork_refused"]
        if ready["fork_refused"]:
            log.warning("%s: each worker loads for itself: %s", self.name, ready["fork_refused"])
        self._can_begin.set()
        if not self._slots:
            self._begin_slots()

    def _template_needed(self) -> bool:
        """A template that has nothing to fork would only hold memory."""
        loading = any(model.state == "loading" for model in self.models.values())
        loaded = any(model.state == "loaded" for model in self.models.values())
        return loading or (loaded and self.processes.fork_refused is None)

    def _begin_slots(self) -> None:
        kinds = {leg.kind for model in self.models.values() for leg in model.legs}
        if "async" in kinds:
            self._add_slots("async", "async", 1, places=self._max_concurrency)
        if "compute" in kinds:
            self._add_slots("compute", "compute", self.workers, places=1)

    async def _keep_solo(self) -> None:
        await self.processes.stderr.open()
        self._can_begin.set()
        self._add_slots("async", "solo", 1, places=self._max_concurrency)
        self._lines["compute"] = self._lines["async"]

    def _add_slots(self, kind: str, role: str, count: int, *, places: int) -> None:
        line = self._lines[kind] = Line()
        for number in range(count):
            slot = _Slot(line, role, number, places)
            self._slots.append(slot)
            self._do(self._keep_slot(slot))

    def _check_version(self, head: Head) -> None:
        if head["version"] != VERSION:
            raise ConfigurationError(
                f"{self.name}: its interpreter holds a liftwing-host that speaks version {head['version']} of "
                f"the protocol; this one speaks {VERSION}. Install the same version in both."
            )

    # Keeping the workers

    async def _keep_slot(self, slot: _Slot) -> None:
        while True:
            await self._can_begin.wait()
            worker = Worker(slot.number, slot.places, slot.line.has_room, self._overdue)
            worker.on_loading = self._heard
            await self.processes.begin_worker(worker, slot.role)
            await first_of(worker.hello, worker.ended)
            slot.problem = _start_problem(worker)
            if slot.problem is None:
                slot.began, slot.broken = True, False
                slot.line.add(worker)
                self._settle()
                await worker.ended
                slot.line.remove(worker)
            self._rescue_calls(worker, slot)
            worker.close()
            self._do(self._see_off(worker, slot))
            if all(model.state == "failed" for model in self.models.values()):
                self.settled.set()
                return
            slot.futile = 0 if worker.answers else slot.futile + 1
            if slot.futile >= _FUTILE_LIVES:
                self._broken(slot)
            await asyncio.sleep(_delay(slot.futile - 1))

    async def _see_off(self, worker: Worker, slot: _Slot) -> None:
        status = await self.processes.see_off(worker)
        if status:
            log.warning(
                "%s: %s worker %d (pid %s) %s",
                self.name, slot.role, slot.number, worker.pid, describe_status(status),
            )  # fmt: skip

    def _rescue_calls(self, worker: Worker, slot: _Slot) -> None:
        """What a dead worker ran is run once more, before all that waits; what has killed two is not."""
        for call in worker.calls.values():
            call.deaths += 1
            call.worker = None
            if call.answered.done():
                continue
            if call.deaths == 1 and self.models[call.model].idempotent:
                slot.line.join(call, first=True)
            else:
                times = "twice" if call.deaths > 1 else "(it is not run again: the model is not idempotent)"
                call.fail(WorkerDied(f"The process that ran {call.model} died {times} on this request."))

    def _overdue(self, worker: Worker, call: Call) -> None:
        """The worker has not answered, long after the call's deadline: a stuck hook cannot be cancelled, only ended."""
        hook = self.hook_of(call)
        call.fail(DeadlineExceeded(f"The request to {call.model} ran out of time in {hook}."))
        log.error("%s: worker %s hangs in %s of %s; it is killed", self.name, worker.pid, hook, call.model)
        self.processes.kill(worker)

    def hook_of(self, call: Call) -> str:
        """The hook that works on a call now, as precisely as can be told from here."""
        if call.worker is None:
            return "the queue"
        code = self.processes.board[call.worker.number] if call.worker.room == 0 else 0
        running = LEG_HOOKS[code - 1] if code else ""
        return running if running in call.hooks else " or ".join(call.hooks)

    def _broken(self, slot: _Slot) -> None:
        slot.broken = True
        reason = slot.problem or "its workers keep dying"
        log.error(
            "%s: %s %d is broken: %s; its last lines:\n%s",
            self.name, slot.role, slot.number, reason, self.processes.stderr.last_lines(),
        )  # fmt: skip
        if not any(other.in_order for other in self._slots if other.line is slot.line):
            slot.line.give_up(lambda call: ModelNotReady(call.model))
            for model in self.models.values():
                model.problem = reason
        self._settle()

    # What they tell

    def _heard(self, head: Head) -> None:
        if head["kind"] == "loaded":
            self.models[head["model"]].loaded(head)
        self._on_progress(head)

    def _settle(self) -> None:
        """Tell those who wait for the start that it is over, one way or the other."""
        if all(slot.began or slot.broken for slot in self._slots):
            self.settled.set()

    def _all_failed(self, problem: str) -> None:
        for model in self.models.values():
            if model.state == "loading":
                model.loaded({"error": problem, "traceback": None})
        self.settled.set()

    def _do(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.critical("%s: a part of the pool failed", self.name, exc_info=task.exception())


class _Slot:
    """A place for one worker after another."""

    def __init__(self, line: Line, role: str, number: int, places: int) -> None:
        self.line = line
        self.role = role
        self.number = number
        self.places = places
        self.began = False
        self.broken = False
        self.futile = 0
        self.problem: str | None = None

    @property
    def in_order(self) -> bool:
        """Whether it has a worker, or will have one in a moment."""
        return self.began and not self.broken


def _start_problem(worker: Worker) -> str | None:
    if not worker.hello.done():
        return "it died while it started"
    error = worker.hello.result().get("error")
    return str(error) if error else None


def _delay(futile: int) -> float:
    return min(_LONGEST_BACK_OFF, _BACK_OFF * 2.0 ** (futile - 1)) if futile > 0 else 0.0
