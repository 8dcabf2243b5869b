"""ASYNC WORKER: runs ``async def`` legs on one event loop, many at once. With `workers = 0`, the `def` legs, too.

Forked from the template, or begun by itself where the plugin cannot be forked or is served by one process.
It may touch its own socket and whatever the plugin touches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import cast

from ..wire import CANCELLED, FrameReader, Head, HookBoard, frame
from .async_legs import run_async_leg
from .async_lifetime import start_models_async, stop_models_async
from .beside import outcome_of
from .compute import hook_entered
from .connection import Connection
from .legs import Leg, plan_legs, run_compute_leg
from .lifetime import hello, say_hello, stop_models
from .plugin import LoadedModel

__all__ = ["serve_async", "serve_solo"]


def serve_async(connection: Connection, models: Mapping[str, LoadedModel]) -> None:
    """Answer calls until the host closes the connection."""
    with ThreadPoolExecutor(1, thread_name_prefix="beside-loop") as thread:
        asyncio.run(_serve(connection, models, thread, None))


def serve_solo(
    connection: Connection, models: Mapping[str, LoadedModel], board: HookBoard, number: int
) -> None:
    """Answer calls of both kinds in this one process: `def` legs run in one thread, one at a time."""
    with ThreadPoolExecutor(1, thread_name_prefix="compute") as thread:
        asyncio.run(_serve(connection, models, thread, _Compute(thread, board, number)))


class _Compute:
    """The one thread that runs `def` legs beside the loop."""

    def __init__(self, thread: Executor, board: HookBoard, number: int) -> None:
        self._thread = thread
        self._enter = hook_entered(board, number)
        self._board = board
        self._number = number

    async def run(
        self, leg: Leg, model: LoadedModel, head: Head, body: bytes | bytearray | memoryview
    ) -> tuple[Head, bytes]:
        return await outcome_of(self._thread.submit(self._run, leg, model, head, body))

    def _run(
        self, leg: Leg, model: LoadedModel, head: Head, body: bytes | bytearray | memoryview
    ) -> tuple[Head, bytes]:
        try:
            return run_compute_leg(leg, model, head, body, self._enter)
        finally:
            self._board[self._number] = 0


async def _serve(
    connection: Connection, models: Mapping[str, LoadedModel], thread: Executor, compute: _Compute | None
) -> None:
    loop = asyncio.get_running_loop()
    try:
        await start_models_async(models)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the host must be told
        connection.send(hello("async", error))
        return
    plain = _with_plain_hooks(models) if compute is None else models
    if not say_hello(connection, plain, "async" if compute is None else "solo"):
        return
    connection.socket.setblocking(False)
    calls = _Calls(connection, models, thread, compute)
    # (Not create_unix_connection: a worker on another machine has a TCP connection.)
    await loop.create_connection(lambda: calls, sock=connection.socket)
    await calls.host_is_gone
    await calls.end()
    await stop_models_async(models)
    stop_models(plain, "async" if compute is None else "solo")


def _with_plain_hooks(models: Mapping[str, LoadedModel]) -> dict[str, LoadedModel]:
    """The models that have `def` hooks in the async worker: these need what their `def start` opens."""
    return {
        name: model
        for name, model in models.items()
        if any(leg.kind == "async" and not hook.is_async for leg in plan_legs(model) for hook in leg.hooks)
    }


class _Calls(asyncio.BufferedProtocol):
    """The calls that are under way, each an asyncio task, over the socket of this process."""

    def __init__(
        self,
        connection: Connection,
        models: Mapping[str, LoadedModel],
        thread: Executor,
        compute: _Compute | None,
    ) -> None:
        self.host_is_gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connection = connection
        self._models = models
        self._thread = thread
        self._compute = compute
        self._legs = {name: plan_legs(model) for name, model in models.items()}
        self._running: dict[int, asyncio.Task[None]] = {}
        self._reader = FrameReader()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A plugin may choose uvloop, whose transports do what asyncio's do and are not of their class.
        self._transport = cast("asyncio.WriteTransport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        return self._reader.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        for head, body in self._reader.received(nbytes):
            if head["kind"] == "call":
                answering = self._answer(head, self._connection.body_of(head, body))
                task = asyncio.get_running_loop().create_task(answering)
                if not task.done():  # A plugin may have asked for eager tasks.
                    self._running[head["id"]] = task
            elif head["kind"] == "cancel" and head["id"] in self._running:
                # Not at once: a task that is cancelled before its first step never runs, and would never answer.
                asyncio.get_running_loop().call_soon(self._running[head["id"]].cancel)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if not self.host_is_gone.done():
            self.host_is_gone.set_result(None)

    async def end(self) -> None:
        """Cancel what still runs; nobody waits for its answers."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1)

    async def _answer(self, head: Head, body: bytes | bytearray | memoryview) -> None:
        model = self._models[head["model"]]
        leg = self._legs[model.name][head["leg"]]
        try:
            if leg.kind == "compute" and self._compute is not None:
                answer, answer_body = await self._compute.run(leg, model, head, body)
            else:
                answer, answer_body = await run_async_leg(leg, model, head, body, self._thread)
        except asyncio.CancelledError:
            answer, answer_body = {"status": CANCELLED, "error": None, "hook": leg.hooks[0].name}, b""
        finally:
            self._running.pop(head["id"], None)
        answer["kind"], answer["id"] = "answer", head["id"]
        if self._transport is not None and not self._transport.is_closing():
            for piece in frame(answer, answer_body):
                self._transport.write(piece)
