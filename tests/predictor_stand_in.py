"""A predictor that does what a test says, on bare sockets: it reads whole requests, remembers them, and answers anything."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from liftwing_host.pytest_plugin import wait_until

__all__ = ["Asked", "PredictorStandIn", "answer", "sends", "waits"]


@dataclass(frozen=True)
class Asked:
    """A request that came in.

    Attributes:
        line: Its first line.
        headers: Its headers, by lower-case name.
        body: Its body.
        connection: The number of its connection.
    """

    line: str
    headers: Mapping[str, str]
    body: bytes
    connection: int


Behaviour = Callable[[socket.socket], bool]
"""Does something to a connection whose request has been read; whether it takes another request."""


def answer(status: int, body: Any, **headers: str) -> Behaviour:
    """Answer, and keep the connection. A body that is no bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(data)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]

    def behave(connection: socket.socket) -> bool:
        connection.sendall("\r\n".join([*lines, "", ""]).encode(errors="surrogateescape") + data)
        return True

    return behave


def sends(data: bytes) -> Behaviour:
    """Send bytes as they are, and close the connection."""

    def behave(connection: socket.socket) -> bool:
        connection.sendall(data)
        return False

    return behave


def waits(left: threading.Event) -> Behaviour:
    """Say nothing, until the other side closes the connection; that is noted."""

    def behave(connection: socket.socket) -> bool:
        with contextlib.suppress(OSError):
            while connection.recv(65536):
                pass
        left.set()
        return False

    return behave


class PredictorStandIn:
    """Listens on a port of 127.0.0.1.

    Args:
        behaviour: What it does to each request.
        tls: Its certificate, if it speaks HTTPS.

    Attributes:
        asked: The requests, in the order in which they were read.
        behaviour: As above; may be changed.
    """

    def __init__(self, behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.behaviour = behaviour
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._tls = tls
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def at(self) -> str:
        """Its host and port."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def wait_until_asked(self, times: int = 1) -> Asked:
        wait_until(lambda: len(self.asked) >= times, f"request {times} at the predictor")
        return self.asked[times - 1]

    def __enter__(self) -> PredictorStandIn:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(20)

    def hang_up(self) -> None:
        """Break all connections."""
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            self._connections.append(connection)
            thread = threading.Thread(
                target=self._serve, args=(connection, len(self._connections)), daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        if self._tls is not None:
            try:
                connection = self._tls.wrap_socket(connection, server_side=True)
            except OSError:
                return
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as file:
            while line := file.readline():
                headers = {}
                while (header := file.readline()) not in (b"\r\n", b""):
                    name, _, value = header.decode("latin1").partition(":")
                    headers[name.lower()] = value.strip()
                body = file.read(int(headers.get("content-length", "0")))
                self.asked.append(Asked(line.decode().strip(), headers, body, number))
                if not self.behaviour(connection):
                    return
