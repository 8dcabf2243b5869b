"""A model whose events are what the payload says, and hosts that deliver them to the stand-in for EventGate."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from distributions import install, path_with
from eventgate.stand_in import StandIn
from liftwing_host.pytest_plugin import LiveHost

__all__ = ["as_json", "environ", "event", "hosts", "ids", "metric", "tell", "with_ids"]

MODEL = """
from liftwing_host import Model

class Tells(Model):
    def predict(self, features):
        return features

    def postprocess(self, prediction):
        return {"score": 1}

    def event(self, prediction):
        return prediction["tell"]
"""


def event(stream: str = "a", **changes: Any) -> dict[str, Any]:
    """An event of `/mediawiki/revision/score/3.0.0` as Lift Wing makes them."""
    meta = {"stream": stream, "domain": "en.wikipedia.org", "uri": "https://en.wikipedia.org/wiki/T"}
    score = {
        "model_name": "goodfaith",
        "model_version": "0.5.1",
        "prediction": ["true"],
        "probability": {"true": 0.9, "false": 0.1},
    }
    return {
        "$schema": "/mediawiki/revision/score/3.0.0",
        "dt": "2026-11-23T00:00:00Z",
        "meta": meta,
        "database": "enwiki",
        "page_id": 1,
        "page_title": "T",
        "page_namespace": 0,
        "page_is_redirect": False,
        "rev_id": 2,
        "rev_timestamp": "2026-11-23T00:00:00Z",
        "rev_parent_id": 1,
        "performer": {"user_text": "A", "user_groups": ["*"], "user_is_bot": False},
        "scores": {"goodfaith": score},
        **changes,
    }


def with_ids(number: int, stream: str = "a") -> list[dict[str, Any]]:
    """Events with ids of their own."""
    made = [event(stream) for _ in range(number)]
    for each in made:
        each["meta"]["id"] = str(uuid.uuid4())
    return made


def environ(folder: Path, eventgate: StandIn, **more: str) -> dict[str, str]:
    site = folder / "site"
    if not site.exists():
        install(
            site, "liftwing-plugin-tells", models={"tells": "tells_model:Tells"}, code={"tells_model": MODEL}
        )
    database = {"LIFTWING_EVENTS": str(folder / "events.sqlite")}
    return path_with(site) | {"EVENTGATE_URL": eventgate.url} | database | more


def hosts(liftwing: Any, folder: Path, eventgate: StandIn, **more: str) -> LiveHost:
    """A host whose model `tells` delivers its events to the stand-in; further variables may be named."""
    host: LiveHost = liftwing(
        "tells", arguments=["--workers", "1"], environ=environ(folder, eventgate, **more)
    )
    return host


def tell(host: LiveHost, *events: Any, request: str = "r") -> None:
    """Have the model tell events; the client gets its score."""
    reply = host.post({"tell": list(events)}, headers={"x-request-id": request})
    assert (reply.status, reply.json()) == (200, {"score": 1}), host.log


def metric(host: LiveHost, name: str, **labels: str) -> float:
    """A metric's value; 0 where there is none of these labels."""
    told = host.get("/metrics").body.decode()
    inside = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    found = re.search(rf"^{name}{re.escape('{' + inside + '}') if labels else ''} (\S+)$", told, re.MULTILINE)
    return float(found.group(1)) if found else 0.0


def ids(events: Iterable[Any]) -> list[str]:
    return [each["meta"]["id"] for each in events]


def as_json(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]
