"""A server that runs: begun, paused while others are measured, weighed, and ended with all its processes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

import psutil

from .server import Server

__all__ = ["CpuTime", "LiveServer", "ServerFailed"]

PATIENCE = 60.0
POLL = 0.005


class ServerFailed(Exception):
    """A server did not start, or gave a wrong answer; the message holds the end of its log."""


class CpuTime:
    """The CPU time of a server's processes until now: of the first one, and of all."""

    def __init__(self, processes: list[psutil.Process]) -> None:
        self.each = {}
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                self.each[process.pid] = times.user + times.system
        self.first = processes[0].pid

    def since(self, before: CpuTime) -> dict[str, float]:
        """What was used between two moments, in seconds."""
        spent = {pid: seconds - before.each.get(pid, 0.0) for pid, seconds in self.each.items()}
        return {"first": round(spent.get(self.first, 0.0), 3), "all": round(sum(spent.values()), 3)}


class LiveServer:
    """A server with some models, in a process group of its own.

    Attributes:
        port: Where it listens.
        seconds_to_ready: From its start to a right answer of every model.
    """

    def __init__(self, server: Server, models: tuple[str, ...]) -> None:
        self.server = server
        self.models = models
        self.port = _free_port()
        self.seconds_to_ready = 0.0
        self._folder = tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)
        self._log = Path(self._folder.name, "log")
        self._begun = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                server.command(self.port, models),
                env={**server.environ(), "TMPDIR": self._folder.name},
                cwd=self._folder.name,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def __enter__(self) -> LiveServer:
        try:
            self.wait_until_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def wait_until_ready(self) -> None:
        """Wait for the first right answer of every model.

        Raises:
            ServerFailed: It ended, or took too long.
        """
        for model in self.models:
            while fault := self.server.question(model).fault(self.port):
                ended = self._process.poll() is not None
                if ended or time.monotonic() - self._begun > PATIENCE:
                    raise ServerFailed(
                        f"{self.server.name} does not serve {model}: {fault}\n{self._last_lines()}"
                    )
                time.sleep(POLL)
        self.seconds_to_ready = time.monotonic() - self._begun

    def check(self) -> None:
        """Ask every model once.

        Raises:
            ServerFailed: An answer was wrong.
        """
        for model in self.models:
            fault = self.server.question(model).fault(self.port)
            if fault:
                raise ServerFailed(f"{self.server.name}, {model}: {fault}\n{self._last_lines()}")

    def pause(self) -> None:
        """Stop all its processes, so that it takes no CPU time from the one that is measured."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def cpu_time(self) -> CpuTime:
        """What its processes have used so far."""
        return CpuTime(self._processes())

    def pss(self) -> int:
        """The memory of all its processes in bytes; a page that several share counts once."""
        total = 0
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
        return total

    def kill(self) -> None:
        """End all its processes at once."""
        family = self._processes() if self._process.poll() is None else []
        self._signal(signal.SIGKILL)
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        psutil.wait_procs(family[1:], timeout=5)
        self._folder.cleanup()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _processes(self) -> list[psutil.Process]:
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]

    def _last_lines(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
