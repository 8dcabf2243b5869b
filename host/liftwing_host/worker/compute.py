"""COMPUTE WORKER: runs `def` legs, one at a time, in a loop that blocks.

Forked from the template, or begun by itself where the plugin cannot be forked. It may touch its own socket,
its own byte of the hook board and whatever the plugin touches; it knows nothing of the other workers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..hookspecs import LEG_HOOKS
from ..wire import Head, HookBoard
from .batch import run_batch
from .connection import Connection
from .legs import plan_legs, run_compute_leg
from .lifetime import say_hello, stop_models
from .plugin import LoadedModel
from .priority import Priority

__all__ = ["hook_entered", "serve_compute"]


_Message = tuple[Head, bytes | bytearray | memoryview]


def serve_compute(
    connection: Connection, models: Mapping[str, LoadedModel], board: HookBoard, number: int
) -> None:
    """Answer calls until the host closes the connection."""
    priority = Priority()
    if not say_hello(connection, models, "compute"):
        return
    legs = {name: plan_legs(model) for name, model in models.items()}
    enter = hook_entered(board, number)
    batch: list[_Message] = []
    for message in connection.messages():
        if message[0]["kind"] != "call":
            continue
        batch.append(message)
        if "more" in message[0]:
            continue
        following: _Message | None = None
        while batch:
            head, body = batch[0]
            model = models[head["model"]]
            leg = legs[model.name][head["leg"]]
            priority.leg_begins()
            if len(batch) == 1:
                answers = [run_compute_leg(leg, model, head, body, enter)]
            else:
                answers = run_batch(leg, model, batch, enter)
            priority.leg_ended()
            board[number] = 0
            # Before the answer, which tells of it: the host always knows what runs here.
            following = connection.take_ahead()
            if following is not None:
                answers[-1][0]["next"] = following[0]["id"]
            for (call, _), (answer, answer_body) in zip(batch, answers, strict=True):
                answer["kind"], answer["id"] = "answer", call["id"]
                connection.send(answer, answer_body)
            batch = [following] if following is not None else []
    stop_models(models, "compute")


def hook_entered(board: HookBoard, number: int) -> Callable[[str], None]:
    """What writes the hook that runs now onto the board."""
    codes = {name: code for code, name in enumerate(LEG_HOOKS, start=1)}

    def enter(name: str) -> None:
        board[number] = codes[name]

    return enter
