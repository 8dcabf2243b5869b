"""Replacing what serves, as a whole and without a pause: the new pools load beside the old ones, then take over.

Asked for by SIGHUP (new configuration, new model file, new version of a plugin) or, with `--reload`, by a change
of the plugins' source files.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from ..errors import ConfigurationError
from .discovery import Catalogue
from .host import Host
from .patience import patiently
from .pool import Pool
from .processes import first_of
from .served_model import ServedModel
from .settings import Settings

__all__ = ["Configured", "Reloader", "watch_files"]

log = logging.getLogger("liftwing_host.reload")

Configured = tuple[Settings, Catalogue]

_LOOK_EVERY = 0.5
_READY = 2


class Reloader:
    """Puts new pools into the place of those that serve.

    Args:
        host: What serves.
        read: Reads configuration and metadata anew.
        assemble: Gives the pools that follow from them, which have not begun.
    """

    def __init__(
        self, host: Host, read: Callable[[], Configured], assemble: Callable[[Configured], list[Pool]]
    ) -> None:
        self._host = host
        self._read = read
        self._assemble = assemble
        # Two at a time would have three sets of processes in memory; and the one that takes longer would come out on top.
        self._one_at_a_time = asyncio.Lock()
        # The reloads have numbers: of the last one that was asked for, and of the last of which all could be read.
        self._asked = 0
        self._newest = 0
        self._newer = asyncio.Event()

    async def reload(self) -> None:
        """Load everything anew. What does not load leaves the old one in its place, and the log says why.

        One that is still loading is given up for a newer one, once that knows what to load: it may hang, and what it loads is
        out of date.
        """
        self._asked += 1
        number = self._asked
        try:
            # In a thread: files are read, and other interpreters asked, while requests go on.
            fresh = self._assemble(await asyncio.to_thread(self._read))
        except ConfigurationError as error:
            log.error("nothing was reloaded: %s", error.message)
            return
        except Exception:
            log.exception("nothing was reloaded")
            return
        if number > self._newest:
            self._newest = number
            self._newer.set()
        async with self._one_at_a_time:
            if number == self._newest:
                self._newer.clear()
                log.info("reloading %s", ", ".join(pool.name for pool in fresh))
                await asyncio.gather(*(self._replace(pool) for pool in fresh))
            else:
                await asyncio.gather(*(pool.close() for pool in fresh))

    async def _replace(self, fresh: Pool) -> None:
        def tell(seconds: float) -> None:
            waits = ", ".join(model.name for model in fresh.models if not model.ready)
            log.warning("%s: its reload still waits for %s, after %.0f s", fresh.name, waits, seconds)

        fresh.start(_ignore)
        waits = [asyncio.ensure_future(event.wait()) for event in (fresh.settled, self._newer)]
        await patiently(first_of(*waits), tell)
        for waiting in waits:
            waiting.cancel()
        if not fresh.settled.is_set():
            log.info("%s: its reload is given up for a newer one", fresh.name)
            await fresh.close()
            return
        worse = [model for model in fresh.models if _standing(model) < self._standing_before(model)]
        if worse:
            log.error("%s was not reloaded, what was there serves on: %s", fresh.name, _reasons(worse))
            # Which of them is to be mended may not have been there before.
            self._host.unloaded_files[fresh.name] = fresh.source_files
            await fresh.close()
            return
        old = next((pool for pool in self._host.pools if pool.name == fresh.name), None)
        self._host.put(fresh)
        log.info("%s was reloaded", fresh.name)
        failed = [model for model in fresh.models if not model.ready]
        if failed:
            log.error("%s: these are not ready, as before: %s", fresh.name, _reasons(failed))
        if old is not None:
            await old.idle.wait()
            await old.close()

    def _standing_before(self, fresh: ServedModel) -> int:
        """What a model has to come up to: how it stands now, or being ready where it is new."""
        old = self._host.models.get(fresh.name)
        return _READY if old is None else _standing(old)


async def watch_files(host: Host, reload: Callable[[], object], *, every: float = _LOOK_EVERY) -> None:
    """Look at the plugins' source files for ever, and begin a reload when one changes."""
    before: dict[str, int] = {}
    while True:
        of_pools = [pool.source_files for pool in host.pools]
        loaded = {
            path: time for files in [*host.unloaded_files.values(), *of_pools] for path, time in files.items()
        }
        # A file is compared to what was read of it, however long ago that was, or else to the last look.
        before = loaded | before
        now = _times(loaded)
        changed = any(before[path] != time for path, time in now.items())
        # As it was before the reload: what changes while that is under way is seen the next time.
        # And a file that is not there for a moment, such as while pip puts another in its place, is not forgotten.
        before |= now
        if changed:
            reload()
        await asyncio.sleep(every)


def _standing(model: ServedModel) -> int:
    """How well it is: ready; not ready, but it may come to be; or failed, which stays so."""
    return _READY if model.ready else int(model.state != "failed")


def _reasons(models: Iterable[ServedModel]) -> str:
    return "; ".join(f"{model.name}: {model.problem or 'no worker'}" for model in models)


def _times(paths: Iterable[str]) -> dict[str, int]:
    times = {}
    for path in paths:
        try:
            times[path] = Path(path).stat().st_mtime_ns
        except OSError:
            continue  # It is being written.
    return times


def _ignore(head: object) -> None:
    pass
