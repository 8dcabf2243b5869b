"""What the models are asked, and what they have to answer."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .models.work import NUMBERS, numbers

__all__ = ["Question", "question"]


def _itself(answer: Any) -> Any:
    return answer


@dataclass(frozen=True)
class Question:
    """One request, always the same.

    Attributes:
        path: Where it is sent.
        body: What is sent.
        answer: What must come back, once decoded.
        pick: Takes what matters out of a decoded answer.
    """

    path: str
    body: bytes
    answer: Any
    pick: Callable[[Any], Any] = _itself

    def request(self) -> bytes:
        """The bytes of the whole request."""
        head = f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(self.body)}\r\n\r\n".encode() + self.body

    def fault(self, port: int, timeout: float = 10.0) -> str | None:
        """Ask once over a connection of its own: what is wrong with the answer, or None."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        try:
            connection.request("POST", self.path, self.body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                return f"status {response.status}: {body[:200]!r}"
            if self.pick(json.loads(body)) != self.answer:
                return f"a wrong answer: {body[:200]!r}"
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            connection.close()
        return None


def question(model: str, *, mlserver: bool = False) -> Question:
    """What a model is asked: the same JSON of every server.

    Args:
        mlserver: Whether it is MLServer that is asked. It batches requests in its own protocol alone.
    """
    if mlserver and model == "batch":
        tensor = {"name": "value", "shape": [1, 1], "datatype": "FP64", "data": [1.5]}
        body = json.dumps({"inputs": [tensor]}).encode()
        return Question("/v2/models/batch/infer", body, [1.5], lambda answer: answer["outputs"][0]["data"])
    path = f"/v1/models/{model}:predict"
    if model == "length":
        return Question(path, numbers(), {"length": NUMBERS})
    if model == "parses":
        return Question(path, b'{"value": 1.5}', {"length": NUMBERS})
    if model == "heavy":
        return Question(path, b'{"value": 1.5}', {"bytes": 200 << 20})
    if model.startswith(("weights-", "together-")):
        return Question(path, b'{"value": 1.5}', {"bytes": 50 << 20})
    return Question(path, b'{"value": 1.5}', {"value": 1.5})
