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


def serve_compute(
    connection: Connection, models: Mapping[str, LoadedModel], board: HookBoard, number: int
) -> None:
    """Answer calls until the host closes the connection."""
    priority = Priority()
    if not say_hello(connection, models, "compute"):
        return
    legs = {name: plan_legs(model) for name, model in models.items()}
    enter = hook_entered(board, number)
    batch: list[tuple[Head, bytes | bytearray | memoryview]] = []
    for head, body in connection.messages():
        if head["kind"] != "call":
            continue
        model = models[head["model"]]
        leg = legs[model.name][head["leg"]]
        if head.get("more") or batch:
            batch.append((head, body))
            if head.get("more"):
                continue
            priority.leg_begins()
            answers = run_batch(leg, model, batch, enter)
        else:
            priority.leg_begins()
            answers = [run_compute_leg(leg, model, head, body, enter)]
        priority.leg_ended()
        board[number] = 0
        ids = [call["id"] for call, _ in batch] or [head["id"]]
        batch.clear()
        for call_id, (answer, answer_body) in zip(ids, answers, strict=True):
            answer["kind"], answer["id"] = "answer", call_id
            connection.send(answer, answer_body)
    stop_models(models, "compute")


def hook_entered(board: HookBoard, number: int) -> Callable[[str], None]:
    """What writes the hook that runs now onto the board."""
    codes = {name: code for code, name in enumerate(LEG_HOOKS, start=1)}

    def enter(name: str) -> None:
        board[number] = codes[name]

    return enter
