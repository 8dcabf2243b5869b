"""Who may connect to a worker on a Ray node: real sockets, no Ray."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
from collections.abc import Awaitable, Callable

import pytest

from liftwing_host.ray import handshake
from liftwing_host.ray.handshake import Refused, dial
from liftwing_host.ray.node_worker import host_at

SECRET, OTHER = secrets.token_bytes(32), secrets.token_bytes(32)


def with_listener(test: Callable[[int, asyncio.Task[socket.socket]], Awaitable[None]]) -> None:
    """Run a test beside a node that waits for the host which knows SECRET."""

    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            waiting = asyncio.ensure_future(host_at(listener, SECRET))
            await test(listener.getsockname()[1], waiting)
            if not waiting.done():
                waiting.cancel()
                await asyncio.wait([waiting])

    asyncio.run(run())


def test_the_host_gets_in_and_both_ends_are_connected() -> None:
    async def test(port: int, waiting: asyncio.Task[socket.socket]) -> None:
        with await dial("127.0.0.1", port, SECRET) as host, await waiting as node:
            host.send(b"call")
            assert await asyncio.get_running_loop().sock_recv(node, 10) == b"call"
            for end in (host, node):
                assert end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    with_listener(test)


def test_who_does_not_know_the_secret_is_refused_and_logged_and_the_host_gets_in_after_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def test(port: int, waiting: asyncio.Task[socket.socket]) -> None:
        with pytest.raises(Refused, match="it does not know the secret"):
            await dial("127.0.0.1", port, OTHER)
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.setblocking(False)
            # It sends no proof that the node could be fooled with, and waits for nothing.
            await asyncio.get_running_loop().sock_sendall(stranger, bytes(64))
            received = b""
            while more := await asyncio.get_running_loop().sock_recv(stranger, 100):
                received += more
            assert len(received) == 64, "a random number and a proof; then the end"
        assert not waiting.done()
        with await dial("127.0.0.1", port, SECRET), await waiting:
            pass

    with caplog.at_level(logging.WARNING):
        with_listener(test)
    refused = [record.getMessage() for record in caplog.records]
    assert refused == [
        "a connection from 127.0.0.1 was refused: it closed the connection",
        "a connection from 127.0.0.1 was refused: it does not know the secret",
    ]


def test_one_that_says_nothing_holds_up_nobody() -> None:
    async def test(port: int, waiting: asyncio.Task[socket.socket]) -> None:
        with socket.create_connection(("127.0.0.1", port)) as silent:
            with await dial("127.0.0.1", port, SECRET), await waiting:
                pass
            silent.setblocking(False)
            assert await asyncio.get_running_loop().sock_recv(silent, 1) == b"", "and is sent away"

    with_listener(test)


def test_the_host_sends_nothing_to_a_listener_that_does_not_know_the_secret() -> None:
    async def test() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            dialling = asyncio.ensure_future(dial("127.0.0.1", listener.getsockname()[1], SECRET))
            loop = asyncio.get_running_loop()
            sock, _ = await loop.sock_accept(listener)
            with sock:
                sock.setblocking(False)
                assert len(await loop.sock_recv(sock, 100)) == 32
                await loop.sock_sendall(sock, bytes(64))
                with pytest.raises(Refused, match="it does not know the secret"):
                    await dialling
                assert await loop.sock_recv(sock, 100) == b"", "no proof, no call"

    asyncio.run(test())


def test_a_port_that_swallows_what_is_sent_there_is_refused_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handshake, "_PATIENCE", 0.5)
    with contextlib.ExitStack() as stack:
        # The kernel drops what comes after as many connections as may wait to be accepted.
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        with pytest.raises(Refused, match=r"did not answer within 0.5 s: is there a firewall\?"):
            asyncio.run(dial("127.0.0.1", listener.getsockname()[1], SECRET))
