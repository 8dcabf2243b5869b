"""How a child process begins: its interpreter, its environment, and what it inherits from the host."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from ..body_arena import BodyArena
from ..errors import ConfigurationError
from ..wire import VERSION, HookBoard

__all__ = ["Launched", "Launcher", "host_path", "launch", "version_problem"]

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
    process: subprocess.Popen[bytes] | None = None
    try:
        with _signals_blocked():
            process = subprocess.Popen(  # noqa: S603 - the interpreter is the operator's choice
                [python, "-m", program, *map(str, fds)],
                pass_fds=fds,
                env=_environment(threads, own=python == sys.executable),
                stdin=subprocess.DEVNULL,
                stdout=stderr_fd,
                stderr=stderr_fd,
            )
    except BaseException:
        # A signal that came meanwhile ends the host here, and nobody else knows of the process.
        if process is not None:
            process.kill()
            process.wait()
        raise
    return process


@dataclass(frozen=True)
class Launched:
    """A child process, and the host's end of the connection to it."""

    process: subprocess.Popen[bytes]
    host_end: socket.socket


class Launcher:
    """Begins the child processes of one pool, and owns what all of them inherit. Needs no event loop.

    Args:
        python: The plugin's interpreter.
        bodies: Where the large bodies lie that they are sent.
        program: The module that they run.

    Attributes:
        python: The same.
    """

    def __init__(self, python: str, bodies: BodyArena, program: str = "liftwing_host.worker") -> None:
        self.python = python
        self._program = program
        self._bodies = bodies
        # There only once something is to be launched: what is put together need not be begun.
        self._board: HookBoard | None = None
        self._board_fd = self._stderr_read = self._stderr_write = -1
        # The one that was begun ahead, and its environment.
        self._ahead: tuple[dict[str, str], Launched] | None = None

    def running(self, number: int) -> int:
        """The hook that a worker runs now, by its byte of the board; 0: none."""
        return 0 if self._board is None else self._board[number]

    def take_stderr(self) -> int | None:
        """The reading end of what they print: a file descriptor, from here on the caller's. None where it has been taken."""
        self._open()
        fd, self._stderr_read = self._stderr_read, -1
        return fd if fd >= 0 else None

    def launch(self, threads: int) -> Launched:
        """Begin a process, or give the one that was begun ahead.

        Args:
            threads: How many threads its numeric libraries may use.

        Raises:
            ConfigurationError: The interpreter cannot be begun.
            OSError: There is no file descriptor left.
        """
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            # (An extension may have changed the environment meanwhile.)
            if ahead[0] == self._environment(threads):
                return ahead[1]
            _end(ahead[1])
        self._open()
        host_end, child_end = socket.socketpair()
        try:
            with child_end:
                fds = self._board_fd, self._stderr_write
                process = launch(
                    self.python, child_end, *fds, threads, self._bodies.fd, program=self._program
                )
        except BaseException as error:
            host_end.close()
            if isinstance(error, OSError):
                raise ConfigurationError(f"Cannot begin {self.python}: {error.strerror}") from error
            raise
        return Launched(process, host_end)

    def launch_ahead(self, threads: int) -> None:
        """Begin now what is launched later. It waits to be told what it is to be."""
        with contextlib.suppress(ConfigurationError, OSError):  # Who launches it later is told.
            self._ahead = self._environment(threads), self.launch(threads)

    def close(self) -> None:
        """Give back what is left. The processes have an end of their own, but for one that nobody has taken."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            _end(ahead[1])
        if self._board is not None:
            self._board.close()
            self._board = None
        for fd in (self._board_fd, self._stderr_read, self._stderr_write):
            if fd >= 0:
                os.close(fd)
        self._board_fd = self._stderr_read = self._stderr_write = -1

    def _environment(self, threads: int) -> dict[str, str]:
        return _environment(threads, own=self.python == sys.executable)

    def _open(self) -> None:
        # Each by itself: where the second one fails, it is tried again.
        if self._board is None:
            self._board, self._board_fd = HookBoard.create()
        if self._stderr_write < 0:
            self._stderr_read, self._stderr_write = os.pipe()


def _end(launched: Launched) -> None:
    """It has not been told to do anything yet."""
    launched.host_end.close()
    launched.process.kill()
    launched.process.wait()


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
