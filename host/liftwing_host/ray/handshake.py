"""Both ends of a worker's TCP connection prove that they know its secret, before anything else is read or sent.

The secret is made for one connection and goes to the node through Ray itself. ::

    bridge                                            node
      │ 32 random bytes  ──────────────────────────────→ │
      │ ←──── 32 random bytes, proof of the node         │
      │ proof of the host  ────────────────────────────→ │

A proof is an HMAC (SHA-256) of who proves and both random numbers. Nothing is encrypted.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import socket
from collections.abc import Coroutine
from typing import Any

__all__ = ["SECRET_SIZE", "Refused", "admit", "dial", "keep_alive"]

SECRET_SIZE = 32
_NONCE = 32
_PROOF = 32
_PATIENCE = 10.0
"""Seconds that the other side may take."""

_IDLE = 10
_PROBES = 3
_BETWEEN_PROBES = 5


class Refused(Exception):
    """The other side does not know the secret, or says nothing."""


async def dial(address: str, port: int, secret: bytes) -> socket.socket:
    """Connect to a worker on a node.

    Raises:
        Refused: What listens there does not know the secret, or nothing answers at all.
        OSError: Nobody can be reached there.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(address, port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, target = found[0]
    sock = socket.socket(family, kind, protocol)
    sock.setblocking(False)
    try:
        try:
            await asyncio.wait_for(loop.sock_connect(sock, target), _PATIENCE)
        except asyncio.TimeoutError:
            # (Up to Python 3.10, this is no OSError.)
            raise Refused(
                f"port {port} did not answer within {_PATIENCE:g} s: is there a firewall?"
            ) from None
        await _patiently(_prove_to_node(sock, secret))
    except BaseException:
        sock.close()
        raise
    keep_alive(sock)
    return sock


async def admit(sock: socket.socket, secret: bytes) -> None:
    """Let the host in, and nobody else.

    Args:
        sock: An accepted connection that does not block. The caller closes it where this fails.
        secret: What the host knows.

    Raises:
        Refused: It is not the host.
    """
    await _patiently(_prove_to_host(sock, secret))
    keep_alive(sock)


def keep_alive(sock: socket.socket) -> None:
    """Notice within half a minute that the other machine is gone; and send small messages at once."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _BETWEEN_PROBES)
    # What is under way is not acknowledged: the probes are then not sent.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, (_IDLE + _PROBES * _BETWEEN_PROBES) * 1000)


async def _prove_to_node(sock: socket.socket, secret: bytes) -> None:
    loop = asyncio.get_running_loop()
    ours = secrets.token_bytes(_NONCE)
    await loop.sock_sendall(sock, ours)
    theirs = await _exactly(sock, _NONCE)
    _check(await _exactly(sock, _PROOF), _proof(secret, b"node", ours, theirs))
    await loop.sock_sendall(sock, _proof(secret, b"host", ours, theirs))


async def _prove_to_host(sock: socket.socket, secret: bytes) -> None:
    theirs = await _exactly(sock, _NONCE)
    ours = secrets.token_bytes(_NONCE)
    await asyncio.get_running_loop().sock_sendall(sock, ours + _proof(secret, b"node", theirs, ours))
    _check(await _exactly(sock, _PROOF), _proof(secret, b"host", theirs, ours))


def _proof(secret: bytes, who: bytes, of_host: bytes, of_node: bytes) -> bytes:
    return hmac.digest(secret, who + of_host + of_node, "sha256")


def _check(given: bytes, wanted: bytes) -> None:
    if not hmac.compare_digest(given, wanted):
        raise Refused("it does not know the secret")


async def _exactly(sock: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        more = await asyncio.get_running_loop().sock_recv(sock, size - len(received))
        if not more:
            raise Refused("it closed the connection")
        received += more
    return received


async def _patiently(proving: Coroutine[Any, Any, None]) -> None:
    try:
        await asyncio.wait_for(proving, _PATIENCE)
    except asyncio.TimeoutError:
        raise Refused(f"it said nothing for {_PATIENCE:g} s") from None
    except ConnectionError as error:
        raise Refused(f"it broke off: {error}") from error
