"""One coroutine keeps a plugin's template alive, and what it tells of its loading becomes the state of the models.

A model that has never been loaded fails for good the first time. One that has been loaded stays so: a later failure is that
of one process, or of what it found, and another is begun in its place.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import ConfigurationError
from ..wire import VERSION, Head
from . import patience
from .launch import version_problem
from .patience import patiently
from .processes import Processes, describe_status, first_of
from .served_model import ServedModel
from .slot import FUTILE_LIVES, back_off
from .template import Template
from .worker import Worker

__all__ = ["Loading"]

log = logging.getLogger("liftwing_host.pool")

_PROTOCOL = "the protocol"
"""What a template can lack beside models, whose names have no spaces."""


class Loading:
    """How the loading of one plugin's models stands.

    Args:
        models: The models.
        processes: What begins and ends the template.
        settled: Set where there is no worker to wait for, since nothing that it could serve has been loaded.
        on_hopeless: Told when no worker could serve any of the models.

    Attributes:
        source_files: The plugin's own files that were imported, or could not be, and when each was last changed
            (in nanoseconds) when it was read.
        can_begin: Set while workers can be begun.
        on_progress: Told what the processes say while they load.
    """

    def __init__(
        self,
        models: Sequence[ServedModel],
        processes: Processes,
        settled: asyncio.Event,
        on_hopeless: Callable[[], None],
    ) -> None:
        self.source_files: dict[str, int] = {}
        self.can_begin = asyncio.Event()
        self.on_progress: Callable[[Head], Any] = lambda _: None
        self._models = {model.name: model for model in models}
        self._processes = processes
        self._settled = settled
        self._on_hopeless = on_hopeless
        # The model that the template is loading now.
        self._now: str | None = None
        # Those that some process has loaded; and of them what the last template could not load, and why.
        self._have_loaded: set[str] = set()
        self._lacking: dict[str, str] = {}
        # Whether there has ever been a template that could be of use.
        self._was_ready = False
        # The last such failure that the log has, by model.
        self._told: dict[str, str] = {}

    async def keep_template(self, on_loaded: Callable[[], None], on_delay: Callable[[str], None]) -> None:
        """Have a template for as long as it has something to load, or workers to fork.

        Args:
            on_loaded: Told each time when workers can be begun.
            on_delay: Told why it may take long until workers can be begun.

        Raises:
            ConfigurationError: No template could ever be begun.
        """
        futile = 0
        while True:
            futile += 1
            self._lacking = {}
            try:
                template = await self._processes.begin_template(self.heard, on_delay)
            except (ConfigurationError, OSError) as error:
                if isinstance(error, ConfigurationError) and not self._any_has_loaded:
                    raise
                # As in a slot: it may be possible later.
                problem = f"no template can be begun: {error}"
                log.error("%s: %s", self._processes.name, problem)
            else:
                await patiently(first_of(template.ready, template.ended), lambda s: self._late(s, on_delay))
                ready = self._ready(template)
                if ready is not None:
                    futile = 1
                    if not self._is_of_use(ready, on_loaded):
                        await self._end(template)
                        return
                    await template.ended
                self.can_begin.clear()
                status = await self._end(template)
                problem = self._tell_end(status)
                if futile >= FUTILE_LIVES and self._some_are_loading and _PROTOCOL not in self._lacking:
                    if not self._leave_out(status):
                        return
                    futile = 0
            if futile >= FUTILE_LIVES and self._any_has_loaded:
                on_delay(f"no worker can be begun: {problem}")
            await asyncio.sleep(back_off(futile))

    def _ready(self, template: Template) -> Head | None:
        """What a template said when it was ready, unless there is something that it lacks."""
        if not template.ready.done():
            return None
        ready = template.ready.result()
        self._check_version(ready["version"])
        return None if self._lacking else ready

    def _late(self, seconds: float, on_delay: Callable[[str], None]) -> None:
        if not self._was_ready:
            return  # Who waits for the first one, tells so.
        log.warning("%s: the template is still loading, after %.0f s", self._processes.name, seconds)
        if seconds >= patience.LATE_AFTER:
            on_delay("no worker can be begun: the template hangs while it loads")

    async def _end(self, template: Template) -> str:
        """See it to its end; how it ended, in words."""
        template.close()
        return describe_status(await self._processes.see_off(template) or 0)

    def _tell_end(self, status: str) -> str:
        """What is wrong with a template that is gone; what it could not load has been told."""
        if self._lacking:
            return "; ".join(self._lacking.values())
        problem = f"the template {status}; it is begun again"
        log.error("%s: %s", self._processes.name, problem)
        return problem

    def heard(self, head: Head) -> None:
        """Take over what the template tells of its loading."""
        self._now = head["model"] if head["kind"] == "loading" else None
        problem = self._take_over(head)
        if problem is not None:
            self._lacking[head["model"]] = problem

    def heard_of_worker(self, worker: Worker, head: Head) -> None:
        """A worker that loads for itself: what one could not load first, none is asked for, even if another could."""
        if head["kind"] == "ready":
            # It speaks another version of the protocol.
            if self._any_has_loaded:
                worker.unfit = version_problem(head["version"]), None
                return
            self.fail(version_problem(head["version"]))
            self._on_hopeless()
            return
        if self._models[head["model"]].state == "failed":
            return
        problem = self._take_over(head)
        if problem is not None:
            # It would serve the others, and not know this one.
            worker.unfit = problem, head["traceback"]

    def _take_over(self, head: Head) -> str | None:
        """Let what a process tells become the state of a model; or else what it could not do that another has done."""
        problem = None
        if head["kind"] == "loaded":
            self.source_files = head.get("files", {}) | self.source_files
            name = head["model"]
            if "error" in head and name in self._have_loaded:
                problem = self._not_again(head)
            else:
                self._models[name].loaded(head)
                self._told.pop(name, None)
                if "error" in head:
                    self._processes.leave_out(name)
                elif not head.get("only_opened"):
                    self._have_loaded.add(name)
            if self._all_have_failed:
                self._on_hopeless()
        self.on_progress(head)
        return problem

    def _not_again(self, head: Head) -> str:
        name = head["model"]
        problem = f"{name} could not be loaded again: {head['error']}"
        if problem != self._told.get(name):  # It may be tried again for days.
            self._told[name] = problem
            trace = f"\n{head['traceback'].rstrip()}" if head["traceback"] else ""
            log.error("%s: %s%s", self._processes.name, problem, trace)
        return problem

    def fail(self, problem: str) -> None:
        """Quarantine every model that has not been loaded."""
        for model in self._models.values():
            if model.state == "loading":
                model.loaded({"error": problem, "traceback": None})
        self._settled.set()

    def _check_version(self, version: int) -> None:
        """A template's workers must be understood; its environment may have got another liftwing-host meanwhile."""
        if version == VERSION:
            self._told.pop(_PROTOCOL, None)
            return
        problem = version_problem(version)
        if not self._any_has_loaded:
            self.fail(problem)
            return
        self._lacking[_PROTOCOL] = problem
        if problem != self._told.get(_PROTOCOL):
            self._told[_PROTOCOL] = problem
            log.error("%s: %s", self._processes.name, problem)

    def _is_of_use(self, ready: Head, on_loaded: Callable[[], None]) -> bool:
        """Let workers begin. A template that has nothing to fork would only hold memory."""
        if not self._any_has_loaded:
            self._settled.set()
            return False
        refusal = self._processes.fork_refused = ready["fork_refused"]
        if refusal:
            log.warning("%s: each worker loads for itself: %s", self._processes.name, refusal)
        self._was_ready = True
        self.can_begin.set()
        on_loaded()
        return refusal is None

    def _leave_out(self, status: str) -> bool:
        """Quarantine the model whose loading ends the template; whether others are left to be loaded without it."""
        last_lines = self._processes.stderr.last_lines()
        told = f"its last lines:\n{last_lines}" if last_lines else "it printed nothing"
        problem = f"the process that loads it {status} each time; {told}"
        if self._now is None:
            self.fail(problem)
            return False
        self._models[self._now].loaded({"error": problem, "traceback": None})
        self._processes.leave_out(self._now)
        self._now = None
        if self._all_have_failed:
            self._settled.set()
            return False
        return True

    @property
    def _some_are_loading(self) -> bool:
        return any(model.state == "loading" for model in self._models.values())

    @property
    def _any_has_loaded(self) -> bool:
        return any(model.state == "loaded" for model in self._models.values())

    @property
    def _all_have_failed(self) -> bool:
        return all(model.state == "failed" for model in self._models.values())
