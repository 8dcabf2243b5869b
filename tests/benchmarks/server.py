"""The servers that are measured, and how each is begun."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from .environment import python_of
from .question import Question, question

__all__ = ["FLOOR", "KSERVE", "LIFTWING", "SERVERS", "Server"]

FOLDER = Path(__file__).parent
MODELS = FOLDER / "models"


@dataclass(frozen=True)
class Server:
    """A server with a number of workers.

    Attributes:
        name: Its name in tables and on the command line.
        peer: Its folder below `peers`; None for liftwing-host.
        workers: How many workers it is told to have.
        floor: Whether it is there only to show what cannot be beaten by much.
    """

    name: str
    peer: str | None
    workers: int
    floor: bool = False

    def command(self, port: int, models: tuple[str, ...]) -> list[str]:
        """How it is begun with some models, on a port."""
        workers = ["--port", str(port), "--workers", str(self.workers)]
        if self.peer is None:
            named = [part for model in models for part in ("--model", model)]
            return [str(_liftwing()), "serve", "--address", "127.0.0.1", *workers, *named]
        return [*self._program(), *workers, "--models", ",".join(models)]

    def help_command(self) -> list[str]:
        """How it is asked for its flags."""
        return [str(_liftwing()), "--help"] if self.peer is None else [*self._program(), "--help"]

    def environ(self) -> dict[str, str]:
        """Its environment: no setting of the operator's own gets in."""
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("LIFTWING_", "PYTHON"))
        }
        return {**kept, "PYTHONPATH": str(MODELS), "PYTHONUNBUFFERED": "1"}

    def question(self, model: str) -> Question:
        """What it is asked for a model."""
        return question(model, mlserver=self.peer == "mlserver")

    def _program(self) -> list[str]:
        assert self.peer is not None
        return [str(python_of(self.peer)), str(FOLDER / "peers" / self.peer / "server.py")]


def _liftwing() -> Path:
    return Path(sys.executable).with_name("liftwing-host")


LIFTWING = Server("liftwing-host", None, 2)
KSERVE = Server("kserve-1", "kserve", 1)
FLOOR = Server("aiohttp-inline", "aiohttp", 1, floor=True)
SERVERS = (
    LIFTWING,
    Server("kserve-2", "kserve", 2),
    KSERVE,
    Server("mlserver-2", "mlserver", 2),
    Server("mlserver-0", "mlserver", 0),
    Server("litserve-2", "litserve", 2),
    Server("tornado-ppe", "tornado", 2),
    FLOOR,
)
