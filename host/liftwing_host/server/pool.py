"""The processes behind one plugin, as those who send it requests see them.

::

    Pool ─┬─ template          loads the plugin's models, forks the workers (or says that it cannot be forked)
          ├─ line of async     ─── slot: one async worker after another
          ├─ line of compute   ─── slots 0..N-1: one compute worker after another in each
          ├─ suspects          ─── slots 1..4: an async worker that runs one call at a time, while there are any
          └─ line of remote    ─── the client of the predictor, for transformers
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError, ModelNotReady, WorkerDied
from ..wire import Head
from .call import Call
from .line import Line
from .loading import Loading
from .processes import Processes
from .served_model import Leg, ServedModel
from .settings import PluginSettings
from .slot import Slot
from .suspects import Suspects
from .worker import Worker

if TYPE_CHECKING:
    from .predictor import Predictor

__all__ = ["Pool"]

log = logging.getLogger("liftwing_host.pool")


class Pool:
    """One plugin's template, workers and lines.

    Args:
        name: The plugin's distribution.
        models: The models that it serves.
        settings: How many compute workers it has (0 runs everything in one process), and when they are replaced.
        max_concurrency: How many calls an async worker has under way.
        processes: The child processes themselves.
        predictor: What asks the predictors of those models that are transformers.

    Attributes:
        name: The plugin's distribution.
        idle: Set while no request is under way.
        settled: Set when every model either serves or has failed.
    """

    def __init__(
        self,
        name: str,
        models: Sequence[ServedModel],
        settings: PluginSettings,
        max_concurrency: int,
        processes: Processes,
        predictor: Predictor | None = None,
    ) -> None:
        self.settled = asyncio.Event()
        self.name = name
        self.idle = asyncio.Event()
        self.idle.set()
        self._under_way = 0
        self._models = {model.name: model for model in models}
        assert settings.workers is not None
        self._workers = settings.workers
        self._settings = settings
        self._max_concurrency = max_concurrency
        self._processes = processes
        self._loading = Loading(models, processes, self.settled, self._give_up_hope)
        self._lines: dict[str, Line] = {}
        self._kinds_in_order: set[str] = set()
        self._predictor = predictor
        if predictor is not None:
            self._lines["remote"] = predictor.line
        self._suspects = Suspects(processes, settings, self._keep)
        self._slots: list[Slot] = []
        self._delay = ""
        self._tasks: set[asyncio.Task[None]] = set()
        for model in models:
            model.pool = self

    def start(self, on_progress: Callable[[Head], Any]) -> None:
        """Begin to load.

        Args:
            on_progress: Told what the processes say while they load.
        """
        self._loading.on_progress = on_progress
        if self._workers:
            self._do(self._loading.keep_template(self._begin_slots, self._delayed))
        else:
            self._do(self._keep_solo())

    @property
    def models(self) -> list[ServedModel]:
        """The models that it serves."""
        return list(self._models.values())

    @property
    def begun(self) -> asyncio.Event:
        """Set once a first process has been launched."""
        return self._processes.begun

    @property
    def source_files(self) -> dict[str, int]:
        """The plugin's own files that were imported or could not be, and when each was changed, in nanoseconds."""
        return self._loading.source_files

    def request_begins(self) -> None:
        """One more request is on its way through the legs of one of the models."""
        if not self._under_way:
            self.idle.clear()
        self._under_way += 1

    def request_ends(self) -> None:
        """One less."""
        self._under_way -= 1
        if not self._under_way:
            self.idle.set()

    def run(self, call: Call, leg: Leg) -> None:
        """Run one leg, now or as soon as a process has room. The call is told what came of it."""
        self._lines[leg.kind].join(call)

    def drop(self, call: Call, leg: Leg) -> None:
        """Nobody wants the call any more: it is not run if it waits, and cancelled if that is possible."""
        self._lines[leg.kind].leave(call)
        self._suspects.line.leave(call)
        if call.worker is not None:
            call.worker.watch(call)
            # One that runs everything may have it wait for its one thread.
            if call.worker.role != "compute":
                call.worker.cancel(call)

    def hook_of(self, call: Call) -> str:
        """Where a call is now."""
        return self._processes.hook_of(call)

    def full_for(self, model: ServedModel, legs: Sequence[Leg]) -> bool:
        """Whether as many of the model's calls as may already wait for one of the legs."""
        queue_size = model.settings.queue_size
        assert queue_size is not None  # The host's stands in where the model has none of its own.
        # Loops: asked for every request, and a generator costs more than what it gives here.
        for leg in legs:
            line = self._lines[leg.kind]
            if line.waiting(model.name) >= queue_size and not line.room:
                return True
        return False

    def serves(self, legs: Sequence[Leg]) -> bool:
        """Whether there are, or in a moment will be, workers for all legs."""
        for leg in legs:  # noqa: SIM110 - as above
            if leg.kind not in self._kinds_in_order:
                return False
        return True

    def waiting(self, model: str) -> int:
        """How many requests to a model wait for a process, or for the predictor."""
        return sum(
            line.waiting(model) for line in dict.fromkeys([*self._lines.values(), self._suspects.line])
        )

    @property
    def deaths(self) -> int:
        """How many of its processes have ended otherwise than in good order."""
        return self._processes.deaths

    def live_workers(self) -> list[Worker]:
        """The workers that are there now."""
        lines = dict.fromkeys([*self._lines.values(), self._suspects.line])
        return [worker for line in lines for worker in line.workers]

    async def close(self) -> None:
        """Let everything end: the workers see the end of file, run their stop hooks and exit."""
        for task in self._tasks:
            task.cancel()
        self.settled.set()  # Who waits for it to load, has nothing left to wait for.
        await asyncio.gather(*self._tasks, return_exceptions=True)
        workers = self.live_workers()
        for worker in workers:
            worker.close()
        await self._processes.close(workers)
        if self._predictor is not None:
            await self._predictor.close()

    # Keeping the workers

    def _begin_slots(self) -> None:
        if self._delay:
            self._delay = ""
            log.info("%s: its processes can be begun now", self.name)
        if self._slots:
            return  # They have outlived their template, and get their workers from another one now.
        kinds = {leg.kind for model in self._models.values() for leg in model.legs}
        if "async" in kinds:
            self._add_slots("async", "async", 1, places=self._max_concurrency)
        if "compute" in kinds:
            self._add_slots("compute", "compute", self._workers, places=1)

    async def _keep_solo(self) -> None:
        """With no workers asked for, one process loads and runs everything; it is kept as a worker is."""
        await self._processes.open()
        self._loading.can_begin.set()
        self._add_slots("async", "solo", 1, places=self._max_concurrency)
        self._lines["compute"] = self._lines["async"]

    def _add_slots(self, kind: str, role: str, count: int, *, places: int) -> None:
        line = self._lines[kind] = Line()
        for number in range(count):
            slot = Slot(role, number, places, line, self._processes, self._settings)
            self._slots.append(slot)
            self._keep(slot)

    def _all_slots(self) -> list[Slot]:
        return [*self._slots, *self._suspects.slots]

    def _keep(self, slot: Slot) -> asyncio.Task[None]:
        return self._do(slot.keep(self._loading.can_begin, self._listen, self._rescue, self._changed))

    # What happens to the processes

    def _listen(self, worker: Worker) -> None:
        worker.on_loading = self._loading.heard_of_worker

    def _give_up_hope(self) -> None:
        for slot in self._all_slots():
            slot.hopeless = True

    def _delayed(self, problem: str) -> None:
        """What the processes run on is not there yet. Nobody is to wait for it, and it may come."""
        if problem != self._delay:  # It is told again each time that it has been looked for.
            self._delay = problem
            log.error("%s: %s", self.name, problem)
        for model in self._models.values():
            model.problem = problem
        for slot in [slot for slot in self._all_slots() if not slot.line.workers]:
            slot.broken = True
            self._changed(slot)
        self.settled.set()

    def _rescue(self, call: Call, line: Line) -> None:
        """What a dead worker ran is run once more, before all that waits; what has killed two is not."""
        call.deaths += 1
        hook = self._processes.hook_of(call)
        call.worker = None
        call.disarm()
        if call.done:
            return
        if call.deadline <= asyncio.get_running_loop().time():
            # Its passage has asked the dead one to cancel it, and does not look after it any more.
            call.end(call.too_late(" or ".join(call.hooks)))
            return
        if call.deaths == 1 and self._models[call.model].idempotent:
            # With no workers asked for, none comes beside the one that runs everything.
            if self._workers and line is self._lines.get("async"):
                self._suspects.join(call)
            else:
                line.join(call, first=True)
        else:
            once = "on this request; it was not run again, since the model is not idempotent"
            died = once if call.deaths == 1 else "twice on this request"
            name = call.head["request"]["id"]
            log.error("request %s: the process that ran %s of %s died %s", name, hook, call.model, died)
            call.end(WorkerDied(f"The process that ran {call.model} died {died}."))

    def _changed(self, slot: Slot) -> None:
        """A slot has a worker, or is broken: who waits for the start, or in the line, may have to be told."""
        slots = self._all_slots()
        in_order = {id(other.line) for other in slots if other.in_order}
        # Whether its predictor is there, each answer tells: a transformer is ready without.
        self._kinds_in_order = {kind for kind, line in self._lines.items() if id(line) in in_order} | {
            "remote"
        }
        if slot.broken and not any(other.in_order for other in slots if other.line is slot.line):
            slot.line.give_up(lambda call: ModelNotReady(call.model))
            for model in self._models.values():
                model.problem = model.problem or slot.problem
        if all(slot.began or slot.broken for slot in slots):
            self.settled.set()

    def _do(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or task.exception() is None:
            return
        error = task.exception()
        if isinstance(error, ConfigurationError):
            self._loading.fail(error.message)
        else:
            log.critical("%s: a part of the pool failed", self.name, exc_info=error)
