"""Every child process begins here: ``python -m liftwing_host.worker SOCKET BOARD [BODIES]`` (file descriptors).

Reads `init` from the host and becomes a template, or a worker that loads for itself.
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import logging
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from ..body_arena import BodyWindow
from ..errors import ConfigurationError
from ..wire import VERSION, Head, HookBoard
from .compute import serve_compute
from .connection import Connection
from .describe import describe
from .lifetime import end_process, end_with_host, hello, leave_children_to_plugin, leave_signals_to_host
from .parent_death import die_with_parent
from .plugin import LoadedModel, ModelOrder
from .template import load_models, serve_template
from .threads import allow_threads

LOG_FORMAT = (
    "%(asctime)s.%(msecs)03d %(process)s %(name)s %(levelname)s "
    "[%(filename)s:%(funcName)s():%(lineno)s] %(message)s"
)


def main() -> None:
    """Become what the host's first message says; end when the host does, however far that has come."""
    try:
        _become()
    except BrokenPipeError:
        end_process(1)


def _become() -> None:
    socket_fd, board_fd = int(sys.argv[1]), int(sys.argv[2])
    die_with_parent()
    # The last words of a process that a library kills: the line of Python that called it.
    faulthandler.enable()
    # What a plugin prints is for the log, and fails no request: half a character has no bytes otherwise. (As stderr has it.)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    leave_signals_to_host()
    leave_children_to_plugin()
    connection = Connection(socket.socket(fileno=socket_fd))
    board = HookBoard(board_fd)
    os.close(board_fd)
    init = next(connection.messages(), (None, b""))[0]
    if init is None:
        return
    logging.basicConfig(level=init["log_level"], format=LOG_FORMAT, datefmt="%Y-%m-%d %H:%M:%S")
    if init["version"] != VERSION:
        connection.send({"kind": "ready", "version": VERSION, "pid": os.getpid()})
        return
    # Mapped once: those that are forked from a template have it from there.
    window = BodyWindow.opened(int(sys.argv[3])) if len(sys.argv) > 3 else None
    orders = [ModelOrder(**order) for order in init["models"]]
    sys.path[:0] = [path for path in init["path"] if path not in sys.path]
    if init["role"] == "template":
        serve_template(connection, orders, functools.partial(_serve, board, window))
    elif init["role"] == "describe":
        describe(connection, orders)
    else:
        _serve_alone(connection, orders, board, window, init)
    end_process()


def _serve_alone(
    connection: Connection,
    orders: list[ModelOrder],
    board: HookBoard,
    window: BodyWindow | None,
    init: Head,
) -> None:
    models = load_models(connection, orders)
    # The host has heard which of them failed: it sends them no call, or sends none here at all.
    if not models:
        connection.send(hello(init["role"], ConfigurationError("a model failed to load")))
        return
    _serve(board, window, connection, models, init)


def _serve(
    board: HookBoard,
    window: BodyWindow | None,
    connection: Connection,
    models: Mapping[str, LoadedModel],
    head: Head,
) -> None:
    """Be the worker that `head` (of `init` or `fork`) says."""
    connection.window = window
    _name_process(head["role"], head["slot"])
    allow_threads(head["threads"])
    _reseed()
    end_with_host(connection.socket)
    if head["role"] == "compute":
        serve_compute(connection, models, board, head["number"])
        return
    # A plugin without `async def` hooks needs no event loop in any of its processes.
    from .async_ import serve_async, serve_solo

    if head["role"] == "async":
        serve_async(connection, models)
    else:
        serve_solo(connection, models, board, head["number"])


def _name_process(role: str, slot: int) -> None:
    """Show in `ps` and `top` what this process is."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(f"lw-{role}-{slot}")


def _reseed() -> None:
    """Forked workers must not draw the same numbers. Python's own generator sees to itself."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.default_generator.seed()


if __name__ == "__main__":
    main()
