"""TEMPLATE: imports the plugin, loads its models once, and from then on only forks.

The workers that it forks share its memory. It is single-threaded while it loads, and it checks that it still
is before it forks anything: a child forked beside a thread inherits locks that nobody will ever release. It
is the parent of its workers, so it alone can reap them and kill them without hitting a recycled process id.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from ..errors import ConfigurationError
from ..model import ModelConfig
from ..wire import VERSION, Head
from .connection import Connection
from .declarations import warn_of_declarations
from .failures import text_of, traceback_of
from .legs import plan_legs
from .lifetime import leave_signals_to_host
from .parent_death import live_without_parent
from .plugin import LoadedModel, ModelOrder, open_plugin

__all__ = ["load_models", "serve_template"]

log = logging.getLogger("liftwing_host.worker")

Serve = Callable[[Connection, Mapping[str, LoadedModel], Head], None]


def load_models(connection: Connection, orders: Sequence[ModelOrder]) -> dict[str, LoadedModel]:
    """Load the models one after the other, telling the host of each. One that fails does not stop the others."""
    opened = [opening for order in orders if (opening := _open(connection, order)) is not None]
    return {loaded.name: loaded for opening in opened if (loaded := _load(connection, opening)) is not None}


def serve_template(connection: Connection, orders: Sequence[ModelOrder], serve: Serve) -> None:
    """Load the models, then fork a worker whenever the host asks for one, until the host closes the connection.

    Args:
        connection: The template's own socket.
        orders: What to load.
        serve: What a forked worker runs, with its own connection and the head of the `fork` message.
    """
    gc.disable()
    opened = [opening for order in orders if (opening := _open(connection, order)) is not None]
    for opening in opened:  # Here alone: workers that load for themselves would say it again, each of them.
        warn_of_declarations(opening.model.plugin, opening.model.name)
    models: dict[str, LoadedModel] = {}
    refusal = next(
        (f"model {it.model.name} says fork_safe = False" for it in opened if not it.model.fork_safe), None
    )
    if refusal is None:
        for opening in opened:
            loaded = _load(connection, opening)
            if loaded is not None:
                models[loaded.name] = loaded
        if any(leg.kind == "async" for model in models.values() for leg in plan_legs(model)):
            importlib.import_module(".async_", __package__)  # Once, for all that are forked.
        gc.collect()
        gc.freeze()
        refusal = _threads()
    else:
        # Each worker will load for itself; the host only has to know the legs.
        for opening in opened:
            told = {"seconds": opening.seconds, "bytes": 0, "only_opened": True}
            connection.send(_loaded(opening) | told)
    ready = {"kind": "ready", "version": VERSION, "pid": os.getpid(), "python": sys.version.split()[0]}
    connection.send(ready | {"fork_refused": refusal, "bytes": _resident_bytes()})
    _Forks(connection, models, serve).run()


@dataclass(frozen=True)
class _Opening:
    """A model whose plugin has been imported, and which is not loaded yet."""

    order: ModelOrder
    model: LoadedModel
    config: ModelConfig
    seconds: float
    bytes_before: int


def _open(connection: Connection, order: ModelOrder) -> _Opening | None:
    connection.send({"kind": "loading", "model": order.name})
    began, memory = time.monotonic(), _resident_bytes()
    try:
        model, config = open_plugin(order)
    except BaseException as error:  # noqa: BLE001 - a plugin may raise anything, sys.exit() included
        connection.send(_failed(order, error))
        return None
    return _Opening(order, model, config, time.monotonic() - began, memory)


def _load(connection: Connection, opening: _Opening) -> LoadedModel | None:
    connection.send({"kind": "loading", "model": opening.order.name})
    began = time.monotonic()
    try:
        opening.model.load(opening.config)
    except BaseException as error:  # noqa: BLE001 - as above
        connection.send(_failed(opening.order, error))
        return None
    if opening.order.dev:
        from .development import watch_hooks

        watch_hooks(opening.model)
    seconds = opening.seconds + time.monotonic() - began
    grown = max(0, _resident_bytes() - opening.bytes_before)
    connection.send(_loaded(opening) | {"seconds": seconds, "bytes": grown})
    return opening.model


def _imported_files(order: ModelOrder) -> list[str]:
    """The plugin's own source files that were imported: those of the entry point's top-level package."""
    package = _package(order)
    modules = (module for name, module in list(sys.modules.items()) if name.partition(".")[0] == package)
    return sorted({file for module in modules if (file := getattr(module, "__file__", None))})


def _files_to_mend(order: ModelOrder) -> list[str]:
    """All source files of a plugin that failed: whichever is to blame, it may not have been imported."""
    try:
        spec = importlib.util.find_spec(_package(order))
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    folders = spec.submodule_search_locations or ()
    found = {str(file) for folder in folders for file in Path(folder).rglob("*.py")}
    return sorted(found | ({spec.origin} if spec.origin else set()))


def _times(files: list[str]) -> dict[str, int]:
    """When each file was last changed, in nanoseconds, so that a change since it was read here is seen."""
    times = {}
    for file in files:
        with contextlib.suppress(OSError):
            times[file] = Path(file).stat().st_mtime_ns
    return times


def _package(order: ModelOrder) -> str:
    return order.entry_point.partition(":")[0].partition(".")[0].strip()


def _loaded(opening: _Opening) -> Head:
    model = opening.model
    legs = [
        {
            "kind": leg.kind,
            "hooks": [hook.name for hook in leg.hooks] or ["event"],
            "batch_size": model.max_batch_size if leg.batched else 1,
        }
        for leg in plan_legs(model)
    ]
    # What a predictor takes is not what a client sends.
    is_example = isinstance(model.example, dict | list) and model.takes == "request"
    example = model.example if is_example else None
    try:
        orjson.dumps(example)
    except TypeError:
        example = None  # Such as the bytes of a model that accepts raw bodies; it is only for show.
    return {
        "kind": "loaded", "model": model.name, "legs": legs, "example": example, "idempotent": model.idempotent,
        "raw": model.accepts_raw and not {"fetch", "preprocess"} & set(model.hooks),
        "files": _times(_imported_files(opening.order)),
    }  # fmt: skip


def _failed(order: ModelOrder, error: BaseException) -> Head:
    text = text_of(error)
    told = text if isinstance(error, ConfigurationError) else f"{type(error).__name__}: {text}"
    # A ConfigurationError says all by itself; a traceback would only hide it.
    trace = None if isinstance(error, ConfigurationError) else traceback_of(error)
    files = _times(_files_to_mend(order))
    return {"kind": "loaded", "model": order.name, "error": told, "traceback": trace, "files": files}


def _threads() -> str | None:
    """Why this process may not fork any more, or None."""
    tasks = Path("/proc/self/task")
    count = len(list(tasks.iterdir())) if tasks.exists() else threading.active_count()
    if count == 1:
        return None
    names = ", ".join(
        thread.name for thread in threading.enumerate() if thread is not threading.main_thread()
    )
    return f"{count - 1} other threads run after load ({names or 'started by a native library'})"


def _resident_bytes() -> int:
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 0
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class _Forks:
    """The template's life after loading: fork, kill and reap workers as the host says."""

    def __init__(self, connection: Connection, models: Mapping[str, LoadedModel], serve: Serve) -> None:
        self._connection = connection
        self._models = models
        self._serve = serve
        self._children: set[int] = set()
        self._wake, wake_write = socket.socketpair()
        self._wake.setblocking(False)
        wake_write.setblocking(False)
        self._wake_write = wake_write

    def run(self) -> None:
        # From here on it looks at its socket, and has children to end before itself.
        live_without_parent()
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poll = select.poll()
        poll.register(self._connection.socket, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        with contextlib.suppress(BrokenPipeError):  # A worker's end is told to nobody any more.
            self._serve_host(poll)
        # The host is gone: no worker may stay behind, not even one that is busy. Their deaths interrupt nothing here.
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)

    def _serve_host(self, poll: select.poll) -> None:
        """Do what the host says until it closes the connection."""
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if self._wake.fileno() in ready:
                with contextlib.suppress(BlockingIOError):
                    self._wake.recv(4096)
                self._reap()
            if self._connection.socket.fileno() in ready:
                messages = self._connection.receive()
                if messages is None:
                    return
                for head, _ in messages:
                    self._obey(head)

    def _obey(self, head: Head) -> None:
        if head["kind"] == "fork":
            fds = self._connection.received_fds
            self._fork(head, [fds.pop(0) for _ in range(2 if head["ahead"] else 1)])
        elif head["kind"] == "kill" and head["pid"] in self._children:
            os.kill(head["pid"], signal.SIGKILL)

    def _fork(self, head: Head, fds: list[int]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            pid = os.fork()
        except OSError as error:
            # No memory, or too many processes. The host sees the end of the worker's socket, and asks again later.
            log.error("no worker can be forked: %s", error)
            pid = -1
        if pid:
            for fd in fds:
                os.close(fd)
        if pid < 0:
            return
        if pid:
            self._children.add(pid)
            place = {key: head[key] for key in ("role", "slot", "number")}
            self._connection.send({"kind": "forked", "pid": pid} | place)
            return
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            leave_signals_to_host()
            self._wake.close()
            self._wake_write.close()
            gc.enable()
            self._serve(Connection(*(socket.socket(fileno=fd) for fd in fds)), self._models, head)
            status = 0
        except BaseException:
            log.exception("a worker ended")
        finally:
            logging.shutdown()
            os._exit(status)

    def _reap(self) -> None:
        """One signal may stand for several deaths, so ask for each child; none of another's is taken."""
        for pid in list(self._children):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self._children.discard(pid)
                code = os.waitstatus_to_exitcode(status)
                self._connection.send({"kind": "exited", "pid": pid, "status": code})
