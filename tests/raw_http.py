"""HTTP over a bare socket: what `http.client` would tidy up before it is sent, or after it has come."""

from __future__ import annotations

import contextlib
import re
import socket
from types import TracebackType

from liftwing_host.pytest_plugin import Reply


class RawClient:
    """One connection to a host, which sends bytes as they are and reads one reply after another."""

    def __init__(self, port: int, timeout: float = 30.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> RawClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def post(self, body: bytes, model: str = "echo", *headers: str) -> None:
        """Send a request without waiting for its reply."""
        lines = [f"POST /v1/models/{model}:predict HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
        self.send("\r\n".join([*lines, *headers, "", ""]).encode() + body)

    def start_line(self) -> bytes:
        return self._file.readline()

    def reply(self, *, has_body: bool = True) -> Reply:
        """The next reply. Header names in lower case."""
        line = self._file.readline()
        assert line.startswith(b"HTTP/1.1 "), line
        headers: dict[str, str] = {}
        while (header := self._file.readline()) != b"\r\n":
            assert header, f"the connection ended within the headers: {headers}"
            name, _, value = header.decode("latin1").partition(":")
            headers[name.lower()] = value.strip()
        size = int(headers.get("content-length", "0")) if has_body else 0
        return Reply(int(line.split()[1]), headers, self._file.read(size))

    def rest(self) -> bytes:
        """All that comes until the host closes the connection."""
        try:
            return self._file.read()
        except ConnectionResetError:
            return b""

    def ends(self) -> bool:
        """Whether the host closes the connection without a further byte."""
        with contextlib.suppress(ConnectionResetError):
            return self._file.read() == b""
        return True

    def close(self) -> None:
        self._file.close()
        self.socket.close()


def replies(data: bytes) -> list[Reply]:
    """All that came over one connection, but for what says `go on`."""
    found = []
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 "), head
        assert end, head
        headers = {
            name.lower(): value for name, value in re.findall(r"\r\n([^:]+): ([^\r]*)", head.decode("latin1"))
        }
        status, size = int(head.split()[1]), int(headers.get("content-length", "0"))
        assert len(data) >= size, f"{len(data)} bytes of {size}"
        if status != 100:
            found.append(Reply(status, headers, data[:size]))
        data = data[size:]
    return found
