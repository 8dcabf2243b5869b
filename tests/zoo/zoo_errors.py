"""Models whose hooks raise."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from liftwing_host import ConfigurationError, InferenceError, InvalidInput, LiftwingError, Model


class _NoText(Exception):
    def __str__(self) -> str:
        raise ValueError


class _NoInit(LiftwingError):
    status = 418

    def __init__(self, spout: str) -> None:
        self.spout = spout


class _Busy(LiftwingError):
    """Asks the client to come again."""

    status = 503

    def __init__(self, again: object) -> None:
        super().__init__("busy")
        self.retry_after = again  # type: ignore[assignment] # an author may give anything


class Raises(Model):
    """Raises what it is asked to."""

    def predict(self, features: dict[str, Any]) -> Any:
        error = {
            "InvalidInput": InvalidInput("m"),
            "nothing more": InvalidInput,
            "InferenceError": InferenceError("m"),
            "teapot": LiftwingError("short and stout", status=418),
            "RuntimeError": RuntimeError("boom at /secret/path"),
            "NotImplementedError": NotImplementedError("not yet"),
            "SystemExit": SystemExit(3),
            "KeyboardInterrupt": KeyboardInterrupt(),
            "StopIteration": StopIteration(),
            "ConfigurationError": ConfigurationError("for the operator"),
            "half a character": InvalidInput("half: \ud83d"),
            "half in the log": RuntimeError("half: \ud83d"),
            "no text": _NoText(),
            "no string": InvalidInput(b"m"),  # type: ignore[arg-type]
            "no init": _NoInit("short"),
            "busy": _Busy(features.get("again")),
            "no error's status": LiftwingError("m", status=features.get("status")),
            "what it got": InvalidInput(f"Unknown: {features}"),
            "what it got, in the log": RuntimeError(f"Unknown: {features}"),
            "an enumeration's": LiftwingError("m", status=HTTPStatus.UNPROCESSABLE_ENTITY),
        }
        raise error[features["raise"]]


class AsyncRaises(Raises):
    """The same from an async hook."""

    async def fetch(self, payload: dict[str, Any]) -> Any:
        return Raises.predict(self, payload)
