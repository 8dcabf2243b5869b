"""Models that behave, and models that misbehave, one way each. Served by the tests as an installed plugin."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from liftwing_host import (
    ConfigurationError,
    Model,
    Request,
    setting,
)


class Echo(Model):
    """Gives back what it gets."""

    example = {"a": 1}

    def predict(self, features: Any) -> Any:
        return features


class DottedEcho(Echo):
    """Served under a name with dots."""


class Stages(Model):
    """Every hook, of both colours: says which ran where, and with whose request id."""

    def load(self) -> None:
        self.loaded_in = os.getpid()

    async def start(self) -> None:
        self.session_of = os.getpid()

    async def fetch(self, payload: dict[str, Any], request: Request) -> dict[str, Any]:
        assert self.session_of == os.getpid()
        await asyncio.sleep(payload.get("wait", 0))
        return {"fetch": [request.id, os.getpid(), payload["value"]]}

    def preprocess(self, payload: dict[str, Any], request: Request) -> dict[str, Any]:
        return payload | {"preprocess": [request.id, os.getpid(), payload["fetch"][2]]}

    def predict(self, features: dict[str, Any], request: Request) -> dict[str, Any]:
        return features | {"predict": [request.id, os.getpid(), features["fetch"][2]]}

    async def postprocess(self, prediction: dict[str, Any], request: Request) -> dict[str, Any]:
        last = [request.id, os.getpid(), prediction["fetch"][2]]
        return prediction | {"postprocess": last, "load": self.loaded_in}


class WaitsThenComputes(Model):
    """Waits beside others, then holds a worker."""

    async def fetch(self, payload: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(payload.get("wait", 0))
        return payload

    def predict(self, features: dict[str, Any]) -> dict[str, Any]:
        time.sleep(features.get("compute", 0))
        return features


class Knows(Model):
    """Tells what a hook may know of the request."""

    def predict(self, features: Any, request: Request) -> dict[str, Any]:
        return {
            "id": request.id, "model": request.model, "protocol": request.protocol,
            "agent": request.headers.get("user-agent"), "remaining": request.remaining(), "payload": features,
        }  # fmt: skip


class Returns(Model):
    """Returns values that are hard to encode."""

    def predict(self, features: dict[str, Any]) -> Any:
        return _RETURNS[features["return"]]()


def _numpy() -> Any:
    import numpy

    return {
        "scalar": numpy.float32(0.5), "integer": numpy.int64(3), "array": numpy.array([[1.0, float("nan")], [2.0, 3.0]]),
        "strided": numpy.arange(6)[::2], numpy.int64(7): numpy.bool_(True),
    }  # fmt: skip


async def _coroutine() -> int:
    return 1


_RETURNS: dict[str, Any] = {
    "a megabyte": lambda: "a" * (1 << 20),
    "list": lambda: [1, 2],
    "str": lambda: "plain é",
    "bytes": lambda: b"\x00\xff",
    "nan": lambda: {"a": float("nan"), "b": [float("inf"), 1.5]},
    "int keys": lambda: {12345: {"ok": True}, None: 1, 1.5: 2},
    "set": lambda: {"a": {1, 2}},
    "big": lambda: {"n": 2**70, "text": "\ud800"},
    "none": lambda: None,
    "unicode": lambda: {"é": "</script>"},
    "coroutine": _coroutine,
    "numpy": _numpy,
}


class Slow(Model):
    """Computes for as long as it is asked to; tells its process."""

    def predict(self, features: dict[str, Any]) -> dict[str, Any]:
        time.sleep(features.get("seconds", 0))
        return {"pid": os.getpid(), "nice": os.nice(0)}


class Waits(Model):
    """Waits for as long as it is asked to, without computing; notes in a file what was cancelled."""

    async def fetch(self, payload: dict[str, Any]) -> dict[str, Any]:
        try:
            await asyncio.sleep(payload.get("seconds", 0))
        except asyncio.CancelledError:
            Path(payload["note"]).write_text("cancelled")
            raise
        return payload

    async def predict(self, features: dict[str, Any]) -> dict[str, Any]:
        return {"pid": os.getpid()}


class BlocksLoop(Model):
    """An async hook that computes."""

    async def predict(self, features: dict[str, Any]) -> dict[str, Any]:
        time.sleep(features.get("seconds", 0))
        return {"pid": os.getpid()}


class Dies(Model):
    """Ends its process, always or only while the file that it is told is not there."""

    def predict(self, features: dict[str, Any]) -> dict[str, Any]:
        once = features.get("once")
        if features.get("die") and (once is None or not Path(once).exists()):
            if once is not None:
                Path(once).write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return {"pid": os.getpid()}


class DiesOnce(Dies):
    """The same, and says that it must not be run twice."""

    idempotent = False


class DiesAtStart(Echo):
    """Never gets as far as serving."""

    def start(self) -> None:
        print("these are my last words", file=sys.stderr)
        os._exit(7)


class StartRaises(Echo):
    """Its start hook fails in every worker."""

    def start(self) -> None:
        raise RuntimeError("no connection to be had")


class LoadRaises(Echo):
    """Fails to load with an exception of its own."""

    def load(self) -> None:
        raise RuntimeError("the weights are rotten")


class LoadExits(Echo):
    """Calls sys.exit() while it loads."""

    def load(self) -> None:
        sys.exit("I give up")


class LoadDies(Echo):
    """Takes its template with it."""

    def load(self) -> None:
        print("out of memory, nearly", file=sys.stderr)
        os.kill(os.getpid(), signal.SIGKILL)


class LoadMisconfigured(Echo):
    """Tells the operator what to do."""

    def load(self) -> None:
        raise ConfigurationError("Set THE_VARIABLE to the path of the weights.")


class SlowToLoad(Echo):
    """Loads only once a file is there."""

    def load(self) -> None:
        while not Path(os.environ["ZOO_MAY_LOAD"]).exists():
            time.sleep(0.01)


class Threads(Slow):
    """Starts a thread while it loads: no process may be forked from it."""

    def load(self) -> None:
        threading.Thread(target=threading.Event().wait, name="zoo-thread", daemon=True).start()


class NotForkSafe(Slow):
    """Says so itself."""

    fork_safe = False


class Raw(Model):
    """Gets the body as it came."""

    accepts_raw = True

    def predict(self, features: bytes) -> dict[str, Any]:
        return {"type": type(features).__name__, "length": len(features)}


@dataclass(frozen=True)
class TunedSettings:
    """Settings of every type."""

    weight: float = setting(1.0, env="ZOO_WEIGHT", above=0, help="kg")
    mode: Literal["fast", "exact"] = setting("fast")
    limit: int | None = setting(None, minimum=1)
    strict: bool = setting(False)
    path: Path = setting(Path("/nowhere"), env="ZOO_PATH")


class Tuned(Model):
    """Tells its settings."""

    settings: TunedSettings

    def predict(self) -> dict[str, Any]:
        return {name: str(value) for name, value in vars(self.settings).items()}


class Prints(Model):
    """Prints, and logs."""

    def predict(self, features: Any) -> Any:
        print("printed by a hook")
        return features


class Weights(Model):
    """Holds 200 MB of weights."""

    def load(self) -> None:
        self.weights = bytearray(b"\x01" * (200 << 20))

    def predict(self, features: Any) -> dict[str, Any]:
        return {"pid": os.getpid(), "sum": self.weights[0] + self.weights[-1]}


class Stops(Model):
    """Notes in a file that its process ended in good order."""

    async def start(self) -> None:
        self.note = os.environ["ZOO_STOPPED"]

    async def stop(self) -> None:
        with Path(self.note).open("a") as file:
            file.write("stopped\n")

    async def predict(self, features: Any) -> Any:
        return features
