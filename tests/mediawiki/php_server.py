"""PHP's own web server as a process group that ends with us, however we end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

WORKERS = "4"
PATIENCE = 30.0
ATTEMPTS = 5

# PHP's workers outlive a master that is killed. The watcher ends the whole group at the end of its
# input, which comes when the process that holds the other side ends, however it ends.
WATCHED = 'exec 3<&0; { cat; kill -KILL 0; } <&3 & exec "$@" 3<&- </dev/null'


class StartError(Exception):
    """The server ended before it answered."""


@dataclass(frozen=True)
class PhpServer:
    """A web server on loopback that runs the PHP files under a directory."""

    port: int
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, directory: Path, environment: Mapping[str, str], probe: str, port: int = 0) -> PhpServer:
        """Serve the directory's docroot, and wait until the probe's path is answered."""
        if port:
            return cls._start(directory, environment, probe, port)
        for _ in range(ATTEMPTS - 1):
            with suppress(StartError):  # Someone else was faster to take the port.
                return cls._start(directory, environment, probe, free_port())
        return cls._start(directory, environment, probe, free_port())

    @classmethod
    def _start(cls, directory: Path, environment: Mapping[str, str], probe: str, port: int) -> PhpServer:
        if listens(port):  # Its answer would be taken for ours.
            raise StartError(f"port {port} is taken")
        log = directory / "php.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["sh", "-c", WATCHED, "sh", *command(port, directory / "docroot")],
                env={**environment, "PHP_CLI_SERVER_WORKERS": WORKERS},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        server = cls(port, process)
        try:
            server._await_answer(probe, log)
        except BaseException:
            server.stop()
            raise
        return server

    @property
    def url(self) -> str:
        """Where the server is."""
        return f"http://127.0.0.1:{self.port}"

    def _await_answer(self, probe: str, log: Path) -> None:
        deadline = time.monotonic() + PATIENCE
        while not answers(self.url + probe):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise StartError(f"php -S does not answer {probe}:\n{log.read_text()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End every process of the group; the wiki loses nothing that it had answered for."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with self.process:  # Closes the watcher's input and waits.
            pass


def command(port: int, docroot: Path) -> list[str]:
    """Opcache, which is off on the command line, makes the wiki ten times as fast."""
    return ["php", "-d", "opcache.enable_cli=1", "-S", f"127.0.0.1:{port}", "-t", str(docroot)]


def answers(url: str) -> bool:
    """Whether a request succeeds by now."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False


def listens(port: int) -> bool:
    """Whether a port on loopback takes connections."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
