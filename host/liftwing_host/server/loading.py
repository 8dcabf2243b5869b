"""One coroutine keeps a plugin's template alive, and what it tells of its loading becomes the state of the models."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import ConfigurationError
from ..wire import VERSION, Head
from .launch import version_problem
from .processes import Processes, describe_status, first_of
from .served_model import ServedModel
from .slot import FUTILE_LIVES, back_off

__all__ = ["Loading"]

log = logging.getLogger("liftwing_host.pool")


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

    async def keep_template(self, on_loaded: Callable[[], None], on_delay: Callable[[str], None]) -> None:
        """Have a template for as long as it has something to load, or workers to fork.

        Args:
            on_loaded: Told each time when workers can be begun.
            on_delay: Told why it may take long until it can load.

        Raises:
            ConfigurationError: No template could ever be begun.
        """
        futile = 0
        while True:
            try:
                template = await self._processes.begin_template(self.heard, on_delay)
            except (ConfigurationError, OSError) as error:
                if isinstance(error, ConfigurationError) and not self._any_has_loaded:
                    raise
                # As in a slot: it may be possible later.
                futile += 1
                log.error("%s: no template can be begun: %s", self._processes.name, error)
                await asyncio.sleep(back_off(futile))
                continue
            await first_of(template.ready, template.ended)
            if template.ready.done():
                futile = 0
                if not self._is_of_use(template.ready.result(), on_loaded):
                    template.close()
                    await self._processes.see_off(template)
                    return
                await template.ended
            self.can_begin.clear()
            status = describe_status(await self._processes.see_off(template) or 0)
            futile += 1
            log.error("%s: the template %s; it is begun again", self._processes.name, status)
            if futile >= FUTILE_LIVES and any(model.state == "loading" for model in self._models.values()):
                last_lines = self._processes.stderr.last_lines()
                told = f"its last lines:\n{last_lines}" if last_lines else "it printed nothing"
                problem = f"the process that loads it {status} each time; {told}"
                if not self._leave_out(problem):
                    return
                futile = 0
            await asyncio.sleep(back_off(futile))

    def heard(self, head: Head) -> None:
        """Take over what a process tells of its loading."""
        self._now = head["model"] if head["kind"] == "loading" else None
        if head["kind"] == "loaded":
            self.source_files = head.get("files", {}) | self.source_files
            self._models[head["model"]].loaded(head)
            if self._all_have_failed:
                self._on_hopeless()
        self.on_progress(head)

    def heard_of_worker(self, head: Head) -> None:
        """A worker that loads for itself: what one could not load, none is asked for, even if another could."""
        if head["kind"] == "ready":
            self.fail(version_problem(head["version"]))
            self._on_hopeless()
            return
        if self._models[head["model"]].state != "failed":
            self.heard(head)

    def fail(self, problem: str) -> None:
        """Quarantine every model that has not been loaded."""
        for model in self._models.values():
            if model.state == "loading":
                model.loaded({"error": problem, "traceback": None})
        self._settled.set()

    def _is_of_use(self, ready: Head, on_loaded: Callable[[], None]) -> bool:
        """Let workers begin. A template that has nothing to fork would only hold memory."""
        if ready["version"] != VERSION:
            self.fail(version_problem(ready["version"]))
        if not self._any_has_loaded:
            self._settled.set()
            return False
        refusal = self._processes.fork_refused = ready["fork_refused"]
        if refusal:
            log.warning("%s: each worker loads for itself: %s", self._processes.name, refusal)
        self.can_begin.set()
        on_loaded()
        return refusal is None

    def _leave_out(self, problem: str) -> bool:
        """Quarantine the model whose loading ends the template; whether others are left to be loaded without it."""
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
    def _any_has_loaded(self) -> bool:
        return any(model.state == "loaded" for model in self._models.values())

    @property
    def _all_have_failed(self) -> bool:
        return all(model.state == "failed" for model in self._models.values())
