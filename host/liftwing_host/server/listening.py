"""The sockets that the host listens on: taking the port, and leaving it without losing anybody."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Sequence

from tornado.netutil import bind_sockets

from ..errors import ConfigurationError

__all__ = ["bind", "let_in", "look_at_all"]

_LET_IN = 1.0
"""Seconds that connections are let in at the end: others may come all the time."""
_TURNS = 3
"""Turns of the event loop after which a connection that is there has been accepted, registered, and read from."""
_UNACKED = struct.Struct("=8B4II")
"""In Linux's `struct tcp_info`: of a listening socket, how many connections wait to be accepted."""


def bind(port: int, address: str) -> list[socket.socket]:
    """Sockets that listen on a port; 0 takes a free one.

    Raises:
        ConfigurationError: It is taken, or the address is none, or not this machine's.
    """
    try:
        return bind_sockets(port, address or None)
    except UnicodeError:
        raise ConfigurationError(
            f"address={address!r} is neither an address nor the name of a machine."
        ) from None
    except OSError as error:
        where = f"{address or 'all addresses'}, port {port}"
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationError(
                f"Port {port} is already in use. Choose another with --port, or 0 for a free one."
            ) from None
        raise ConfigurationError(f"Cannot listen on {where}: {error.strerror or error}.") from None


async def let_in(sockets: Sequence[socket.socket]) -> None:
    """Wait until whoever has connected has been accepted: the kernel resets the others when the port is closed."""
    loop = asyncio.get_running_loop()
    last = loop.time() + _LET_IN
    while any(map(_waiting, sockets)) and loop.time() < last:  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0)


async def look_at_all() -> None:
    """Have the event loop read what has arrived on every connection, however new."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


def _waiting(sock: socket.socket) -> int:
    try:
        told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _UNACKED.size)
        return int(_UNACKED.unpack(told)[-1])
    except (OSError, struct.error):
        return 0
