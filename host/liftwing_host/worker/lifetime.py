"""The beginning and the end of a worker: its `start` and `stop` hooks, and its end when the host's comes."""

from __future__ import annotations

import functools
import logging
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any

from ..wire import VERSION
from .connection import Connection
from .failures import text_of, traceback_of
from .hooks import Hook
from .plugin import LoadedModel

__all__ = [
    "LAST_WORDS",
    "arguments_at_ends",
    "end_process",
    "end_with_host",
    "hello",
    "leave_children_to_plugin",
    "leave_signals_to_host",
    "say_hello",
    "stop_models",
]

LAST_WORDS = 1.0
"""Seconds that a worker may live on after its host."""

log = logging.getLogger("liftwing_host.worker")


def say_hello(connection: Connection, models: Mapping[str, LoadedModel], kind: str) -> bool:
    """Run the `def start` hooks and tell the host how it went.

    Returns:
        Whether the worker may serve.
    """
    try:
        for model in models.values():
            _run_plain(model, "start")
    except BaseException as error:  # noqa: BLE001 - whatever it is, the host must be told
        connection.send(hello(kind, error))
        return False
    connection.send(hello(kind))
    return True


def stop_models(models: Mapping[str, LoadedModel], kind: str) -> None:
    """Run the `def stop` hooks; one that fails does not keep the others from running."""
    for model in models.values():
        try:
            _run_plain(model, "stop")
        except BaseException:
            log.exception("stop of model %s failed in a %s worker", model.name, kind)


def _run_plain(model: LoadedModel, name: str) -> None:
    hook = model.hooks.get(name)
    if hook is not None and not hook.is_async:
        hook.function(**arguments_at_ends(hook, model))


def arguments_at_ends(hook: Hook, model: LoadedModel) -> dict[str, Any]:
    """What `start` and `stop` want."""
    return dict.fromkeys(hook.arguments, model.model)


def hello(kind: str, error: BaseException | None = None) -> dict[str, Any]:
    """The head of a worker's first message."""
    head: dict[str, Any] = {"kind": "hello", "version": VERSION, "role": kind, "pid": os.getpid()}
    if error is not None:
        head["error"] = f"start failed: {type(error).__name__}: {text_of(error)}"
        head["traceback"] = traceback_of(error)
    return head


def leave_signals_to_host() -> None:
    """Heed neither Ctrl-C nor the end of the terminal, which reach the whole foreground group, nor systemd's stop or
    reload, which may reach every process: the host alone decides when its processes end."""
    # (A handler, since SIG_IGN would pass on to what a plugin starts.)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        signal.signal(number, lambda *_: None)
    # The process was begun with them blocked, so that none could end it before.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


def leave_children_to_plugin() -> None:
    """Let what a plugin forks be ended by SIGTERM, which is what multiprocessing's `terminate` sends."""

    def in_child() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        heed()

    # One that comes in between would meet the handler of this process, and be lost.
    heed = functools.partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, [signal.SIGTERM])
    wait = functools.partial(signal.pthread_sigmask, signal.SIG_BLOCK, [signal.SIGTERM])
    os.register_at_fork(before=wait, after_in_parent=heed, after_in_child=in_child)


def end_with_host(sock: socket.socket) -> None:
    """End this process when the host closes `sock`, even while a hook is running.

    A worker that waits for its next call sees the end of file by itself. One that computes does not look;
    this thread does. (Workers never fork, so that a thread is allowed here.)
    """

    def watch() -> None:
        poll = select.poll()
        poll.register(sock, select.POLLRDHUP)
        poll.poll()
        # The hook that runs now has nobody to answer to. A worker that was idle runs its stop hooks meanwhile,
        # and is gone before this wakes.
        time.sleep(LAST_WORDS)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-host", daemon=True).start()


def end_process(status: int = 0) -> None:
    """End this process without the interpreter's clean-up, which belongs to the process it was forked from."""
    logging.shutdown()
    os._exit(status)
