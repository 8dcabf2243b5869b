"""How a child process begins: its interpreter, its environment, and what it inherits from the host."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

from ..wire import VERSION

__all__ = ["host_path", "launch", "version_problem"]

_THREAD_LIMITS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def launch(
    python: str,
    child_end: socket.socket,
    board_fd: int,
    stderr_fd: int,
    threads: int = 1,
    bodies_fd: int | None = None,
    *,
    program: str = "liftwing_host.worker",
) -> subprocess.Popen[bytes]:
    """Begin a child process.

    Args:
        python: Its interpreter.
        child_end: Its end of the socket pair. The caller closes it afterwards.
        board_fd: The file descriptor of the hook board.
        stderr_fd: Where its stdout and stderr go.
        threads: How many threads its numeric libraries may use; 1 for a process that is to be forked.
        bodies_fd: By which it reads large bodies; None where it gets none, or all through its socket.
        program: The module that it runs.
    """
    fds = [child_end.fileno(), board_fd] + ([] if bodies_fd is None else [bodies_fd])
    with _signals_blocked():
        return subprocess.Popen(  # noqa: S603 - the interpreter is the operator's choice
            [python, "-m", program, *map(str, fds)],
            pass_fds=fds,
            env=_environment(threads, own=python == sys.executable),
            stdin=subprocess.DEVNULL,
            stdout=stderr_fd,
            stderr=stderr_fd,
        )


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Have a process begin with those signals blocked that may be meant for the host, and reach all of its processes.

    It unblocks them when it has come so far as to leave them to the host. Its interpreter takes 100 ms until then, in which
    one of them would end it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _environment(threads: int, *, own: bool) -> dict[str, str]:
    # Numeric libraries start their threads when they are imported, and no process may be forked beside a
    # thread. What the operator sets stands: the template then sees the threads and is not forked.
    # (The other libraries take OMP_NUM_THREADS where their own variable is not set.)
    limits = () if "OMP_NUM_THREADS" in os.environ else _THREAD_LIMITS
    environment = dict.fromkeys(limits, str(threads)) | os.environ
    if not own:
        # What is meant for the host's interpreter would come before what another environment holds.
        environment.pop("PYTHONPATH", None)
        environment.pop("PYTHONHOME", None)
    environment["PYTHONUNBUFFERED"] = "1"
    # `python -m` would put the current folder first: a file in it could stand in for any module.
    environment["PYTHONSAFEPATH"] = "1"
    return environment


def version_problem(version: int) -> str:
    """What to tell where an interpreter's liftwing-host speaks another version of the protocol."""
    return (
        f"its interpreter holds a liftwing-host that speaks version {version} of the protocol; "
        f"this one speaks {VERSION}. Install the same version in both."
    )


def host_path() -> list[str]:
    """The host's own import path, so that the same interpreter finds what the host's metadata named."""
    return [path for path in sys.path if path]
