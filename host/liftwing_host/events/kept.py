"""An event as it is kept and sent: as bytes, with what it is found by. Host process."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timezone

import orjson

from ..extension import Event

__all__ = ["Kept", "prepare"]


@dataclass(frozen=True)
class Kept:
    """An event.

    Attributes:
        id: Its `meta.id`.
        stream: Its `meta.stream`; empty where it has none, which EventGate will reject.
        model: The model that told it.
        body: The event, as JSON.
        number: Its place in the line, once it is kept.
        attempts: How often EventGate has failed at it.
    """

    id: str
    stream: str
    model: str
    body: bytes
    number: int = 0
    attempts: int = 0


def prepare(event: Event) -> Kept:
    """Fill in what the model left out of `meta`: before the event is kept, so that it is the same whenever it is sent."""
    meta = event.body.get("meta", {})
    if not isinstance(meta, dict):
        # EventGate says what is wrong with it, and the operator finds it by an id of its own.
        return Kept(str(uuid.uuid4()), "", event.model, orjson.dumps(event.body))
    filled = {
        "id": str(uuid.uuid4()),
        "dt": datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "request_id": event.request_id,
        **{key: value for key, value in meta.items() if value is not None},
    }
    stream = filled.get("stream")
    return Kept(
        id=str(filled["id"]),
        stream=stream if isinstance(stream, str) else "",
        model=event.model,
        body=orjson.dumps({**event.body, "meta": filled}),
    )
